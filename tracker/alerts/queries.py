"""Finds alerts, what they still owe, and how far they are."""

from __future__ import annotations

import datetime as dt
import functools
import random
from collections.abc import Collection
from typing import NamedTuple

from flask import current_app
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Float,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased, load_only

from tracker.alerts.models import (
    CHUNK,
    RUNNING,
    UNFINISHED,
    Alert,
    AlertChunk,
    AlertException,
    AlertState,
    AlertVariant,
    ExceptionState,
)
from tracker.campaigns.models import PUBLIC, Campaign, StatusChange
from tracker.core import clock
from tracker.database import UtcDateTime
from tracker.extensions import db
from tracker.mail.outbox import LONGEST_LEASE
from tracker.mail.splicing import Frozen, thaw
from tracker.settings import Settings

_DRAW = random.SystemRandom()
LATE = dt.timedelta(hours=3)
"""An alert that nobody looked after for so long asks an organiser before it goes on."""


class Figures(NamedTuple):
    """How far an alert is: ``queued`` is to how many it goes, the rest what became of them."""

    queued: int
    sent: int
    skipped: int
    deferred: int
    failed: int

    @property
    def left(self) -> int:
        """Give how many mails are still to be sent, those to be tried again included."""
        return max(0, self.queued - self.sent - self.skipped - self.failed)


def by_id(alert_id: int) -> Alert | None:
    """Give one alert."""
    return db.session.get(Alert, alert_id)


def locked(query: Select[Alert]) -> Select[Alert]:
    """Give a query that locks alerts and sees them as they are now, not as read before.

    Not their keys: chunks and exceptions that refer to them may still be written. PostgreSQL
    would let us wait for whoever writes them, and them for us.
    """
    return query.with_for_update(key_share=True).execution_options(populate_existing=True)


def by_id_locked(alert_id: int) -> Alert | None:
    """Give one alert, locked."""
    return db.session.scalar(locked(select(Alert).where(Alert.id == alert_id)))


def by_update(update_id: int, *, lock: bool = False) -> Alert | None:
    """Give the alert of an update."""
    query = select(Alert).where(Alert.update_id == update_id)
    return db.session.scalar(locked(query) if lock else query)


def of_campaign(campaign_id: int) -> dict[int, Alert]:
    """Give a campaign's alerts by update."""
    rows = db.session.scalars(select(Alert).where(Alert.campaign_id == campaign_id))
    return {alert.update_id: alert for alert in rows}


def variant(update_id: int, language: str) -> AlertVariant | None:
    """Give the frozen mail of an update in one language."""
    return db.session.get(AlertVariant, (update_id, language))


def variants(update_id: int) -> dict[str, Frozen]:
    """Give the frozen mails of an update, by language, checked. Raises ``NotFrozen``."""
    settings: Settings = current_app.config["TRACKER"]
    rows = db.session.scalars(select(AlertVariant).where(AlertVariant.update_id == update_id))
    return {row.language: thaw(row.frozen, settings=settings) for row in rows}


# --- superseding -----------------------------------------------------------------------------


def overtakes(newer: type[Alert], older: type[Alert]) -> ColumnElement[bool]:
    """Say whether one alert tells a newer status of somebody than another, and counts.

    An alert that was stopped or never left counts for nothing: what it would have overtaken
    goes on by itself.
    """
    now, then = aliased(StatusChange), aliased(StatusChange)
    same = (
        select(now.id)
        .join(then, then.subject_id == now.subject_id)
        .where(now.update_id == newer.update_id, then.update_id == older.update_id)
        # Of two enclosing queries SQLAlchemy would correlate with the inner one alone.
        .correlate(newer, older)
    )
    return and_(
        newer.campaign_id == older.campaign_id,
        (newer.generation > older.generation)
        # Those approved before an upgrade all have the same.
        | ((newer.generation == older.generation) & (newer.approved_at > older.approved_at)),
        newer.state != AlertState.STOPPED,
        newer.state != AlertState.EXPIRED,
        exists(same),
    )


@functools.cache  # SQLAlchemy takes longer to build it than the database to answer
def is_overtaken() -> ColumnElement[bool]:
    """Say, as a condition on :class:`Alert`, whether a newer one holds it or superseded it."""
    newer = aliased(Alert)
    return exists(select(newer.id).where(overtakes(newer, Alert)))


def overtaken_by(alert: Alert) -> list[Alert]:
    """Give the unfinished alerts that an alert supersedes, locked, always in one order."""
    newer = aliased(Alert)
    return list(
        db.session.scalars(
            locked(
                select(Alert)
                .join(newer, and_(newer.id == alert.id, overtakes(newer, Alert)))
                .where(Alert.state.in_(UNFINISHED))
                .order_by(Alert.id)
            )
        )
    )


def held_alerts(campaign_ids: Collection[int]) -> set[int]:
    """Give the unfinished alerts of campaigns that wait because a newer one is to leave."""
    query = select(Alert.id).where(
        Alert.campaign_id.in_(campaign_ids), Alert.state.in_(UNFINISHED), is_overtaken()
    )
    return set(db.session.scalars(query))


# --- for the worker --------------------------------------------------------------------------


@functools.cache
def may_leave() -> ColumnElement[bool]:
    """Say, as a condition on Alert joined with Campaign, whether its mails may leave now."""
    return and_(
        # Not as lists: SQLAlchemy writes a statement with a list anew each time.
        or_(*(Alert.state == state for state in RUNNING)),
        Alert.not_after > bindparam(None, callable_=clock.now, type_=UtcDateTime()),
        or_(*(Campaign.state == state for state in PUBLIC)),
        ~is_overtaken(),
    )


def is_frozen(update_id: InstrumentedAttribute[int] | int) -> ColumnElement[bool]:
    """Say, as a condition, whether an update's mails are frozen."""
    return exists(select(AlertVariant.update_id).where(AlertVariant.update_id == update_id))


def next_to_begin() -> Row[int, int] | None:
    """Give an alert, and its update, whose time has come, or which is not wholly written.

    Ids alone: what cannot be read in its row is found where it does not stop all others.
    """
    query = select(Alert.id, Alert.update_id).join(Campaign, Campaign.id == Alert.campaign_id)
    query = query.where(is_to_begin(), Campaign.state.in_(PUBLIC), ~is_overtaken())
    return db.session.execute(query.order_by(Alert.not_before).limit(1)).first()


def to_begin(alert_id: int) -> Alert | None:
    """Give one of :func:`next_to_begin`, locked, unless another worker has it."""
    return db.session.scalar(
        select(Alert)
        .join(Campaign, Campaign.id == Alert.campaign_id)
        .where(Alert.id == alert_id, is_to_begin(), Campaign.state.in_(PUBLIC), ~is_overtaken())
        .with_for_update(of=Alert, skip_locked=True, key_share=True)
        .execution_options(populate_existing=True)
    )


def is_to_begin() -> ColumnElement[bool]:
    """Say, as a condition, whether an alert is due and not all of it is written down."""
    is_due = and_(Alert.state == AlertState.WAITING, Alert.not_before <= clock.now())
    # One that was under way when a new release began to freeze mails.
    is_not_frozen = and_(Alert.state == AlertState.SENDING, ~is_frozen(Alert.update_id))
    return is_due | (Alert.state == AlertState.EXPANDING) | is_not_frozen


def is_any_running() -> bool:
    """Say whether an alert is on its way."""
    found = db.session.scalar(select(Alert.id).where(Alert.state.in_(RUNNING)).limit(1))
    db.session.rollback()
    return found is not None


def running() -> list[int]:
    """Give the ids of the alerts on their way."""
    return list(db.session.scalars(select(Alert.id).where(Alert.state.in_(RUNNING))))


def may_still_leave(name: str) -> ColumnElement[bool]:
    """Say whether the alert whose id is bound to ``name`` may leave at this moment."""
    return exists(
        select(Alert.id)
        .join(Campaign, Campaign.id == Alert.campaign_id)
        .where(Alert.id == bindparam(name), may_leave())
    )


def may_run(alert_ids: Collection[int]) -> set[int]:
    """Give those alerts whose mails may leave at this moment."""
    if not alert_ids:
        return set()
    return set(db.session.scalars(_may_run(), {"alert_ids": list(alert_ids)}))


@functools.cache
def _may_run() -> Select[int]:
    return (
        select(Alert.id)
        .join(Campaign, Campaign.id == Alert.campaign_id)
        .where(Alert.id.in_(bindparam("alert_ids", expanding=True)), may_leave())
    )


def free_chunk(
    *, with_held: bool, apart: Collection[int] = (), lock: bool = False
) -> Row[int, int] | None:
    """Give alert and number of a chunk to lease.

    One that only waits for the limit of a kind of mailbox ``with_held`` alone; none of the
    alerts in ``apart``.
    """
    moment = clock.now()
    values = {
        "now": moment,
        "too_long": moment + LONGEST_LEASE,
        "looked_after": moment - LATE,
        "with_held": with_held,
        "apart": list(apart),
        "start": _DRAW.random(),
    }
    query = _free_chunk_locked() if lock else _free_chunk()
    # The connection's: no objects are wanted, and it costs less.
    return db.session.connection().execute(query, values).first()


@functools.cache
def _free_chunk() -> Select[int, int]:
    until = AlertChunk.lease_until
    return (
        select(AlertChunk.alert_id, AlertChunk.number)
        .join(Alert, Alert.id == AlertChunk.alert_id)
        .join(Campaign, Campaign.id == Alert.campaign_id)
        .where(
            ~AlertChunk.is_done,
            # No lease is that long: the clock was set back.
            until.is_(None) | (until < bindparam("now")) | (until > bindparam("too_long")),
            ~AlertChunk.is_held | bindparam("with_held", type_=Boolean()),
            Alert.id.not_in(bindparam("apart", expanding=True)),
            Alert.active_at > bindparam("looked_after"),
            may_leave(),
        )
        # From anywhere on: whoever sees the mails leave shall not know whose chunk it is.
        .order_by(
            Alert.not_before,
            AlertChunk.is_held,
            AlertChunk.number < Alert.slots * bindparam("start", type_=Float()) / CHUNK,
            AlertChunk.number,
        )
        .limit(1)
    )


@functools.cache
def _free_chunk_locked() -> Select[int, int]:
    return _free_chunk().with_for_update(of=AlertChunk, skip_locked=True)


def due_exceptions(
    *, limit: int, apart: Collection[int] = (), lock: bool = False
) -> list[AlertException]:
    """Give deferred mails of one alert, none of those in ``apart``, whose next try is due."""
    query = _due_exceptions_locked() if lock else _due_exceptions()
    values = {"now": clock.now(), "apart": list(apart), "most": limit}
    found = list(db.session.scalars(query, values))
    return [one for one in found if one.alert_id == found[0].alert_id]


@functools.cache
def _due_exceptions() -> Select[AlertException]:
    return (
        select(AlertException)
        # Moments are not read: one that is none would stop those of all alerts.
        .options(load_only(AlertException.attempts))
        .join(Alert, Alert.id == AlertException.alert_id)
        .join(Campaign, Campaign.id == Alert.campaign_id)
        .where(
            AlertException.state == ExceptionState.DEFERRED,
            AlertException.due_at <= bindparam("now"),
            Alert.id.not_in(bindparam("apart", expanding=True)),
            may_leave(),
        )
        .order_by(AlertException.due_at)
        .limit(bindparam("most"))
    )


@functools.cache
def _due_exceptions_locked() -> Select[AlertException]:
    query = _due_exceptions().with_for_update(of=AlertException, skip_locked=True)
    return query.execution_options(populate_existing=True)


def has_open_chunks(alert_id: int) -> bool:
    """Say whether an alert has a chunk that is not done."""
    query = select(AlertChunk.number).where(
        AlertChunk.alert_id == alert_id, ~AlertChunk.is_done
    )
    return db.session.scalar(query.limit(1)) is not None


# --- figures ---------------------------------------------------------------------------------


def lock_chunks(alert_id: int) -> None:
    """Wait for whoever writes into an alert's chunks at this moment, and keep others out."""
    query = select(AlertChunk.number).where(AlertChunk.alert_id == alert_id)
    db.session.execute(query.order_by(AlertChunk.number).with_for_update())


def figures(alert: Alert) -> Figures:
    """Give an alert's figures: its own, and what its chunks and exceptions say so far."""
    sent, skipped = db.session.execute(
        select(
            func.coalesce(func.sum(AlertChunk.sent), 0),
            func.coalesce(func.sum(AlertChunk.skipped), 0),
        ).where(AlertChunk.alert_id == alert.id)
    ).one()
    states = db.session.execute(
        select(AlertException.state, func.count())
        .where(AlertException.alert_id == alert.id)
        .group_by(AlertException.state)
    )
    counts = {row[0]: row[1] for row in states}
    deferred = counts.pop(ExceptionState.DEFERRED, 0)
    failed = alert.failed + sum(counts.values())
    told = alert.sent + int(sent) + alert.skipped + int(skipped) + failed
    # Nobody is told how many it goes to before all have been counted.
    is_counted = alert.slots is not None or alert.done_at is not None
    return Figures(
        # Who widened their wish since the alert began was not counted then.
        queued=max(alert.queued if is_counted else 0, told + deferred),
        sent=alert.sent + int(sent),
        skipped=alert.skipped + int(skipped),
        deferred=deferred,
        failed=failed,
    )
