"""A relay in trouble is left alone, one that wants less gets less, and both recover."""

from __future__ import annotations

import dataclasses
import smtplib
import time

import pytest

from tests.support.faulty import DROP, Fault, FaultyRelay
from tests.support.pipelines import (
    check,
    grouped,
    parcels,
    run,
    send,
    sending,
    settings_of,
    tally,
)
from tracker.mail import pipeline
from tracker.mail import pool as pool_module
from tracker.mail.connection import RelayTrouble
from tracker.mail.opening import Opening
from tracker.mail.verdicts import Verdict

pytestmark = pytest.mark.usefixtures("impatient")


def test_one_lost_connection_closes_no_relay_and_three_do() -> None:
    server = FaultyRelay([Fault("RCPT", DROP, times=2)], "none")
    with server.running(), sending(settings_of(server)) as line:
        pool = line.pools["relay"]
        assert tally(send(line, parcels(10))) == {Verdict.SENT: 10}
        assert pool.closed_until == 0.0
        server.faults.append(Fault("RCPT", DROP, times=3))
        assert tally(send(line, parcels(3, name="t"))) == {Verdict.SENT: 3}
        assert pool.closed_until > 0.0


@pytest.mark.parametrize("farewell", ["421 4.3.2 bye", "banana"])
def test_a_server_that_greets_and_hangs_up_is_not_called_again_and_again(
    monkeypatch: pytest.MonkeyPatch, farewell: str
) -> None:
    monkeypatch.setattr(pool_module, "PAUSES", (100.0,))
    server = FaultyRelay([Fault("EHLO", f"250 HELP\r\n{farewell}")])
    with server.running(), sending(settings_of(server)) as line:
        given = parcels(5)
        line.give(given)
        run(line, until=lambda: not line.is_usable())
        for _ in range(10):
            line.step(0.02)
        assert server.heard["CONNECT"] <= 9
        assert line.take_back() == given


def test_one_connection_that_hangs_does_not_let_the_others_storm_a_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "PAUSES", (0.3, 100.0))
    monkeypatch.setattr(pool_module, "ROUND_SECONDS", 0.2)
    relay = dataclasses.replace(settings_of(FaultyRelay()), connections=8)
    asked: list[float] = []

    def refused() -> smtplib.SMTP:
        asked.append(time.monotonic())
        time.sleep(3.0 if len(asked) == 1 else 0.01)
        raise RelayTrouble("421")

    line = pipeline.Pipeline([relay], connect=lambda _: refused)
    line.give(parcels(50))
    [pool] = line.pools.values()
    until = time.monotonic() + 2.0
    while time.monotonic() < until:
        line.step(0.02)
    assert len(asked) <= 8 + 8, "two rounds, of which the second ended in a long pause"
    assert pool.failures >= 1
    line.close(patience=0)


def test_a_server_that_refuses_connections_one_after_the_other_is_not_stormed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "PAUSES", (0.5, 100.0))
    server = FaultyRelay()
    relay = dataclasses.replace(settings_of(server), connections=8)
    asked: list[float] = []

    def refused() -> smtplib.SMTP:
        asked.append(time.monotonic())
        time.sleep(0.05 + 0.02 * (len(asked) % 8))
        raise RelayTrouble("421")

    line = pipeline.Pipeline([relay], connect=lambda _: refused)
    line.give(parcels(50))
    [pool] = line.pools.values()
    until = time.monotonic() + 2.0
    while time.monotonic() < until or pool.openings:
        line.step(0.02)
    assert len(asked) <= 8 + 2, "all at once, then one after each pause"
    assert pool.failures >= 1
    line.close(patience=0)


def test_a_relay_in_trouble_is_left_alone_longer_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "PAUSES", (0.1, 0.2, 100.0))
    server = FaultyRelay([Fault("MAIL", "550 5.7.1 not you")])
    with server.running(), sending(settings_of(server)) as line:
        pool = line.pools["relay"]
        line.give(parcels(3))
        run(line, until=lambda: pool.failures == 3)
        assert pool.trouble == "MAIL 550"
        assert pool.closed_until - time.monotonic() > 50
        assert not line.is_usable()
        assert pool.wants == 0
        before = server.heard["MAIL"]
        for _ in range(5):
            line.step(0.02)
        assert server.heard["MAIL"] == before
        assert len(line.take_back()) == 3, "what waits can go elsewhere"


def test_after_a_trouble_one_mail_goes_first() -> None:
    server = FaultyRelay([Fault("MAIL", "550 not you", times=3)])
    with server.running(), sending(settings_of(server, connections=3)) as line:
        pool = line.pools["relay"]
        line.give(parcels(30))
        run(line, until=lambda: pool.failures >= 1 and line.inside == 0)
        while pool.failures:
            line.step(0.02)
            assert line.inside <= 1 or not pool.failures
        run(line)
    assert len(server.taken) == 30


def test_a_relay_that_asks_for_less_gets_less_and_later_more_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "STEP_UP", 10)
    server = FaultyRelay([Fault("RCPT", "451 4.7.1 slow down", times=1)])
    with server.running(), sending(settings_of(server, connections=8)) as line:
        pool = line.pools["relay"]
        given = parcels(9)
        found = send(line, given)
        check(found, given, server)
        assert tally(found) == {Verdict.SENT: 9}
        assert (pool.concurrency, pool.slowed) == (4, 1)
        assert tally(send(line, parcels(31, name="t"))) == {Verdict.SENT: 31}
        assert pool.concurrency == 8
        run(line, until=lambda: server.count() <= 8)


def test_a_relay_that_takes_fewer_connections_works_on_with_those() -> None:
    server = FaultyRelay(most_connections=2, latency=0.005)
    with server.running(), sending(settings_of(server, connections=8)) as line:
        pool = line.pools["relay"]
        line.give(parcels(1))
        run(line)
        refused = server.heard["CONNECT"]
        given = parcels(300, name="t")
        found = send(line, given)
        assert server.heard["CONNECT"] > refused + 1, "it has tried to open more"
        assert tally(found) == {Verdict.SENT: 300}
        assert pool.closed_until == 0.0
        assert pool.concurrency < 8


def test_connections_above_what_a_slowed_relay_may_have_are_closed() -> None:
    server = FaultyRelay()
    with server.running(), sending(settings_of(server, connections=8)) as line:
        send(line, parcels(200))
        server.faults.append(Fault("DATA", "454 throttled", times=1))
        send(line, parcels(1, name="t"))
        run(line, until=lambda: server.count() <= 4)
        assert server.heard["QUIT"] >= 1


def test_many_mails_wanted_later_in_a_row_slow_the_relay() -> None:
    server = FaultyRelay([Fault("BODY", "452 not now", times=20)])
    with server.running(), sending(settings_of(server, connections=1)) as line:
        found = send(line, parcels(40))
        assert tally(found) == {Verdict.LATER: 20, Verdict.SENT: 20}
        assert line.pools["relay"].slowed == 1


def test_no_more_is_begun_than_is_allowed() -> None:
    with FaultyRelay().running() as server, sending(settings_of(server, rate=5.0)) as line:
        pool = line.pools["relay"]
        line.give(parcels(20))
        for _ in range(5):
            assert line.step(0.02) == []
        assert server.heard["MAIL"] == 0, "a relay with a rate waits for its allowance"
        assert pool.wants == 3
        pool.allowance = 7
        outcomes = run(line, until=lambda: len(server.taken) == 7 and not line.inside)
        assert (pool.allowance, line.waiting, server.heard["MAIL"]) == (0, 13, 7)
        pool.allowance = 13
        assert len(outcomes + run(line)) == 20


def test_a_connection_without_mail_is_closed_with_a_goodbye(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "IDLE", 0.1)
    with FaultyRelay().running() as server, sending(settings_of(server)) as line:
        send(line, parcels(5))
        run(line, until=lambda: server.count() == 0)
        assert server.heard["QUIT"] == server.heard["CONNECT"]
        assert tally(send(line, parcels(5, name="t"))) == {Verdict.SENT: 5}


@pytest.mark.parametrize("farewell", [b"", b"421 4.4.2 timeout\r\n"])
def test_a_server_may_close_a_connection_that_nobody_uses(farewell: bytes) -> None:
    server = FaultyRelay()
    with server.running(), sending(settings_of(server, connections=1)) as line:
        pool = line.pools["relay"]
        send(line, parcels(20))
        assert server.count() == 1
        server.hang_up(farewell)
        run(line, until=lambda: server.count() == 0)
        found = send(line, parcels(5, name="t"))
        assert tally(found) == {Verdict.SENT: 5}
        assert {one.parcel.put_back for one in found[Verdict.SENT]} == {0}
        assert (pool.slowed, pool.closed_until, pool.is_pipelining) == (0, 0.0, True)


def test_a_relay_that_restarts_in_the_middle_costs_no_mail() -> None:
    given = parcels(400)
    server = FaultyRelay()
    with server.running(), sending(settings_of(server)) as line:
        line.give(given)
        outcomes = run(line, until=lambda: len(server.taken) >= 50)
        server.hang_up()
        outcomes += run(line)
    found = grouped(outcomes)
    check(found, given, server)
    assert len(found[Verdict.SENT]) >= 397, "at most one mail for each open connection"


def test_connections_given_up_in_vain_are_kept() -> None:
    """A server may take no new ones for reasons of its own, and serve the others well."""
    relay = dataclasses.replace(settings_of(FaultyRelay()), connections=64)
    pool = pool_module.Pool[int](relay)
    for number in range(64):
        pool.add(number, took=0.1)
    for _ in range(50):
        pool.make_room()
        pool.channels = set(range(pool.concurrency))
    assert pool.most_open == 64 - pool_module.MOST_GIVEN_UP


def test_an_only_connection_given_up_in_vain_is_opened_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "YIELD_SECONDS", 0.2)
    monkeypatch.setattr(pool_module, "FRUITLESS_SECONDS", 0.5)
    pool = pool_module.Pool[int](settings_of(FaultyRelay()))
    pool.add(1, took=0.1)
    pool.make_room()
    pool.channels.clear()
    until = time.monotonic() + 1.5
    while time.monotonic() < until and pool.most_open == 0:
        pool.make_room()
        time.sleep(0.05)
    assert time.monotonic() < until
    assert pool.most_open > 0


@pytest.mark.parametrize(("took", "noticed"), [(0.1, 1), (5.0, 0)])
def test_a_server_that_is_always_slow_to_greet_is_not_taken_to_be_full(
    monkeypatch: pytest.MonkeyPatch, took: float, noticed: int
) -> None:
    monkeypatch.setattr(pool_module, "SILENT_SECONDS", 0.2)
    pool = pool_module.Pool[int](settings_of(FaultyRelay()))
    pool.add(1, took=took)
    pool.channels.clear()
    opening = Opening(smtplib.SMTP, timeout=5, report=print, forget=print)
    pool.openings.add(opening)
    time.sleep(0.3)
    pool.notice_silence()
    pool.notice_silence()
    assert pool.shut_out == noticed, "each time once"
