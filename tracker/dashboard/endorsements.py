"""Endorsements of the organiser's campaigns: waiting, approved, declined."""

from __future__ import annotations

from flask import abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from tracker.core import guard
from tracker.core.pagination import Page
from tracker.dashboard import access, queries
from tracker.dashboard.blueprint import ROW, bp
from tracker.endorsements import queries as endorsements_of
from tracker.endorsements import services
from tracker.endorsements.forms import LEVELS
from tracker.endorsements.models import Endorsement, EndorsementState
from tracker.organisers import queries as organisers
from tracker.organisers import session

PAGE = 50


@bp.get("/endorsements", defaults={"state": "waiting"})
@bp.get("/endorsements/<any(approved,declined):state>")
def endorsements(state: str) -> ResponseReturnValue:
    """Show what waits for a decision, or what was decided."""
    campaigns = {one.id: one for one in queries.campaigns_of(session.current())}
    found = endorsements_of.in_state(campaigns, EndorsementState(state))
    number = max(1, request.args.get("page", default=1, type=int))
    page = Page(found[(number - 1) * PAGE : number * PAGE], number, PAGE, len(found))
    return render_template(
        "dashboard/endorsements/endorsements.html",
        campaigns=campaigns,
        state=state,
        page=page,
        levels=LEVELS,
    )


@bp.post(f"/endorsements/<{ROW}:endorsement_id>/approve")
@guard.csrf_guarded
def approve_endorsement(endorsement_id: int) -> ResponseReturnValue:
    """Show it on the campaign's page."""
    with access.acting(_("Approved. It is on the campaign’s page now.")):
        services.approve(_found(endorsement_id), by_id=session.current().id)
    return redirect(url_for(".endorsements"), 303)


@bp.post(f"/endorsements/<{ROW}:endorsement_id>/decline")
@guard.csrf_guarded
def decline_endorsement(endorsement_id: int) -> ResponseReturnValue:
    """Keep it off the page, or take it off again."""
    with access.acting(_("Declined. It is not shown.")):
        services.decline(_found(endorsement_id), by_id=session.current().id)
    return redirect(url_for(".endorsements"), 303)


def _found(endorsement_id: int) -> Endorsement:
    found = endorsements_of.by_id(endorsement_id, lock=True)
    if found is None or not organisers.may_edit(session.current(), found.campaign_id):
        abort(404)
    return found
