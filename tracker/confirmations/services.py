"""Prepare, store, open, complete, refuse and forget what waits for its confirmation."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, select

from tracker.campaigns.models import Campaign
from tracker.confirmations.models import Kind, Pending
from tracker.core import clock, tokens
from tracker.core.errors import Refused
from tracker.database import random_id
from tracker.extensions import db, locked
from tracker.mail import services as mail
from tracker.sealing import envelopes

LIFETIME_DAYS = 7
"""Days until something unconfirmed is deleted."""
REFUSED_DAYS = 30
"""Days that "this was not me" keeps a campaign's mails away from an address."""

LETTER_KIND = "confirmation"
"""Kind of the deliveries that ask to confirm."""
LINK_KIND = "link"
"""Kind of the deliveries that bring the link to one's own page."""


class LinkGone(Refused):
    """The link is unknown, used up, refused or too old."""

    status = 410


class Prepared(NamedTuple):
    """Sealed and locked, ready to be stored in one short transaction."""

    pending: dict[str, Any]
    letter: mail.SealedLetter


class Opened(NamedTuple):
    """What a confirmation link gives access to."""

    pending: Pending
    payload: dict[str, Any]
    manage: bytes
    unsubscribe: bytes


def prepare(
    kind: Kind, campaign: Campaign, *, address: str, payload: dict[str, Any], language: str
) -> Prepared:
    """Lock what was typed under a new token and seal address and token to the worker.

    The work is the same for every address, known or not (DESIGN §4.1). Raises
    :class:`~tracker.core.errors.NotReady` where no worker has ever run.
    """
    row, token = random_id(), tokens.new_token()
    locked = envelopes.lock(
        token,
        {**payload, "address": address},
        context=envelopes.context("pending", campaign.id, row),
        size=envelopes.PENDING_SIZE,
    )
    letter = mail.seal_letter(
        LETTER_KIND,
        {"to": address, "token": token.hex(), "pending": row, "campaign": campaign.id},
    )
    pending = {
        "id": row,
        "campaign_id": campaign.id,
        "kind": kind,
        "language": language,
        "token_hash": tokens.digest(token),
        "payload": locked,
    }
    return Prepared(pending, letter)


def store(prepared: Prepared) -> None:
    """Write the pending row and its mail, together."""
    today = clock.today()
    expires = today + dt.timedelta(days=LIFETIME_DAYS)
    db.session.add(Pending(**prepared.pending, created_on=today, expires_on=expires))
    mail.queue(prepared.letter)


def prepare_link(campaign: Campaign, *, address: str, language: str) -> mail.SealedLetter:
    """Seal the wish for a mail with the link to one's own page."""
    content = {"to": address, "campaign": campaign.id, "language": language}
    return mail.seal_letter(LINK_KIND, content)


def find(text: str, kind: Kind, *, lock: bool = False) -> tuple[Pending, bytes]:
    """Give the pending row behind a confirmation link, and the token. Raises LinkGone."""
    token = tokens.from_text(text)
    query = select(Pending).where(Pending.token_hash == tokens.digest(token or b""))
    pending = db.session.scalar(locked(query) if lock else query)
    is_gone = (
        token is None
        or pending is None
        or pending.kind is not kind
        or pending.expires_on < clock.today()
        or pending.refused_on is not None
    )
    if is_gone or pending is None or token is None:
        raise LinkGone(_l("This link is no longer valid. You can start again on the campaign."))
    return pending, token


def open_pending(pending: Pending, token: bytes) -> Opened:
    """Open what was typed. Raises :class:`LinkGone` where it was confirmed before."""
    if pending.payload is None or pending.links is None or pending.tag is None:
        raise LinkGone(_l("This link was used already."))
    rows = (pending.campaign_id, pending.id)
    payload = envelopes.unlock(
        token, pending.payload, context=envelopes.context("pending", *rows)
    )
    manage, unsubscribe = links_of(pending, token)
    return Opened(pending, payload, manage, unsubscribe)


def links_of(pending: Pending, token: bytes) -> tuple[bytes, bytes]:
    """Give the tokens of one's own page and of unsubscribing, which the worker locked in."""
    if pending.links is None:
        raise LinkGone(_l("This link is no longer valid."))
    rows = (pending.campaign_id, pending.id)
    links = envelopes.unlock(token, pending.links, context=envelopes.context("links", *rows))
    return bytes.fromhex(links["manage"]), bytes.fromhex(links["unsubscribe"])


def complete(pending: Pending) -> None:
    """Mark as confirmed; what was typed is gone from here."""
    pending.payload, pending.confirmed_on = None, clock.today()


def refuse(pending: Pending) -> None:
    """Somebody says "this was not me": delete what was typed and keep further mail away."""
    pending.payload = pending.links = None
    pending.refused_on = clock.today()
    pending.expires_on = clock.today() + dt.timedelta(days=REFUSED_DAYS)


def discard(pending: Pending) -> None:
    """Delete one row of which nothing is left."""
    db.session.delete(pending)


def forget(campaign_id: int, tag: bytes) -> None:
    """Delete whatever one mailbox still has pending on one campaign."""
    db.session.execute(
        delete(Pending).where(Pending.campaign_id == campaign_id, Pending.tag == tag)
    )


def forget_expired() -> None:
    """Delete what was not confirmed in time."""
    db.session.execute(delete(Pending).where(Pending.expires_on < clock.today()))
