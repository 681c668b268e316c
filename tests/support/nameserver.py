"""A small real DNS server on loopback that answers from a dict, or misbehaves."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Zone = dict[str, dict[str, list[str]]]
"""Records by name and kind, written as in a zone file: name, kind, values."""

ROOT: Zone = {".": {"NS": ["a.root-servers.net."]}}


@dataclass
class Nameserver:
    """Its zone, what it was asked, and for which names it is silent or fails.

    A name that is in no zone does not exist (NXDOMAIN). ``behaviour`` by name: ``silent`` or
    ``SERVFAIL`` and other codes; under ``*`` for every name.
    """

    zone: Zone = field(default_factory=dict)
    behaviour: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    def publish(self, name: str, kind: str, *values: str) -> None:
        """Put records of one kind at a name in place of those that were there."""
        self.zone.setdefault(name, {})[kind] = list(values)

    def text(self, name: str, *texts: str) -> None:
        """Put TXT records at a name, each in pieces of at most 255 octets."""
        self.publish(name, "TXT", *(_quoted(text) for text in texts))

    def answer(self, question: bytes) -> bytes | None:
        """Give the answer to one datagram, None for silence."""
        query = dns.message.from_wire(question)
        asked = query.question[0]
        name = asked.name.to_text(omit_final_dot=True).lower() or "."
        kind = dns.rdatatype.to_text(asked.rdtype)
        self.asked.append((name, kind))
        behaviour = self.behaviour.get(name, self.behaviour.get("*", ""))
        if behaviour == "silent":
            return None
        reply = dns.message.make_response(query, recursion_available=True)
        reply.set_rcode(dns.rcode.from_text(behaviour or "NOERROR"))
        records = self.zone.get(name)
        if not behaviour and records is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif not behaviour and records and kind in records:
            reply.answer.append(dns.rrset.from_text(asked.name, 60, "IN", kind, *records[kind]))
        return reply.to_wire()


def _quoted(text: str) -> str:
    pieces = [text[at : at + 255] for at in range(0, len(text), 255)] or [""]
    escaped = (piece.replace("\\", "\\\\").replace('"', '\\"') for piece in pieces)
    return " ".join(f'"{piece}"' for piece in escaped)


@contextlib.contextmanager
def running_nameserver(zone: Zone | None = None) -> Iterator[Nameserver]:
    """Run a name server that also knows the root, as every honest one does."""
    server = Nameserver(zone={**ROOT, **(zone or {})})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        wire.settimeout(0.02)
        server.port = wire.getsockname()[1]
        stopping = threading.Event()
        thread = threading.Thread(target=_serve, args=(server, wire, stopping), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            stopping.set()
            thread.join(5)


def _serve(server: Nameserver, wire: socket.socket, stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            question, client = wire.recvfrom(4096)
            reply = server.answer(question)
        except (TimeoutError, dns.exception.DNSException):
            continue
        if reply is not None:
            wire.sendto(reply, client)
