"""Whatever a relay does: no mail is lost, none invented, none knowingly sent twice."""

from __future__ import annotations

import logging
import threading
from collections import deque
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Certificate, make_certificate
from tests.support.faulty import SILENCE, Fault, FaultyRelay
from tests.support.pipelines import (
    BODY,
    BOUND,
    LONG,
    MODES,
    check,
    opener,
    parcels,
    run,
    send,
    sending,
    settings_of,
    tally,
)
from tracker.mail.pipeline import Pipeline
from tracker.mail.verdicts import Verdict

pytestmark = pytest.mark.usefixtures("impatient")


# --- when all is well -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("body", [b"\r\n", BODY, LONG], ids=["empty", "short", "1 MB"])
def test_every_mail_arrives_once_and_byte_for_byte(mode: str, body: bytes) -> None:
    given = parcels(30, body=body)
    with FaultyRelay(pipelining=mode).running() as server, sending(settings_of(server)) as line:
        found = send(line, given)
        check(found, given, server)
        assert tally(found) == {Verdict.SENT: 30}
        assert line.pools["relay"].is_pipelining
        assert {outcome.code for outcome in found[Verdict.SENT]} == {250}
        assert {outcome.relay for outcome in found[Verdict.SENT]} == {"relay"}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("body", [BODY, LONG], ids=["short", "1 MB"])
def test_the_same_over_tls(secured: Certificate, security: str, mode: str, body: bytes) -> None:
    given = parcels(12, body=body)
    server = FaultyRelay(pipelining=mode, tls=secured.context, is_wrapped=security == "tls")
    with server.running():
        relay = settings_of(server, security=security, ca_file=secured.file)
        with sending(relay) as line:
            found = send(line, given)
    check(found, given, server)
    assert tally(found) == {Verdict.SENT: 12}


@pytest.mark.parametrize(("mode", "round_trips"), [("good", 1), ("none", 4)])
def test_a_mail_takes_one_round_trip_where_that_is_possible(
    mode: str, round_trips: int
) -> None:
    with FaultyRelay(pipelining=mode).running() as server:
        with sending(settings_of(server, connections=1)) as line:
            send(line, parcels(50))
        beginning_and_end = 8
        assert round_trips * 50 <= server.turns <= round_trips * 50 + beginning_and_end
        assert server.heard["CONNECT"] == 1


def test_relays_take_turns() -> None:
    slow = partial(FaultyRelay, latency=0.01)
    with slow().running() as one, slow().running() as two:
        relays = [settings_of(one, name="one"), settings_of(two, name="two")]
        with sending(*relays) as line:
            given = parcels(200)
            found = send(line, given)
    check(found, given, one, two)
    assert one.taken
    assert two.taken
    for outcome in found[Verdict.SENT]:
        server = {"one": one, "two": two}[outcome.relay]
        assert server.copies()[outcome.parcel.recipient] == 1


# --- TLS that cannot be had -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["no STARTTLS", "unknown authority", "other name"])
def test_without_the_right_server_nothing_leaves_and_nothing_is_lost(
    secured: Certificate, tmp_path: Path, kind: str
) -> None:
    shown = secured
    if kind == "other name":
        shown = make_certificate(tmp_path, names="DNS:other.example.org")
    server = FaultyRelay(tls=None if kind == "no STARTTLS" else shown.context)
    given = parcels(5)
    with server.running():
        ca_file = None if kind == "unknown authority" else shown.file
        relay = settings_of(server, security="starttls", ca_file=ca_file)
        with sending(relay) as line:
            line.give(given)
            assert run(line, until=lambda: line.pools["relay"].failures >= 2) == []
            assert line.pools["relay"].trouble != ""
            assert line.take_back() == given
    assert server.taken == []
    assert server.heard["MAIL"] == 0


# --- beginning and end ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "",
        "sara example.org",
        "sara@example.org>",
        "<sara@example.org",
        "sara@example.org\r\nRCPT TO:<x@example.org",
        "sara\n@example.org",
        "sara\x00@example.org",
        "sara\x7f@example.org",
        "s\xe4ra@example.org",
        "a" * 250 + "@example.org",
    ],
)
@pytest.mark.parametrize("part", ["sender", "recipient"])
def test_an_address_that_could_speak_smtp_is_refused_with_all_that_came_along(
    address: str, part: str
) -> None:
    with FaultyRelay().running() as server, sending(settings_of(server)) as line:
        bad = parcels(3)
        setattr(bad[2], part, address)
        with pytest.raises(ValueError, match="address") as refusal:
            line.give(bad)
        assert line.waiting == 0
        assert "example" not in str(refusal.value)


def test_what_was_taken_back_is_not_sent() -> None:
    with FaultyRelay(latency=0.05).running() as server, sending(settings_of(server)) as line:
        given = parcels(50)
        line.give(given)
        outcomes = run(line, until=lambda: len(server.taken) >= 3)
        back = line.take_back()
        outcomes += run(line)
        assert line.waiting == 0
    assert len(back) + len(outcomes) == 50
    assert back
    assert not {one.recipient for one in back} & set(server.copies())


def test_closing_finishes_what_was_begun_and_begins_nothing() -> None:
    with FaultyRelay(latency=0.05).running() as server:
        line = Pipeline([settings_of(server)], connect=opener)
        line.give(parcels(50))
        outcomes = run(line, until=lambda: line.inside == 6 or len(server.taken) > 5)
        outcomes += line.close(patience=10)
        assert {one.verdict for one in outcomes} == {Verdict.SENT}
        assert len(server.taken) == len(outcomes) == 50 - len(line.take_back())
        assert line.inside == 0


@pytest.mark.parametrize(
    ("phase", "verdict"), [("BODY", Verdict.UNANSWERED), ("DATA", Verdict.LATER)]
)
def test_closing_has_an_end_and_says_what_may_have_arrived(
    phase: str, verdict: Verdict
) -> None:
    with FaultyRelay([Fault(phase, SILENCE)]).running() as server:
        line = Pipeline([settings_of(server)], connect=opener)
        line.give(parcels(1))
        run(line, until=lambda: server.heard[phase] == 1)
        assert [one.verdict for one in line.close(patience=0.1)] == [verdict]


def test_closing_waits_for_no_connection_that_is_being_opened() -> None:
    with FaultyRelay([Fault("GREETING", SILENCE)]).running() as server:
        line = Pipeline([settings_of(server)], connect=opener)
        given = parcels(3)
        line.give(given)
        run(line, until=lambda: server.heard["GREETING"] == 3)
        assert line.close(patience=1) == []
        assert line.take_back() == given
        server.hang_up()
        for thread in threading.enumerate():
            if thread.name == "smtp-connect":
                thread.join(BOUND)


def test_a_connection_that_opens_while_all_is_closed_ends_without_a_word() -> None:
    opened, closed = threading.Event(), threading.Event()

    class Waiting(deque[Any]):
        def append(self, one: Any) -> None:
            super().append(one)
            opened.set()
            closed.wait(BOUND)

    with FaultyRelay().running() as server:
        line = Pipeline([settings_of(server)], connect=opener)
        line._opened = Waiting()
        line.give(parcels(1))
        line.step(0)
        assert opened.wait(BOUND)
        line._admit()  # another connection has woken the loop meanwhile
        line.close(patience=0)
        closed.set()
        for thread in threading.enumerate():
            if thread.name == "smtp-connect":
                thread.join(BOUND)


def test_no_address_is_ever_logged(caplog: pytest.LogCaptureFixture) -> None:
    words = "s1@example.org is not wanted"
    faults = [
        Fault(phase, f"{code} {words}", times=1)
        for phase in ("GREETING", "MAIL", "RCPT", "DATA", "BODY")
        for code in (421, 451, 454, 550)
    ]
    server = FaultyRelay([*faults, Fault("MAIL", words, times=1)])
    with caplog.at_level(logging.DEBUG), server.running(), sending(settings_of(server)) as line:
        found = send(line, parcels(30))
        assert line.pools["relay"].slowed
    assert "left alone" in caplog.text
    assert "example.org" not in caplog.text
    for outcome in (one for group in found.values() for one in group):
        assert "example.org" not in f"{outcome.code} {outcome.enhanced}"
