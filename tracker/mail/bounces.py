"""Bounces, complaints and requests to unsubscribe, read from a message that came back (pure).

Codes decide, never words: delivery status notifications (RFC 3464) by action and status,
feedback reports (RFC 5965) by feedback type. What is read here is hostile input; only a
token whose MAC the worker has checked is worth anything.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from email.errors import MessageError
from email.message import Message
from email.parser import BytesParser, HeaderParser
from email.policy import Compat32
from email.utils import getaddresses
from typing import NamedTuple

from tracker.mail.verp import ReturnToken, addressed

LONGEST = 1 << 20
"""Bytes of a message that are read; a report stands before the mail it returns."""
_MOST_LINES = 10_000
_LONGEST_FIELD = 1_000
_DEEPEST = 4
_MOST_PARTS = 50
_MOST_ADDRESSES = 20

# What the parser raises on wrong parameters, character sets and nesting, and the near kin of
# that: the standard library promises nothing about it.
_STUMBLES = (
    AttributeError,
    LookupError,
    MessageError,
    RecursionError,
    TypeError,
    ValueError,
)


class ReportKind(enum.Enum):
    """What a message that came back means for the mail or the subscription it names."""

    FAILED = "failed"
    DELAYED = "delayed"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"


class Report(NamedTuple):
    """One thing that a message says about one mail of ours.

    Either ``token`` or ``stop`` is set. ``status`` is the code of a failure or delay
    (RFC 3463), such as ``5.1.1``, else empty.
    """

    kind: ReportKind
    token: ReturnToken | None = None
    stop: bytes | None = None
    status: str = ""


def read(raw: bytes, *, return_address: str) -> list[Report]:
    """Give what a message says: one report, or none where it is nothing of this kind.

    A return address belongs to
    one mail to one person, so the mildest entry of a report about several mailboxes counts: who
    forwards to two mailboxes, one of them dead, is still reached. Raises nothing.
    """
    try:
        report = _read(raw, return_address)
    except _STUMBLES:
        return []
    return [] if report is None else [report]


def _read(raw: bytes, return_address: str) -> Report | None:
    message = _PARSER.parsebytes(_clipped(raw))
    feedback = _Feedback.of(message)
    if feedback is not None:
        return feedback.report(return_address)
    about = _about(message, return_address)
    if isinstance(about, bytes):
        return _unsubscribing(message, about)
    return None if about is None else _delivery(message, about)


# --- parsing that stays cheap whatever comes -------------------------------------------------


class _ShortFields(Compat32):
    """The plain policy of :mod:`email`, with fields cut short.

    Reading the parameters of a field takes time that grows with the square of its length.
    """

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:_LONGEST_FIELD]


_POLICY = _ShortFields()
_PARSER = BytesParser(policy=_POLICY)


def _clipped(raw: bytes) -> bytes:
    # Each line is held against the boundary of each part it lies in: few lines, little time.
    text = raw[:LONGEST].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return b"\n".join(text.split(b"\n", _MOST_LINES)[:_MOST_LINES])


def _parts(message: Message) -> Iterator[Message]:
    """Give the parts of a message, not those of messages inside it."""
    waiting = [(message, 0)]
    for _ in range(_MOST_PARTS):
        if not waiting:
            return
        part, depth = waiting.pop(0)
        yield part
        if part.get_content_maintype() == "multipart" and depth < _DEEPEST:
            waiting += [(inner, depth + 1) for inner in _inside(part)]


def _inside(part: Message) -> list[Message]:
    payload = part.get_payload()
    if not isinstance(payload, list):
        return []
    return [inner for inner in payload if isinstance(inner, Message)]


def _field(message: Message, name: str) -> str:
    """Give the first field of a name as text without line ends, or nothing."""
    return " ".join(str(message.get(name, "")).split())


def _word(message: Message, name: str) -> str:
    """Give the first word of a field in lower case; a comment may follow it."""
    return _field(message, name).partition("(")[0].strip().lower()


# --- whom it concerns ------------------------------------------------------------------------


def _about(message: Message, return_address: str) -> ReturnToken | bytes | None:
    """Give the token of ours that a message was sent to."""
    return _first(_recipients(message), return_address)


def _recipients(message: Message) -> Iterator[str]:
    # Those a mail server writes come first; the topmost is the last one written.
    for name in ("X-Original-To", "Delivered-To", "Envelope-To", "To"):
        fields = [str(value) for value in message.get_all(name, [])[:_MOST_ADDRESSES]]
        yield from (address for _, address in getaddresses(fields)[:_MOST_ADDRESSES])


def _first(addresses: Iterable[str], return_address: str) -> ReturnToken | bytes | None:
    for address in addresses:
        found = addressed(address, return_address)
        if found is not None:
            return found
    return None


# --- delivery status notifications -----------------------------------------------------------

_STATUS = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])", re.ASCII)
_REPLY = re.compile(
    r"smtp; ?([45])[0-9]{2}[ -](\1\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])",
    re.ASCII | re.IGNORECASE,
)
_ARRIVED = frozenset({"delivered", "relayed", "expanded"})


def _delivery(message: Message, token: ReturnToken) -> Report | None:
    """Give what the first delivery status in a message says."""
    for part in _parts(message):
        if part.get_content_type() == "message/delivery-status":
            return _mildest(token, _inside(part))
    return None


def _mildest(token: ReturnToken, blocks: list[Message]) -> Report | None:
    found: list[Report] = []
    for block in blocks:
        action, status = _word(block, "Action"), _status(block)
        if action in _ARRIVED:
            return None
        if action == "delayed" and status[:1] in {"4", "5"}:
            found.append(Report(ReportKind.DELAYED, token, status=status))
        if action == "failed" and status[:1] in {"4", "5"}:
            found.append(Report(ReportKind.FAILED, token, status=status))
    return min(found, key=_severity, default=None)


def _severity(report: Report) -> tuple[bool, str]:
    return report.kind is ReportKind.FAILED, report.status[:1]


def _status(block: Message) -> str:
    """Give the status code of one recipient.

    Exim tells every failure as 5.0.0; the reply of the server it spoke to has a better code.
    """
    told = _STATUS.match(_field(block, "Status"))
    if told is None:
        return ""
    status = told[1]
    reply = _REPLY.match(_field(block, "Diagnostic-Code"))
    if status.endswith(".0.0") and reply is not None and reply[1] == status[0]:
        return reply[2]
    return status


# --- feedback reports ------------------------------------------------------------------------

_FEEDBACK = {
    "abuse": ReportKind.COMPLAINT,
    "fraud": ReportKind.COMPLAINT,
    # Of drafts of RFC 5965: somebody wants this list no more, and does not call it spam.
    "opt-out": ReportKind.UNSUBSCRIBE,
    "opt-out-list": ReportKind.UNSUBSCRIBE,
}
"""What a feedback type means; ``not-spam``, ``virus``, ``auth-failure``, ``other``: nothing."""


class _Feedback(NamedTuple):
    """The two parts of a feedback report that count: its fields and the mail it is about."""

    fields: Message
    about: Message | None

    @classmethod
    def of(cls, message: Message) -> _Feedback | None:
        """Find them in a message."""
        fields: Message | None = None
        about: Message | None = None
        for part in _parts(message):
            kind = part.get_content_type()
            if kind == "message/feedback-report" and fields is None:
                fields = next(iter(_inside(part)), None)
            elif kind == "message/rfc822" and about is None:
                about = next(iter(_inside(part)), None)
            elif kind == "text/rfc822-headers" and about is None:
                about = HeaderParser(policy=_POLICY).parsestr(str(part.get_payload()))
        return None if fields is None else cls(fields, about)

    def report(self, return_address: str) -> Report | None:
        """Give what the report says; it comes to an address without a token.

        The token is in the sender of the mail complained about. The recipient told there is
        not believed: anybody can write it.
        """
        kind = _FEEDBACK.get(_word(self.fields, "Feedback-Type"))
        senders = [_field(self.fields, "Original-Mail-From")]
        if self.about is not None:
            senders.append(_field(self.about, "Return-Path"))
        token = _first(senders, return_address)
        if kind is None or not isinstance(token, ReturnToken):
            return None
        return Report(kind, token)


# --- unsubscribing by mail -------------------------------------------------------------------

_AUTOMATIC = ("X-Autoreply", "X-Autorespond")


def _unsubscribing(message: Message, stop: bytes) -> Report | None:
    """Give the wish to unsubscribe, unless a machine answered or sent the message back.

    Subject and text say nothing: mail programs fill them in as they like.
    """
    is_report = any(
        part.get_content_type() in {"multipart/report", "message/delivery-status"}
        for part in _parts(message)
    )
    if is_report or _is_automatic(message):
        return None
    return Report(ReportKind.UNSUBSCRIBE, stop=stop)


def _is_automatic(message: Message) -> bool:
    """Say whether no person sent a message (RFC 3834)."""
    submitted = _word(message, "Auto-Submitted").partition(";")[0].strip()
    return (
        submitted not in {"", "no"}
        or _has_no_sender(message)
        or _word(message, "Precedence") in {"auto_reply", "bulk", "junk"}
        or any(name in message for name in _AUTOMATIC)
    )


def _has_no_sender(message: Message) -> bool:
    """Say whether the envelope had no sender; Postfix's pipe(8) writes a name in its place."""
    local, _, _ = _word(message, "Return-Path").strip("<>").partition("@")
    return "Return-Path" in message and local in {"", "mailer-daemon"}
