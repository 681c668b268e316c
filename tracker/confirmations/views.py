"""What follows every public form: the inbox, the code; and "this was not me"."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import ngettext

from tracker.campaigns import queries as campaigns
from tracker.campaigns.models import Campaign
from tracker.confirmations import inbox, services
from tracker.confirmations.forms import CodeForm
from tracker.confirmations.models import Kind
from tracker.core import guard, http, languages
from tracker.core.errors import TooMany
from tracker.core.templating import number
from tracker.core.throttle import network, throttle
from tracker.extensions import SAFE_METHODS, writing

bp = Blueprint("confirmations", __name__, url_prefix="/<lang:lang>")


@bp.route("/campaigns/<slug>/check-inbox", methods=["GET", "POST"])
@http.cacheable(60)
@guard.public_guarded
def check_inbox(slug: str) -> ResponseReturnValue:
    """Say to look into the inbox, the same for everybody; or take the code from the mail."""
    campaign = campaigns.published(slug) or abort(404)
    if request.method in SAFE_METHODS:
        return inbox.page(campaign)
    return _take_code(campaign, CodeForm())


def _take_code(campaign: Campaign, form: CodeForm) -> ResponseReturnValue:
    """Lead on to where the link in the mail leads, or say that the code is wrong."""
    if not form.validate_on_submit():
        return inbox.page(campaign, form), 422
    try:
        limit = current_app.config["TRACKER"].sign_limit
        throttle.hit(limit, purpose="code", who=network())
    except TooMany as refused:
        form.form_errors.append(languages.told(refused))
        headers = {"Retry-After": str(refused.retry_after)}
        return inbox.page(campaign, form), refused.status, headers
    with writing():
        found = services.redeem(form.ticket, str(form.code.data))
    if found.token is not None:
        endpoint = f"{services.FOLDERS[found.kind]}.confirm"
        return redirect(url_for(endpoint, token=found.token), 303)
    if found.left:
        form.code.errors = [_wrong(found.left)]
    return inbox.page(campaign, form, is_code_over=not found.left), 422


def _wrong(left: int) -> str:
    return str(
        ngettext(
            "This is not the code for this page. Take the one in the newest mail. You can try "
            "%(number)s more time.",
            "This is not the code for this page. Take the one in the newest mail. You can try "
            "%(number)s more times.",
            left,
            number=number(left),
        )
    )


@bp.post("/not-me/<any(signature,subscription,endorsement):kind>/<token>")
@guard.public_guarded
def refuse(kind: str, token: str) -> ResponseReturnValue:
    """Delete what somebody else typed and stop this campaign's mails to the address."""
    with writing():
        pending, _ = services.find(token, Kind(kind), lock=True)
        if pending.confirmed_on is None:
            services.refuse(pending)
    return redirect(url_for(".refused"), 303)


@bp.get("/not-me")
def refused() -> ResponseReturnValue:
    """Say that everything is deleted."""
    return render_template("confirmations/refused.html")
