"""When an alert leaves: not before its time, not after it, and not unasked once it is late."""

from __future__ import annotations

import datetime as dt

import pytest
import time_machine

from tests.alerts.conftest import House, people
from tests.support import factories
from tests.support.sink import Mail
from tracker.alerts.models import Alert, AlertChunk, AlertState, PauseReason
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign
from tracker.core import clock
from tracker.core.errors import Refused
from tracker.extensions import db, writing

ORGANISER = "organiser@example.org"


def employ(house: House) -> None:
    with house.app.app_context(), writing():
        factories.an_organiser(ORGANISER)


def begin(house: House) -> int:
    """Let an alert begin, and the worker go away before it told anybody."""
    alert_id = house.tell()
    with house.app.app_context():
        house.worker.make_keys()
        while house.alert(alert_id).slots is None:
            house.patch.setattr(house.worker, "_bulk", lambda: 0)
            house.worker.turn()
    house.patch.undo()
    return alert_id


def test_nothing_leaves_after_its_last_moment(
    house: House, travel: time_machine.Traveller
) -> None:
    house.subscribe(*people(3))
    waiting = house.tell(window=600, lifetime=1)
    begun = house.tell(lifetime=1)
    house.sink.refuse_rcpt[people(1)[0]] = "450 later"
    house.work()
    assert len(house.sink.mails) == 2
    house.sink.refuse_rcpt.clear()
    travel.shift(dt.timedelta(hours=2))
    house.work()
    assert len(house.sink.mails) == 2
    for alert_id in (waiting, begun):
        assert house.alert(alert_id).state is AlertState.EXPIRED
    assert house.figures(begun)[:3] == (3, 2, 0)
    assert house.has_forgotten()


@pytest.mark.parametrize("has_begun", [False, True])
def test_after_hours_without_a_worker_an_alert_asks_its_organisers_and_goes_on(
    house: House, travel: time_machine.Traveller, has_begun: bool
) -> None:
    employ(house)
    house.subscribe(*people(3))
    alert_id = begin(house) if has_begun else house.tell()
    travel.shift(dt.timedelta(hours=4))
    house.work()
    alert = house.alert(alert_id)
    assert (alert.state, alert.paused_for) == (AlertState.PAUSED, PauseReason.LATE)
    assert list(house.told()) == [ORGANISER]
    house.resume(alert_id)
    house.work()
    assert house.told() == {ORGANISER: 1, **dict.fromkeys(people(3), 1)}
    assert house.alert(alert_id).state is AlertState.DONE


def test_an_alert_for_which_no_worker_has_the_keys_asks_its_organisers_after_hours(
    house: House, travel: time_machine.Traveller
) -> None:
    employ(house)
    house.subscribe(*people(3))
    alert_id = begin(house)
    key = house.worker.keystore.folder / f"campaign-{house.campaign.key_id}.key"
    key.rename(key.with_suffix(".away"))
    house.die()
    for _ in range(5):
        travel.shift(dt.timedelta(hours=1))
        house.work()
    alert = house.alert(alert_id)
    assert (alert.state, alert.paused_for) == (AlertState.PAUSED, PauseReason.LATE)
    assert list(house.told()) == [ORGANISER]
    key.with_suffix(".away").rename(key)
    house.die()
    house.resume(alert_id)
    house.work()
    assert house.told() == {ORGANISER: 1, **dict.fromkeys(people(3), 1)}


def test_an_alert_that_only_has_to_try_again_is_never_late(
    house: House, travel: time_machine.Traveller
) -> None:
    employ(house)
    house.subscribe(*people(2))
    house.sink.refuse_rcpt[people(1)[0]] = "450 later"
    alert_id = house.tell()
    house.work()
    house.sink.refuse_rcpt.clear()
    travel.shift(dt.timedelta(hours=5))
    house.work()
    assert house.alert(alert_id).state is AlertState.DONE
    assert house.told() == dict.fromkeys(people(2), 1)


def test_a_worker_writes_down_that_it_looks_after_an_alert(
    house: House, travel: time_machine.Traveller
) -> None:
    house.subscribe(*people(2))
    house.sink.refuse_rcpt[people(1)[0]] = "450 later"
    alert_id = house.tell()
    house.work()
    travel.shift(dt.timedelta(minutes=2))
    house.work()
    seen = house.alert(alert_id).active_at
    assert seen is not None
    assert clock.now() - seen < dt.timedelta(minutes=1)


def test_what_rests_too_long_can_not_go_on_and_is_forgotten(
    house: House, travel: time_machine.Traveller
) -> None:
    house.subscribe(*people(3))
    alert_id = begin(house)
    house.pause(alert_id)
    house.work()
    assert house.rows(AlertChunk), "what is left is still known"
    travel.shift(dt.timedelta(hours=80))
    with pytest.raises(Refused):
        house.resume(alert_id)
    house.work()
    assert house.alert(alert_id).state is AlertState.EXPIRED
    assert house.has_forgotten()
    assert not house.told()


def test_a_paused_campaign_holds_an_alert_that_has_begun(house: House) -> None:
    house.subscribe(*people(3))
    alert_id = begin(house)
    with house.app.app_context(), writing():
        campaigns.pause(db.session.get_one(Campaign, house.campaign.id))
    house.work()
    assert not house.told()
    assert house.alert(alert_id).state is AlertState.SENDING
    with house.app.app_context(), writing():
        campaigns.publish(db.session.get_one(Campaign, house.campaign.id))
    house.work()
    assert house.told() == dict.fromkeys(people(3), 1)


def test_an_alert_from_a_backup_of_last_week_is_not_told(
    house: House, travel: time_machine.Traveller
) -> None:
    house.subscribe(*people(2))
    alert_id = house.tell(window=600)
    week = dt.timedelta(days=7)
    alert = house.alert(alert_id)
    house.change(Alert, not_before=alert.not_before - week, not_after=alert.not_after - week)
    house.work()
    assert not house.told()
    assert house.alert(alert_id).state is AlertState.EXPIRED


@pytest.mark.parametrize("jump", [-600, 600])
def test_a_clock_that_is_set_in_the_middle_sends_nothing_twice(house: House, jump: int) -> None:
    house.subscribe(*people(60))
    house.patch.setattr("tracker.alerts.windows.WINDOW", 8)
    house.patch.setattr("tracker.alerts.sending.FEW_WAITING", 1)
    alert_id = house.tell()
    now, offset = clock.now, [dt.timedelta()]
    house.patch.setattr("tracker.core.clock.now", lambda: now() + offset[0])

    class Watched(list[Mail]):
        def append(self, mail: Mail) -> None:
            super().append(mail)
            if len(self) == 30:
                offset[0] = dt.timedelta(seconds=jump)

    house.patch.setattr(house.sink, "mails", Watched())
    house.work()
    assert house.told() == dict.fromkeys(people(60), 1)
    assert house.alert(alert_id).sent == 60
