"""How many mails may leave now: one row per limit, right across workers and machines.

The generic cell rate algorithm (ITU-T I.371): the row holds the theoretical arrival time of the
next mail, and a burst of one second is allowed. The time is the database's where machines share
one, so that their clocks need not agree.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from sqlalchemy import ColumnElement, func, literal, select, update

from tracker.core import clock
from tracker.extensions import db, insert, locked
from tracker.mail.models import RateBucket

BURST_SECONDS = 1.0
"""What was not used in the last second may be made up for."""
LEAST_WARM = 200 / 86_400
"""Mails a second with which every warm-up begins."""


def take(name: str, *, rate: float, most: int) -> int:
    """Take up to ``most`` mails from a limit of ``rate`` a second, and give how many.

    Call inside ``writing()``: the row is locked until its end.
    """
    now = float(db.session.scalar(select(_now())) or 0.0)
    query = locked(select(RateBucket.tat).where(RateBucket.name == name))
    tat = db.session.scalar(query)
    if tat is None:
        new = insert(RateBucket).values(name=name, tat=now)
        db.session.execute(new.on_conflict_do_nothing())
        tat = db.session.scalar(query) or now
    granted = allowed(tat, now, rate=rate, most=most)
    if granted:
        db.session.execute(
            update(RateBucket)
            .where(RateBucket.name == name)
            .values(tat=_start(tat, now, rate) + granted / rate)
            .execution_options(synchronize_session=False)
        )
    return granted


def allowed(tat: float, now: float, *, rate: float, most: int) -> int:
    """Give how many mails a limit lets go now; pure."""
    # One mail more than the burst: whoever asks a little late must not lose time each time.
    until = now + BURST_SECONDS + 1 / rate
    room = math.floor((until - _start(tat, now, rate)) * rate + 1e-6)
    return max(0, min(most, room))


def _start(tat: float, now: float, rate: float) -> float:
    # A clock that was set back must not hold mail for ever; NaN compares with nothing.
    return tat if now <= tat <= now + 10 * (BURST_SECONDS + 1 / rate) else now


def warmed(rate: float, *, days: int, first_used_on: dt.date, today: dt.date) -> float:
    """Give the rate of a mail server that is ``days`` in warming up: it doubles daily.

    It is never below 200 mails a day: an alert that nobody gets helps no server's name.
    """
    age = max(0, (today - first_used_on).days)
    return min(rate, max(rate / float(2 ** max(0, days - age)), LEAST_WARM))


def _now() -> ColumnElement[Any]:
    if db.engine.dialect.name == "postgresql":
        return func.extract("epoch", func.clock_timestamp())
    return literal(clock.now().timestamp())
