"""Confirm, change, withdraw a signature; every ±1 is a row, never a lock on the campaign."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from tracker.campaigns import partners
from tracker.campaigns.models import Campaign
from tracker.confirmations.services import Opened
from tracker.core import clock, tokens
from tracker.extensions import db
from tracker.sealing import envelopes
from tracker.signatures import queries
from tracker.signatures.models import CountChange, PartnerChange, Review, Signature
from tracker.subscriptions.services import CONSENT_VERSION


class Consents(NamedTuple):
    """The three answers of the confirm page."""

    alerts: bool
    shows_name: bool
    hands_over: bool


class SealedSignature(NamedTuple):
    """What is stored of a signature, sealed before the write transaction."""

    identity: bytes
    comment: bytes | None
    origin: bytes | None


def seal_identity(campaign: Campaign, row: int, entered: dict[str, Any]) -> bytes:
    """Seal name, town and organisation to the campaign's key."""
    return envelopes.seal(
        campaign.public_key or b"",
        {name: entered.get(name) or "" for name in ("name", "town", "organisation")},
        context=envelopes.context("identity", campaign.id, row),
        size=envelopes.IDENTITY_SIZE,
    )


def seal_origin(campaign: Campaign, row: int, partner_id: int | None) -> bytes | None:
    """Seal through which partner's site somebody came, if any; all envelopes look the same.

    ``None`` where the campaign has no partner, and nothing is counted by partner.
    """
    if not partners.has_any(campaign.id):
        return None
    return envelopes.seal(
        campaign.public_key or b"",
        {"partner": partner_id},
        context=envelopes.context("origin", campaign.id, row),
        size=envelopes.ORIGIN_SIZE,
    )


def seal_signature(
    campaign: Campaign,
    row: int,
    entered: dict[str, Any],
    *,
    consents: Consents,
    partner_id: int | None = None,
) -> SealedSignature:
    """Seal what was entered; a comment that may be shown is stored readable instead."""
    comment = None
    if entered.get("comment") and not consents.shows_name:
        comment = envelopes.seal(
            campaign.public_key or b"",
            {"comment": entered["comment"]},
            context=envelopes.context("comment", campaign.id, row),
            size=envelopes.COMMENT_SIZE,
        )
    identity = seal_identity(campaign, row, entered)
    return SealedSignature(identity, comment, seal_origin(campaign, row, partner_id))


def confirm(
    opened: Opened, sealed: SealedSignature, entered: dict[str, Any], *, consents: Consents
) -> bool:
    """Store a proved signature and count it; ``False`` where the mailbox had signed already."""
    pending = opened.pending
    shown = bool(consents.shows_name)
    has_public_comment = shown and bool(entered.get("comment"))
    signature = Signature(
        id=pending.id,
        campaign_id=pending.campaign_id,
        tag=pending.tag or b"",
        identity=sealed.identity,
        comment=sealed.comment,
        country=entered["country"],
        language=pending.language,
        day=clock.today(),
        shows_name=shown,
        hands_over=consents.hands_over,
        public_name=entered["name"] if shown else None,
        public_comment=entered["comment"] if has_public_comment else None,
        review=Review.WAITING if has_public_comment else None,
        manage_hash=tokens.digest(opened.manage),
        consent_version=CONSENT_VERSION,
        origin=sealed.origin,
    )
    try:
        with db.session.begin_nested():
            db.session.add(signature)
    except IntegrityError:
        # Another confirmation of the same mailbox was first: one signature per person.
        # Whatever else the database refused must not pass for success.
        if queries.id_by_tag(pending.campaign_id, pending.tag or b"") is None:
            raise
        return False
    _count(
        signature.id,
        signature.origin,
        campaign_id=signature.campaign_id,
        day=signature.day,
        country=signature.country,
        delta=+1,
    )
    return True


def _count(signature_id: int, origin: bytes | None, **change: Any) -> None:
    """Write down one more or one less, for the campaign and for whichever partner it was."""
    db.session.add(CountChange(**change))
    if origin is not None:
        campaign_id, delta = change["campaign_id"], change["delta"]
        db.session.add(
            PartnerChange(
                signature_id=signature_id, delta=delta, campaign_id=campaign_id, origin=origin
            )
        )


def show_name(signature: Signature, name: str) -> None:
    """Show a name on the page; it is typed again, because the sealed one cannot be read."""
    if signature.review is not None and name != signature.public_name:
        # The comment was read together with the name beside it.
        signature.review = Review.WAITING
    signature.shows_name, signature.public_name = True, name


def hide_name(signature: Signature) -> None:
    """Take name and comment off the page."""
    signature.shows_name, signature.public_name = False, None
    signature.public_comment = signature.review = None


def hand_over(signature: Signature, *, agrees: bool) -> None:
    """Change whether the name may be handed to the target."""
    signature.hands_over = agrees


def withdraw(signature: Signature) -> None:
    """Take a signature back: the row goes, tag and all, and the count falls by one.

    Only what was really deleted is counted, so that pressing twice takes one away.
    """
    gone = db.session.execute(
        delete(Signature)
        .where(Signature.id == signature.id)
        .returning(
            Signature.id.label("signature_id"),
            Signature.origin,
            Signature.campaign_id,
            Signature.day,
            Signature.country,
        )
    ).first()
    if gone is not None:
        _count(**gone._mapping, delta=-1)


def bar_name(signature: Signature, *, barred: bool) -> None:
    """Organisers take a name off the page, or let it back; the signature counts anyway."""
    signature.is_barred = barred


def review_comment(signature: Signature, verdict: Review) -> None:
    """Let a public comment through, or not."""
    signature.review = verdict
