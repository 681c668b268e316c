"""The mail server is the right one, over TLS, or nothing is said; and silence has an end."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import environment
from tests.support.certificates import Certificate, make_certificate
from tracker.app import create_app
from tracker.mail.connection import (
    PermanentFailure,
    RelayTrouble,
    TemporaryFailure,
    VerifiedConnection,
    mail,
)
from tracker.settings import SettingsError, load

MAIL = b"Subject: x\r\n\r\nHello\r\n.\r\nnot a command\r\n"


@dataclass
class Relay:
    """A mail server that follows a script: what it answers to a verb, or how it fails."""

    answers: dict[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    is_wrapped: bool = False
    heard: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    client: socket.socket | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[Relay]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
            thread = threading.Thread(target=self._serve, args=(server,), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                for one in (server, self.client):
                    if one is not None:
                        with contextlib.suppress(OSError):
                            one.shutdown(socket.SHUT_RDWR)
                thread.join(5)

    def _serve(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.client, _ = server.accept()
                self.connections += 1
                with contextlib.suppress(OSError):
                    self.client.settimeout(10)
                    self._talk()
                self.client.close()

    def _talk(self) -> None:
        assert self.client is not None
        client = self._secured(self.client) if self.is_wrapped else self.client
        if not self._say(client, "GREETING", "220 relay.example.org"):
            return
        lines = client.makefile("rb")
        while line := lines.readline():
            text = line.decode().strip()
            self.heard.append(text)
            verb = text.split(" ")[0].upper()
            if verb == "STARTTLS" and self.tls is not None:
                client.sendall(b"220 go\r\n")
                client = self._secured(client)
                lines = client.makefile("rb")
            elif verb == "DATA" and "DATA" not in self.answers:
                client.sendall(b"354 go\r\n")
                if not self._take(client, lines):
                    return
            elif not self._say(client, verb, self._usual(verb)):
                return

    def _secured(self, client: socket.socket) -> socket.socket:
        assert self.tls is not None
        self.client = self.tls.wrap_socket(
            client, server_side=True, do_handshake_on_connect=False
        )
        self.client.do_handshake()
        return self.client

    def _usual(self, verb: str) -> str:
        if verb == "EHLO" and self.tls is not None:
            return "250-relay\r\n250 STARTTLS"
        return "250 ok"

    def _say(self, client: socket.socket, verb: str, usual: str) -> bool:
        answer = self.answers.get(verb, usual)
        if answer == "silence":
            client.recv(1)
            return False
        if answer == "drop":
            return False
        client.sendall(answer.encode() + b"\r\n")
        return not answer.startswith("421")

    def _take(self, client: socket.socket, lines: object) -> bool:
        if self.answers.get("BODY") == "drop":
            client.recv(10)
            return False
        content = b""
        while not content.endswith(b"\r\n.\r\n"):
            content += lines.readline()  # type: ignore[attr-defined]  # a buffered reader
        self.mails.append(content)
        return self._say(client, "END", "250 taken")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def connected(tmp_path: Path) -> Iterator[Callable[..., VerifiedConnection]]:
    """Open a connection with settings, as the worker does."""
    with contextlib.ExitStack() as stack:

        def connect(relay: Relay, security: str = "none", **values: str) -> VerifiedConnection:
            variables = environment(
                tmp_path,
                TRACKER_SMTP_PORT=str(relay.port),
                TRACKER_SMTP_SECURITY=security,
                TRACKER_SMTP_TIMEOUT="1",
                **values,
            )
            app = create_app(load(variables))
            stack.enter_context(app.app_context())
            return stack.enter_context(mail.connect())

        yield connect


def deliver(connection: VerifiedConnection) -> None:
    connection.deliver(MAIL, sender="alerts@example.org", recipient="sara@example.org")


def security(relay: Relay, kind: str, certificate: Certificate) -> Relay:
    relay.tls, relay.is_wrapped = certificate.context, kind == "tls"
    return relay


# --- the right server ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_is_refused_and_nothing_is_said(
    connected: Callable[..., VerifiedConnection], certificate: Certificate, kind: str
) -> None:
    with security(Relay(), kind, certificate).running() as relay, pytest.raises(RelayTrouble):
        connected(relay, kind)
    assert relay.mails == []
    assert not [
        line for line in relay.heard if line.upper().startswith(("MAIL", "RCPT", "AUTH"))
    ]


@pytest.mark.parametrize("kind", ["starttls", "tls"])
def test_a_certificate_for_another_name_is_refused(
    connected: Callable[..., VerifiedConnection], tmp_path: Path, kind: str
) -> None:
    other = make_certificate(tmp_path, names="DNS:other.example.org")
    with security(Relay(), kind, other).running() as relay, pytest.raises(RelayTrouble):
        connected(relay, kind, TRACKER_SMTP_CA_FILE=str(other.file))
    assert relay.mails == []


@pytest.mark.parametrize("kind", ["starttls", "tls"])
def test_an_own_mail_server_is_trusted_when_its_authority_is_named(
    connected: Callable[..., VerifiedConnection], certificate: Certificate, kind: str
) -> None:
    with security(Relay(), kind, certificate).running() as relay:
        deliver(connected(relay, kind, TRACKER_SMTP_CA_FILE=str(certificate.file)))
    assert len(relay.mails) == 1


def test_a_server_that_offers_no_tls_gets_no_mail_and_no_password(
    connected: Callable[..., VerifiedConnection],
) -> None:
    with Relay().running() as relay, pytest.raises(RelayTrouble):
        connected(
            relay, "starttls", TRACKER_SMTP_USER="tracker", TRACKER_SMTP_PASSWORD="secret"
        )
    assert relay.mails == []
    assert relay.connections == 1, "no second try without TLS"
    assert {line.split()[0].upper() for line in relay.heard} <= {"EHLO", "HELO", "QUIT"}


def test_a_server_that_takes_back_its_offer_of_tls_gets_nothing(
    connected: Callable[..., VerifiedConnection],
) -> None:
    answers = {"EHLO": "250-relay\r\n250 STARTTLS", "STARTTLS": "454 not now"}
    with Relay(answers).running() as relay, pytest.raises(RelayTrouble):
        deliver(connected(relay, "starttls"))
    assert relay.mails == []


def test_mail_without_tls_to_another_machine_is_no_setting(tmp_path: Path) -> None:
    for host in ("mail.example.org", "10.0.0.1", "127.0.0.1.example.org"):
        variables = environment(tmp_path, TRACKER_SMTP_HOST=host)
        with pytest.raises(SettingsError, match="loopback host only"):
            load(variables)


def test_a_password_is_given_after_tls_only(
    connected: Callable[..., VerifiedConnection], certificate: Certificate
) -> None:
    script = {"AUTH": "235 ok"}
    relay = security(Relay(script), "starttls", certificate)
    relay._usual = lambda verb: (  # type: ignore[method-assign]
        "250-relay\r\n250-AUTH PLAIN\r\n250 STARTTLS" if verb == "EHLO" else "250 ok"
    )
    with relay.running():
        deliver(
            connected(
                relay,
                "starttls",
                TRACKER_SMTP_CA_FILE=str(certificate.file),
                TRACKER_SMTP_USER="tracker",
                TRACKER_SMTP_PASSWORD="secret",
            )
        )
    verbs = [line.split()[0].upper() for line in relay.heard]
    assert verbs.index("STARTTLS") < verbs.index("AUTH") < verbs.index("MAIL")


def test_a_wrong_password_is_the_relays_trouble_and_no_persons(
    connected: Callable[..., VerifiedConnection],
) -> None:
    answers = {"EHLO": "250-relay\r\n250 AUTH PLAIN LOGIN", "AUTH": "535 wrong"}
    with Relay(answers).running() as relay, pytest.raises(RelayTrouble):
        connected(relay, TRACKER_SMTP_USER="tracker", TRACKER_SMTP_PASSWORD="wrong")


@pytest.mark.parametrize("kind", ["none", "starttls", "tls"])
def test_no_mail_waits_for_the_kernel_to_gather_more(
    connected: Callable[..., VerifiedConnection], certificate: Certificate, kind: str
) -> None:
    relay = Relay() if kind == "none" else security(Relay(), kind, certificate)
    with relay.running():
        host = connected(relay, kind, TRACKER_SMTP_CA_FILE=str(certificate.file)).host
        assert host is not None
        assert host.sock is not None
        assert host.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# --- silence and interruptions ---------------------------------------------------------------


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END"])
def test_a_silent_server_is_given_up_after_the_timeout(
    connected: Callable[..., VerifiedConnection], stage: str
) -> None:
    started = time.monotonic()
    with (
        Relay({stage: "silence", "HELO": "silence"}).running() as relay,
        pytest.raises(RelayTrouble),
    ):
        deliver(connected(relay))
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "BODY", "END"])
def test_a_server_that_hangs_up_is_trouble_and_no_crash(
    connected: Callable[..., VerifiedConnection], stage: str
) -> None:
    with Relay({stage: "drop", "HELO": "drop"}).running() as relay, pytest.raises(RelayTrouble):
        deliver(connected(relay))


def test_a_server_that_is_not_there_is_trouble(
    connected: Callable[..., VerifiedConnection],
) -> None:
    with Relay().running() as relay:
        pass
    with pytest.raises(RelayTrouble):
        connected(relay)


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END"])
def test_a_server_that_closes_for_the_day_is_the_relays_trouble(
    connected: Callable[..., VerifiedConnection], stage: str
) -> None:
    with (
        Relay({stage: "421 closing", "HELO": "421 closing"}).running() as relay,
        pytest.raises(RelayTrouble),
    ):
        deliver(connected(relay))


def test_after_an_interruption_the_same_connection_object_connects_anew(
    connected: Callable[..., VerifiedConnection],
) -> None:
    with Relay({"BODY": "drop"}).running() as relay:
        connection = connected(relay)
        with pytest.raises(RelayTrouble):
            deliver(connection)
        relay.answers.clear()
        deliver(connection)
    assert relay.connections == 2
    assert len(relay.mails) == 1


@pytest.mark.parametrize("answer", ["drop", "silence", "500 what?"])
def test_a_goodbye_that_nobody_hears_is_no_error(
    connected: Callable[..., VerifiedConnection], answer: str
) -> None:
    with Relay({"QUIT": answer}).running() as relay:
        connection = connected(relay)
        deliver(connection)
        connection.__exit__(None, None, None)
    assert len(relay.mails) == 1


# --- what the server says about one mail -----------------------------------------------------


@pytest.mark.parametrize("answer", ["450 later", "451 greylisted", "454 throttled", "452 full"])
@pytest.mark.parametrize("stage", ["RCPT", "DATA", "END"])
def test_a_server_that_wants_a_mail_later_gets_the_next_one_at_once(
    connected: Callable[..., VerifiedConnection], stage: str, answer: str
) -> None:
    with Relay({stage: answer}).running() as relay:
        connection = connected(relay)
        with pytest.raises(TemporaryFailure) as failure:
            deliver(connection)
        assert str(failure.value) == answer[:3]
        relay.answers.clear()
        deliver(connection)
    assert relay.connections == 1


@pytest.mark.parametrize("stage", ["RCPT", "DATA", "END"])
@pytest.mark.parametrize(
    ("answer", "is_about_us"),
    [("550 5.1.1 <sara@example.org> unknown", False), ("554 5.7.1 sara@example.org: no", True)],
)
def test_a_final_no_tells_whether_it_is_we_who_are_not_wanted(
    connected: Callable[..., VerifiedConnection], stage: str, answer: str, is_about_us: bool
) -> None:
    with Relay({stage: answer}).running() as relay:
        connection = connected(relay)
        with pytest.raises(PermanentFailure) as failure:
            deliver(connection)
        assert failure.value.is_about_us is is_about_us
        assert "sara" not in str(failure.value), "the server's words may carry the address"
        relay.answers.clear()
        deliver(connection)


@pytest.mark.parametrize("answer", ["550 not you", "450 not now", "530 sign in first"])
def test_a_sender_that_is_refused_is_nobody_elses_fault(
    connected: Callable[..., VerifiedConnection], answer: str
) -> None:
    with Relay({"MAIL": answer}).running() as relay, pytest.raises(RelayTrouble):
        deliver(connected(relay))


# --- what it is told --------------------------------------------------------------------------


def test_the_machines_name_is_told_to_nobody(
    connected: Callable[..., VerifiedConnection], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), Relay().running() as relay:
        deliver(connected(relay))
    assert "ehlo example.org" in [line.lower() for line in relay.heard]
    told = " ".join(relay.heard) + relay.mails[0].decode()
    assert socket.gethostname() not in told.replace("relay.example.org", "")


def test_the_talk_with_the_server_is_printed_nowhere(
    connected: Callable[..., VerifiedConnection],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with (
        caplog.at_level(logging.DEBUG),
        Relay({"RCPT": "550 no"}).running() as relay,
        pytest.raises(PermanentFailure),
    ):
        deliver(connected(relay))
    out, err = capfd.readouterr()
    assert "sara@example.org" not in out + err + caplog.text


def test_a_line_with_a_single_dot_does_not_end_the_mail(
    connected: Callable[..., VerifiedConnection],
) -> None:
    with Relay().running() as relay:
        deliver(connected(relay))
    assert relay.mails == [MAIL.replace(b"\r\n.\r\n", b"\r\n..\r\n") + b".\r\n"]
    assert "not a command" not in relay.heard
