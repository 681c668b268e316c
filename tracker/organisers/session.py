"""Who is signed in, and the guard a blueprint puts on itself.

The cookie holds an opaque token and nothing else; what it means stands in the database.
"""

from __future__ import annotations

from flask import Blueprint, abort, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from tracker.core import clock, tokens
from tracker.database import write_mode
from tracker.extensions import end_reading
from tracker.organisers import queries
from tracker.organisers.models import Organiser, SignIn
from tracker.organisers.services import ABSOLUTE, IDLE, TOUCH_EVERY, touch


def cookie_name() -> str:
    """Give the cookie's name; the ``__Host-`` prefix binds it to this host over TLS."""
    return "__Host-organiser" if current_app.config["TRACKER"].is_https else "organiser"


def current() -> Organiser:
    """Give the signed-in organiser; refuses with 403 where nobody is."""
    organiser: Organiser | None = g.get("organiser")
    return organiser or abort(403)


def token() -> bytes | None:
    """Give the token of the request's cookie."""
    return tokens.from_text(request.cookies.get(cookie_name(), ""))


def remember(response: Response, new: bytes) -> None:
    """Put the token of a new sign-in into the cookie."""
    response.set_cookie(
        cookie_name(),
        tokens.to_text(new),
        max_age=int(ABSOLUTE.total_seconds()),
        secure=current_app.config["TRACKER"].is_https,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def forget(response: Response) -> None:
    """Take the cookie away."""
    # Without Secure, browsers do not let go of a cookie named __Host-.
    is_https = current_app.config["TRACKER"].is_https
    response.delete_cookie(
        cookie_name(), path="/", secure=is_https, httponly=True, samesite="Lax"
    )


def guard(blueprint: Blueprint) -> None:
    """Let only signed-in organisers with a password of their own into a blueprint."""

    @blueprint.before_request
    def check() -> ResponseReturnValue | None:
        load()
        if g.organiser is None:
            here = request.full_path if request.method == "GET" else None
            return redirect(url_for("organisers.sign_in", next=here))
        if g.organiser.must_change_password:
            return redirect(url_for("organisers.change_password"))
        return None


def load() -> None:
    """Find out who is signed in; ``g.organiser`` is ``None`` where nobody is."""
    g.organiser, g.is_private = None, True
    found = token()
    sign_in = queries.sign_in_of(found) if found else None
    if sign_in is None or not _is_valid(sign_in):
        return
    g.organiser = sign_in.organiser
    if clock.now() - sign_in.seen_at > TOUCH_EVERY:
        _touch(sign_in)


def _is_valid(sign_in: SignIn) -> bool:
    moment = clock.now()
    return (
        sign_in.organiser.deactivated_at is None
        and moment - sign_in.seen_at <= IDLE
        and moment - sign_in.created_at <= ABSOLUTE
    )


def _touch(sign_in: SignIn) -> None:
    """Remember that a page was asked for, in a transaction of its own.

    The one write a GET makes: it keeps the reader signed in and changes nothing else.
    """
    row = sign_in.id
    end_reading()
    with write_mode():
        touch(row)
