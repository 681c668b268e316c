"""A real mail server returns what it cannot deliver, and we understand what it says."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

import pytest

from tests.support import requirements
from tests.support.postfix import Pile, Postfix, piling_postfix
from tracker.mail.bounces import Report, ReportKind, read
from tracker.mail.verp import ReturnToken, bounce_address, stop_extension

OURS = "bounces@example.org"
TOKEN = ReturnToken(77, bytes(range(8)), bytes(range(12)))
SENDER = bounce_address(OURS, **TOKEN._asdict())


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Postfix, Pile]]:
    requirements.need("postfix")
    with piling_postfix("example.org") as found:
        yield found


def send(postfix: Postfix, sender: str, recipient: str) -> None:
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=20) as client:
        client.sendmail(sender, [recipient], b"Subject: News\r\n\r\nText\r\n")


@pytest.mark.parametrize(
    ("recipient", "status"),
    [("no-such-person@example.org", "5.1.1"), ("sara@elsewhere.example", "5.1.2")],
)
def test_a_mail_that_cannot_be_delivered_comes_back_and_is_recognised(
    running: tuple[Postfix, Pile], recipient: str, status: str
) -> None:
    postfix, pile = running
    send(postfix, SENDER, recipient)
    envelope, raw = pile.one(postfix)
    assert envelope == SENDER
    expected = [Report(ReportKind.FAILED, TOKEN, status=status)]
    assert read(raw, return_address=OURS) == expected


def test_a_mail_to_the_unsubscribe_address_arrives_with_its_token(
    running: tuple[Postfix, Pile],
) -> None:
    postfix, pile = running
    stop = bytes(range(32))
    address = f"bounces+s{stop_extension(stop)}@example.org"
    send(postfix, "sara@example.net", address)
    envelope, raw = pile.one(postfix)
    assert envelope == address
    expected = [Report(ReportKind.UNSUBSCRIBE, stop=stop)]
    assert read(raw, return_address=OURS) == expected


def test_with_the_documented_settings_the_outside_may_return_mail_to_us_and_to_nobody_unknown(
    running: tuple[Postfix, Pile],
) -> None:
    postfix, _ = running
    with smtplib.SMTP("127.0.0.1", postfix.strict_port, timeout=20) as client:
        client.ehlo("mx.example.net")
        client.mail("")
        assert client.rcpt(SENDER)[0] == 250
        assert client.rcpt(OURS)[0] == 250
        assert client.rcpt("no-such-person@example.org")[0] == 550


def test_a_vacation_notice_without_a_sender_unsubscribes_nobody(
    running: tuple[Postfix, Pile],
) -> None:
    postfix, pile = running
    send(postfix, "", f"bounces+s{stop_extension(bytes(32))}@example.org")
    _, raw = pile.one(postfix)
    assert read(raw, return_address=OURS) == []
