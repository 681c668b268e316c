"""How many mails may leave: never more than the limit says, whatever asks how often."""

from __future__ import annotations

import datetime as dt
import threading

from flask import Flask
from hypothesis import given as over
from hypothesis import strategies as st

from tracker.extensions import db, writing
from tracker.mail import rates
from tracker.mail.models import RateBucket

RATES = st.floats(0.001, 5_000)


def run(rate: float, asked: list[tuple[float, int]], *, now: float = 1e9) -> list[int]:
    """Ask so many times: after so long for so many."""
    tat, found = now, []
    for pause, most in asked:
        now += pause
        granted = rates.allowed(tat, now, rate=rate, most=most)
        tat = max(tat, now) + granted / rate
        found.append(granted)
    return found


@over(RATES, st.lists(st.tuples(st.floats(0, 50), st.integers(0, 200)), max_size=40))
def test_no_more_leave_than_the_rate_and_one_burst_allow(
    rate: float, asked: list[tuple[float, int]]
) -> None:
    granted = run(rate, asked)
    assert all(0 <= one <= most for one, (_, most) in zip(granted, asked, strict=True))
    burst = 1 + rate * rates.BURST_SECONDS
    for start in range(len(asked)):
        seconds = sum(pause for pause, _ in asked[start + 1 :])
        assert sum(granted[start:]) <= rate * seconds + burst * (1 + 1e-6) + 1e-3


@over(st.floats(0.1, 1_000))
def test_whoever_keeps_asking_gets_what_the_rate_says(rate: float) -> None:
    step, number = 0.5 / max(rate, 1.0), 400
    granted = sum(run(rate, [(step, 1_000)] * number))
    assert granted >= rate * step * number - 1


def test_a_clock_that_was_set_back_does_not_hold_mail_for_ever() -> None:
    assert rates.allowed(1e9, 1e9 - 86_400, rate=10, most=5) == 5
    assert rates.allowed(1e9, 1e9 - 0.5, rate=10, most=50) == 6, "a little is waited for"


def test_a_mail_server_that_warms_up_takes_twice_as_much_every_day() -> None:
    first = dt.date(2026, 11, 8)
    days = [
        rates.warmed(64, days=3, first_used_on=first, today=first + dt.timedelta(days=number))
        for number in (-1, 0, 1, 2, 3, 400)
    ]
    assert days == [8, 8, 16, 32, 64, 64]
    assert rates.warmed(64, days=0, first_used_on=first, today=first) == 64


def test_a_long_warm_up_begins_with_two_hundred_mails_a_day() -> None:
    day = dt.date(2026, 11, 8)
    assert rates.warmed(50, days=60, first_used_on=day, today=day) * 86_400 == 200
    slow = 100 / 86_400
    assert rates.warmed(slow, days=60, first_used_on=day, today=day) == slow


def test_workers_side_by_side_share_one_limit(app: Flask) -> None:
    granted: list[int] = []

    def ask() -> None:
        with app.app_context():
            for _ in range(10):
                with writing():
                    granted.append(rates.take("relay:one", rate=0.01, most=3))

    workers = [threading.Thread(target=ask) for _ in range(3)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join(30)
    assert len(granted) == 30, "nobody met an error"
    assert sum(granted) == 1


def test_a_limit_whose_clock_was_set_back_is_written_down_anew(app: Flask) -> None:
    with app.app_context():
        with writing():
            rates.take("relay:one", rate=10, most=1)
            db.session.query(RateBucket).update({"tat": RateBucket.tat + 86_400})
        with writing():
            assert rates.take("relay:one", rate=10, most=50) == 11
        with writing():
            assert rates.take("relay:one", rate=10, most=50) < 10, "counted from now on"
