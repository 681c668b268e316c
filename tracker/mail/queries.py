"""What waits in the outbox, what went wrong, who is suppressed."""

from __future__ import annotations

import datetime as dt
from typing import cast

from sqlalchemy import ColumnElement, Table, bindparam, exists, func, select

from tracker.core import clock
from tracker.extensions import db
from tracker.mail.models import Delivery, OutboxKey, Suppression, SuppressionReason

OUTBOX_KEY_LIFETIME = dt.timedelta(hours=1)
"""A new outbox key is made this often, so that old envelopes lose their key."""


def newest_outbox_key() -> OutboxKey | None:
    """Give the key that new mail is sealed to.

    A clock set back must neither keep one key in use for ever, nor make one each turn: a key
    is left out that was made longer ahead than one is used.
    """
    known = OutboxKey.created_at <= clock.now() + OUTBOX_KEY_LIFETIME
    newest = select(OutboxKey).where(known)
    return db.session.scalar(
        newest.order_by(OutboxKey.created_at.desc(), OutboxKey.id).limit(1)
    )


def outbox_keys(*, since: dt.datetime) -> list[str]:
    """Give the ids of the keys made since a moment."""
    return list(db.session.scalars(select(OutboxKey.id).where(OutboxKey.created_at >= since)))


def is_suppressed(fingerprint: bytes, *, on: dt.date) -> bool:
    """Say whether an address gets no mail on a day."""
    found = db.session.get(Suppression, fingerprint)
    return found is not None and (found.until is None or found.until >= on)


def gets_no_mail(fingerprint: ColumnElement[bytes], *, on: str) -> ColumnElement[bool]:
    """Say, as a condition, whether an address gets no mail on the day bound to ``on``."""
    rows = cast(Table, Suppression.__table__)
    return exists().where(
        rows.c.fingerprint == fingerprint,
        rows.c.until.is_(None) | (rows.c.until >= bindparam(on)),
    )


def count_suppressed() -> dict[SuppressionReason, int]:
    """Give how many addresses get no more mail today, by why."""
    rows = db.session.execute(
        select(Suppression.reason, func.count())
        .where(Suppression.until.is_(None) | (Suppression.until >= clock.today()))
        .group_by(Suppression.reason)
    )
    return {row[0]: row[1] for row in rows}


def count_waiting() -> dict[str, int]:
    """Give how many mails of each kind wait."""
    rows = db.session.execute(select(Delivery.kind, func.count()).group_by(Delivery.kind))
    return {row[0]: row[1] for row in rows}
