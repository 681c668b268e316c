"""Prepare, store, open, complete, refuse and forget what waits for its confirmation."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, select, update

from tracker.campaigns.models import Campaign
from tracker.confirmations import codes
from tracker.confirmations.codes import Ticket
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


FOLDERS = {
    Kind.SIGNATURE: "signatures",
    Kind.SUBSCRIPTION: "subscriptions",
    Kind.ENDORSEMENT: "endorsements",
}
"""Where the mails of each kind are written."""


class LinkGone(Refused):
    """The link is unknown, used up, refused or too old."""

    status = 410


class Redeemed(NamedTuple):
    """What a code stands for: the token of the link, or none where it is wrong.

    After ``left`` more wrong ones only the link leads on.
    """

    kind: Kind
    token: str | None
    left: int


class Prepared(NamedTuple):
    """Sealed and locked, ready to be stored in one short transaction."""

    pending: dict[str, Any]
    letter: mail.SealedLetter
    ticket: Ticket


class Opened(NamedTuple):
    """What a confirmation link gives access to."""

    pending: Pending
    payload: dict[str, Any]
    manage: bytes
    unsubscribe: bytes


def prepare(
    kind: Kind, campaign: Campaign, *, address: str, payload: dict[str, Any], language: str
) -> Prepared:
    """Lock what was typed under a new token and seal address, token and code to the worker.

    The work is the same for every address, known or not (DESIGN §4.1). Raises
    :class:`~tracker.core.errors.NotReady` where no worker has ever run.
    """
    row, token = random_id(), tokens.new_token()
    ticket, code = codes.new_ticket(row), codes.new_code()
    locked = envelopes.lock(
        token,
        {**payload, "address": address},
        context=envelopes.context("pending", campaign.id, row),
        size=envelopes.PENDING_SIZE,
    )
    letter = mail.seal_letter(
        LETTER_KIND,
        {
            "to": address,
            "token": token.hex(),
            "code": code,
            "pending": row,
            "campaign": campaign.id,
        },
    )
    pending = {
        "id": row,
        "campaign_id": campaign.id,
        "kind": kind,
        "language": language,
        "token_hash": tokens.digest(token),
        "payload": locked,
        "code_locked": codes.lock_token(
            token, page_key=ticket.page_key, code=code, row=(campaign.id, row)
        ),
    }
    return Prepared(pending, letter, ticket)


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
    pending.payload = pending.links = pending.code_locked = None
    pending.refused_on = clock.today()
    pending.expires_on = clock.today() + dt.timedelta(days=REFUSED_DAYS)


def redeem(ticket: Ticket, code: str) -> Redeemed:
    """Give what a code stands for, and count it where it is wrong. Raises :class:`LinkGone`.

    It answers the same whatever became of the mail in the week that the row stays: whoever
    typed somebody else's address into a form must not learn from the code whether its owner
    confirmed, refused or left.
    """
    query = select(Pending).where(Pending.id == ticket.row)
    pending = db.session.scalar(locked(query))
    if pending is None or _is_over(pending):
        raise LinkGone(_l("This link is no longer valid. You can start again on the campaign."))
    if pending.code_tries >= codes.MOST_TRIES:
        return Redeemed(pending.kind, None, 0)
    token = codes.unlock_token(
        pending.code_locked,
        page_key=ticket.page_key,
        code=code,
        row=(pending.campaign_id, pending.id),
    )
    if token is not None:
        return Redeemed(pending.kind, token, codes.MOST_TRIES - pending.code_tries)
    tried = pending.code_tries + 1
    # Said in full, not by the session, which would leave out what is empty already.
    change: dict[str, Any] = {"code_tries": tried}
    if tried >= codes.MOST_TRIES:
        change["code_locked"] = None
    db.session.execute(update(Pending).where(Pending.id == pending.id).values(**change))
    return Redeemed(pending.kind, None, codes.MOST_TRIES - tried)


def _is_over(pending: Pending) -> bool:
    """Say whether its week is over; a refused row is kept longer, and must not show it."""
    return pending.created_on + dt.timedelta(days=LIFETIME_DAYS) < clock.today()


def discard(pending: Pending) -> None:
    """Leave nothing of one row but an empty shell, which goes when its week is over."""
    pending.payload = pending.links = pending.code_locked = pending.tag = None
    pending.manage_hash = pending.unsubscribe_hash = None
    pending.confirmed_on = pending.refused_on = None
    pending.token_hash = tokens.digest(tokens.new_token())
    pending.expires_on = pending.created_on + dt.timedelta(days=LIFETIME_DAYS)


def forget(campaign_id: int, tag: bytes) -> None:
    """Discard whatever one mailbox still has pending on one campaign."""
    mine = select(Pending).where(Pending.campaign_id == campaign_id, Pending.tag == tag)
    for pending in db.session.scalars(locked(mine.order_by(Pending.id))):
        discard(pending)


def forget_expired() -> None:
    """Delete what was not confirmed in time."""
    db.session.execute(delete(Pending).where(Pending.expires_on < clock.today()))
