"""What waits in the outbox, what went wrong, who is suppressed."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Collection
from typing import cast

from sqlalchemy import Select, Table, bindparam, func, select

from tracker.core import clock
from tracker.extensions import among, db
from tracker.mail.models import Delivery, OutboxKey, Suppression, SuppressionReason


@functools.cache  # SQLAlchemy takes longer to build it than the database to answer
def _suppressed(dialect: str) -> Select[bytes]:
    rows = cast(Table, Suppression.__table__)
    return select(rows.c.fingerprint).where(
        among(rows.c.fingerprint, "these", dialect),
        rows.c.until.is_(None) | (rows.c.until >= bindparam("on")),
    )


def newest_outbox_key() -> OutboxKey | None:
    """Give the key that new mail is sealed to."""
    newest = select(OutboxKey).order_by(OutboxKey.created_at.desc(), OutboxKey.id).limit(1)
    return db.session.scalar(newest)


def is_suppressed(fingerprint: bytes, *, on: dt.date) -> bool:
    """Say whether an address gets no mail on a day."""
    found = db.session.get(Suppression, fingerprint)
    return found is not None and (found.until is None or found.until >= on)


def suppressed(fingerprints: Collection[bytes], *, on: dt.date) -> set[bytes]:
    """Give which of several addresses get no mail on a day."""
    query = _suppressed(db.engine.dialect.name)
    # The connection's: no objects are wanted, and it costs less.
    found = db.session.connection().execute(query, {"these": list(fingerprints), "on": on})
    return set(found.scalars())


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
