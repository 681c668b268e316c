"""A server that falls silent, hangs up or is not there costs time, and no mail."""

from __future__ import annotations

import time

import pytest

from tests.support.faulty import (
    DRIP,
    DROP,
    SILENCE,
    STOP_READING,
    TAKE_AND_DROP,
    Fault,
    FaultyRelay,
)
from tests.support.pipelines import (
    LONG,
    MODES,
    check,
    grouped,
    parcels,
    run,
    send,
    sending,
    settings_of,
    tally,
)
from tracker.mail import channel
from tracker.mail.verdicts import Verdict

pytestmark = pytest.mark.usefixtures("impatient")

BROKEN = [
    *((phase, SILENCE) for phase in ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "CONTENT")),
    *((phase, DROP) for phase in ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "CONTENT")),
    *((phase, DRIP) for phase in ("GREETING", "MAIL", "DATA")),
    *(("BODY", answer) for answer in (SILENCE, DROP, TAKE_AND_DROP, DRIP)),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("phase", "answer"), BROKEN)
def test_a_mail_whose_end_has_not_left_is_sent_again_and_any_other_never(
    phase: str, answer: str, mode: str
) -> None:
    given = parcels(12)
    server = FaultyRelay([Fault(phase, answer, times=2)], mode)
    with server.running(), sending(settings_of(server, timeout=0.6)) as line:
        found = send(line, given)
    check(found, given, server)
    if phase in ("CONTENT", "BODY"):
        assert tally(found) == {Verdict.SENT: 10, Verdict.UNANSWERED: 2}
        has_arrived = answer in (TAKE_AND_DROP, DRIP)
        copies = [server.copies()[one.parcel.recipient] for one in found[Verdict.UNANSWERED]]
        assert copies == [int(has_arrived)] * 2
    else:
        assert tally(found) == {Verdict.SENT: 12}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("answer", [DROP, STOP_READING])
def test_a_long_mail_that_was_cut_off_is_sent_again(answer: str, mode: str) -> None:
    given = parcels(4, body=LONG * 8)
    server = FaultyRelay([Fault("CONTENT", answer, times=2)], mode)
    with server.running(), sending(settings_of(server, timeout=1)) as line:
        found = send(line, given)
    check(found, given, server)
    assert tally(found) == {Verdict.SENT: 4}


def test_the_answer_to_the_final_dot_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "FINAL_DOT_FACTOR", 60)
    given = parcels(2)
    server = FaultyRelay([Fault("BODY", DRIP)], drip=0.05)
    with server.running(), sending(settings_of(server, timeout=0.5)) as line:
        found = send(line, given)
    check(found, given, server)
    assert tally(found) == {Verdict.SENT: 2}


def test_an_answer_that_came_while_the_worker_was_busy_is_no_silence() -> None:
    given = parcels(3)
    server = FaultyRelay()
    with server.running(), sending(settings_of(server, connections=1, timeout=0.5)) as line:
        line.give(given)
        outcomes = run(line, until=lambda: line.inside > 0)
        time.sleep(0.7)
        outcomes += run(line)
    check(grouped(outcomes), given, server)
    assert {one.verdict for one in outcomes} == {Verdict.SENT}
    assert server.heard["CONNECT"] == 1


@pytest.mark.parametrize("phase", ["GREETING", "MAIL"])
@pytest.mark.parametrize("answer", [SILENCE, DRIP])
def test_a_relay_that_is_silent_does_not_hold_up_another(phase: str, answer: str) -> None:
    given = parcels(300)
    with FaultyRelay([Fault(phase, answer)]).running() as bad, FaultyRelay().running() as good:
        relays = [settings_of(bad, name="bad"), settings_of(good, name="good")]
        with sending(*relays) as line:
            line.give(given)
            outcomes = run(line, until=lambda: not line.waiting)
            assert line.pools["bad"].trouble == "", "it has not even been given up yet"
            assert len(good.taken) >= 290
            assert {outcome.relay for outcome in outcomes} == {"good"}


def test_a_relay_that_is_not_there_leaves_everything_to_the_other() -> None:
    with FaultyRelay().running() as gone:
        pass
    given = parcels(50)
    with FaultyRelay().running() as good:
        relays = [settings_of(gone, name="gone"), settings_of(good, name="good")]
        with sending(*relays) as line:
            run(line, until=lambda: True)
            found = send(line, given)
            run(line, until=lambda: line.pools["gone"].trouble != "")
            assert line.pools["gone"].trouble == "ConnectionRefusedError"
    check(found, given, good)
    assert tally(found) == {Verdict.SENT: 50}


def test_a_server_that_never_keeps_a_connection_defers_mails_and_loses_none() -> None:
    given = parcels(3)
    server = FaultyRelay([Fault("MAIL", DROP)])
    with server.running(), sending(settings_of(server)) as line:
        found = send(line, given)
        assert tally(found) == {Verdict.LATER: 3}
        assert {one.parcel.put_back for one in found[Verdict.LATER]} == {4}
        check(found, given, server)
        server.lift()
        again = parcels(6, name="t")
        found = send(line, again)
        assert tally(found) == {Verdict.SENT: 6}
        assert (line.pools["relay"].failures, line.pools["relay"].trouble) == (0, "")
