"""A worker dies, hangs or loses its lease in the middle: nobody is lost, figures stay exact."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
import time_machine

from tests.alerts.conftest import House, people
from tests.support.sink import Mail
from tracker.alerts import sending
from tracker.alerts.models import AlertChunk, AlertState
from tracker.core import clock
from tracker.mail.models import OutboxKey
from tracker.worker import Worker

SARA = "sara@example.org"


def by_id(rows: list[Any]) -> None:
    """Let mails leave in the order of slots, where a test has to know it."""
    rows.sort(key=lambda row: row.id)


@pytest.mark.parametrize(
    ("owner", "place"),
    [
        (sending.Sender, "_feed"),
        (sending.windows, "look"),
        (sending.Sender, "_forget_marked"),
        (sending.windows, "pick"),
        (sending.Limits, "allowed"),
    ],
)
def test_an_error_between_reading_and_sending_loses_nobody_and_tells_nobody_twice(
    house: House, owner: Any, place: str
) -> None:
    house.subscribe(*people(30))
    house.patch.setattr("tracker.alerts.windows.WINDOW", 10)
    house.patch.setattr("tracker.worker.POLL_SECONDS", 0.01)
    original, calls = getattr(owner, place), []

    def failing(*arguments: Any) -> Any:
        calls.append(place)
        if len(calls) in {1, 3}:
            raise LookupError(place)
        return original(*arguments)

    house.patch.setattr(owner, place, failing)
    alert_id = house.tell()
    house.work_until(lambda: house.alert(alert_id).state is AlertState.DONE)
    assert house.told() == dict.fromkeys(people(30), 1)
    assert house.figures(alert_id)[:3] == (30, 30, 0)


def test_an_error_at_one_mail_of_a_window_forgets_none_of_the_others(house: House) -> None:
    house.subscribe(*people(20))
    house.patch.setattr("tracker.worker.POLL_SECONDS", 0.01)
    original, calls = sending.Pipeline.give, []

    def failing(pipeline: Any, parcels: Any) -> None:
        calls.append(1)
        if len(calls) == 7:
            raise LookupError
        original(pipeline, parcels)

    house.patch.setattr(sending.Pipeline, "give", failing)
    alert_id = house.tell()
    house.work_until(lambda: house.alert(alert_id).state is AlertState.DONE)
    assert house.told() == dict.fromkeys(people(20), 1)


def test_what_a_dead_worker_had_in_hand_goes_on_when_its_lease_is_over(
    house: House, travel: time_machine.Traveller
) -> None:
    house.subscribe(*people(30))
    house.patch.setattr("tracker.alerts.windows.WINDOW", 5)
    house.patch.setattr("tracker.alerts.sending.TURN_SECONDS", 0.001)
    alert_id = house.tell()
    house.work_until(lambda: len(house.sink.mails) >= 5)
    house.die()
    before = len(house.sink.mails)
    house.work()
    assert len(house.sink.mails) - before < 20, "its lease holds"
    travel.shift(dt.timedelta(seconds=130))
    house.work()
    assert set(house.told()) == set(people(30))
    assert sum(house.told().values()) <= 30 + 20
    alert = house.alert(alert_id)
    assert (alert.state, alert.queued, alert.sent) == (AlertState.DONE, 30, 30)


def lose_lease(house: House, **values: Any) -> None:
    """Let another worker have taken the chunk over at this moment."""
    until = clock.now() + dt.timedelta(seconds=60)
    house.change(AlertChunk, lease_owner="another", lease_until=until, **values)


def when_first(house: House, act: Any) -> None:
    """Do something while the mail server takes the first mail."""

    class Watched(list[Mail]):
        def append(self, mail: Mail) -> None:
            super().append(mail)
            if len(self) == 1:
                act()

    house.patch.setattr(house.sink, "mails", Watched())


def test_what_was_sent_is_written_down_although_the_lease_was_lost(
    house: House, travel: time_machine.Traveller
) -> None:
    house.subscribe(*people(3))
    when_first(house, lambda: lose_lease(house))
    alert_id = house.tell()
    house.work()
    [chunk] = house.rows(AlertChunk)
    assert chunk.sent == len(house.sink.mails) > 0
    assert sum(byte.bit_count() for byte in chunk.done) == chunk.sent
    travel.shift(dt.timedelta(seconds=61))
    house.work()
    assert house.told() == dict.fromkeys(people(3), 1)
    assert house.figures(alert_id)[:3] == (3, 3, 0)


def test_two_who_sent_the_same_mail_count_it_once(house: House) -> None:
    house.subscribe(SARA)
    bits = bytes([1]) + bytes(62)
    when_first(house, lambda: lose_lease(house, done=bits, sent=1))
    alert_id = house.tell()
    house.work()
    house.change(AlertChunk, lease_owner=None, lease_until=None)
    house.work()
    assert house.figures(alert_id)[:3] == (1, 1, 0)


def test_what_another_adds_to_a_chunk_in_hand_is_kept_and_not_sent_again(house: House) -> None:
    house.patch.setattr("tracker.alerts.batches._shuffle", by_id)
    house.subscribe(*people(40))
    house.patch.setattr("tracker.alerts.windows.WINDOW", 5)
    house.patch.setattr("tracker.alerts.sending.FEW_WAITING", 1)
    # The last sixteen are sent by one whose lease was lost, and who writes them down only now.
    bits = bytes([0, 0, 0, 255, 255]) + bytes(58)
    when_first(house, lambda: house.change(AlertChunk, done=bits, sent=16))
    alert_id = house.tell()
    house.work()
    assert len(house.sink.mails) == 24
    assert house.figures(alert_id)[:3] == (40, 40, 0)
    assert house.alert(alert_id).state is AlertState.DONE


def test_a_worker_that_was_held_up_beyond_its_lease_sends_nothing_twice(
    house: House, travel: time_machine.Traveller
) -> None:
    house.subscribe(*people(20))
    house.patch.setattr("tracker.alerts.windows.WINDOW", 5)
    house.patch.setattr("tracker.alerts.sending.TURN_SECONDS", 0.001)
    alert_id = house.tell()
    house.work_until(lambda: len(house.sink.mails) >= 5)
    travel.shift(dt.timedelta(minutes=10))
    assert house.worker.sender is not None
    house.worker.sender._marked_at -= 600
    house.work()
    assert house.told() == dict.fromkeys(people(20), 1)
    assert house.figures(alert_id)[:3] == (20, 20, 0)


def test_a_worker_that_ends_gives_everything_back_at_once(house: House) -> None:
    house.subscribe(*people(30))
    house.patch.setattr("tracker.alerts.windows.WINDOW", 5)
    house.patch.setattr("tracker.alerts.sending.TURN_SECONDS", 0.001)
    alert_id = house.tell()
    house.work_until(lambda: len(house.sink.mails) >= 5)
    with house.app.app_context():
        house.worker.close()
    [chunk] = house.rows(AlertChunk)
    assert (chunk.lease_owner, chunk.lease_until) == (None, None)
    assert chunk.sent == len(house.sink.mails)
    house.work()
    assert house.told() == dict.fromkeys(people(30), 1)
    assert house.alert(alert_id).sent == 30


def test_workers_side_by_side_write_to_everybody_once(house: House) -> None:
    house.cut(chunk=40)
    house.subscribe(*people(150))
    alert_id = house.tell()

    def labour() -> None:
        worker = Worker(house.app)
        with house.app.app_context():
            for _ in range(400):
                if not worker.turn() and house.alert(alert_id).state is AlertState.DONE:
                    break
            worker.close()

    workers = [threading.Thread(target=labour) for _ in range(2)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join(40)
    assert house.told() == dict.fromkeys(people(150), 1)
    assert house.figures(alert_id)[:3] == (150, 150, 0)
    assert house.has_forgotten()


def test_what_another_worker_told_meanwhile_is_not_told_once_more(house: House) -> None:
    house.patch.setattr("tracker.alerts.batches._shuffle", by_id)
    house.subscribe(*people(40))
    house.patch.setattr("tracker.alerts.windows.WINDOW", 5)
    # Slots 8 to 39 were told by one whose lease was lost and who writes it down only now.
    bits = bytes([0, 255, 255, 255, 255]) + bytes(58)
    when_first(house, lambda: house.change(AlertChunk, done=bits, sent=32))
    alert_id = house.tell()
    house.work()
    assert len(house.sink.mails) <= 8 + 5, "all but one window"
    assert house.figures(alert_id)[:3] == (40, 40, 0)


def test_a_clock_set_back_by_a_day_holds_no_mail_and_makes_no_heap_of_keys(
    house: House, travel: time_machine.Traveller
) -> None:
    house.subscribe(*people(30))
    house.patch.setattr("tracker.alerts.windows.WINDOW", 5)
    house.patch.setattr("tracker.alerts.sending.TURN_SECONDS", 0.001)
    alert_id = house.tell()
    house.work_until(lambda: len(house.sink.mails) >= 5)
    house.die()
    travel.shift(dt.timedelta(days=-1))
    house.work()
    travel.shift(dt.timedelta(minutes=2))
    house.work()
    assert len(house.told()) == 30
    assert house.alert(alert_id).state is AlertState.DONE
    assert len(house.rows(OutboxKey)) <= 3
