"""What follows every public form: look into your inbox; and "this was not me"."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from tracker.campaigns import queries as campaigns
from tracker.campaigns.translations import texts_of
from tracker.confirmations import services
from tracker.confirmations.models import Kind
from tracker.core import guard, http, languages
from tracker.extensions import writing

bp = Blueprint("confirmations", __name__, url_prefix="/<lang:lang>")


@bp.get("/campaigns/<slug>/check-inbox")
@http.cacheable(60)
def check_inbox(slug: str) -> ResponseReturnValue:
    """Say to look into the inbox; the same page for every address, known or not."""
    campaign = campaigns.published(slug) or abort(404)
    title = texts_of(campaign, languages.current()).text("title", campaign.title)
    return render_template("confirmations/check_inbox.html", campaign=campaign, title=title)


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
