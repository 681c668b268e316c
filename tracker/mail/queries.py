"""What waits in the outbox, what went wrong, who is suppressed."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import func, select

from tracker.extensions import db
from tracker.mail.models import Delivery, DeliveryState, OutboxKey, Suppression


def newest_outbox_key() -> OutboxKey | None:
    """Give the key that new mail is sealed to."""
    newest = select(OutboxKey).order_by(OutboxKey.created_at.desc(), OutboxKey.id).limit(1)
    return db.session.scalar(newest)


def is_suppressed(fingerprint: bytes, *, on: dt.date) -> bool:
    """Say whether an address gets no mail on a day."""
    found = db.session.get(Suppression, fingerprint)
    return found is not None and (found.until is None or found.until >= on)


def count_by_state(batch_id: int) -> dict[DeliveryState, int]:
    """Give how many deliveries of a batch stand where."""
    rows = db.session.execute(
        select(Delivery.state, func.count())
        .where(Delivery.batch_id == batch_id)
        .group_by(Delivery.state)
    )
    return {row[0]: row[1] for row in rows}


def count_waiting() -> dict[str, int]:
    """Give how many mails of each kind wait."""
    rows = db.session.execute(
        select(Delivery.kind, func.count())
        .where(Delivery.state == DeliveryState.QUEUED)
        .group_by(Delivery.kind)
    )
    return {row[0]: row[1] for row in rows}
