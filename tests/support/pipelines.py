"""A pipeline over faulty relays, and the books: what we believe, what the servers have."""

from __future__ import annotations

import contextlib
import smtplib
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.support.faulty import FaultyRelay
from tracker.configuration.mail import Relay
from tracker.mail.connection import VerifiedConnection
from tracker.mail.pipeline import Outcome, Parcel, Pipeline
from tracker.mail.verdicts import Verdict

MODES = ("good", "none")
SENDER = "b+abc@example.org"
BODY = b"Subject: x\r\n\r\n..leading dot\r\nHello\r\n..\r\nnot a command\r\n"
LONG = b"Subject: x\r\n\r\n" + b"0123456789" * 7 + b"\r\n" + (b"x" * 70 + b"\r\n") * 15_000
BOUND = 30.0
"""Seconds after which a test has hung; nothing comes near it."""


def settings_of(server: FaultyRelay, **values: Any) -> Relay:
    usual: dict[str, Any] = {
        "name": "relay",
        "host": "127.0.0.1",
        "port": server.port,
        "security": "none",
        "connections": 3,
        "timeout": 5,
    }
    return Relay(**(usual | values))


def opener(relay: Relay) -> Callable[[], smtplib.SMTP]:
    if relay.security == "none":
        return partial(plainly, relay)
    return VerifiedConnection(None, relay, name="example.org").configure_host


def plainly(relay: Relay) -> smtplib.SMTP:
    """Open without reading the machine's certificates, which takes longer than all the rest."""
    host = smtplib.SMTP(relay.host, relay.port, "example.org", timeout=relay.timeout)
    try:
        host.ehlo_or_helo_if_needed()
    except BaseException:
        host.close()
        raise
    return host


@contextlib.contextmanager
def sending(*relays: Relay) -> Iterator[Pipeline]:
    pipeline = Pipeline(relays, connect=opener)
    try:
        yield pipeline
    finally:
        pipeline.close(patience=0)


def parcels(count: int, *, body: bytes = BODY, name: str = "s") -> list[Parcel]:
    return [
        Parcel(number, SENDER, f"{name}{number}@example.org", body) for number in range(count)
    ]


def run(pipeline: Pipeline, *, until: Callable[[], bool] | None = None) -> list[Outcome]:
    """Step until ``until``, or until everything has its outcome."""
    outcomes: list[Outcome] = []
    stop = time.monotonic() + BOUND
    while not until() if until else pipeline.waiting or pipeline.inside:
        assert time.monotonic() < stop, "it hangs"
        outcomes += pipeline.step(0.05)
    return outcomes + pipeline.step(0)


def send(pipeline: Pipeline, given: list[Parcel]) -> dict[Verdict, list[Outcome]]:
    pipeline.give(given)
    return grouped(run(pipeline))


def grouped(outcomes: list[Outcome]) -> dict[Verdict, list[Outcome]]:
    found: dict[Verdict, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.verdict, []).append(outcome)
    return found


def check(
    found: dict[Verdict, list[Outcome]], given: list[Parcel], *servers: FaultyRelay
) -> None:
    """Compare what we believe with what the servers have."""
    outcomes = [outcome for group in found.values() for outcome in group]
    assert sorted(id(one.parcel) for one in outcomes) == sorted(map(id, given))
    taken = [mail for server in servers for mail in server.taken]
    bodies = {one.recipient: plain(one.written()) for one in given}
    for mail in taken:
        assert mail.raw == bodies[mail.recipient], "not what was given"
        assert mail.sender == SENDER
    for outcome in outcomes:
        copies = [mail.recipient for mail in taken].count(outcome.parcel.recipient)
        if outcome.verdict is Verdict.SENT:
            assert copies == 1, outcome
        elif outcome.verdict is Verdict.UNANSWERED:
            assert copies <= 1, outcome
        else:
            assert copies == 0, outcome


def plain(body: bytes) -> bytes:
    return body.replace(b"\r\n..", b"\r\n.")


def tally(found: dict[Verdict, list[Outcome]]) -> dict[Verdict, int]:
    return {verdict: len(group) for verdict, group in found.items()}
