"""Subscribe, change what one hears, unsubscribe."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from tracker.campaigns import queries as campaigns
from tracker.campaigns.models import Campaign
from tracker.confirmations import queries as pendings
from tracker.confirmations import services as confirmations
from tracker.confirmations.models import Kind
from tracker.confirmations.services import Opened
from tracker.core import clock, tokens
from tracker.extensions import db
from tracker.sealing import envelopes
from tracker.subscriptions import queries
from tracker.subscriptions.models import Scope, Subscription

CONSENT_VERSION = "2026-11"
"""Which wording of the questions was agreed to; a changed wording is a new version."""


class SealedContact(NamedTuple):
    """An address sealed to the campaign, for the row it belongs to."""

    row: int
    envelope: bytes


def seal_contact(campaign: Campaign, opened: Opened) -> SealedContact:
    """Seal the proved address to the campaign's key; done before the write transaction."""
    row = opened.pending.id
    envelope = envelopes.seal(
        campaign.public_key or b"",
        {"to": opened.payload["address"]},
        context=envelopes.context("contact", campaign.id, row),
        size=envelopes.CONTACT_SIZE,
    )
    return SealedContact(row, envelope)


def subscribe(opened: Opened, contact: SealedContact, *, scope: Scope) -> None:
    """Store the consent to hear; where the mailbox is subscribed already, renew it."""
    pending = opened.pending
    found = queries.by_tag(pending.campaign_id, pending.tag or b"", lock=True)
    if found is not None:
        found.scope, found.language = scope, pending.language
        return
    subscription = Subscription(
        id=pending.id,
        campaign_id=pending.campaign_id,
        tag=pending.tag or b"",
        contact=contact.envelope,
        language=pending.language,
        scope=scope,
        manage_hash=tokens.digest(opened.manage),
        unsubscribe_hash=tokens.digest(opened.unsubscribe),
        consent_version=CONSENT_VERSION,
        day=clock.today(),
        generation=campaigns.generation(pending.campaign_id),
    )
    try:
        with db.session.begin_nested():
            db.session.add(subscription)
    except IntegrityError:
        # The same mailbox confirmed twice at this moment; both wanted the mails. Whatever else
        # the database refused must not pass for success.
        if queries.by_tag(pending.campaign_id, pending.tag or b"") is None:
            raise


def change(subscription: Subscription, *, scope: Scope, language: str) -> None:
    """Change what a subscriber hears, and in which language."""
    subscription.scope, subscription.language = scope, language


def leave(secret: bytes) -> None:
    """End the mails that an unsubscribe link stops; nothing happens where it is unknown."""
    found = queries.by_unsubscribe(secret) or pendings.by_unsubscribe(secret)
    if found is None or found.tag is None:
        return
    campaign_id, tag = found.campaign_id, found.tag
    # First what is just being confirmed by this mailbox, then the mails it may have begun.
    pendings.lock_mailbox(campaign_id, tag)
    unsubscribe(campaign_id, tag)
    pending = pendings.by_unsubscribe(secret)
    if pending is not None and pending.confirmed_on is None:
        confirmations.refuse(pending)
    elif pending is not None and pending.kind is Kind.SUBSCRIPTION:
        confirmations.discard(pending)


def unsubscribe(campaign_id: int, tag: bytes) -> None:
    """Stop the mails of one campaign to one mailbox; the address is gone with the row."""
    db.session.execute(
        delete(Subscription).where(
            Subscription.campaign_id == campaign_id, Subscription.tag == tag
        )
    )
