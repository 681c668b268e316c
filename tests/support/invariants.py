"""What must be true of an alert at any moment and when it is over: sink, database, audience."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

from sqlalchemy import func, select

from tests.support.crowd import Crowd
from tests.support.quicksink import Arrival, QuickSink
from tracker.alerts.audiences import unpack
from tracker.alerts.batches import has_bit
from tracker.alerts.models import (
    CHUNK,
    Alert,
    AlertAudience,
    AlertChunk,
    AlertException,
    AlertState,
)
from tracker.alerts.windows import WINDOW
from tracker.extensions import db
from tracker.mail.models import Delivery
from tracker.subscriptions.models import Subscription


def check_running(crowd: Crowd, sink: QuickSink, alert_id: int) -> int:
    """Check that nobody is marked whose mail has not arrived; give how many were told."""
    with crowd.site.app_context():
        # The marks before the sink: what is marked arrived earlier.
        chunks = list(
            db.session.execute(
                select(AlertChunk.number, AlertChunk.done, AlertChunk.sent, AlertChunk.skipped)
                .where(AlertChunk.alert_id == alert_id)
                .order_by(AlertChunk.number)
            )
        )
        slots = _slots(crowd, alert_id)
        db.session.rollback()
    arrived = {one.recipient for one in sink.arrivals()}
    marked = [
        chunk.number * CHUNK + place
        for chunk in chunks
        for place in range(CHUNK)
        if has_bit(chunk.done, place)
    ]
    # Whoever has unsubscribed has no row any more, so also no slot.
    told = {slots[slot] for slot in marked if slot in slots} - crowd.suppressed
    lost = told - arrived
    assert not lost, f"{len(lost)} of {len(marked)} are marked and got no mail"
    assert sum(chunk.sent + chunk.skipped for chunk in chunks) == len(marked)
    assert not arrived & crowd.suppressed
    return len(told)


def check_over(
    crowd: Crowd,
    sink: QuickSink,
    alert_id: int,
    *,
    killed_at: Sequence[float],
    workers: int,
    connections: int,
) -> int:
    """Check that everybody was told and nobody who had left; give how many mails came twice.

    ``killed_at`` are moments of ``time.monotonic()``. A kill may repeat the mails that are
    inside SMTP, one for each connection, and those whose end is not written down yet, a window;
    none of that may look like a second mail.
    """
    arrivals = sink.arrivals()
    arrived = Counter(one.recipient for one in arrivals)
    lost = crowd.owed - set(arrived)
    assert not lost, f"{len(lost)} of {len(crowd.owed)} were never told"
    assert not set(arrived) & crowd.suppressed, "who gets no more mail got some"
    assert not set(arrived) & crowd.gone, "who has left is not told"
    _check_repeats(arrivals)
    repeated = _repeated(arrivals)
    in_hand = connections + WINDOW
    assert len(repeated) <= len(killed_at) * in_hand, f"{len(repeated)} mails twice"
    # One of several may die of a kill later what it had in hand at this one. And what was under
    # way may arrive a moment after the kill.
    most = workers * in_hand + connections
    of_each = Counter(bisect_left(killed_at, at) for at in repeated)
    after_all = of_each.pop(len(killed_at), 0)
    assert after_all <= (connections if killed_at else 0), "twice, and nobody was killed"
    assert max(of_each.values(), default=0) <= most, f"twice after each kill: {of_each}"
    _check_figures(crowd, alert_id, told=len(arrived))
    return len(repeated)


def _repeated(arrivals: Iterable[Arrival]) -> list[float]:
    """Give when mails arrived that came again later: a kill after that forgot them."""
    last: dict[str, float] = {}
    again = []
    for one in sorted(arrivals, key=lambda one: one.at):
        if one.recipient in last:
            again.append(last[one.recipient])
        last[one.recipient] = one.at
    return again


def _check_repeats(arrivals: Iterable[Arrival]) -> None:
    ids: dict[str, set[str]] = {}
    for one in arrivals:
        ids.setdefault(one.recipient, set()).add(one.message_id)
    differing = [recipient for recipient, found in ids.items() if len(found) > 1]
    assert not differing, "mailboxes must be able to show the two as one"
    of_all = Counter(message_id for found in ids.values() for message_id in found)
    assert max(of_all.values()) == 1, "two people share a Message-ID"


def _check_figures(crowd: Crowd, alert_id: int, *, told: int) -> None:
    with crowd.site.app_context():
        alert = db.session.get_one(Alert, alert_id)
        assert alert.state is AlertState.DONE
        assert (alert.sent, alert.failed) == (told, 0)
        assert alert.sent + alert.skipped == alert.queued
        for table in (AlertAudience, AlertChunk, AlertException, Delivery):
            left = db.session.scalar(select(func.count()).select_from(table))
            assert left == 0, f"{table.__tablename__} remember what is over"
        db.session.rollback()


def _slots(crowd: Crowd, alert_id: int) -> dict[int, str]:
    """Give who had which slot and is still subscribed."""
    rows = db.session.execute(
        select(AlertAudience.number, AlertAudience.ids).where(
            AlertAudience.alert_id == alert_id
        )
    )
    owners = {
        row.number * CHUNK + place: one
        for row in rows
        for place, one in enumerate(unpack(row.ids))
    }
    here = set(db.session.scalars(select(Subscription.id)))
    return {slot: crowd.addresses[one] for slot, one in owners.items() if one in here}
