"""A fast SMTP server in a process of its own, and Postfix' smtp-sink and smtp-source.

For runs in which thousands of mails a second must arrive somewhere. It may write each mail down
in a file before it says that it has it, so that the record outlives every process here.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import itertools
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

LIFE_SECONDS = 1800
"""Longest life of a server, whatever becomes of those who started it."""
START_SECONDS = 20
SOURCE_SECONDS = 300
"""Longest time that ``smtp-source`` may take."""

# Ends with its input, so also where the tests are killed.
_GUARD = 'timeout "$1" smtp-sink "$2" "$3" "inet:127.0.0.1:$4" 1000 & read -r _; kill $!; wait'


class Arrival(NamedTuple):
    """One mail that was accepted; ``at`` is a moment of ``time.monotonic()``."""

    number: int
    at: float
    recipient: str
    message_id: str


@dataclass
class QuickSink:
    """A running server on ``port``; what arrived is in the file ``record``, if it keeps one."""

    port: int
    record: Path | None = None

    def arrivals(self) -> list[Arrival]:
        """Give what has arrived up to now, in order."""
        return list(self._read())

    def count(self) -> int:
        """Give how many mails have arrived up to now."""
        assert self.record is not None
        with self.record.open("rb") as record:
            return sum(block.count(b"\n") for block in iter(lambda: record.read(1 << 20), b""))

    def _read(self) -> Iterator[Arrival]:
        assert self.record is not None
        with self.record.open(encoding="ascii") as record:
            for line in record:
                if line.endswith("\n"):  # the last one may just be being written
                    number, at, recipient, message_id = line[:-1].split("\t")
                    yield Arrival(int(number), int(at) / 1e9, recipient, message_id)


@contextmanager
def quicksink(*, record: Path | None = None, latency: float = 0.0) -> Iterator[QuickSink]:
    """Run the server; ``latency`` is in seconds, before what came together is answered."""
    command = [sys.executable, __file__, "--latency", str(latency)]
    if record is not None:
        record.touch()
        command += ["--record", str(record)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = process.stdout.readline()
        if not port:
            raise RuntimeError("the sink did not start")
        yield QuickSink(int(port), record)
        process.communicate()  # the end of its input ends it


# --- Postfix' own ----------------------------------------------------------------------------


def has_smtp_sink() -> bool:
    """Say whether Postfix' ``smtp-sink`` is installed."""
    return shutil.which("smtp-sink") is not None


def has_smtp_source() -> bool:
    """Say whether Postfix' ``smtp-source`` is installed."""
    return shutil.which("smtp-source") is not None


@contextmanager
def smtp_sink() -> Iterator[QuickSink]:
    """Run Postfix' sink, which keeps nothing."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["sh", "-c", _GUARD, "sh", str(LIFE_SECONDS)]
    command += ["-u", "nobody"] if os.geteuid() == 0 else ["-m", "1000"]
    with subprocess.Popen([*command, str(port)], stdin=subprocess.PIPE) as process:
        _wait_for(port)
        yield QuickSink(port)
        process.communicate()


def smtp_source(port: int, *, mails: int, size: int, sessions: int) -> float:
    """Let Postfix' source send over connections that it keeps; give the seconds it took."""
    command = ["smtp-source", "-d", "-s", str(sessions), "-l", str(size), "-m", str(mails)]
    command += ["-f", "a@example.org", "-t", "b@example.org", f"inet:127.0.0.1:{port}"]
    begun = time.perf_counter()
    subprocess.run(command, check=True, timeout=SOURCE_SECONDS)
    return time.perf_counter() - begun


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
            return
        time.sleep(0.02)
    raise RuntimeError("the sink did not start")


# --- the process -----------------------------------------------------------------------------

_END = b"\r\n.\r\n"
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_ANSWERS = {
    b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 50000000\r\n",
    b"HELO": b"250 sink\r\n",
    b"MAIL": b"250 2.1.0 OK\r\n",
    b"RCPT": b"250 2.1.5 OK\r\n",
    b"DATA": b"354 go on\r\n",
    b"RSET": b"250 2.0.0 OK\r\n",
    b"NOOP": b"250 2.0.0 OK\r\n",
    b"QUIT": b"221 2.0.0 bye\r\n",
}
_TAKEN = b"250 2.0.0 taken\r\n"
_UNKNOWN = b"500 5.5.2 what?\r\n"


class _Server:
    """One thread over all connections."""

    def __init__(self, *, record: int | None, latency: float) -> None:
        self.record, self.latency = record, latency
        self.numbers = itertools.count(1)
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(sys.stdin, selectors.EVENT_READ)
        self.late: list[tuple[float, int, _Talk, bytes]] = []

    def run(self) -> None:
        until = time.monotonic() + LIFE_SECONDS
        while time.monotonic() < until:
            for key, _ in self.selector.select(self._patience()):
                if key.data is not None:
                    key.data.serve()
                elif key.fileobj is self.listener:
                    self._accept()
                elif not os.read(sys.stdin.fileno(), 1024):
                    return
            self._answer_late()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            _Talk(self, self.listener.accept()[0])

    def _patience(self) -> float:
        return max(0.0, min(1.0, self.late[0][0] - time.monotonic())) if self.late else 1.0

    def _answer_late(self) -> None:
        while self.late and self.late[0][0] <= time.monotonic():
            _, _, talk, answer = heapq.heappop(self.late)
            talk.send(answer)

    def answer(self, talk: _Talk, answer: bytes) -> None:
        if not self.latency:
            talk.send(answer)
            return
        due = time.monotonic() + self.latency
        heapq.heappush(self.late, (due, next(self.numbers), talk, answer))

    def write_down(self, lines: list[bytes]) -> None:
        if self.record is not None and lines:
            # One write: it is in the kernel's hands before any answer leaves.
            written = b"".join(lines)
            if os.write(self.record, written) != len(written):
                raise OSError("no room for the record")


class _Talk:
    """One connection."""

    def __init__(self, server: _Server, sock: socket.socket) -> None:
        self.server, self.sock = server, sock
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        self.recipient = b""
        self.is_in_mail = False
        self.looked = 0
        self.unsent: deque[bytes] = deque()
        server.selector.register(sock, selectors.EVENT_READ, self)
        server.answer(self, b"220 sink ESMTP\r\n")

    def serve(self) -> None:
        try:
            data = self.sock.recv(262_144)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close()
            return
        self.received += data
        lines: list[bytes] = []
        answers = b"".join(self._answers(lines))
        self.server.write_down(lines)
        if answers:
            self.server.answer(self, answers)

    def _answers(self, lines: list[bytes]) -> Iterator[bytes]:
        while True:
            if self.is_in_mail:
                end = self.received.find(_END, self.looked)
                if end < 0:
                    self.looked = max(0, len(self.received) - len(_END))
                    return
                if self.server.record is not None:
                    lines.append(self._line(end))
                del self.received[: end + len(_END)]
                self.is_in_mail, self.looked = False, 0
                yield _TAKEN
            else:
                end = self.received.find(b"\r\n")
                if end < 0:
                    return
                yield self._answer(bytes(self.received[:end]))
                del self.received[: end + 2]

    def _answer(self, command: bytes) -> bytes:
        verb = command[:4].upper()
        if verb == b"RCPT":
            self.recipient = command[command.find(b"<") + 1 : command.rfind(b">")]
        self.is_in_mail = verb == b"DATA"
        return _ANSWERS.get(verb, _UNKNOWN)

    def _line(self, end: int) -> bytes:
        found = _MESSAGE_ID.search(self.received, 0, end)
        return b"%d\t%d\t%b\t%b\n" % (
            next(self.server.numbers),
            time.monotonic_ns(),
            self.recipient,
            found[1] if found else b"-",
        )

    def send(self, answer: bytes) -> None:
        self.unsent.append(answer)
        self._flush()

    def _flush(self) -> None:
        try:
            while self.unsent:
                sent = self.sock.send(self.unsent[0])
                if sent < len(self.unsent[0]):
                    self.unsent[0] = self.unsent[0][sent:]
                else:
                    self.unsent.popleft()
        except OSError:  # also where somebody reads no answers
            self._close()

    def _close(self) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self.server.selector.unregister(self.sock)
        self.sock.close()


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", type=Path)
    parser.add_argument("--latency", type=float, default=0.0)
    options = parser.parse_args()
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    record = os.open(options.record, flags, 0o600) if options.record else None
    server = _Server(record=record, latency=options.latency)
    print(server.listener.getsockname()[1], flush=True)
    server.run()


if __name__ == "__main__":
    main()
