"""Writing down what became of mails: bits, counters, exceptions, bounces, in one go.

Rows are locked in one order everywhere: the alert, then its chunks, then its exceptions. What
the mail server took is never forgotten: where the lease was lost meanwhile, the bits are added
to what the other worker wrote.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Integer, bindparam, delete, select, update

from tracker.alerts.batches import CHUNKS, Batch, Result, bits_of, has_bit, set_bit
from tracker.alerts.models import (
    UNFINISHED,
    Alert,
    AlertChunk,
    AlertException,
    AlertState,
    ExceptionState,
)
from tracker.alerts.stopping import Fate
from tracker.core import clock
from tracker.extensions import db, insert
from tracker.mail import services as mail
from tracker.mail.models import BounceKind
from tracker.mail.outbox import GIVE_UP_AFTER, RETRY_MINUTES
from tracker.sealing import tags

_DRAW = random.SystemRandom()

_QUIET = {"synchronize_session": False}


def mark(batch: Batch, *, owner: str, lease: dt.timedelta) -> bool:
    """Write a batch's results down, renew or end its lease; ``False`` where it was lost.

    Call inside ``writing()``; forget the results once that has committed.
    """
    if batch.number is None:
        is_ours = _mark_retries(batch, owner=owner, lease=lease)
    else:
        is_ours = _mark_chunk(batch, owner=owner, lease=lease)
    _record_bounces(batch)
    return is_ours


def remember(batch: Batch) -> None:
    """Let the stop rule know what was marked, and forget it here."""
    for result in batch.results:
        if result.is_sent:
            batch.mailing.record.add(Fate.SENT)
        elif result.state is ExceptionState.BOUNCED:
            batch.mailing.record.add(Fate.BOUNCED)
        elif result.state is ExceptionState.REFUSED:
            batch.mailing.record.add(Fate.REFUSED)
    batch.results.clear()
    batch.stored = bytes(batch.done)


# --- chunks ----------------------------------------------------------------------------------


# Built once: SQLAlchemy takes longer to build a statement than the database to run it.
_MARK = (
    update(CHUNKS)
    .where(
        CHUNKS.c.alert_id == bindparam("of_alert"),
        CHUNKS.c.number == bindparam("of_number"),
        CHUNKS.c.lease_owner == bindparam("owner"),
        CHUNKS.c.done == bindparam("stored"),
    )
    .values(
        done=bindparam("bits"),
        sent=CHUNKS.c.sent + bindparam("more_sent", type_=Integer()),
        skipped=CHUNKS.c.skipped + bindparam("more_skipped", type_=Integer()),
        is_done=bindparam("new_is_done"),
        is_held=bindparam("new_is_held"),
        lease_owner=bindparam("new_lease_owner"),
        lease_until=bindparam("new_lease_until"),
    )
)


def _mark_chunk(batch: Batch, *, owner: str, lease: dt.timedelta) -> bool:
    # What another worker wrote down first is counted there.
    stored = bits_of(batch.stored)
    new = [one for one in batch.results if not has_bit(stored, one.recipient.slot)]
    for result in new:
        set_bit(batch.done, result.recipient.slot)
    counts = _counts(new)
    connection = db.session.connection()
    written = connection.execute(
        _MARK,
        {
            "of_alert": batch.mailing.alert_id,
            "of_number": batch.number,
            "owner": owner,
            "stored": batch.stored,
            "bits": bytes(batch.done),
            "more_sent": counts["sent"],
            "more_skipped": counts["skipped"],
            **{f"new_{name}": value for name, value in _lease(batch, owner, lease).items()},
        },
    ).rowcount
    if written:
        _add_exceptions(batch.mailing.alert_id, new)
        return True
    return _merge_chunk(batch, owner=owner, lease=lease)


def _merge_chunk(batch: Batch, *, owner: str, lease: dt.timedelta) -> bool:
    """Add our bits to a chunk to which another worker added; ``False`` where it is not ours."""
    row = db.session.execute(
        select(AlertChunk.done, AlertChunk.lease_owner).where(*_chunk(batch)).with_for_update()
    ).first()
    if row is None:
        if batch.results:
            _add_late(batch)
        return False
    theirs = bits_of(row.done)
    new = [one for one in batch.results if not has_bit(theirs, one.recipient.slot)]
    batch.done = bytearray(ours | added for ours, added in zip(batch.done, theirs, strict=True))
    batch.todo = deque(one for one in batch.todo if not has_bit(batch.done, one.slot))
    is_ours: bool = row.lease_owner == owner
    counts = _counts(new)
    values = {
        "done": bytes(batch.done),
        "sent": AlertChunk.sent + counts["sent"],
        "skipped": AlertChunk.skipped + counts["skipped"],
        **(_lease(batch, owner, lease) if is_ours else {}),
    }
    db.session.execute(
        update(AlertChunk).where(*_chunk(batch)).values(**values).execution_options(**_QUIET)
    )
    _add_exceptions(batch.mailing.alert_id, new)
    return is_ours


def _lease(batch: Batch, owner: str, lease: dt.timedelta) -> dict[str, Any]:
    """Give the lease renewed, or ended once nothing of the chunk is in hand."""
    is_over = batch.is_over
    return {
        "is_done": is_over and not batch.is_ending and not batch.held,
        "is_held": is_over and bool(batch.held),
        "lease_owner": None if is_over else owner,
        "lease_until": None if is_over else clock.now() + lease,
    }


def _add_late(batch: Batch) -> None:
    """Count what was inside SMTP when the alert was ended; one that is done counted it."""
    counts = _counts(batch.results)
    failed = (ExceptionState.BOUNCED, ExceptionState.REFUSED)
    db.session.execute(
        update(Alert)
        .where(Alert.id == batch.mailing.alert_id, Alert.state != AlertState.DONE)
        .values(
            sent=Alert.sent + counts["sent"],
            skipped=Alert.skipped + counts["skipped"],
            failed=Alert.failed + sum(one.state in failed for one in batch.results),
        )
        .execution_options(**_QUIET)
    )


def _chunk(batch: Batch) -> tuple[Any, Any]:
    return (
        AlertChunk.alert_id == batch.mailing.alert_id,
        AlertChunk.number == batch.number,
    )


def _counts(results: Iterable[Result]) -> Counter[str]:
    """Count what was sent and what was skipped."""
    return Counter("sent" if one.is_sent else "skipped" for one in results if one.state is None)


def _add_exceptions(alert_id: int, results: Iterable[Result]) -> None:
    rows = [_exception(alert_id, one) for one in results if one.state is not None]
    if rows:
        db.session.execute(insert(AlertException).on_conflict_do_nothing(), rows)


def _exception(alert_id: int, result: Result) -> dict[str, Any]:
    moment = clock.now()
    return {
        "alert_id": alert_id,
        "slot": result.recipient.slot,
        "state": result.state,
        "attempts": 1,
        "code": result.code,
        "enhanced": result.enhanced,
        "since": moment,
        "due_at": moment + _pause(0),
    }


def _pause(attempts: int) -> dt.timedelta:
    """Give how long a deferred mail waits for its next try, spread by a fifth."""
    minutes = RETRY_MINUTES[min(attempts, len(RETRY_MINUTES) - 1)]
    spread = _DRAW.uniform(0.8, 1.2)
    return dt.timedelta(minutes=minutes * spread)


# --- deferred mails --------------------------------------------------------------------------


def _mark_retries(batch: Batch, *, owner: str, lease: dt.timedelta) -> bool:
    if batch.results:
        # The alert before what belongs to it: everybody locks them in this order.
        state = db.session.scalar(
            select(Alert.state)
            .where(Alert.id == batch.mailing.alert_id)
            .with_for_update(key_share=True)
        )
        if state in UNFINISHED:
            _settle_exceptions(batch)
        else:
            _add_late(batch)
    moment = clock.now()
    left = [one.slot for one in batch.todo] + list(batch.given)
    held = [one.slot for ones in batch.held.values() for one in ones]
    _put_off(batch, held, owner=owner, due=moment + _pause(0))
    due = moment if batch.is_ending and not batch.given else moment + lease
    return _put_off(batch, left, owner=owner, due=due) == len(left)


def _settle_exceptions(batch: Batch) -> None:
    alert_id = batch.mailing.alert_id
    over = {one.recipient.slot: one for one in batch.results if one.state is None}
    # What another worker settled meanwhile is counted already.
    settled = db.session.scalars(
        delete(AlertException)
        .where(AlertException.alert_id == alert_id, AlertException.slot.in_(over))
        .returning(AlertException.slot)
        .execution_options(**_QUIET)
    )
    _add_to_alert(alert_id, _counts(over[slot] for slot in settled))
    for result in batch.results:
        if result.state is not None:
            _update_exception(batch, result)


def _put_off(batch: Batch, slots: list[int], *, owner: str, due: dt.datetime) -> int:
    """Let deferred mails that we hold be due later; give how many are still ours."""
    if not slots:
        return 0
    result = db.session.execute(
        update(AlertException)
        .where(
            AlertException.alert_id == batch.mailing.alert_id,
            AlertException.slot.in_(slots),
            AlertException.lease_owner == owner,
        )
        .values(due_at=due)
        .execution_options(**_QUIET)
    )
    number: int = result.rowcount  # type: ignore[attr-defined]  # an UPDATE's result has one
    return number


def _update_exception(batch: Batch, result: Result) -> None:
    key = (batch.mailing.alert_id, result.recipient.slot)
    row = db.session.get(AlertException, key, populate_existing=True)
    if row is None or result.state is None:
        return
    row.state, row.code, row.enhanced = result.state, result.code, result.enhanced
    row.lease_owner = None
    row.due_at = clock.now() + _pause(row.attempts)
    row.attempts += 1
    if row.state is ExceptionState.DEFERRED and row.due_at > row.since + GIVE_UP_AFTER:
        row.state = ExceptionState.GIVEN_UP
        mail.record_bounce(
            result.recipient.fingerprint, source=_source(batch, result), kind=BounceKind.SOFT
        )


def _add_to_alert(alert_id: int, counts: Counter[str]) -> None:
    if counts:
        db.session.execute(
            update(Alert)
            .where(Alert.id == alert_id)
            .values(sent=Alert.sent + counts["sent"], skipped=Alert.skipped + counts["skipped"])
            .execution_options(**_QUIET)
        )


# --- bounces ---------------------------------------------------------------------------------


def _record_bounces(batch: Batch) -> None:
    for result in batch.results:
        if result.state is ExceptionState.BOUNCED:
            mail.record_bounce(
                result.recipient.fingerprint,
                source=_source(batch, result),
                kind=BounceKind.HARD,
                suppresses=result.suppresses,
            )


def _source(batch: Batch, result: Result) -> bytes:
    """Give the name of one mail among bounces: each counts once, however it comes back."""
    mailing = batch.mailing
    return tags.bounce(
        mailing.keys.link_key, alert=mailing.alert_id, row=result.recipient.subscription_id
    )
