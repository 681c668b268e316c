"""What the mail server says to an alert's mails, and what follows for whom."""

from __future__ import annotations

import datetime as dt

import pytest
import time_machine

from tests.alerts.conftest import House, people
from tracker.alerts.models import AlertState, ExceptionState
from tracker.core import clock

SARA, OMAR = "sara@example.org", "omar@example.org"


@pytest.mark.parametrize("stage", ["refuse_rcpt", "refuse_data"])
def test_a_mail_wanted_later_is_tried_after_some_minutes_and_arrives(
    house: House, travel: time_machine.Traveller, stage: str
) -> None:
    house.subscribe(SARA, OMAR)
    getattr(house.sink, stage)[SARA] = "450 4.2.1 come back later"
    alert_id = house.tell()
    house.work()
    assert house.told() == {OMAR: 1}
    figures = house.figures(alert_id)
    assert (figures.queued, figures.sent, figures.deferred, figures.left) == (2, 1, 1, 1)
    assert house.alert(alert_id).state is AlertState.SENDING
    getattr(house.sink, stage).clear()
    travel.shift(dt.timedelta(minutes=3))
    house.work()
    assert house.told() == {OMAR: 1}, "not before its time"
    travel.shift(dt.timedelta(minutes=4))
    house.work()
    assert house.told() == {OMAR: 1, SARA: 1}
    alert = house.alert(alert_id)
    assert (alert.state, alert.sent, alert.failed) == (AlertState.DONE, 2, 0)
    assert house.has_forgotten()


def test_it_is_tried_in_growing_steps_and_given_up_after_three_days(
    house: House, travel: time_machine.Traveller
) -> None:
    house.subscribe(SARA)
    house.sink.refuse_rcpt[SARA] = "450 4.2.1 come back later"
    alert_id, started, steps = house.tell(lifetime=200), clock.now(), []
    house.work()
    while rows := house.rows():
        steps.append((rows[0].due_at - clock.now()).total_seconds() / 60)
        travel.move_to(rows[0].due_at + dt.timedelta(seconds=1))
        house.work()
    for step, minutes in zip(steps, (5, 15, 45, 120, 360, 720, 1440), strict=False):
        assert 0.8 * minutes - 0.1 <= step <= 1.2 * minutes + 0.1
    assert 6 <= len(steps) <= 9
    assert 1.5 < (clock.now() - started) / dt.timedelta(days=1) <= 3
    alert = house.alert(alert_id)
    assert (alert.state, alert.sent, alert.failed) == (AlertState.DONE, 0, 1)
    assert house.suppression(SARA) is None, "once is not enough"


def test_who_does_not_exist_gets_no_second_mail_for_months_and_then_never_more(
    house: House, travel: time_machine.Traveller
) -> None:
    house.subscribe(SARA, *people(2))
    house.sink.refuse_rcpt[SARA] = "550 5.1.1 no such person"
    first = house.alert(house.tell())
    house.work()
    first = house.alert(first.id)
    assert (first.state, first.sent, first.failed) == (AlertState.DONE, 2, 1)
    found = house.suppression(SARA)
    assert found is not None
    assert found.until == clock.today() + dt.timedelta(days=90)
    house.sink.refuse_rcpt.clear()
    second = house.tell()
    house.work()
    assert SARA not in house.told()
    assert house.figures(second)[:5] == (3, 2, 1, 0, 0)
    travel.shift(dt.timedelta(days=91))
    house.sink.refuse_rcpt[SARA] = "550 5.1.1 still nobody"
    house.tell()
    house.work()
    found = house.suppression(SARA)
    assert found is not None
    assert found.until is None


@pytest.mark.parametrize(
    ("stage", "answer"),
    [
        ("refuse_rcpt", "550 5.7.1 we do not want you"),
        ("refuse_data", "550 5.1.1 said too late to mean the mailbox"),
    ],
)
def test_a_refusal_of_us_or_of_the_mail_is_counted_and_nobody_suppressed(
    house: House, stage: str, answer: str
) -> None:
    house.subscribe(SARA, *people(2))
    getattr(house.sink, stage)[SARA] = answer
    alert_id = house.tell()
    house.work()
    alert = house.alert(alert_id)
    assert (alert.state, alert.sent, alert.failed) == (AlertState.DONE, 2, 1)
    assert house.suppression(SARA) is None
    getattr(house.sink, stage).clear()
    house.tell()
    house.work()
    assert house.told()[SARA] == 1


@pytest.mark.parametrize(("days", "is_dead"), [(6, True), (8, False)])
def test_other_refusals_end_the_mails_at_the_third_within_two_weeks(
    house: House, travel: time_machine.Traveller, days: int, is_dead: bool
) -> None:
    house.subscribe(SARA)
    house.sink.refuse_rcpt[SARA] = "550 not today"
    for number in range(3):
        assert house.suppression(SARA) is None, number
        house.tell()
        house.work()
        travel.shift(dt.timedelta(days=days))
    assert (house.suppression(SARA) is not None) == is_dead


def test_a_mail_that_was_taken_without_an_answer_waits_and_comes_with_the_same_id(
    house: House, travel: time_machine.Traveller
) -> None:
    house.subscribe(SARA, *people(3))
    house.sink.drop_after_data.add(SARA)
    alert_id = house.tell()
    house.work_until(lambda: len(house.told()) == 4 and bool(house.rows()))
    house.work()
    assert house.told()[SARA] == 1, "not again at once"
    assert [row.state for row in house.rows()] == [ExceptionState.DEFERRED]
    travel.shift(dt.timedelta(minutes=7))
    house.work()
    first, second = house.sink.to(SARA)
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert house.alert(alert_id).state is AlertState.DONE
    assert max(house.told()[one] for one in people(3)) == 1


def test_each_mail_to_the_same_person_has_an_id_of_its_own(house: House) -> None:
    house.subscribe(SARA)
    for _ in range(2):
        house.tell()
        house.work()
    first, second = house.sink.to(SARA)
    assert first.message["Message-ID"] != second.message["Message-ID"]
