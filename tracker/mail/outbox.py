"""The rows of the outbox: who works on a mail, when it is due, and when it is over."""

from __future__ import annotations

import datetime as dt
import logging
import random
import time
from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, delete, or_, select, update

from tracker.core import clock
from tracker.database import AWAY
from tracker.extensions import db, writing
from tracker.mail.models import Delivery

log = logging.getLogger(__name__)

_DRAW = random.SystemRandom()

RETRY_MINUTES = (5, 15, 45, 120, 360, 720, 1440, 1440)
"""Waiting time after each refusal for now (DESIGN §7)."""
GIVE_UP_AFTER = dt.timedelta(days=3)
BUSY_SECONDS = (5, 20, 60)
"""Waiting time of a mail that a busy mail server wants later; then it counts as refused."""
MARK_SECONDS = 30.0
"""How long a mark is tried while the database is busy."""
OTHER_WORKER_SECONDS = 30
"""Waiting time of a delivery whose key this worker does not hold."""
UNREADABLE_SECONDS = 900
"""Waiting time of a row that cannot be read: it must not stand before all others."""
LONGEST_LEASE, LONGEST_WAIT = dt.timedelta(hours=2), dt.timedelta(days=2)
"""Longer than any lease, or any pause between two tries: the clock was set back since.

Well above what settings allow: other machines' clocks are never quite the same.
"""


def is_any_due(kinds: Collection[str], *, apart: Collection[int]) -> bool:
    """Say whether a mail of these kinds waits that nobody has, and that is not in ``apart``."""
    found = db.session.scalar(_due(kinds, apart).limit(1))
    db.session.rollback()
    return found is not None


def _due(kinds: Collection[str], apart: Collection[int]) -> Select[int]:
    moment = clock.now()
    return (
        select(Delivery.id)
        .where(
            Delivery.id.not_in(apart),
            or_(Delivery.due_at <= moment, Delivery.due_at > moment + LONGEST_WAIT),
            Delivery.kind.in_(kinds),
            or_(
                Delivery.lease_until.is_(None),
                Delivery.lease_until < moment,
                Delivery.lease_until > moment + LONGEST_LEASE,
            ),
        )
        .order_by(Delivery.due_at)
    )


def lease(
    owner: str, kinds: Collection[str], *, apart: Collection[int], seconds: int, most: int
) -> list[int]:
    """Lease up to ``most`` due mails for some seconds; who waits longest comes first.

    Like all below that take no row: a transaction of its own.
    """
    with writing():
        due = _due(kinds, apart).limit(most).with_for_update(skip_locked=True)
        ids = list(db.session.scalars(due))
        until = clock.now() + dt.timedelta(seconds=seconds)
        if ids:
            db.session.execute(
                update(Delivery)
                .where(Delivery.id.in_(ids))
                .values(lease_owner=owner, lease_until=until)
                .execution_options(synchronize_session=False)
            )
    return ids


def renew(owner: str, ids: Collection[int], *, seconds: int) -> None:
    """Keep leased mails for some seconds more."""
    with writing():
        until = clock.now() + dt.timedelta(seconds=seconds)
        _change(owner, ids, lease_until=until)


def release(owner: str, ids: Collection[int], *, put_off: Collection[int] = ()) -> None:
    """Let go of leased mails; those to ``put_off`` wait :data:`BUSY_SECONDS`, uncounted."""
    with writing():
        due = clock.now() + dt.timedelta(seconds=BUSY_SECONDS[0])
        _change(owner, put_off, due_at=due)
        _change(owner, ids, lease_owner=None, lease_until=None)


def wait(owner: str, delivery_id: int, *, seconds: int) -> None:
    """Let a leased mail wait for some seconds, uncounted."""
    with writing():
        due = clock.now() + dt.timedelta(seconds=seconds)
        _change(owner, [delivery_id], due_at=due, lease_owner=None, lease_until=None)


def _change(owner: str, ids: Collection[int], **values: Any) -> None:
    if ids:
        db.session.execute(
            update(Delivery)
            .where(Delivery.id.in_(ids), Delivery.lease_owner == owner)
            .values(**values)
            .execution_options(synchronize_session=False)
        )


def mark(delivery_id: int) -> None:
    """Delete a mail that is over, whoever holds the lease by now.

    A database that is busy at this moment is asked again: what was accepted and not written
    down would be sent a second time.
    """
    until = time.monotonic() + MARK_SECONDS
    while True:
        try:
            with writing():
                db.session.execute(delete(Delivery).where(Delivery.id == delivery_id))
            return
        except AWAY:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def retry(owner: str, delivery_id: int) -> None:
    """Try a leased mail again in minutes or hours; give it up after three days.

    One whose row cannot be read is left alone for :data:`UNREADABLE_SECONDS`.
    """
    try:
        with writing():
            _put_off(owner, delivery_id)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - damaged rows raise whatever they like
        log.error("delivery %s cannot be read: %s", delivery_id, type(error).__name__)
        wait(owner, delivery_id, seconds=UNREADABLE_SECONDS)


def _put_off(owner: str, delivery_id: int) -> None:
    row = db.session.get(Delivery, delivery_id)
    if row is None or row.lease_owner != owner:
        return
    minutes = RETRY_MINUTES[min(row.attempts, len(RETRY_MINUTES) - 1)]
    row.attempts += 1
    spread = _DRAW.uniform(0.8, 1.2)
    due = clock.now() + dt.timedelta(minutes=minutes * spread)
    if due > row.queued_at + GIVE_UP_AFTER:
        db.session.delete(row)
    else:
        row.due_at, row.lease_owner, row.lease_until = due, None, None


def wait_for_another(row: Delivery) -> None:
    """Leave a mail to a worker that holds its key, or until its campaign goes on.

    Inside the caller's transaction.
    """
    if clock.now() > row.queued_at + GIVE_UP_AFTER:
        log.error("delivery %s: it could not be written in three days", row.id)
        db.session.delete(row)
    else:
        row.due_at = clock.now() + dt.timedelta(seconds=OTHER_WORKER_SECONDS)
        row.lease_owner = row.lease_until = None
