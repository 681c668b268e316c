"""Sign in, sign out, choose a password."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from tracker.core import guard, throttle
from tracker.extensions import end_reading, writing
from tracker.organisers import passwords, queries, services, session
from tracker.organisers.forms import PasswordForm, SignInForm

bp = Blueprint("organisers", __name__, url_prefix="/<lang:lang>/organisers")


@bp.before_request
def _private() -> None:
    g.is_private = True


@bp.route("/sign-in", methods=["GET", "POST"])
@guard.csrf_guarded
def sign_in() -> ResponseReturnValue:
    """Take address and password; the answer does not tell which of the two is wrong."""
    form = SignInForm()
    if form.validate_on_submit():
        for purpose, who in _sources(str(form.email.data)):
            throttle.throttle.check(_limit(), purpose=purpose, who=who)
        organiser = queries.by_email(str(form.email.data))
        known = organiser is not None and organiser.deactivated_at is None
        stored = organiser.password_hash if organiser is not None and known else None
        organiser_id = organiser.id if organiser is not None else None
        end_reading()  # hashing takes long; nothing stays open meanwhile
        if passwords.matches(stored, str(form.password.data)) and organiser_id is not None:
            return _signed_in(organiser_id)
        for purpose, who in _sources(str(form.email.data)):
            throttle.throttle.hit(_limit(), purpose=purpose, who=who)
        form.form_errors.append(_("Address or password is wrong."))
    page = render_template("organisers/sign_in.html", form=form)
    return page, 422 if form.errors else 200


def _limit() -> str:
    limit: str = current_app.config["TRACKER"].sign_in_limit
    return limit


def _sources(email: str) -> list[tuple[str, str]]:
    """Give what failed attempts are counted by.

    An account is counted together with the network: counted alone, anybody could keep its
    owner out for ever.
    """
    network = throttle.network()
    account = f"{email.strip().lower()} {network}"
    return [("sign-in network", network), ("sign-in account", account)]


def _signed_in(organiser_id: int) -> ResponseReturnValue:
    before = session.token()
    with writing():
        organiser = queries.by_id(organiser_id)
        if before is not None:
            services.sign_out(before)
        token = services.sign_in(organiser)
    response = redirect(_next() or url_for("dashboard.campaigns"))
    session.remember(response, token)
    return response


def _next() -> str | None:
    """Give the page asked for before, where it is one of ours."""
    target = request.args.get("next", "")
    parts = urlsplit(target)
    is_ours = (
        target.startswith("/")
        and not target.startswith(("//", "/\\"))
        and not parts.netloc
        and not parts.scheme
        and target.isprintable()
    )
    return target if is_ours else None


@bp.post("/sign-out")
@guard.csrf_guarded
def sign_out() -> ResponseReturnValue:
    """End the signed-in time."""
    token = session.token()
    if token is not None:
        with writing():
            services.sign_out(token)
    response = redirect(url_for(".sign_in"))
    session.forget(response)
    return response


@bp.route("/password", methods=["GET", "POST"])
@guard.csrf_guarded
def change_password() -> ResponseReturnValue:
    """Replace the one-time password, or one's own."""
    session.load()
    if g.organiser is None:
        return redirect(url_for(".sign_in"))
    form = PasswordForm()
    if form.validate_on_submit():
        organiser_id = session.current().id
        end_reading()
        hashed = passwords.hash_password(str(form.password.data))
        with writing():
            organiser = queries.by_id(organiser_id)
            services.set_password(organiser, hashed)
            token = services.sign_in(organiser)
        flash(_("Your new password is stored."))
        response = redirect(url_for("dashboard.campaigns"))
        session.remember(response, token)
        return response
    page = render_template("organisers/password.html", form=form)
    return page, 422 if form.errors else 200
