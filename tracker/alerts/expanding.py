"""An alert begins: older ones give way, its audience is written down, and its chunks.

Each step is a short transaction that can be done again: killed anywhere, the next worker goes
on where it was.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from sqlalchemy import Integer, func, insert, select, text, update

from tracker.alerts import notices, queries, services
from tracker.alerts.audiences import pack
from tracker.alerts.batches import NO_BITS
from tracker.alerts.freezing import freeze_update
from tracker.alerts.models import (
    CHUNK,
    Alert,
    AlertAudience,
    AlertChunk,
    AlertState,
    PauseReason,
)
from tracker.core import clock
from tracker.database import AWAY
from tracker.extensions import db, writing
from tracker.subscriptions.models import Scope, Subscription

log = logging.getLogger(__name__)

PAGES = 50
"""Pages of an audience that one step writes on SQLite: 25,000 people, some 5 ms of writing."""
PAGES_AT_ONCE = 1_000
"""Pages that one step writes on PostgreSQL: 500,000 people, less than a second."""


def expand_next() -> bool:
    """Do one step for one alert whose time has come; ``False`` where none waits."""
    found = queries.next_to_begin()
    db.session.rollback()
    if found is None:
        return False
    alert_id, update_id = found
    try:
        is_frozen = _is_frozen(update_id)
        db.session.rollback()
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
    is_postgresql = db.engine.dialect.name == "postgresql"
    seen = db.session.get_one(Alert, alert_id)
    found = None
    if seen.state is AlertState.EXPANDING and not is_postgresql:
        # Before the transaction that writes: whoever signs meanwhile need not wait.
        found = _next_people(seen)
    with writing():
        alert = queries.to_begin(alert_id)
        if alert is None:
            return False
        if alert.state is AlertState.WAITING:
            _begin(alert)
        elif alert.state is AlertState.EXPANDING and is_postgresql:
            _write_at_once(alert)
        # Where the cursor moved meanwhile, another worker was here.
        elif found and alert.state is AlertState.EXPANDING and alert.cursor == found.after:
            _write_pages(alert, found)
    return True


def _let_rest(alert_id: int) -> None:
    db.session.rollback()
    with writing():
        # Written before it is read: perhaps it is the row itself that cannot be read.
        changed = db.session.execute(
            update(Alert)
            .where(Alert.id == alert_id, queries.is_to_begin())
            .values(state=AlertState.PAUSED, paused_for=PauseReason.BROKEN)
            .returning(Alert.campaign_id)
            .execution_options(synchronize_session=False)
        ).first()
        if changed is not None:
            _tell_of(alert_id, changed.campaign_id)


def _tell_of(alert_id: int, campaign_id: int) -> None:
    try:
        with db.session.begin_nested():
            notices.tell_of(alert_id, campaign_id, AlertState.PAUSED)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - else it would be tried, and fail, for ever
        log.error("alert %s rests, and nobody is told: %s", alert_id, type(error).__name__)


def _begin(alert: Alert) -> None:
    moment = clock.now()
    if alert.not_after < moment:
        services.end(alert, AlertState.EXPIRED)
    elif alert.not_before < moment - queries.LATE:
        # The worker was down, or this is a restored backup: perhaps it is no news any more.
        notices.let_rest(alert, PauseReason.LATE)
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


# --- audience and chunks ---------------------------------------------------------------------
#
# Everybody of the alert's generation gets a slot, also who wants status changes only: wishes
# may change before their turn. The order is that of the ids, which are random: it tells nothing
# of who came when.


class People(NamedTuple):
    """The next people of an audience, in the order of their ids."""

    after: int
    ids: list[int]
    told: int
    """How many of them want to hear of it."""
    is_last: bool


def _next_people(alert: Alert) -> People:
    people = (
        select(Subscription.id, (Subscription.scope == Scope.EVERY_UPDATE).label("wants"))
        .where(
            Subscription.campaign_id == alert.campaign_id,
            Subscription.generation <= alert.generation,
            Subscription.id > alert.cursor,
        )
        .order_by(Subscription.id)
        .limit(PAGES * CHUNK)
        .subquery()
    )
    # As one text: a row for each of them would take three times as long.
    query = select(
        func.count(), func.sum(people.c.wants, type_=Integer()), func.group_concat(people.c.id)
    )
    number, wanting, written = db.session.execute(query).one()
    # Sorted already, but nothing promises that of what is put together.
    ids = sorted(map(int, written.split(","))) if number else []
    if len(ids) != number:
        raise ValueError("an id that is none")
    told = number if alert.update.changes else wanting or 0
    return People(alert.cursor, ids, told, number < PAGES * CHUNK)


def _write_pages(alert: Alert, found: People) -> None:
    number = _pages(alert)
    rows = [
        {"alert_id": alert.id, "number": number + further, "ids": pack(page)}
        for further, page in enumerate(
            found.ids[at : at + CHUNK] for at in range(0, len(found.ids), CHUNK)
        )
    ]
    if rows:
        db.session.execute(insert(AlertAudience), rows)
    last = found.ids[-1] if found.ids else alert.cursor
    _go_on(alert, cursor=last, told=found.told, is_last=found.is_last)


_AT_ONCE = text("""
    WITH people AS MATERIALIZED (
        SELECT id, :tells_everybody OR scope = :every_update AS is_told
        FROM subscriptions
        WHERE campaign_id = :campaign_id AND generation <= :generation AND id > :cursor
        ORDER BY id LIMIT :most
    ), pages AS (
        INSERT INTO alert_audiences (alert_id, number, ids)
        SELECT :alert_id, number, string_agg(int8send(id), ''::bytea ORDER BY id)
        FROM (
            SELECT id, :pages + (row_number() OVER (ORDER BY id) - 1) / :chunk AS number
            FROM people
        ) AS numbered
        GROUP BY number
    )
    SELECT count(*) AS people, max(id) AS last, count(*) FILTER (WHERE is_told) AS told
    FROM people
""")
"""What :func:`_next_people` and :func:`_write_pages` do, inside PostgreSQL.

Page by page it would read the table again and again, 12 s a million where it was not vacuumed
since they came; this takes a tenth.
"""


def _write_at_once(alert: Alert) -> None:
    most = PAGES_AT_ONCE * CHUNK
    values = {
        "alert_id": alert.id,
        "campaign_id": alert.campaign_id,
        "generation": alert.generation,
        "cursor": alert.cursor,
        "tells_everybody": bool(alert.update.changes),
        "every_update": Scope.EVERY_UPDATE.value,
        "pages": _pages(alert),
        "chunk": CHUNK,
        "most": most,
    }
    found = db.session.execute(_AT_ONCE, values).one()
    last = found.last if found.people else alert.cursor
    _go_on(alert, cursor=last, told=found.told, is_last=found.people < most)


def _go_on(alert: Alert, *, cursor: int, told: int, is_last: bool) -> None:
    """Write down how far the audience of an alert is; after its last page, the chunks."""
    alert.cursor, alert.active_at = cursor, clock.now()
    alert.queued += told
    if is_last:
        alert.state, number = AlertState.SENDING, _pages(alert)
        alert.slots = number * CHUNK
        rows = [{"alert_id": alert.id, "number": n, "done": NO_BITS} for n in range(number)]
        if rows:
            db.session.execute(insert(AlertChunk), rows)


def _pages(alert: Alert) -> int:
    query = select(func.count()).where(AlertAudience.alert_id == alert.id)
    return db.session.scalar(query) or 0


# --- an alert that was approved before mails were frozen --------------------------------------


def _is_frozen(update_id: int) -> bool:
    return bool(db.session.scalar(select(queries.is_frozen(update_id))))


def _freeze(alert_id: int) -> None:
    """Freeze here what an earlier release approved. Raises ``NotFrozen``."""
    frozen = freeze_update(db.session.get_one(Alert, alert_id).update)
    with writing():
        alert = db.session.get_one(Alert, alert_id, with_for_update=True)
        if not _is_frozen(alert.update_id):
            services.keep_variants(alert.update_id, frozen)
