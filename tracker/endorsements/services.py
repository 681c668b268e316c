"""Confirm, approve, decline, retract an endorsement."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l

from tracker.campaigns.models import Campaign
from tracker.confirmations.services import Opened
from tracker.core import clock, tokens
from tracker.core.errors import Refused
from tracker.endorsements.models import Endorsement, EndorsementState, Level
from tracker.extensions import db
from tracker.sealing import envelopes


def seal_contact(campaign: Campaign, row: int, *, address: str, name: str) -> bytes:
    """Seal who offered it; done before the write transaction."""
    return envelopes.seal(
        campaign.public_key or b"",
        {"to": address, "name": name},
        context=envelopes.context("endorser", campaign.id, row),
        size=envelopes.CONTACT_SIZE,
    )


def confirm(opened: Opened, contact: bytes, entered: dict[str, Any]) -> Endorsement:
    """Store a proved endorsement; it waits for an organiser."""
    pending = opened.pending
    endorsement = Endorsement(
        id=pending.id,
        campaign_id=pending.campaign_id,
        organisation=entered["organisation"],
        level=Level(entered["level"]),
        country=entered["country"],
        members=entered.get("members"),
        statement=entered.get("statement") or "",
        language=pending.language,
        tag=pending.tag,
        contact=contact,
        manage_hash=tokens.digest(opened.manage),
        day=clock.today(),
    )
    db.session.add(endorsement)
    return endorsement


def approve(endorsement: Endorsement, *, by_id: int) -> None:
    """Show it on the campaign's page."""
    if endorsement.state is EndorsementState.APPROVED:
        raise Refused(_l("This endorsement is approved already."))
    endorsement.state, endorsement.decided_by_id = EndorsementState.APPROVED, by_id


def decline(endorsement: Endorsement, *, by_id: int) -> None:
    """Keep it off the page, or take it off again."""
    if endorsement.state is EndorsementState.DECLINED:
        raise Refused(_l("This endorsement is declined already."))
    endorsement.state, endorsement.decided_by_id = EndorsementState.DECLINED, by_id


def retract(endorsement: Endorsement) -> None:
    """The endorser takes it back: the row is deleted."""
    db.session.delete(endorsement)
