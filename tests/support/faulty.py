"""A real SMTP server on loopback that fails as told: in this phase, that way, so many times."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

PHASES = ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "CONTENT", "BODY")
"""In order; CONTENT is while the mail arrives, BODY the answer to its final dot."""
SILENCE = "silence"
"""Answer nothing, but read on."""
STOP_READING = "stop reading"
"""Answer nothing and read nothing, until the server ends; for CONTENT."""
DROP = "drop"
"""Hang up instead of answering; at BODY the mail has not been taken."""
TAKE_AND_DROP = "take and drop"
"""At BODY: the mail is taken, and the connection ends before that can be said."""
DRIP = "drip"
"""Give the usual answer, one byte at a time."""


class Taken(NamedTuple):
    """A mail that was accepted; ``raw`` has no dot-stuffing any more."""

    sender: str
    recipient: str
    raw: bytes


@dataclass
class Fault:
    """What happens at ``phase``, a verb or one of PHASES, instead of the usual.

    ``answer`` is the text of a reply, or one of the words above. It happens ``times`` times
    (None: until lifted), and for ``recipient`` only where one is given.
    """

    phase: str
    answer: str
    times: int | None = None
    recipient: str | None = None


@dataclass
class FaultyRelay:
    """The server; ``with relay.running():`` and then ``relay.port``.

    ``pipelining`` is "good", "none" (not offered), or offered and broken: "swallow" forgets
    what came along with a command, "swallow after dot" what came along with a mail's end.
    ``latency`` is seconds before what arrived together is answered, ``drip`` between two
    bytes. With ``tls`` it offers STARTTLS, or begins with TLS if ``is_wrapped``.
    """

    faults: list[Fault] = field(default_factory=list)
    pipelining: str = "good"
    latency: float = 0.0
    drip: float = 0.2
    tls: ssl.SSLContext | None = None
    is_wrapped: bool = False
    most_connections: int = 1_000
    """More are turned away with 421."""
    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    heard: Counter[str] = field(default_factory=Counter)
    """How often each verb was said, and CONNECT."""
    turns: int = 0
    """How often it answered: round trips."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_over: threading.Event = field(default_factory=threading.Event)
    _clients: set[socket.socket] = field(default_factory=set)

    @contextlib.contextmanager
    def running(self) -> Iterator[FaultyRelay]:
        with socket.create_server(("127.0.0.1", self.port), backlog=128) as server:
            self.port = server.getsockname()[1]
            self.is_over.clear()
            thread = threading.Thread(target=self._serve, args=(server,), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                self.is_over.set()
                with contextlib.suppress(OSError):
                    server.shutdown(socket.SHUT_RDWR)
                self.hang_up()
                thread.join(10)

    def lift(self) -> None:
        """From now on nothing fails."""
        with self.lock:
            self.faults.clear()

    def hang_up(self, farewell: bytes = b"") -> None:
        """Close every connection now, in whatever phase."""
        with self.lock:
            clients = list(self._clients)
        for client in clients:
            with contextlib.suppress(OSError):
                if farewell:
                    client.sendall(farewell)
                client.shutdown(socket.SHUT_RDWR)

    def count(self) -> int:
        """How many connections are open."""
        with self.lock:
            return len(self._clients)

    def copies(self) -> Counter[str]:
        """How many mails each recipient got."""
        with self.lock:
            return Counter(mail.recipient for mail in self.taken)

    def fault_at(self, phase: str, recipient: str) -> str | None:
        """Take the fault that is due at ``phase``, if there is one."""
        with self.lock:
            self.heard[phase] += 1
            for fault in self.faults:
                is_meant = fault.recipient is None or fault.recipient == recipient
                if fault.phase == phase and is_meant and fault.times != 0:
                    if fault.times is not None:
                        fault.times -= 1
                    return fault.answer
        return None

    def _serve(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with self.lock:
            self._clients.add(client)
            self.heard["CONNECT"] += 1
        client.settimeout(30)
        talk = _Talk(self, client)
        try:
            with contextlib.suppress(OSError, _HungUp):
                talk.run()
        finally:
            with self.lock:
                self._clients.discard(talk.client)
            talk.client.close()


class _HungUp(Exception):
    """This connection is over."""


class _Talk:
    """One connection."""

    def __init__(self, relay: FaultyRelay, client: socket.socket) -> None:
        self.relay, self.client = relay, client
        self.received = b""
        self.answers = b""
        self.sender: str | None = None
        self.recipient = ""

    def run(self) -> None:
        if self.relay.is_wrapped:
            self._secure()
        if self.relay.count() > self.relay.most_connections:
            self._say("421 4.7.0 too many connections", "")
        self._answer("GREETING", "220 relay.example.org")
        while True:
            line = self._line()
            verb = "STARTTLS" if line.upper() == "STARTTLS" else line[:4].upper()
            if self.relay.pipelining == "swallow":
                self.received = b""
            self._do(verb, line)

    def _do(self, verb: str, line: str) -> None:
        if verb == "EHLO":
            self._answer(verb, self._offer())
        elif verb == "STARTTLS" and self.relay.tls is not None:
            if self._answer(verb, "220 go ahead") == 220:
                self._flush()
                self._secure()
        elif verb == "MAIL":
            self._mail(line)
        elif verb == "RCPT":
            self._rcpt(line)
        elif verb == "DATA":
            self._data()
        elif verb == "QUIT":
            self._answer(verb, "221 bye")
            self._flush()
            raise _HungUp
        else:
            if verb == "RSET":
                self.sender, self.recipient = None, ""
            self._answer(verb, "250 ok" if verb in ("RSET", "NOOP", "HELO") else "502 what?")

    def _mail(self, line: str) -> None:
        if self.sender is not None:
            self._answer("MAIL", "503 5.5.1 nested")
        elif self._answer("MAIL", "250 2.1.0 ok") == 250:
            self.sender = line.partition("<")[2].rstrip(">")

    def _rcpt(self, line: str) -> None:
        recipient = line.partition("<")[2].rstrip(">")
        usual = "503 5.5.1 MAIL first" if self.sender is None else "250 2.1.5 ok"
        if self._answer("RCPT", usual, recipient) == 250 and self.sender is not None:
            self.recipient = recipient

    def _data(self) -> None:
        usual = "354 go ahead" if self.recipient else "503 5.5.1 RCPT first"
        if self._answer("DATA", usual, self.recipient) != 354:
            return
        content = self._content()
        if self.relay.pipelining == "swallow after dot":
            self.received = b""
        raw = content.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
        if not self.recipient:  # it was told to go ahead without one
            self._answer("BODY", "554 5.5.1 no valid recipients")
        else:
            self._body(Taken(self.sender or "", self.recipient, raw.removeprefix(b".")))
        self.sender, self.recipient = None, ""

    def _content(self) -> bytes:
        """Receive until the line with the dot alone."""
        fault = self.relay.fault_at("CONTENT", self.recipient)
        end = b"\r\n.\r\n"
        # The line end before the dot may be the one of DATA itself.
        received, self.received = bytearray(b"\r\n" + self.received), b""
        seen = 0
        while (found := received.find(end, seen)) < 0:
            if fault is not None:
                self._fail(fault)
            seen = max(0, len(received) - len(end))
            received += self._receive()
        if fault is not None:
            self._fail(fault)
        self.received = bytes(received[found + len(end) :])
        return bytes(received[2:found]) + end

    def _body(self, mail: Taken) -> None:
        fault = self.relay.fault_at("BODY", mail.recipient)
        is_taken = fault is None or fault in (TAKE_AND_DROP, DRIP) or fault.startswith("2")
        if is_taken:
            with self.relay.lock:
                self.relay.taken.append(mail)
        if fault == TAKE_AND_DROP:
            fault = DROP
        self._say(fault, "250 2.0.0 taken")

    # --- bytes -------------------------------------------------------------------------------

    def _offer(self) -> str:
        offers = ["relay.example.org"]
        if self.relay.pipelining != "none":
            offers.append("PIPELINING")
        if self.relay.tls is not None and not isinstance(self.client, ssl.SSLSocket):
            offers.append("STARTTLS")
        return "\r\n".join([f"250-{offer}" for offer in offers] + ["250 HELP"])

    def _secure(self) -> None:
        assert self.relay.tls is not None
        with self.relay.lock:
            self.relay._clients.discard(self.client)
            self.client = self.relay.tls.wrap_socket(
                self.client, server_side=True, do_handshake_on_connect=False
            )
            self.relay._clients.add(self.client)
        self.client.do_handshake()
        self.received = b""

    def _answer(self, phase: str, usual: str, recipient: str = "") -> int:
        """Give the usual answer, or fail; the code tells which it was."""
        return self._say(self.relay.fault_at(phase, recipient or self.recipient), usual)

    def _say(self, fault: str | None, usual: str) -> int:
        if fault in (SILENCE, DROP):
            self._fail(fault)
        if fault == DRIP:
            self._flush()
            for byte in usual.encode() + b"\r\n":
                if self.relay.is_over.wait(self.relay.drip):
                    raise _HungUp
                self.client.sendall(bytes([byte]))
            return int(usual[:3])
        answer = usual if fault is None else fault
        self.answers += answer.encode("latin-1") + b"\r\n"
        if answer.startswith("421"):
            self._flush()
            self._close_politely()
            raise _HungUp
        return int(answer[:3]) if answer[:3].isdecimal() else 0

    def _fail(self, fault: str) -> None:
        self._flush()
        if fault == STOP_READING:
            self.relay.is_over.wait(30)
        elif fault == SILENCE:
            while self.client.recv(65_536):
                pass
        raise _HungUp

    def _close_politely(self) -> None:
        """Read to the end: what is left unread would make the kernel take back the answer."""
        self.client.shutdown(socket.SHUT_WR)
        while self.client.recv(65_536):
            pass

    def _line(self) -> str:
        while b"\r\n" not in self.received:
            self.received += self._receive()
        line, self.received = self.received.split(b"\r\n", 1)
        return line.decode("latin-1")

    def _receive(self) -> bytes:
        """Answer what came together in one write, then wait for more."""
        self._flush()
        data = self.client.recv(65_536)
        if not data:
            raise _HungUp
        return data

    def _flush(self) -> None:
        if self.answers:
            if self.relay.latency:
                time.sleep(self.relay.latency)
            answers, self.answers = self.answers, b""
            with self.relay.lock:
                self.relay.turns += 1
            self.client.sendall(answers)
