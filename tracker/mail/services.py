"""Queue a mail, suppress an address, count what one address got today."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, select

from tracker.core import clock
from tracker.core.errors import NotReady
from tracker.database import random_id
from tracker.extensions import db, insert, wake_after_commit
from tracker.mail import queries
from tracker.mail.models import (
    Bounce,
    BounceKind,
    Delivery,
    MailCap,
    Suppression,
    SuppressionReason,
)
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
    wake_after_commit()
    return delivery


def suppress(fingerprint: bytes, reason: SuppressionReason, *, until: dt.date | None) -> None:
    """Send nothing more to an address, for ever or until a day."""
    values = {"reason": reason, "until": until}
    new = insert(Suppression).values(fingerprint=fingerprint, since=clock.today(), **values)
    db.session.execute(
        new.on_conflict_do_update(index_elements=["fingerprint"], set_=values),
        execution_options={"populate_existing": True},
    )
    db.session.expire_all()


BOUNCE_DAYS = 90
"""Days without mail for a mailbox that is dead for the first time; the second time for ever."""
HARD_DAYS, MOST_HARD = 14, 3
"""So many refusals of other kinds within so many days, and a mailbox is taken to be dead."""
SOFT_DAYS, MOST_SOFT = 7, 5
"""So many days with a bounce for now, none further from the next than so many days (as
Mailman scores them), and a mailbox is taken to be dead."""
KEPT_DAYS = 35
"""Days that bounces are kept: as long as the last rule can look back."""


def record_bounce(
    fingerprint: bytes, *, source: bytes, kind: BounceKind, suppresses: bool = False
) -> bool:
    """Write down that a mail came back, once per ``source``; suppress a dead mailbox.

    At once where the mailbox does not exist (``suppresses``), else by the rules above. Says
    whether it was new.
    """
    added = db.session.scalar(
        insert(Bounce)
        .values(source=source, fingerprint=fingerprint, day=clock.today(), kind=kind)
        .on_conflict_do_nothing()
        .returning(Bounce.source)
    )
    is_new = added is not None
    if suppresses or (is_new and _is_dead(fingerprint)):
        suppress_bounced(fingerprint)
    return is_new


def suppress_bounced(fingerprint: bytes) -> None:
    """Send nothing more to a dead mailbox: for months, and if it happens again for ever."""
    found = db.session.get(Suppression, fingerprint)
    if found is None:
        until = clock.today() + dt.timedelta(days=BOUNCE_DAYS)
        suppress(fingerprint, SuppressionReason.BOUNCE, until=until)
    elif found.until is not None and found.until < clock.today():
        suppress(fingerprint, SuppressionReason.BOUNCE, until=None)


def suppress_complaining(fingerprint: bytes) -> bool:
    """Send nothing more to somebody who complained, for ever; say whether that is new."""
    found = db.session.get(Suppression, fingerprint)
    if found is not None and found.reason is SuppressionReason.COMPLAINT:
        return False
    suppress(fingerprint, SuppressionReason.COMPLAINT, until=None)
    return True


def allow(fingerprint: bytes) -> bool:
    """Lift a suppression; say whether there was one."""
    found = db.session.get(Suppression, fingerprint)
    if found is None:
        return False
    db.session.delete(found)
    return True


def _is_dead(fingerprint: bytes) -> bool:
    rows = db.session.execute(
        select(Bounce.day, Bounce.kind).where(
            Bounce.fingerprint == fingerprint,
            Bounce.kind.in_((BounceKind.HARD, BounceKind.SOFT)),
        )
    ).all()
    since = clock.today() - dt.timedelta(days=HARD_DAYS)
    if sum(row.kind is BounceKind.HARD and row.day >= since for row in rows) >= MOST_HARD:
        return True
    score, before = 0, clock.today()
    for day in sorted({row.day for row in rows}, reverse=True):
        if (before - day).days > SOFT_DAYS:
            break
        score, before = score + 1, day
    return score >= MOST_SOFT


def forget_bounces() -> None:
    """Delete bounces that no rule looks at any more, and suppressions over for a year."""
    before = clock.today() - dt.timedelta(days=KEPT_DAYS)
    db.session.execute(delete(Bounce).where(Bounce.day < before))
    a_year_ago = clock.today() - dt.timedelta(days=365)
    db.session.execute(delete(Suppression).where(Suppression.until < a_year_ago))


def count_mail(names: dict[bytes, int]) -> bool:
    """Count one mail under each name and say whether all stayed within their limits.

    The first limit that is used up ends the counting. One statement per name, so that two
    workers with mails to one address never stand in each other's way.
    """
    for name, limit in names.items():
        statement = insert(MailCap).values(name=name, day=clock.today(), count=1)
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
