"""The SMTP connection: Flask-Mail's, with a timeout and a certificate check.

Flask-Mail 0.10 has neither, shows the machine's name in EHLO, and lets a broken connection
hide the error that broke it (reference: its issues #114, #241, #98).
"""

from __future__ import annotations

import contextlib
import functools
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from flask import Flask, current_app
from flask_mail import Connection, Mail

from tracker.configuration.mail import Relay
from tracker.configuration.reading import LOOPBACK
from tracker.settings import Settings

OPENING_FACTOR = 3
"""Timeouts that connecting, securing and signing in may take together."""
DELIVERING_FACTOR = 4
"""Timeouts that handing over one message may take."""


class RelayTrouble(Exception):
    """The mail server itself cannot be used now; no address is at fault."""


class TemporaryFailure(Exception):
    """The server wants this mail later (4xx); ``code`` is its answer."""

    def __init__(self, code: int) -> None:
        """Keep the code; the words of the server may carry the address."""
        self.code = code
        super().__init__(str(code))


class PermanentFailure(Exception):
    """The server will never take this mail (5xx)."""

    def __init__(self, code: int, *, is_about_us: bool) -> None:
        """Keep the code, and whether it is we who are not wanted (5.7.x, RFC 3463 §3.8)."""
        self.code, self.is_about_us = code, is_about_us
        super().__init__(str(code))


class VerifiedConnection(Connection):
    """A connection that gives up on silence and talks to the right server only."""

    def __init__(self, flask_mail: Any, relay: Relay, *, name: str) -> None:
        """Prepare a connection to ``relay``, to which we say that we are ``name``."""
        super().__init__(flask_mail)
        self.relay, self.name = relay, name

    def configure_host(self) -> smtplib.SMTP | smtplib.SMTP_SSL:
        """Connect, secure and sign in. Raises :class:`RelayTrouble`."""
        try:
            return _connect(self.relay, self.name)
        except (OSError, smtplib.SMTPException) as error:
            raise RelayTrouble(type(error).__name__) from error

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Say goodbye where the server still listens; never hide an error."""
        host, self.host = self.host, None
        if host is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                host.quit()

    def deliver(self, raw: bytes, *, sender: str, recipient: str) -> None:
        """Hand over one message for one recipient; returning means the server has taken it.

        Raises :class:`TemporaryFailure`, :class:`PermanentFailure` or :class:`RelayTrouble`.
        """
        if self.host is None:
            self.host = self.configure_host()
        try:
            with _hanging_up_after(self.host.sock, DELIVERING_FACTOR * self.relay.timeout):
                self._transaction(self.host, raw, sender=sender, recipient=recipient)
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            self._drop()
            raise RelayTrouble(type(error).__name__) from error

    def _transaction(
        self, host: smtplib.SMTP, raw: bytes, *, sender: str, recipient: str
    ) -> None:
        code, _ = host.mail(sender)
        if code == 503:  # a transaction left open: begin anew once
            host.rset()
            code, _ = host.mail(sender)
        if code != 250:
            # The sender is ours: whatever is wrong is not the recipient's fault.
            self._drop()
            raise RelayTrouble(f"MAIL {code}")
        words: bytes | str
        code, words = host.rcpt(recipient)
        if code not in (250, 251):
            self._refused(host, code, words)
        try:
            code, words = host.data(raw)
        except smtplib.SMTPDataError as error:
            code, words = error.smtp_code, error.smtp_error
        if code != 250:
            self._refused(host, code, words)

    def _refused(self, host: smtplib.SMTP, code: int, words: bytes | str) -> None:
        if code == 421:
            self._drop()
            raise RelayTrouble("421")
        with contextlib.suppress(OSError, smtplib.SMTPException):
            host.rset()
        if 500 <= code <= 599:
            text = words.decode("ascii", "replace") if isinstance(words, bytes) else words
            raise PermanentFailure(code, is_about_us=text.lstrip().startswith("5.7."))
        raise TemporaryFailure(code)

    def _drop(self) -> None:
        host, self.host = self.host, None
        if host is not None:
            host.close()


class VerifiedMail(Mail):
    """Flask-Mail with our connection."""

    def init_app(self, app: Flask) -> Any:
        """Read the settings; nothing is ever swallowed and no dialogue ever printed."""
        app.config.update(MAIL_SUPPRESS_SEND=False, MAIL_DEBUG=False)
        return super().init_app(app)

    def connect(self, relay: Relay | None = None) -> VerifiedConnection:
        """Give a connection to a mail server, the first one by default, opened by ``with``."""
        settings: Settings = current_app.config["TRACKER"]
        state = current_app.extensions["mail"]
        return VerifiedConnection(state, relay or settings.relays[0], name=settings.mail_domain)


mail = VerifiedMail()


def opener(relay: Relay) -> Callable[[], smtplib.SMTP]:
    """Give what opens a connection to a mail server, to be called in any thread."""
    return mail.connect(relay).configure_host


@functools.cache
def _context(ca_file: Path | None) -> ssl.SSLContext:
    # Reading all authorities takes tens of milliseconds: once, not for every connection.
    return ssl.create_default_context(cafile=ca_file)


@contextlib.contextmanager
def _hanging_up_after(sock: socket.socket | None, seconds: float) -> Iterator[None]:
    """Shut a connection down where all inside takes longer.

    A socket's own timeout is for each read: who sends a byte now and then is never silent.
    """
    timer = threading.Timer(seconds, _shut_down, [sock])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut_down(sock: socket.socket | None) -> None:
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


class _Guarded:
    """Begins the guard of the opening as soon as there is a socket, before the greeting."""

    guard: contextlib.ExitStack

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]  # smtplib's
        self.guard = contextlib.ExitStack()
        self.guard.enter_context(_hanging_up_after(sock, OPENING_FACTOR * timeout))
        return sock


class _PlainHost(_Guarded, smtplib.SMTP):
    pass


class _TlsHost(_Guarded, smtplib.SMTP_SSL):
    pass


def _connect(relay: Relay, name: str) -> smtplib.SMTP:
    host: smtplib.SMTP = _PlainHost(local_hostname=name, timeout=relay.timeout)
    if relay.security == "tls":
        context = _context(relay.ca_file)
        host = _TlsHost(local_hostname=name, timeout=relay.timeout, context=context)
    host._host = relay.host  # type: ignore[attr-defined]  # whose certificate is wanted
    try:
        code, words = host.connect(relay.host, relay.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, words)
        _secure(host, relay)
    except BaseException:
        host.close()
        raise
    finally:
        guard = getattr(host, "guard", None)
        if guard is not None:
            guard.close()
    return host


def _secure(host: smtplib.SMTP, relay: Relay) -> None:
    # A mail above 16 kB waits 40 ms for Nagle's algorithm otherwise.
    if host.sock is not None:
        host.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if relay.security == "starttls":
        host.starttls(context=_context(relay.ca_file))
    elif relay.security == "none" and relay.host not in LOOPBACK:
        raise RelayTrouble("no TLS")
    host.ehlo_or_helo_if_needed()
    if relay.user and relay.password:
        host.login(relay.user, relay.password)
