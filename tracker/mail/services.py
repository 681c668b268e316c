"""Queue a mail, suppress an address, count what one address got today."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from flask_babel import lazy_gettext as _l
from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite

from tracker.core import clock
from tracker.core.errors import NotReady
from tracker.database import random_id
from tracker.extensions import db
from tracker.mail import queries
from tracker.mail.models import Delivery, MailCap, Suppression, SuppressionReason
from tracker.sealing import envelopes

ENVELOPE_SIZE = 1024
"""Padded bytes of what the worker needs to write a single mail."""


class SealedLetter(NamedTuple):
    """A single mail, sealed and ready to be queued."""

    id: int
    kind: str
    envelope: bytes
    outbox_key_id: str


def seal_letter(kind: str, content: dict[str, Any]) -> SealedLetter:
    """Seal what the worker needs to write one mail; done before the write transaction.

    Raises :class:`~tracker.core.errors.NotReady` while no worker has ever made a key.
    """
    key = queries.newest_outbox_key()
    if key is None:
        raise NotReady(
            _l("The site is being prepared and cannot take this yet. Try again in a minute.")
        )
    row = random_id()
    envelope = envelopes.seal(
        key.public_key, content, context=envelopes.context(kind, row), size=ENVELOPE_SIZE
    )
    return SealedLetter(row, kind, envelope, key.id)


def queue(letter: SealedLetter) -> Delivery:
    """Put a sealed mail into the outbox."""
    moment = clock.now()
    delivery = Delivery(
        id=letter.id,
        kind=letter.kind,
        envelope=letter.envelope,
        outbox_key_id=letter.outbox_key_id,
        queued_at=moment,
        due_at=moment,
    )
    db.session.add(delivery)
    return delivery


def suppress(fingerprint: bytes, reason: SuppressionReason, *, until: dt.date | None) -> None:
    """Send nothing more to an address, for ever or until a day."""
    found = db.session.get(Suppression, fingerprint)
    if found is None:
        found = Suppression(fingerprint=fingerprint, since=clock.today())
        db.session.add(found)
    found.reason, found.until = reason, until


def count_mail(names: dict[bytes, int]) -> bool:
    """Count one mail under each name and say whether all stayed within their limits.

    The first limit that is used up ends the counting. One statement per name, so that two
    workers with mails to one address never stand in each other's way.
    """
    dialect = sqlite if db.engine.dialect.name == "sqlite" else postgresql
    for name, limit in names.items():
        statement = dialect.insert(MailCap).values(name=name, day=clock.today(), count=1)
        counted = db.session.scalar(
            statement.on_conflict_do_update(
                index_elements=["name"], set_={"count": MailCap.count + 1}
            ).returning(MailCap.count)
        )
        if counted is None or counted > limit:
            return False
    return True


def forget_caps_before(day: dt.date) -> None:
    """Delete the counters of earlier days."""
    db.session.execute(delete(MailCap).where(MailCap.day < day))
