"""One open connection: bytes out, replies in, and how long it may be silent."""

from __future__ import annotations

import contextlib
import selectors
import smtplib
import socket
import ssl
import time
from abc import ABC, abstractmethod
from collections import deque

from tracker.mail.verdicts import Garbled, Replies

FINAL_DOT_FACTOR = 6
"""The answer to the final dot may take this many timeouts: a filter reads the mail first."""
NEVER = float("inf")
"""The deadline of a connection that owes nothing."""
WORDS = {"BODY": "final dot", "DOT": "final dot"}
"""What is owed, in words for the operator where it is no command."""

_RECEIVE = 65_536
_TLS_RECORD = 16_384
_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Broken(Exception):
    """A connection is of no more use.

    ``trouble`` says why without any address. ``is_closing``: the server asked for an end with
    421. ``is_desync``: its replies no longer belong to what was said.
    """

    def __init__(
        self, trouble: str, *, is_closing: bool = False, is_desync: bool = False
    ) -> None:
        """Take the reason."""
        self.trouble, self.is_closing, self.is_desync = trouble, is_closing, is_desync
        super().__init__(trouble)


class Channel(ABC):
    """One open connection: what is still to be sent, what the server owes, until when.

    ``owed`` names the replies that the server owes, in order: commands, BODY for the answer to
    the final dot of a mail, DOT for that to a dot alone. ``deadline`` is the moment of
    ``time.monotonic()`` at which it is to be given up as silent.
    """

    def __init__(
        self, smtp: smtplib.SMTP, *, selector: selectors.BaseSelector, timeout: float
    ) -> None:
        """Take over an open connection; nothing is said before :meth:`join`."""
        if smtp.sock is None:
            raise ValueError("not connected")
        self._selector, self._smtp, self._timeout = selector, smtp, timeout
        self._sock: socket.socket = smtp.sock
        self._is_tls = isinstance(self._sock, ssl.SSLSocket)
        self.has_pipelining = smtp.has_extn("pipelining")
        self._replies = Replies()
        self._events = selectors.EVENT_READ
        self.to_dot = 0
        """Bytes the kernel has not got yet, up to and with the final dot."""
        self.unsent: deque[bytes | memoryview] = deque()
        self.owed: deque[str] = deque()
        self.deadline = NEVER
        self.free_since = 0.0
        self.is_alive = True
        self.is_fresh = True
        """It has begun no parcel yet."""

    @abstractmethod
    def answer(self, word: str, code: int, text: bytes) -> None:
        """Go on after the reply to ``word``. Raises ``Broken`` or ``OSError``."""

    @abstractmethod
    def become_free(self) -> None:
        """Note that it could begin a parcel."""

    @property
    def position(self) -> str:
        """Say where in the talk it stands, in words for the operator."""
        if self.unsent:
            return "while sending"
        return f"after {WORDS.get(self.owed[0], self.owed[0])}" if self.owed else "while idle"

    def join(self) -> None:
        """Enter the loop with a connection that was opened elsewhere."""
        self._sock.setblocking(False)
        self._selector.register(self._sock, self._events, self)
        self.become_free()
        # What smtplib read ahead would be lost: nothing may have come that nobody asked for.
        with contextlib.suppress(*_WAIT):
            if self._smtp.file is not None and (early := self._smtp.file.read1(_RECEIVE)):
                self._take(early)

    def close(self) -> None:
        """Leave the loop; say nothing."""
        if self.is_alive:
            self.is_alive = False
            with contextlib.suppress(KeyError):
                self._selector.unregister(self._sock)
            self._smtp.close()

    def say_goodbye(self) -> None:
        """Send QUIT, as far as that goes at once."""
        with contextlib.suppress(OSError):
            self._sock.send(b"QUIT\r\n")

    # --- bytes in and out --------------------------------------------------------------------

    def serve(self, mask: int) -> None:
        """Receive and send what is possible now. Raises ``Broken`` or ``OSError``."""
        # Reading first: where writing fails, the server may have said why.
        if mask & selectors.EVENT_READ:
            self._receive()
        if self.unsent:
            self._flush()

    def _receive(self) -> None:
        try:
            data = self._sock.recv(_RECEIVE)
        except _WAIT:
            return
        if not data:
            raise Broken(f"disconnected {self.position}")
        # What TLS has decrypted already wakes no selector.
        while self._is_tls and self._sock.pending():  # type: ignore[attr-defined]  # SSLSocket
            data += self._sock.recv(_RECEIVE)
        self._take(data)

    def _take(self, data: bytes) -> None:
        """Go through the replies that have come."""
        expected = len(self.owed)
        before = expected
        try:
            for code, text in self._replies.feed(data):
                if code == 421:
                    # Also an answer to the final dot, and then a no (RFC 5321 §4.2.1).
                    self._forget_final_dot()
                    raise Broken("421", is_closing=True)
                if not expected:
                    raise Broken("unsolicited reply", is_desync=True)
                expected -= 1
                self.answer(self.owed.popleft(), code, text)
        except Garbled as error:
            raise Broken(f"garbage {self.position}", is_desync=True) from error
        if expected < before:
            self._rearm()
        if not self.owed and self._replies.is_within:
            raise Broken("unsolicited reply", is_desync=not self._replies.rest.startswith(b"4"))

    def _forget_final_dot(self) -> None:
        if self.owed and self.owed[0] == "BODY":
            self.owed.popleft()

    def send(self, data: bytes) -> None:
        """Send after what is unsent, as far as that goes at once."""
        self.unsent.append(data)
        self._flush()
        self._rearm()

    def _flush(self) -> None:
        while self.unsent:
            piece = self.unsent[0]
            part = piece[:_TLS_RECORD] if self._is_tls else piece
            try:
                if self._is_tls and len(part) >= self.to_dot:
                    self.to_dot = 0  # a record may leave although the call says "later"
                sent = self._sock.send(part)
            except _WAIT:
                self._watch(selectors.EVENT_READ | selectors.EVENT_WRITE)
                return
            self.to_dot -= sent
            if sent == len(piece):
                self.unsent.popleft()
            else:
                self.unsent[0] = memoryview(piece)[sent:]
                self._rearm()
        self._watch(selectors.EVENT_READ)

    def _watch(self, events: int) -> None:
        if events != self._events:
            self._events = events
            self._selector.modify(self._sock, events, self)
            self._rearm()

    def _rearm(self) -> None:
        """Set the moment at which it is given up; only progress calls this."""
        if not self.owed:
            self.deadline = NEVER
            return
        is_final = self.owed[0] in ("BODY", "DOT") and not self.unsent
        factor = FINAL_DOT_FACTOR if is_final else 1
        self.deadline = time.monotonic() + self._timeout * factor
