"""Public comments of signatories, waiting to be read, and the names that are shown."""

from __future__ import annotations

from flask import abort, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from tracker.core import guard
from tracker.core.errors import Refused
from tracker.dashboard import access, queries
from tracker.dashboard.blueprint import ROW, bp
from tracker.organisers import queries as organisers
from tracker.organisers import session
from tracker.signatures import queries as signatures
from tracker.signatures import services
from tracker.signatures.models import Review, Signature

SHOWN = 50
NAMES = 200
"""Most names on one page."""


@bp.get("/comments")
def comments() -> ResponseReturnValue:
    """Show the oldest comments that nobody has read yet."""
    campaigns = {one.id: one for one in queries.campaigns_of(session.current())}
    return render_template(
        "dashboard/signatures/comments.html",
        campaigns=campaigns,
        comments=queries.waiting_comments(campaigns, limit=SHOWN),
        total=sum(queries.count_waiting_comments(campaigns).values()),
    )


@bp.post(f"/comments/<{ROW}:signature_id>/approve")
@guard.csrf_guarded
def approve_comment(signature_id: int) -> ResponseReturnValue:
    """Show a comment on the campaign's page."""
    with access.acting(_("Approved. The comment is shown.")):
        services.review_comment(_found(signature_id), Review.APPROVED)
    return redirect(url_for(".comments"), 303)


@bp.post(f"/comments/<{ROW}:signature_id>/decline")
@guard.csrf_guarded
def decline_comment(signature_id: int) -> ResponseReturnValue:
    """Keep a comment off the page; the signature counts all the same."""
    with access.acting(_("Declined. The comment is not shown; the signature counts.")):
        services.review_comment(_found(signature_id), Review.DECLINED)
    return redirect(url_for(".comments"), 303)


def _found(signature_id: int) -> Signature:
    found = signatures.by_id(signature_id, lock=True)
    if found is None or not organisers.may_edit(session.current(), found.campaign_id):
        abort(404)
    if found.review is None:
        raise Refused(_("The signatory has taken this comment back."))
    return found


# --- names shown ---------------------------------------------------------------------------


@bp.get("/campaigns/<slug>/names")
def names(slug: str) -> ResponseReturnValue:
    """Show the names that stand on a campaign's page, and those that were taken down."""
    campaign = access.campaign_or_404(slug)
    return render_template(
        "dashboard/signatures/names.html",
        campaign=campaign,
        limit=NAMES,
        shown=signatures.shown(campaign.id, limit=NAMES),
        barred=signatures.shown(campaign.id, limit=NAMES, barred=True),
    )


@bp.post(f"/campaigns/<slug>/names/<{ROW}:signature_id>/take-down")
@guard.csrf_guarded
def take_name_down(slug: str, signature_id: int) -> ResponseReturnValue:
    """Take a name and its comment off the page; the signature counts all the same."""
    return _bar(slug, signature_id, barred=True)


@bp.post(f"/campaigns/<slug>/names/<{ROW}:signature_id>/put-back")
@guard.csrf_guarded
def put_name_back(slug: str, signature_id: int) -> ResponseReturnValue:
    """Show a name again that was taken down."""
    return _bar(slug, signature_id, barred=False)


def _bar(slug: str, signature_id: int, *, barred: bool) -> ResponseReturnValue:
    done = _("The name is off the page.") if barred else _("The name is shown again.")
    with access.acting(done):
        campaign = access.campaign_or_404(slug)
        found = signatures.by_id(signature_id, lock=True)
        if found is None or found.campaign_id != campaign.id:
            abort(404)
        services.bar_name(found, barred=barred)
    return redirect(url_for(".names", slug=slug), 303)
