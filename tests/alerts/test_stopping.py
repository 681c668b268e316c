"""What ends or rests an alert in the middle: organisers, bounces, refusals, the mail server."""

from __future__ import annotations

import dataclasses
import re

import pytest

from tests.alerts.conftest import House, people
from tests.support import factories
from tests.support.sink import Mail, free_port
from tracker.alerts.models import AlertState, PauseReason
from tracker.alerts.stopping import LAST, LEAST, Fate, Record
from tracker.alerts.windows import WINDOW
from tracker.extensions import writing

ORGANISER = "organiser@example.org"


# --- the rule ---------------------------------------------------------------------------------


def verdict(*fates: tuple[Fate, int]) -> PauseReason | None:
    record = Record()
    for fate, number in fates:
        for _ in range(number):
            record.add(fate)
    return record.verdict()


def test_below_a_hundred_mails_shares_mean_nothing() -> None:
    assert verdict((Fate.BOUNCED, LEAST - 1)) is None
    assert verdict((Fate.BOUNCED, LEAST)) is PauseReason.BOUNCES


def test_more_than_five_in_a_hundred_bounces_or_two_refusals_are_too_many() -> None:
    assert verdict((Fate.SENT, 95), (Fate.BOUNCED, 5)) is None
    assert verdict((Fate.SENT, 94), (Fate.BOUNCED, 6)) is PauseReason.BOUNCES
    assert verdict((Fate.SENT, 98), (Fate.REFUSED, 2)) is None
    assert verdict((Fate.SENT, 97), (Fate.REFUSED, 3)) is PauseReason.REFUSALS


def test_only_the_last_thousand_count() -> None:
    assert verdict((Fate.BOUNCED, 100), (Fate.SENT, LAST)) is None
    assert verdict((Fate.SENT, 9 * LAST), (Fate.BOUNCED, 51)) is PauseReason.BOUNCES


# --- alerts -----------------------------------------------------------------------------------


def employ(house: House) -> None:
    with house.app.app_context(), writing():
        factories.an_organiser(ORGANISER)


@pytest.mark.parametrize(
    ("stage", "answer", "reason"),
    [
        ("refuse_rcpt", "550 5.1.1 nobody", PauseReason.BOUNCES),
        ("refuse_data", "554 5.7.1 spam", PauseReason.REFUSALS),
    ],
)
def test_an_alert_that_the_mail_servers_do_not_want_rests_and_its_organisers_are_told(
    house: House, stage: str, answer: str, reason: PauseReason
) -> None:
    employ(house)
    for name in ("TURN_SECONDS", "WINDOW_SECONDS"):  # what is counted are mails, not time
        house.patch.setattr(f"tracker.alerts.sending.{name}", 60.0)
    everybody = people(400)
    house.subscribe(*everybody)
    for address in everybody[::4]:
        getattr(house.sink, stage)[address] = answer
    alert_id = house.tell()
    house.work()
    alert = house.alert(alert_id)
    assert (alert.state, alert.paused_for) == (AlertState.PAUSED, reason)
    figures = house.figures(alert_id)
    assert 100 <= figures.sent + figures.failed <= WINDOW, "nothing is begun any more"
    assert figures.sent + figures.failed + figures.left == 400
    assert len(house.sink.to(ORGANISER)) == 1
    getattr(house.sink, stage).clear()
    house.resume(alert_id)
    house.work()
    assert house.alert(alert_id).state is AlertState.DONE
    assert max(house.told().values()) == 1


@pytest.mark.parametrize("act", ["pause", "stop"])
def test_pausing_and_stopping_take_effect_within_a_window(house: House, act: str) -> None:
    house.subscribe(*people(80))
    house.patch.setattr("tracker.alerts.windows.WINDOW", 5)
    house.patch.setattr("tracker.alerts.sending.FEW_WAITING", 1)
    alert_id = house.tell()

    class Watched(list[Mail]):
        def append(self, mail: Mail) -> None:
            super().append(mail)
            if len(self) == 12:
                getattr(house, act)(alert_id)

    house.patch.setattr(house.sink, "mails", Watched())
    house.work()
    assert 12 <= len(house.sink.mails) <= 40
    figures = house.figures(alert_id)
    assert figures.sent == len(house.sink.mails), "also what was inside the mail server"
    assert figures.sent + figures.left == 80
    assert house.has_forgotten() == (act == "stop")
    house.work()
    assert figures.sent == len(house.sink.mails)
    if act == "pause":
        house.resume(alert_id)
        house.work()
        assert house.told() == dict.fromkeys(people(80), 1)
        assert house.figures(alert_id)[:3] == (80, 80, 0)


def test_a_refusal_that_comes_after_the_stop_is_counted_too(house: House) -> None:
    house.subscribe("sara@example.org")
    house.sink.refuse_data["sara@example.org"] = "554 5.7.1 spam"
    alert_id = house.tell()
    with house.app.app_context():
        while house.worker.sender is None or not house.worker.sender.pipeline.inside:
            house.patch.setattr("tracker.alerts.sending.TURN_SECONDS", 0.001)
            house.worker.turn()
    house.stop(alert_id)
    house.work()
    alert = house.alert(alert_id)
    assert (alert.state, alert.failed, alert.queued) == (AlertState.STOPPED, 1, 1)


# --- the mail server --------------------------------------------------------------------------


def move(house: House, *ports: int) -> None:
    relay = house.app.config["TRACKER"].relays[0]
    relays = [dataclasses.replace(relay, name=f"relay-{port}", port=port) for port in ports]
    house.configure(relays=tuple(relays))


def test_while_the_mail_server_is_down_nothing_is_lost(house: House) -> None:
    house.subscribe(*people(3))
    port = house.sink.port
    alert_id = house.tell()
    move(house, free_port())
    house.work()
    assert house.figures(alert_id)[:5] == (3, 0, 0, 0, 0)
    move(house, port)
    house.work()
    assert house.told() == dict.fromkeys(people(3), 1)


def test_after_twenty_failures_in_a_row_alerts_rest_and_the_mail_arrives_once_it_is_back(
    house: House,
) -> None:
    employ(house)
    house.subscribe(*people(3))
    port = house.sink.port
    alert_id = house.tell()
    house.patch.setattr("tracker.mail.pool.PAUSES", (0.01,))
    move(house, free_port())
    house.work_until(lambda: house.alert(alert_id).state is AlertState.PAUSED)
    assert house.alert(alert_id).paused_for is PauseReason.RELAY
    move(house, port)
    house.work()
    [mail] = house.sink.to(ORGANISER)
    assert re.search(r"mail server", mail.text)
    house.resume(alert_id)
    house.work()
    assert house.told() == {ORGANISER: 1, **dict.fromkeys(people(3), 1)}


def test_a_server_that_asks_to_go_slower_costs_nobody_the_mail(house: House) -> None:
    house.subscribe(*people(4))
    house.patch.setattr("tracker.mail.pool.PAUSES", (0.05,))
    for address in people(4):
        house.sink.refuse_rcpt[address] = "421 4.7.0 slow down"
    alert_id = house.tell()
    house.work()
    assert house.figures(alert_id).failed == 0
    house.sink.refuse_rcpt.clear()
    house.work_until(lambda: len(house.told()) + len(house.rows()) == 4)
    figures = house.figures(alert_id)
    assert (figures.failed, figures.sent + figures.deferred) == (0, 4)
