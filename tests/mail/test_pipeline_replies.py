"""Whatever a server says, or whatever nonsense: it costs the right one, and each mail once."""

from __future__ import annotations

import logging

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.support.faulty import DROP, TAKE_AND_DROP, Fault, FaultyRelay
from tests.support.pipelines import (
    MODES,
    check,
    grouped,
    parcels,
    send,
    sending,
    settings_of,
    tally,
)
from tracker.mail.verdicts import Verdict

pytestmark = pytest.mark.usefixtures("impatient")


# --- refusals ---------------------------------------------------------------------------------

CODES = (421, 450, 452, 454, 550, 552, 554)


def expected(phase: str, code: int) -> Verdict:
    """What a victim ends as once the fault is over."""
    if phase not in ("RCPT", "DATA", "BODY") or code in (421, 454):
        return Verdict.SENT
    if code < 500:
        return Verdict.LATER
    return Verdict.BOUNCED if phase == "RCPT" else Verdict.REFUSED


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("phase", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "BODY"])
def test_a_refusal_is_the_matter_of_whom_it_is_about(phase: str, code: int, mode: str) -> None:
    given = parcels(12)
    server = FaultyRelay([Fault(phase, f"{code} no, s1@example.org", times=2)], mode)
    with server.running(), sending(settings_of(server)) as line:
        found = send(line, given)
    check(found, given, server)
    verdict = expected(phase, code)
    assert tally(found) == (
        {Verdict.SENT: 12} if verdict is Verdict.SENT else {Verdict.SENT: 10, verdict: 2}
    )
    if verdict is not Verdict.SENT:
        assert {(one.code, one.enhanced) for one in found[verdict]} == {(code, "")}


@pytest.mark.parametrize("mode", MODES)
def test_a_mailbox_that_is_not_there_takes_no_neighbour_along(mode: str) -> None:
    given = parcels(20)
    gone = [f"s{number}@example.org" for number in (0, 3, 4, 5, 19)]
    faults = [Fault("RCPT", "550 5.1.1 unknown", recipient=one) for one in gone]
    server = FaultyRelay(faults, mode)
    with server.running(), sending(settings_of(server, connections=1)) as line:
        found = send(line, given)
    check(found, given, server)
    assert [one.parcel.recipient for one in found[Verdict.BAD_ADDRESS]] == gone
    assert {one.enhanced for one in found[Verdict.BAD_ADDRESS]} == {"5.1.1"}
    assert server.heard["CONNECT"] == 1, "the connection stays usable"


def test_a_server_that_wants_the_mail_of_a_refused_mailbox_gets_a_dot() -> None:
    given = parcels(20)
    gone = [f"s{number}@example.org" for number in (0, 3, 4, 19)]
    faults = [Fault("RCPT", "550 5.1.1 unknown", recipient=one) for one in gone]
    server = FaultyRelay([*faults, Fault("DATA", "354 go ahead")])
    with server.running(), sending(settings_of(server, connections=1)) as line:
        found = send(line, given)
    check(found, given, server)
    assert tally(found) == {Verdict.SENT: 16, Verdict.BAD_ADDRESS: 4}
    assert server.heard["CONNECT"] == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_transaction_left_open_is_reset_once(mode: str) -> None:
    given = parcels(5)
    server = FaultyRelay([Fault("MAIL", "503 5.5.1 nested", times=1)], mode)
    with server.running(), sending(settings_of(server, connections=1)) as line:
        found = send(line, given)
        assert line.pools["relay"].failures == 0
    check(found, given, server)
    assert tally(found) == {Verdict.SENT: 5}
    assert server.heard["RSET"] == 1
    assert server.heard["CONNECT"] == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_transaction_that_stays_open_is_the_relays_trouble(mode: str) -> None:
    given = parcels(2)
    server = FaultyRelay([Fault("MAIL", "503 5.5.1 nested")], mode)
    with server.running(), sending(settings_of(server, connections=1)) as line:
        found = send(line, given)
        assert line.pools["relay"].trouble == "MAIL 503"
    check(found, given, server)
    assert tally(found) == {Verdict.LATER: 2}


def test_an_empty_mail_is_never_sent_for_a_sender_that_was_refused() -> None:
    given = parcels(6)
    nonsense = [
        Fault("MAIL", "550 no", times=2),
        Fault("RCPT", "250 ok"),
        Fault("DATA", "354 go ahead"),
    ]
    server = FaultyRelay(nonsense)
    with server.running(), sending(settings_of(server)) as line:
        found = send(line, given)
    check(found, given, server)
    assert tally(found) == {Verdict.SENT: 6}
    assert server.heard["BODY"] == 6, "not even a lone dot"


# --- PIPELINING that is not what it says ------------------------------------------------------


@pytest.mark.parametrize("mode", ["swallow", "swallow after dot"])
def test_a_server_that_cannot_pipeline_gets_its_mail_step_by_step(
    mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    given = parcels(20)
    with (
        caplog.at_level(logging.INFO, "tracker"),
        FaultyRelay(pipelining=mode).running() as server,
        sending(settings_of(server, timeout=0.5)) as line,
    ):
        found = send(line, given)
        assert not line.pools["relay"].is_pipelining
        check(found, given, server)
        assert tally(found) == {Verdict.SENT: 20}
    assert caplog.text.count("no pipelining any more") == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA", "BODY", "RSET"])
@pytest.mark.parametrize(
    "answer",
    [
        "250 ok\r\n250 ok",
        "354 go\r\n354 go",
        "banana",
        "\xff\xfe",
        "250 " + "x" * 5_000,
        "250-" + "\r\n250-".join(["x" * 3_000] * 30),
        "250 ok\r\n421 bye",
        "250 ok\r\n5",
    ],
    ids=["twice", "go twice", "word", "bytes", "long", "endless", "bye", "rest"],
)
def test_nonsense_costs_a_connection_and_no_mail(phase: str, answer: str, mode: str) -> None:
    given = parcels(10)
    first = [Fault("RCPT", "550 5.1.1 no", recipient=one.recipient) for one in given[:1]]
    server = FaultyRelay([*first, Fault(phase, answer, times=2)], mode)
    with server.running(), sending(settings_of(server, timeout=3, connections=2)) as line:
        found = send(line, given)
    check(found, given, server)
    assert len(found[Verdict.SENT]) >= 5


def test_a_server_that_can_pipeline_no_longer_is_noticed() -> None:
    server = FaultyRelay()
    with server.running(), sending(settings_of(server, timeout=0.5, connections=1)) as line:
        send(line, parcels(10))
        server.pipelining = "swallow"
        given = parcels(10, name="t")
        found = send(line, given)
        assert not line.pools["relay"].is_pipelining
    assert len(found[Verdict.SENT]) >= 8
    assert sum(map(len, found.values())) == 10


def test_nonsense_after_the_final_dot_is_no_reason_to_send_again() -> None:
    given = parcels(4)
    server = FaultyRelay([Fault("BODY", "354 go", times=1)])
    with server.running(), sending(settings_of(server)) as line:
        found = send(line, given)
    check(found, given, server)
    assert tally(found) == {Verdict.SENT: 3, Verdict.UNANSWERED: 1}


def test_words_in_any_script_are_no_nonsense() -> None:
    given = parcels(3)
    server = FaultyRelay([Fault("RCPT", "250 gr\xfc\xdfe"), Fault("MAIL", "250-a\r\n250 b")])
    with server.running(), sending(settings_of(server)) as line:
        found = send(line, given)
        assert line.pools["relay"].trouble == ""
    check(found, given, server)
    assert tally(found) == {Verdict.SENT: 3}


def test_what_a_server_says_before_it_is_asked_is_not_taken_for_an_answer() -> None:
    given = parcels(3)
    server = FaultyRelay([Fault("EHLO", "250 HELP\r\n250 ok\r\n250 ok\r\n354 go", times=3)])
    with server.running(), sending(settings_of(server, connections=1)) as line:
        found = send(line, given)
    check(found, given, server)
    assert tally(found) == {Verdict.SENT: 3}


FAULTS = st.builds(
    Fault,
    st.sampled_from(("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "CONTENT", "BODY", "RSET")),
    st.sampled_from(
        (
            *(DROP, TAKE_AND_DROP, "421 bye", "450 4.7.1 slow", "451 later", "503 what"),
            *("550 5.1.1 no", "554 5.7.1 no", "250 ok", "250 ok\r\n250 ok", "354 go", "220"),
            *("banana", "250-ok\r\n251 ok", "5", "454 4.3.0 throttled", ""),
        )
    ),
    st.integers(1, 3),
)


@hypothesis.settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(st.lists(FAULTS, max_size=5), st.sampled_from(MODES), st.integers(1, 3))
def test_whatever_comes_together_the_books_agree(
    faults: list[Fault], mode: str, connections: int
) -> None:
    given = parcels(9)
    faults = [
        Fault(one.phase, DROP if one.phase != "BODY" else one.answer, one.times)
        if one.answer == TAKE_AND_DROP
        else Fault(one.phase, one.answer, one.times)
        for one in faults
    ]
    server = FaultyRelay(faults, mode)
    relay_values = {"timeout": 2, "connections": connections}
    with server.running(), sending(settings_of(server, **relay_values)) as line:
        found = send(line, given)
        assert line.inside == 0
        server.lift()
        again = parcels(3, name="t")
        found_again = send(line, again)
    everything = [
        one for group in (found, found_again) for some in group.values() for one in some
    ]
    check(grouped(everything), given + again, server)
    assert tally(found_again) == {Verdict.SENT: 3}
