"""An alert begins: older ones give way, everybody gets a slot, the chunks are written.

Each step is a short transaction that can be done again: killed anywhere, the next worker goes
on where it was.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, func, insert, select, update

from tracker.alerts import notices, queries, services
from tracker.alerts.batches import NO_BITS
from tracker.alerts.freezing import freeze_update
from tracker.alerts.models import (
    CHUNK,
    Alert,
    AlertChunk,
    AlertState,
    PauseReason,
)
from tracker.campaigns.models import PUBLIC, Campaign
from tracker.core import clock
from tracker.database import AWAY
from tracker.extensions import db, writing
from tracker.subscriptions.models import Scope, Subscription

log = logging.getLogger(__name__)

PAGE = 5_000
"""Subscriptions that get a slot in one transaction; about 50 ms on SQLite."""
AHEAD = 5_000
"""Subscriptions without a slot below which none is given before an alert begins."""
COUNTED = 100 * CHUNK
"""Slots that are counted at once."""
EVERYBODY = 2**63 - 1
"""The cursor of an alert whose audience has its slots."""


def expand_next() -> bool:
    """Do one step for one alert whose time has come; ``False`` where none waits."""
    found = queries.next_to_begin()
    alert_id, is_frozen = (found.id, _is_frozen(found)) if found else (None, False)
    db.session.rollback()
    if alert_id is None:
        return False
    try:
        if not is_frozen:
            _freeze(alert_id)
        return _step(alert_id) or not is_frozen
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - one bad alert must not stop all others
        log.error("alert %s cannot begin: %s", alert_id, type(error).__name__)
        _let_rest(alert_id)
        return True


def _step(alert_id: int) -> bool:
    seen = db.session.get_one(Alert, alert_id)
    is_counted = seen.state is AlertState.EXPANDING and seen.cursor == EVERYBODY
    audience = _audience(seen) if is_counted else None
    with writing():
        alert = queries.next_to_begin(only=alert_id)
        if alert is None:
            return False
        if alert.state is AlertState.WAITING:
            _begin(alert)
        elif alert.state is not AlertState.EXPANDING:
            return True
        elif audience is None:
            _give_slots(alert)
        else:
            _write_chunks(alert, audience)
    return True


def _let_rest(alert_id: int) -> None:
    with writing():
        alert = queries.next_to_begin(only=alert_id)
        if alert is not None:
            services.pause(alert, PauseReason.BROKEN)
            notices.tell_organisers(alert)


def _begin(alert: Alert) -> None:
    moment = clock.now()
    if alert.not_after < moment:
        services.end(alert, AlertState.EXPIRED)
    elif alert.not_before < moment - queries.LATE:
        # The worker was down, or this is a restored backup: perhaps it is no news any more.
        services.pause(alert, PauseReason.LATE)
        notices.tell_organisers(alert)
    else:
        alert.state, alert.active_at = AlertState.EXPANDING, moment
        db.session.flush()
        newer = [alert]
        while newer:
            for older in queries.overtaken_by(newer.pop()):
                services.end(older, AlertState.SUPERSEDED)
                # Whom else it told of, perhaps nobody will hear about now: somebody must see.
                if _subjects(older) - _subjects(alert):
                    notices.tell_organisers(older)
                newer.append(older)


def _subjects(alert: Alert) -> set[int]:
    return {change.subject_id for change in alert.update.changes}


# --- slots -----------------------------------------------------------------------------------


def _give_slots(alert: Alert) -> None:
    """Give the next page of an alert's audience their slots."""
    last = _give_page(
        alert.campaign_id, after=alert.cursor, generation=alert.generation, least=0
    )
    alert.cursor, alert.active_at = last or EVERYBODY, clock.now()


def give_slots_ahead() -> int:
    """Give slots where very many have come since the last alert, one page; give how many.

    So that the next alert of a large campaign begins in seconds. Some thousands are always
    left: only among many does a slot tell nothing of who came when.
    """
    for campaign_id in db.session.scalars(
        select(Campaign.id).where(Campaign.state.in_(PUBLIC))
    ):
        if _nth_without_slot(campaign_id, AHEAD + PAGE) is not None:
            db.session.rollback()
            with writing():
                _give_page(campaign_id, after=0, generation=None, least=AHEAD)
            return PAGE
    db.session.rollback()
    return 0


def _give_page(
    campaign_id: int, *, after: int, generation: int | None, least: int
) -> int | None:
    """Give up to :data:`PAGE` subscriptions slots; give the last id, ``None`` at the end.

    Nothing is done where not more than ``least`` would be left.
    """
    campaign = db.session.get_one(Campaign, campaign_id, with_for_update=True)
    last = _nth_without_slot(campaign_id, PAGE, after=after, generation=generation)
    if least and _nth_without_slot(campaign_id, PAGE + least) is None:
        return None
    page = _without_slot(campaign_id, after=after, generation=generation)
    if last is not None:
        page = page.where(Subscription.id <= last)
    # Ids are random, so that their order tells nothing of who came when.
    numbered = page.add_columns(
        (func.row_number().over(order_by=Subscription.id) - 1).label("place")
    ).subquery()
    given = db.session.scalars(
        update(Subscription)
        # The range once more: PostgreSQL would join the page with the whole table.
        .where(Subscription.id == numbered.c.id, *_range(after, last))
        .values(slot=campaign.next_slot + numbered.c.place)
        .returning(Subscription.slot)
        .execution_options(synchronize_session=False)
    ).all()
    # Not their number: who leaves at this moment keeps a place in the numbering (PostgreSQL).
    end = max((slot + 1 for slot in given if slot is not None), default=campaign.next_slot)
    # Not as a change of the object: that would write the words of the campaign's page anew.
    db.session.execute(update(Campaign).where(Campaign.id == campaign_id).values(next_slot=end))
    return last


def _range(after: int, last: int | None) -> tuple[ColumnElement[bool], ...]:
    beyond = Subscription.id > after
    return (beyond,) if last is None else (beyond, Subscription.id <= last)


def _without_slot(
    campaign_id: int, *, after: int = 0, generation: int | None = None
) -> Select[int]:
    query = select(Subscription.id).where(
        Subscription.campaign_id == campaign_id,
        Subscription.slot.is_(None),
        Subscription.id > after,
    )
    return query if generation is None else query.where(Subscription.generation <= generation)


def _nth_without_slot(
    campaign_id: int, number: int, *, after: int = 0, generation: int | None = None
) -> int | None:
    query = _without_slot(campaign_id, after=after, generation=generation)
    return db.session.scalar(query.order_by(Subscription.id).offset(number - 1).limit(1))


# --- chunks ----------------------------------------------------------------------------------


class Audience(NamedTuple):
    """Where an alert's slots end, and how many are to be told in each chunk that has any."""

    end: int
    people: dict[int, int]


def _audience(alert: Alert) -> Audience:
    """Count an alert's audience: a second for a million, so before the transaction."""
    end = db.session.get_one(Campaign, alert.campaign_id).next_slot
    number = (Subscription.slot // CHUNK).label("number")
    mine: tuple[ColumnElement[bool], ...] = (
        Subscription.campaign_id == alert.campaign_id,
        Subscription.generation <= alert.generation,
    )
    if not alert.update.changes:
        mine = (*mine, Subscription.scope == Scope.EVERY_UPDATE)
    people: dict[int, int] = {}
    start: int | None = 0
    # Range by range: SQLite sorts in memory what it groups, tens of megabytes for a million.
    while (start := _next_slot(alert.campaign_id, start or 0, end)) is not None:
        start -= start % CHUNK
        here = (Subscription.slot >= start, Subscription.slot < min(start + COUNTED, end))
        found = db.session.execute(
            select(number, func.count()).where(*mine, *here).group_by(number)
        )
        people |= {chunk or 0: count for chunk, count in found}
        start += COUNTED
    return Audience(end, people)


def _next_slot(campaign_id: int, start: int, end: int) -> int | None:
    return db.session.scalar(
        select(func.min(Subscription.slot)).where(
            Subscription.campaign_id == campaign_id,
            Subscription.slot >= start,
            Subscription.slot < end,
        )
    )


def _write_chunks(alert: Alert, audience: Audience) -> None:
    alert.slots, alert.queued = audience.end, sum(audience.people.values())
    alert.state, alert.active_at = AlertState.SENDING, clock.now()
    rows = [
        {"alert_id": alert.id, "number": number, "done": NO_BITS}
        for number in sorted(audience.people)
    ]
    if rows:
        db.session.execute(insert(AlertChunk), rows)


# --- an alert that was approved before mails were frozen --------------------------------------


def _is_frozen(alert: Alert) -> bool:
    return bool(db.session.scalar(select(queries.is_frozen(alert.update_id))))


def _freeze(alert_id: int) -> None:
    """Freeze here what an earlier release approved. Raises ``NotFrozen``."""
    frozen = freeze_update(db.session.get_one(Alert, alert_id).update)
    with writing():
        alert = db.session.get_one(Alert, alert_id, with_for_update=True)
        if not _is_frozen(alert):
            services.keep_variants(alert.update_id, frozen)
