"""A real SMTP server that keeps what it is sent, and can be told to misbehave."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP


@dataclass
class Mail:
    """One message as it arrived: envelope and content."""

    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        """The parsed message."""
        parsed = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def to(self) -> str:
        return self.recipients[0]

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        part = self.message.get_body(("plain",))
        assert part is not None
        return str(part.get_content())

    @property
    def html(self) -> str:
        part = self.message.get_body(("html",))
        assert part is not None
        return str(part.get_content())


@dataclass
class Sink:
    """What arrived so far; ``refuse_rcpt`` and ``refuse_data`` answer for an address."""

    port: int
    mails: list[Mail] = field(default_factory=list)
    refuse_rcpt: dict[str, str] = field(default_factory=dict)
    refuse_data: dict[str, str] = field(default_factory=dict)
    drop_after_data: set[str] = field(default_factory=set)
    thinks: dict[str, float] = field(default_factory=dict)
    """Seconds that pass before a mail to somebody is taken."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def clear(self) -> None:
        with self.lock:
            self.mails.clear()
        self.refuse_rcpt.clear()
        self.refuse_data.clear()
        self.drop_after_data.clear()
        self.thinks.clear()

    def to(self, address: str) -> list[Mail]:
        with self.lock:
            return [mail for mail in self.mails if mail.to == address]

    # --- what aiosmtpd calls ---------------------------------------------------------------

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address in self.refuse_rcpt:
            return self.refuse_rcpt[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        address = envelope.rcpt_tos[0]
        if address in self.refuse_data:
            return self.refuse_data[address]
        await asyncio.sleep(self.thinks.get(address, 0.0))
        with self.lock:
            self.mails.append(Mail(envelope.mail_from, envelope.rcpt_tos, envelope.content))
        if address in self.drop_after_data:
            self.drop_after_data.discard(address)
            server.transport.abort()
        return "250 OK"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_sink() -> Iterator[Sink]:
    """Run the server on a free loopback port."""
    sink = Sink(free_port())
    controller = Controller(sink, hostname="127.0.0.1", port=sink.port)
    controller.start()
    try:
        yield sink
    finally:
        controller.stop()
