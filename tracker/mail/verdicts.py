"""What an answer of a mail server means: for this mail, the mailbox or the server (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum


class Verdict(Enum):
    """Whose matter an answer is, and so what follows from it."""

    SENT = "sent"
    """Taken."""
    LATER = "later"
    """This mail, some minutes or hours later."""
    SLOW_DOWN = "slow_down"
    """The relay wants less from us; nothing is wrong with this mail."""
    UNANSWERED = "unanswered"
    """It may have been taken: the final dot left and no answer came. Never again at once."""
    BAD_ADDRESS = "bad_address"
    """The mailbox is not there: no more mail to it."""
    BOUNCED = "bounced"
    """The mailbox refused: counted, the third within 14 days means no more mail."""
    REFUSED = "refused"
    """This mail or we ourselves are not wanted; nobody's mailbox is at fault."""
    RELAY = "relay"
    """The relay's own trouble; neither mail nor mailbox is at fault."""


class Phase(Enum):
    """What was answered; BODY is the final dot."""

    CONNECT = "connect"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"


class Garbled(Exception):
    """What came is no SMTP reply."""


_GONE = frozenset({"5.1.1", "5.1.2", "5.1.6", "5.1.10", "5.2.1"})
# Out of sequence (RFC 5321 §4.2.2) or not signed in (RFC 4954 §6): said to us, whatever it was
# said after. Read as the mailbox's fault, a lost password would suppress everybody.
_ABOUT_THE_SESSION = frozenset({503, 530, 534, 535, 538})

_ENHANCED = re.compile(r"[245]\.(?:0|[1-9][0-9]{0,2})\.(?:0|[1-9][0-9]{0,2})(?![^\s])")


def enhanced_of(text: bytes | str, *, code: int | None = None) -> str:
    """Give the enhanced status code that ``text`` begins with, as "5.1.1", or nothing.

    ``text`` is the reply without its three digits. With ``code`` the class must be its first
    digit (RFC 2034 §4); sub-codes have one to three digits, no leading zero (RFC 3464 §2.3.4).
    """
    if isinstance(text, bytes):
        text = text[:16].decode("ascii", "replace")
    found = _ENHANCED.match(text.lstrip(" \t"))
    if found is None or (code is not None and found[0][0] != str(code)[0]):
        return ""
    return found[0]


def judge(phase: Phase, code: int, enhanced: str) -> Verdict:
    """Say what a reply ``code`` with its ``enhanced`` code (or "") means in this phase.

    Code 0 is no reply. 421 and 454 mean the relay in every phase (RFC 5321 §3.8; "454
    Throttling failure"), and so do 4.3.x and 4.7.x (RFC 3463 §3.4, §3.8: system, policy).
    An enhanced code of another class than the reply's is not believed.
    """
    if enhanced[:1] != str(code)[0]:
        enhanced = ""
    if 400 <= code <= 499:
        return _judge_temporary(phase, code, enhanced)
    if 500 <= code <= 599:
        return _judge_permanent(phase, code, enhanced)
    if phase is Phase.BODY and (code == 0 or 200 <= code <= 299):
        return Verdict.SENT if code else Verdict.UNANSWERED
    return Verdict.RELAY


def _judge_temporary(phase: Phase, code: int, enhanced: str) -> Verdict:
    is_about_a_mail = phase in (Phase.RCPT, Phase.DATA, Phase.BODY)
    if code in (421, 454) or enhanced.startswith(("4.3.", "4.7.")) or not is_about_a_mail:
        return Verdict.SLOW_DOWN
    return Verdict.LATER


def _judge_permanent(phase: Phase, code: int, enhanced: str) -> Verdict:
    if phase in (Phase.CONNECT, Phase.MAIL) or code in _ABOUT_THE_SESSION:
        return Verdict.RELAY
    if phase is Phase.RCPT:
        return _judge_mailbox(enhanced)
    return Verdict.REFUSED


def _judge_mailbox(status: str) -> Verdict:
    """Say what a final no to a mailbox means.

    - 5.1.1, 5.1.2, 5.1.6, 5.1.10 (RFC 3463 §3.2, RFC 7505): no such mailbox or domain, moved,
      takes no mail; 5.2.1 (§3.3): mailbox disabled. Gone.
    - 5.6.x (§3.7): the content; 5.7.x (§3.8): policy, which is about us. Not the mailbox's.
    - Everything else is counted, also 5.2.2 (§3.3, mailbox full: it may be emptied), 5.1.3
      (§3.2, syntax: it could be our own mistake) and a bare 550, 551 or 553, which servers say
      for policy too.
    """
    if status in _GONE:
        return Verdict.BAD_ADDRESS
    if status.startswith(("5.6.", "5.7.")):
        return Verdict.REFUSED
    return Verdict.BOUNCED


def judge_report(action: str, status: str) -> Verdict | None:
    """Say what a delivery report means (RFC 3464 §2.3.3, §2.3.4); None when nothing follows.

    Only "failed" is final: after "delayed" the relay still tries, and sending once more would
    be twice. Failed with 4.x (it tried for days) gives LATER, a soft bounce. Failed without a
    readable status is counted; failed with 2.x contradicts itself and is not believed.
    """
    if action.strip().lower() != "failed":
        return None
    status = enhanced_of(status)
    if status.startswith("2"):
        return None
    return Verdict.LATER if status.startswith("4") else _judge_mailbox(status)


_MOST_OF_A_LINE = 4_096
_MOST_OF_A_REPLY = 65_536
_CODES = {str(code).encode(): code for code in range(200, 600)}


class Replies:
    """Puts together the replies of one connection from bytes as they arrive."""

    __slots__ = ("_open", "_size", "_text", "rest")

    def __init__(self) -> None:
        """Begin with nothing received."""
        self.rest = b""
        """The line that has begun and not ended."""
        self._open = 0
        self._size = 0
        self._text = b""

    @property
    def is_within(self) -> bool:
        """Say whether a reply has begun and not ended."""
        return bool(self.rest or self._open)

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Give each reply that is now complete: its code and the words of its first line.

        Take all of them before feeding again. Raises :class:`Garbled` where something that is
        no reply begins (RFC 5321 §4.2), after the good ones before it, and for lines above
        4 kB and replies above 64 kB. Lines may end with a bare LF; words may be any bytes.
        """
        lines = (self.rest + data if self.rest else data).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            code = _CODES.get(line[:3])
            if code is None or len(line) > _MOST_OF_A_LINE:
                raise Garbled
            mark = line[3:4]
            if mark == b" " and not self._open:  # nearly all of them
                yield code, line[4:]
            elif self._joined(line, code, mark):
                text, self._open, self._size = self._text, 0, 0
                yield code, text
        self._check_rest()

    def _joined(self, line: bytes, code: int, mark: bytes) -> bool:
        """Add a line to the open reply; true when it was its last."""
        self._size += len(line)
        is_last = mark in (b" ", b"\r", b"")
        if not (is_last or mark == b"-") or self._size > _MOST_OF_A_REPLY:
            raise Garbled
        if not self._open:
            self._open, self._text = code, line[4:]
        elif code != self._open:
            raise Garbled
        return is_last

    def _check_rest(self) -> None:
        start = self.rest[:3]
        if len(self.rest) > _MOST_OF_A_LINE or (len(start) == 3 and start not in _CODES):
            raise Garbled
