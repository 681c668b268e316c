"""What came back is understood by its codes, whoever wrote it; no nonsense stops the reader."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings, strategies

from tests.support import returned
from tracker.mail.bounces import LONGEST, Report, ReportKind, read
from tracker.mail.verp import ReturnToken, bounce_address, stop_extension

OURS = "bounces@tracker.example.org"
TOKEN = ReturnToken(77, bytes(range(8)), bytes(range(12)))
SENDER = bounce_address(OURS, **TOKEN._asdict())
OTHER = ReturnToken(78, bytes(8), bytes(range(12)))
OTHER_SENDER = bounce_address(OURS, **OTHER._asdict())
STOP = bytes(range(32))
STOP_ADDRESS = f"bounces+s{stop_extension(STOP)}@tracker.example.org"


def understood(raw: bytes, recipient: str | None = None) -> list[Report]:
    if recipient is not None:
        raw = b"Delivered-To: " + recipient.encode("utf-8", "surrogatepass") + b"\r\n" + raw
    return read(raw, return_address=OURS)


def eml(text: str) -> bytes:
    return returned.eml(text, sender=SENDER, stop=STOP_ADDRESS)


POSTFIX = eml(returned.POSTFIX)
EXIM = eml(returned.EXIM)
EXCHANGE = eml(returned.EXCHANGE)
GMAIL = eml(returned.GMAIL)
YAHOO = eml(returned.YAHOO)
SENDMAIL_WARNING = eml(returned.SENDMAIL_WARNING)
QMAIL = eml(returned.QMAIL)
AWAY = eml(returned.AWAY)
COMPLAINT = eml(returned.COMPLAINT)
UNSUBSCRIBE = eml(returned.UNSUBSCRIBE)

FORMATS = {
    "Postfix": (POSTFIX, ReportKind.FAILED, "5.1.1"),
    "Exim, code in the reply only": (EXIM, ReportKind.FAILED, "5.1.1"),
    "Exchange": (EXCHANGE, ReportKind.FAILED, "5.1.10"),
    "Gmail": (GMAIL, ReportKind.FAILED, "5.2.2"),
    "Yahoo": (YAHOO, ReportKind.FAILED, "5.2.1"),
    "Sendmail, a warning": (SENDMAIL_WARNING, ReportKind.DELAYED, "4.4.7"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_report_of_each_mail_server_is_understood(name: str) -> None:
    raw, kind, status = FORMATS[name]
    assert understood(raw) == [Report(kind, TOKEN, status=status)]


@pytest.mark.parametrize("name", FORMATS)
def test_bare_line_ends_as_a_pipe_gives_them_change_nothing(name: str) -> None:
    raw, kind, status = FORMATS[name]
    assert understood(raw.replace(b"\r\n", b"\n")) == [Report(kind, TOKEN, status=status)]


# --- no report -------------------------------------------------------------------------------


FORWARDED = (
    eml("""
From: Sara <sara@example.net>
To: @SENDER@
Subject: Fwd: Undelivered Mail
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: text/plain

What is this?

--outer
Content-Type: message/rfc822

""")
    + POSTFIX
    + b"\r\n--outer--\r\n"
)


@pytest.mark.parametrize(
    "raw",
    [
        QMAIL,
        AWAY,
        FORWARDED,
        POSTFIX.replace(b"Action: failed", b"Action: delivered").replace(b"5.1.1", b"2.0.0"),
        POSTFIX.replace(b"Action: failed", b"Action: relayed"),
        POSTFIX.replace(b"Action: failed", b"Action: failed again"),
        POSTFIX.replace(b"Action: failed\r\n", b""),
        POSTFIX.replace(b"Status: 5.1.1\r\n", b""),
        POSTFIX.replace(b"Status: 5.1.1", b"Status: unknown user"),
        POSTFIX.replace(b"Status: 5.1.1", b"Status: 2.1.5"),
        POSTFIX.replace(b"Status: 5.1.1", b"Status: 5.1.1111"),
        POSTFIX.replace(b"Status: 5.1.1", b"Status: 5.1"),
        POSTFIX.replace(b"Status: 5.1.1", "Status: ٥.١.١".encode()),
        POSTFIX.replace(b"message/delivery-status", b"text/plain"),
        b"",
        b"\r\n",
        b"\x00" * 100,
    ],
    ids=lambda raw: f"{len(raw)} bytes" if isinstance(raw, bytes) else None,
)
def test_what_is_no_report_with_codes_says_nothing(raw: bytes) -> None:
    assert understood(raw) == []


def test_a_report_to_an_address_without_a_token_says_nothing() -> None:
    for address in (OURS, "alerts@example.org", SENDER.replace("+b", "+c")):
        assert understood(POSTFIX.replace(SENDER.encode(), address.encode())) == []


def test_a_report_wrapped_by_a_mailing_list_is_still_found() -> None:
    wrapped = eml("""
To: @SENDER@
Content-Type: multipart/mixed; boundary=outer

--outer
""")
    body = POSTFIX[POSTFIX.index(b"Content-Type: multipart/report") :]
    assert understood(wrapped + body + b"\r\n--outer--\r\n") == [
        Report(ReportKind.FAILED, TOKEN, status="5.1.1")
    ]


# --- whom it concerns ------------------------------------------------------------------------


def test_what_the_mail_server_says_about_the_recipient_comes_before_any_header() -> None:
    (report,) = understood(POSTFIX, OTHER_SENDER)
    assert report.token == OTHER
    (report,) = understood(POSTFIX, "bounces@tracker.example.org")
    assert report.token == TOKEN, "an alias was told; the headers still know"


@pytest.mark.parametrize("name", ["X-Original-To", "Delivered-To", "Envelope-To"])
def test_what_a_mail_server_wrote_comes_before_what_the_sender_wrote(name: str) -> None:
    raw = EXCHANGE.replace(
        b"To: <" + SENDER.encode(), f"{name}: {SENDER}\r\nTo: <{OTHER_SENDER}".encode()
    )
    (report,) = understood(raw)
    assert report.token == TOKEN


def test_the_mailbox_that_a_server_delivered_to_hides_no_token() -> None:
    raw = b"Delivered-To: bounces@tracker.example.org\r\n" + POSTFIX
    (report,) = understood(raw)
    assert report.token == TOKEN


def test_an_address_in_capitals_with_a_name_before_it_is_found() -> None:
    raw = EXCHANGE.replace(f"<{SENDER}>".encode(), f'"Us, all" <{SENDER.upper()}>'.encode())
    (report,) = understood(raw)
    assert report.token == TOKEN


# --- several mailboxes behind one address ----------------------------------------------------


def several(*entries: tuple[str, str]) -> bytes:
    blocks = "\r\n\r\n".join(
        f"Final-Recipient: rfc822; {number}@example.net\r\nAction: {action}\r\nStatus: {status}"
        for number, (action, status) in enumerate(entries)
    )
    start = POSTFIX.index(b"Final-Recipient")
    end = POSTFIX.index(b"\r\n\r\n--4Tn1.1764/mx.example.org\r\nContent-Description: Und")
    return POSTFIX[:start] + blocks.encode() + POSTFIX[end:]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([("failed", "5.1.1"), ("failed", "5.1.1")], (ReportKind.FAILED, "5.1.1")),
        ([("failed", "5.1.1"), ("failed", "4.4.7")], (ReportKind.FAILED, "4.4.7")),
        ([("failed", "5.1.1"), ("delayed", "4.2.2")], (ReportKind.DELAYED, "4.2.2")),
        ([("failed", "5.1.1")] * 500, (ReportKind.FAILED, "5.1.1")),
        ([("failed", "5.1.1"), ("delivered", "2.0.0")], None),
        ([("failed", "5.1.1"), ("expanded", "2.0.0")], None),
    ],
)
def test_who_forwards_to_several_mailboxes_counts_once_and_by_the_best_of_them(
    entries: list[tuple[str, str]], expected: tuple[ReportKind, str] | None
) -> None:
    reports = understood(several(*entries))
    assert [(report.kind, report.status) for report in reports] == (
        [expected] if expected else []
    )


def test_a_reply_of_another_class_does_not_change_the_status() -> None:
    for reply in (
        "smtp; 450 4.2.1 later",
        "smtp; 550 5.1.1.1",
        "smtp; no 5.1.1",
        "x; 550 5.1.1",
    ):
        raw = several(("failed", f"5.0.0\r\nDiagnostic-Code: {reply}"))
        assert [report.status for report in understood(raw)] == ["5.0.0"]


# --- complaints ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("abuse", ReportKind.COMPLAINT),
        ("Fraud (phishing)", ReportKind.COMPLAINT),
        ("opt-out", ReportKind.UNSUBSCRIBE),
        ("opt-out-list", ReportKind.UNSUBSCRIBE),
        ("not-spam", None),
        ("virus", None),
        ("auth-failure", None),
        ("other", None),
        ("", None),
    ],
)
def test_a_feedback_report_counts_by_its_type(word: str, kind: ReportKind | None) -> None:
    raw = COMPLAINT.replace(b"Feedback-Type: abuse", f"Feedback-Type: {word}".encode())
    assert understood(raw) == ([Report(kind, TOKEN)] if kind else [])


@pytest.mark.parametrize("content_type", [b"message/rfc822", b"text/rfc822-headers"])
def test_without_the_original_sender_the_returned_mail_tells_whose_it_was(
    content_type: bytes,
) -> None:
    raw = COMPLAINT.replace(f"Original-Mail-From: <{SENDER}>\r\n".encode(), b"")
    raw = raw.replace(b"message/rfc822", content_type)
    assert understood(raw) == []
    told = raw.replace(
        b"Return-Path: <bounces@tracker.example.org>", f"Return-Path: <{SENDER}>".encode()
    )
    assert understood(told) == [Report(ReportKind.COMPLAINT, TOKEN)]


def test_the_recipient_in_a_feedback_report_is_not_believed() -> None:
    raw = COMPLAINT.replace(SENDER.encode(), b"alerts@example.org")
    raw = raw.replace(b"<sara@example.net>", f"<{SENDER}>".encode())
    assert understood(raw, SENDER) == []


# --- unsubscribing by mail -------------------------------------------------------------------


@pytest.mark.parametrize(
    "extra",
    [
        b"",
        b"Auto-Submitted: no\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n",
        b"Cc: a@b\r\n",
    ],
)
def test_a_mail_to_the_unsubscribe_address_unsubscribes(extra: bytes) -> None:
    assert understood(extra + UNSUBSCRIBE) == [Report(ReportKind.UNSUBSCRIBE, stop=STOP)]


def test_it_unsubscribes_when_only_the_mail_server_knows_the_address() -> None:
    raw = UNSUBSCRIBE.replace(STOP_ADDRESS.encode(), b"undisclosed-recipients:;")
    assert understood(raw, STOP_ADDRESS) == [Report(ReportKind.UNSUBSCRIBE, stop=STOP)]
    assert understood(raw) == []


@pytest.mark.parametrize(
    "extra",
    [
        b"Auto-Submitted: auto-replied\r\n",
        b"Auto-Submitted: auto-replied; owner-email=x@example.net\r\n",
        b"Auto-Submitted: Auto-Generated (rejected)\r\n",
        b"Return-Path: <>\r\n",
        b"Return-Path: <MAILER-DAEMON>\r\n",
        b"Return-Path: <Mailer-Daemon@mx.example.net>\r\n",
        b"Precedence: bulk\r\n",
        b"Precedence: auto_reply\r\n",
        b"X-Autoreply: yes\r\n",
    ],
)
def test_what_a_machine_sends_to_the_unsubscribe_address_unsubscribes_nobody(
    extra: bytes,
) -> None:
    assert understood(extra + UNSUBSCRIBE) == []


def test_a_bounce_to_the_unsubscribe_address_unsubscribes_nobody() -> None:
    raw = POSTFIX.replace(SENDER.encode(), STOP_ADDRESS.encode())
    raw = raw.replace(b"Return-Path: <>\r\n", b"").replace(
        b"Auto-Submitted: auto-replied\r\n", b""
    )
    assert understood(raw) == []


# --- hostile input ---------------------------------------------------------------------------


def test_a_report_before_a_huge_returned_mail_is_read() -> None:
    end = POSTFIX.index(b"Text.")
    raw = POSTFIX[:end] + b"All work and no play\r\n" * 500_000 + POSTFIX[end:]
    assert len(raw) > 10 * LONGEST
    assert understood(raw) == [Report(ReportKind.FAILED, TOKEN, status="5.1.1")]


def nested(depth: int) -> bytes:
    opening = "".join(
        f"Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"
        for level in range(depth)
    )
    return f"To: {SENDER}\r\n{opening}".encode()


def typed(parameter: bytes) -> bytes:
    return (
        f"To: {SENDER}\r\nContent-Type: multipart/report; ".encode() + parameter + b"\r\n\r\n"
    )


HOSTILE = {
    "a report too deep inside": nested(30) + POSTFIX,
    "parts in parts without end": nested(5_000),
    "parts in parts, then lines": nested(300) + b"\r\n" * 400_000,
    "messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * 30_000,
    "many small parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    + b"--b\r\n" * 150_000,
    "parameters without end": b"Content-Type: multipart/report" + b";" * 900_000,
    "quotation marks without end": b"Content-Type: multipart/report;" + b'";' * 450_000,
    "parameters in each part": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    + (b"--b\r\nContent-Type: a/b" + b';"' * 490 + b"\r\n\r\n") * 900,
    "recipients without end": b"To: " + b"(" * 900_000,
    "a thousand recipients": b"To: " + b"a@b, " * 180_000,
    "headers without end": b"To: a@b\r\n" * 110_000,
    "a boundary with one number of two": typed(b"boundary*1=x; boundary*=y"),
    "a boundary with a huge number": typed(b"boundary*%b=x" % (b"9" * 900)),
    "a boundary in no character set": typed(b"boundary*=x%00'y'z%ff"),
    "a boundary in a set with a null": typed(b"boundary*=\x00''z"),
    "a boundary in a set that fails": typed(b"boundary*=idna''xn--%80"),
    "eight bits in every header": POSTFIX.replace(b": ", b": \xff\xfe"),
    "nulls for blanks": POSTFIX.replace(b" ", b"\x00"),
    "line ends of three kinds": POSTFIX.replace(b"\r\n", b"\r\r\n\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_message_says_nothing_and_holds_nobody_up(name: str) -> None:
    started = time.process_time()
    assert understood(HOSTILE[name]) == []
    assert time.process_time() - started < 10, "generous: it takes under a second"


SEEDS = [raw for raw, _, _ in FORMATS.values()] + [COMPLAINT, UNSUBSCRIBE, FORWARDED]
BITS = [
    *(b"", b"\r\n", b"\n\n", b"--", b";", b'"', b"=", b"*", b"*0*=", b"*1=", b"\x00", b"\xff"),
    *(b"%", b"'", b"=?x?q?=", b":", b" ", b"<", b"(", b"\\", b"boundary", b"message/"),
    *(b"multipart/", b"; charset*=bogus''x", b"boundary*1=x; boundary*=y; ", b"9" * 5000),
]


@given(
    strategies.sampled_from(SEEDS),
    strategies.lists(
        strategies.tuples(
            strategies.integers(0, 3000),
            strategies.integers(0, 40),
            strategies.sampled_from(BITS),
        ),
        max_size=12,
    ),
)
@settings(max_examples=300, deadline=None)
def test_no_damage_to_a_message_makes_the_reader_stumble(
    raw: bytes, damages: list[tuple[int, int, bytes]]
) -> None:
    for at, length, bit in damages:
        raw = raw[:at] + bit + raw[at + length :]
    for report in understood(raw, SENDER):
        assert isinstance(report.kind, ReportKind)
        assert (report.token is None) is (report.stop is not None)


@given(strategies.binary(max_size=2000), strategies.text(max_size=300))
@example(b"To: \xff", "\udcff")
@settings(max_examples=100, deadline=None)
def test_no_bytes_and_no_recipient_make_the_reader_stumble(raw: bytes, recipient: str) -> None:
    assert understood(raw, recipient) == []
