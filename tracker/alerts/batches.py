"""What a worker has in hand: a leased chunk of an alert, or deferred mails that are due."""

from __future__ import annotations

import datetime as dt
import functools
import os
import struct
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    LargeBinary,
    Row,
    Select,
    Table,
    bindparam,
    func,
    select,
    update,
)

from tracker.alerts import audiences, queries
from tracker.alerts.mailings import Mailing, Recipient
from tracker.alerts.models import CHUNK, AlertChunk, ExceptionState
from tracker.core import clock
from tracker.database import AS_BYTES
from tracker.extensions import among, db, numbered, writing
from tracker.mail import queries as mail
from tracker.sealing.tags import TAG_BYTES
from tracker.subscriptions.models import Scope, Subscription

RETRIES = 50
"""Deferred mails taken in hand at once."""
NO_BITS = bytes((CHUNK + 7) // 8)
"""The bitmap of a chunk in which nothing is done."""

FindMailing = Callable[[int], Mailing | None]
"""Gives what is needed to send an alert, or nothing where this worker cannot."""


class Result(NamedTuple):
    """What became of one slot: ``state`` is empty where it was sent, or skipped."""

    recipient: Recipient
    is_sent: bool = False
    state: ExceptionState | None = None
    code: int = 0
    enhanced: str = ""
    suppresses: bool = False


@dataclass(eq=False)
class Batch:
    """Mails of one alert that this worker has leased.

    ``todo`` are those not yet given to the pipeline, ``given`` those in it, ``held`` those that
    wait for the limit of their kind of mailbox, ``results`` what is not yet written down.
    """

    mailing: Mailing
    number: int | None
    """Of the chunk; ``None`` for deferred mails."""
    done: bytearray
    todo: deque[Recipient]
    given: dict[int, Recipient] = field(default_factory=dict)
    held: dict[str, list[Recipient]] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    stored: bytes = b""
    """The bitmap as it was last read or written; other than that, somebody added to it."""
    is_ending: bool = False
    """Nothing more is begun; the lease is given back once nothing is inside any more."""

    @property
    def is_over(self) -> bool:
        """Say whether nothing of it is left in hand."""
        return not self.given and (self.is_ending or not self.todo)

    def take_back(self, slot: int) -> None:
        """Put a mail that was not begun before all others."""
        recipient = self.given.pop(slot, None)
        if recipient is not None:
            self.todo.appendleft(recipient)


def lease_chunk(
    owner: str,
    lease: dt.timedelta,
    find: FindMailing,
    *,
    with_held: bool,
    apart: Collection[int],
    looks_first: bool,
) -> Batch | None:
    """Lease the next chunk and read who is in it.

    ``None`` where there is none (see :func:`queries.free_chunk`), or ``find`` gives nothing.
    ``looks_first`` where there probably is none: who only reads takes nobody's turn to write.
    """
    if looks_first:
        is_any = queries.free_chunk(with_held=with_held, apart=apart) is not None
        db.session.rollback()
        if not is_any:
            return None
    with writing():
        row = queries.free_chunk(with_held=with_held, apart=apart, lock=True)
        mailing = find(row.alert_id) if row else None
        if row is None or mailing is None:
            return None
        alert_id, number = row
        of = {"of_alert": alert_id, "of_number": number}
        values = {**of, "owner": owner, "until": clock.now() + lease}
        done = db.session.connection().execute(_LEASE, values).scalar()
        slots = audiences.of_chunk(alert_id, number)
        rows = list(_read_contacts(mailing, list(slots)))
    _shuffle(rows)
    bits = bits_of(done)
    todo = deque(
        Recipient(slots[one], one, contact, language)
        for one, contact, language in rows
        if not has_bit(bits, slots[one])
    )
    return Batch(mailing, number, bits, todo, stored=done if isinstance(done, bytes) else b"")


def lease_due(
    owner: str, lease: dt.timedelta, find: FindMailing, *, apart: Collection[int]
) -> Batch | None:
    """Lease deferred mails of one alert that are due; who left meanwhile is skipped.

    ``None`` where there are none outside of ``apart``, or ``find`` gives nothing.
    """
    is_any = bool(queries.due_exceptions(limit=1, apart=apart))
    db.session.rollback()
    if not is_any:
        return None
    with writing():
        due = queries.due_exceptions(limit=RETRIES, apart=apart, lock=True)
        mailing = find(due[0].alert_id) if due else None
        if mailing is None:
            return None
        for one in due:
            one.due_at, one.lease_owner = clock.now() + lease, owner
        attempts = {one.slot: one.attempts for one in due}
        owners = audiences.of_slots(mailing.alert_id, attempts)
        rows = {row.id: row for row in _read_contacts(mailing, list(owners.values()))}
    todo: deque[Recipient] = deque()
    skipped: list[Result] = []
    for slot, count in attempts.items():
        row = rows.get(owners.get(slot, 0))
        if row is None:
            skipped.append(Result(Recipient(slot, 0, b"", "")))
        else:
            todo.append(Recipient(slot, row.id, row.contact, row.language, attempts=count))
    return Batch(mailing, None, bytearray(), todo, results=skipped)


def _shuffle(rows: list[Any]) -> None:
    """Put them in any order but that of ids: mail servers' logs would tell whose row is whose.

    One draw for all; :class:`random.SystemRandom` asks the system again for each.
    """
    drawn = iter(struct.unpack(f"{len(rows)}Q", os.urandom(8 * len(rows))))
    rows.sort(key=lambda _: next(drawn))


CHUNKS = cast(Table, AlertChunk.__table__)
_LEASE = (
    update(CHUNKS)
    .where(
        CHUNKS.c.alert_id == bindparam("of_alert"), CHUNKS.c.number == bindparam("of_number")
    )
    .values(lease_owner=bindparam("owner"), lease_until=bindparam("until"), is_held=False)
    .returning(CHUNKS.c.done)
)
_ROWS = cast(Table, Subscription.__table__)


def _goes_to(rows: FromClause) -> tuple[ColumnElement[bool], ...]:
    return (
        # As a sum: no index of the campaign's rows is to be gone through for a few of them.
        rows.c.campaign_id + 0 == bindparam("campaign_id", type_=BigInteger()),
        rows.c.generation <= bindparam("generation"),
        (rows.c.scope == Scope.EVERY_UPDATE) | bindparam("tells_everybody", type_=Boolean()),
    )


@functools.cache  # SQLAlchemy takes longer to build it than the database to answer
def _contacts(dialect: str) -> Select[int, bytes, str]:
    # By their ids first: an offset keeps the planner from beginning with anything else.
    found = select(_ROWS).where(among(_ROWS.c.id, "ids", dialect)).offset(0).subquery()
    query = select(found.c.id, found.c.contact, found.c.language).where(*_goes_to(found))
    return query.execution_options(**AS_BYTES)


@functools.cache
def _languages(dialect: str) -> Select[int, str | None, bool]:
    # Asked together, before each window: each question of its own costs as much again. Looked
    # up one by one, as no planner knows how few are asked about.
    asked = numbered("ids", dialect)
    prints = bindparam("fingerprints", type_=LargeBinary())
    fingerprint = func.substr(prints, asked.c.place * TAG_BYTES + 1, TAG_BYTES)
    language = select(_ROWS.c.language).where(_ROWS.c.id == asked.c.number, *_goes_to(_ROWS))
    may_leave = queries.may_still_leave("alert_id").label("may_leave")
    return select(
        asked.c.number.label("id"), language.scalar_subquery().label("language"), may_leave
    ).where(~mail.gets_no_mail(fingerprint, on="today"))


def _whom(mailing: Mailing) -> dict[str, Any]:
    """Give whom an alert goes to, for the queries above."""
    return {
        "campaign_id": mailing.campaign_id,
        "generation": mailing.generation,
        "tells_everybody": mailing.tells_everybody,
    }


def _read_contacts(mailing: Mailing, ids: list[int]) -> Sequence[Row[int, bytes, str]]:
    query = _contacts(db.engine.dialect.name)
    return db.session.connection().execute(query, {**_whom(mailing), "ids": ids}).all()


def languages_of(batch: Batch, chosen: Sequence[Recipient]) -> dict[int, str] | None:
    """Give which of some subscriptions are to be told now, and in which language.

    Those are still subscribed, and their addresses not suppressed. ``None`` where the alert
    may not be sent at this moment.
    """
    alert_id = batch.mailing.alert_id
    values = {
        **_whom(batch.mailing),
        "alert_id": alert_id,
        "ids": [one.subscription_id for one in chosen],
        "fingerprints": b"".join([one.fingerprint for one in chosen]),
        "today": clock.today(),
    }
    # The connection's: no objects are wanted, and it costs less.
    rows = db.session.connection().execute(_languages(db.engine.dialect.name), values).all()
    may_leave = rows[0].may_leave if rows else alert_id in queries.may_run([alert_id])
    if not may_leave:
        return None
    return {one: language for one, language, _ in rows if language is not None}


def bits_of(stored: object) -> bytearray:
    """Give a stored bitmap to write into, of the right length whatever was stored."""
    bits = stored if isinstance(stored, bytes) else b""
    return bytearray(bits[: len(NO_BITS)].ljust(len(NO_BITS), b"\0"))


def has_bit(bits: bytes | bytearray, slot: int) -> bool:
    """Say whether a slot's bit is set in its chunk's bitmap."""
    place = slot % CHUNK
    return bool(bits[place >> 3] >> (place & 7) & 1)


def set_bit(bits: bytearray, slot: int) -> None:
    """Set a slot's bit in its chunk's bitmap."""
    place = slot % CHUNK
    bits[place >> 3] |= 1 << (place & 7)
