"""How fast an alert leaves: limits of mail servers and mailbox providers, several servers."""

from __future__ import annotations

import dataclasses

from tests.alerts.conftest import House, people
from tests.support.sink import free_port, running_sink
from tracker.alerts.models import AlertChunk, AlertState
from tracker.core import clock
from tracker.mail.models import RateBucket, RelayHealth


def test_a_limit_of_one_kind_of_mailbox_holds_only_those_and_they_go_later(
    house: House,
) -> None:
    house.configure(provider_limits={"google": 0.001})
    gmail = [f"person{number}@gmail.com" for number in range(5)]
    house.subscribe(*gmail, *people(30))
    alert_id = house.tell()
    house.work()
    assert {one for one in house.told() if "gmail" not in one} == set(people(30))
    assert len(house.told()) == 31, "the first may go at once"
    [chunk] = house.rows(AlertChunk)
    assert (chunk.is_held, chunk.lease_owner, chunk.is_done) == (True, None, False)
    assert house.figures(alert_id)[:2] == (35, 31)
    house.change(RateBucket, tat=clock.now().timestamp() - 60)
    house.configure(provider_limits={"google": 100.0})
    house.work()
    assert house.told() == dict.fromkeys([*gmail, *people(30)], 1)
    assert house.alert(alert_id).state is AlertState.DONE


def test_a_mail_server_gets_no_more_than_its_rate(house: House) -> None:
    relay = house.app.config["TRACKER"].relays[0]
    house.configure(relays=(dataclasses.replace(relay, rate=0.01),))
    house.subscribe(*people(4))
    alert_id = house.tell()
    house.work()
    assert len(house.told()) == 1
    assert house.figures(alert_id).left == 3
    house.configure(relays=(dataclasses.replace(relay, rate=1000.0),))
    house.work()
    assert house.told() == dict.fromkeys(people(4), 1)


def test_a_new_mail_server_begins_with_a_part_of_its_rate(house: House) -> None:
    relay = house.app.config["TRACKER"].relays[0]
    house.configure(relays=(dataclasses.replace(relay, rate=10.0, warm_up_days=10),))
    house.subscribe(*people(20))
    house.tell()
    house.work()
    assert len(house.told()) == 1


def test_a_mail_server_with_a_limit_is_used_beside_one_without(house: House) -> None:
    relay = house.app.config["TRACKER"].relays[0]
    house.subscribe(*people(60))
    for is_first in (True, False):
        with running_sink() as limited:
            named = dataclasses.replace(relay, name="limited", port=limited.port, rate=500.0)
            pair = (named, relay) if is_first else (relay, named)
            house.sink.clear()
            house.configure(relays=pair)
            house.tell()
            house.work()
            assert len(limited.mails) > 5
            assert len(limited.mails) + len(house.sink.mails) == 60


def test_two_mail_servers_share_the_work_and_one_carries_all_where_the_other_is_down(
    house: House,
) -> None:
    relay = house.app.config["TRACKER"].relays[0]
    house.subscribe(*people(60))
    with running_sink() as second:
        names = {"first": house.sink.port, "second": second.port}
        relays = [dataclasses.replace(relay, name=one, port=names[one]) for one in names]
        house.configure(relays=tuple(relays))
        house.tell()
        house.work()
        assert house.sink.mails, "the first has a part"
        assert second.mails, "the second has a part"
        told = house.told()
        told.update(one.to for one in second.mails)
        assert told == dict.fromkeys(people(60), 1)
        dead = dataclasses.replace(relays[0], port=free_port())
        house.configure(relays=(dead, relays[1]))
        before = len(second.mails)
        alert_id = house.tell()
        house.work()
        assert len(second.mails) - before == 60
        assert house.alert(alert_id).state is AlertState.DONE
        house.configure()
        health = {row.name: row for row in house.rows(RelayHealth)}
        assert health["second"].accepted == before + 60
        assert health["first"].accepted == 0, "another server under its name begins anew"
        assert health["first"].trouble
        assert not health["second"].trouble
