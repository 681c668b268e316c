"""Every route that changes something declares how it is guarded against foreign pages.

``csrf_guarded`` routes carry authority (a sign-in cookie) and need the token of Flask-WTF.
``public_guarded`` routes carry none; they refuse what another site's page sends: a
contradicting ``Sec-Fetch-Site`` or ``Origin``. Where a browser sends neither (old phones) the
request is let through (DESIGN §7). ``open_to_mail`` is the one-click unsubscribe of RFC 8058,
which mailbox providers call from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, abort, current_app, request

from tracker.extensions import SAFE_METHODS, csrf

View = TypeVar("View", bound=Callable[..., Any])

GUARDS = frozenset({"csrf", "public", "mail"})


def csrf_guarded(view: View) -> View:
    """Declare that a view wants a CSRF token."""
    return _declare(view, "csrf")


def public_guarded(view: View) -> View:
    """Declare that a view carries no authority and refuses foreign pages only."""
    return _declare(view, "public")


def open_to_mail(view: View) -> View:
    """Declare that mail providers post here: RFC 8058, no cookie, any origin."""
    return _declare(view, "mail")


def _declare(view: View, guard: str) -> View:
    view.guard = guard  # type: ignore[attr-defined]  # read back by guard_of
    return view


def guard_of(app: Flask, endpoint: str) -> str | None:
    """Give what the view behind ``endpoint`` declared."""
    return getattr(app.view_functions.get(endpoint), "guard", None)


def init_app(app: Flask) -> None:
    """Check every request that could change something; an undeclared route refuses all."""
    csrf.init_app(app)

    @app.before_request
    def check() -> None:
        if request.method in SAFE_METHODS or request.endpoint is None:
            return
        guard = guard_of(app, request.endpoint)
        if guard == "csrf":
            csrf.protect()
        elif guard == "public":
            _refuse_foreign()
        elif guard != "mail":
            abort(405)


def _refuse_foreign() -> None:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in {"same-origin", "none"}:
        abort(403)
    origin = request.headers.get("Origin")
    if origin is not None and origin != "null" and not _is_ours(origin):
        abort(403)
    if origin == "null" and site is None:
        # A sandboxed foreign frame sends exactly this; our own pages never do.
        abort(403)


def _is_ours(origin: str) -> bool:
    base = urlsplit(current_app.config["TRACKER"].base_url)
    allowed = {f"{base.scheme}://{base.netloc}"}
    allowed |= {
        f"{base.scheme}://{host}" for host in current_app.config["TRACKER"].allowed_hosts
    }
    allowed.add(f"{base.scheme}://{request.host}")
    return origin.lower() in {one.lower() for one in allowed}
