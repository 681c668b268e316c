"""The mailbox is the right one, over TLS, or nothing is said; faults are told in sentences."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import requirements
from tests.support.dovecot import Dovecot, running_dovecot
from tests.support.sink import free_port
from tracker.configuration.mail import Imap
from tracker.mail import mailbox
from tracker.mail.mailbox import MailboxTrouble, connect_imap

MAIL = b"From: a@example.org\r\nMessage-ID: <%b@example.org>\r\nSubject: x\r\n\r\nBody\r\n"
PASSWORD = "correct horse bätterÿ"


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    requirements.need("dovecot")
    with running_dovecot() as running:
        yield running


@pytest.fixture
def inbox(server: Dovecot) -> Dovecot:
    server.clear()
    return server


def settings(server: Dovecot, security: str = "tls", **values: object) -> Imap:
    known: dict[str, object] = {
        "host": "127.0.0.1",
        "port": server.tls_port if security == "tls" else server.port,
        "security": security,
        "user": server.user,
        "password": server.password,
        "folder": "INBOX",
        "ca_file": server.certificate,
    }
    return Imap(**{**known, **values})  # type: ignore[arg-type]  # the tests' own values


def trouble(imap: Imap, *, timeout: float = 10) -> str:
    with pytest.raises(MailboxTrouble) as raised:
        connect_imap(imap, timeout=timeout).logout()
    sentence = str(raised.value)
    assert sentence.endswith(".")
    assert imap.password not in sentence
    assert imap.user not in sentence
    return sentence


# --- the right server ------------------------------------------------------------------------


@pytest.mark.parametrize("security", ["tls", "starttls", "none"])
def test_the_mailbox_is_opened_as_it_is_set(inbox: Dovecot, security: str) -> None:
    inbox.put(MAIL % b"one")
    with connect_imap(settings(inbox, security), timeout=10) as client:
        mailbox.select(client, "INBOX")
        assert mailbox.find(client, "one@example.org")


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    inbox: Dovecot, security: str
) -> None:
    told = trouble(settings(inbox, security, ca_file=None))
    assert "certificate" in told


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_for_another_name_is_refused(inbox: Dovecot, security: str) -> None:
    assert "certificate" in trouble(settings(inbox, security, host="localhost"))


def test_without_tls_no_other_machine_is_asked(inbox: Dovecot) -> None:
    assert "this machine" in trouble(settings(inbox, "none", host="192.0.2.1"))


def test_a_wrong_password_is_told_without_it(inbox: Dovecot) -> None:
    for password in ("wrong", PASSWORD):
        assert "user name and password" in trouble(settings(inbox, password=password))


def test_tls_towards_a_port_without_is_told(inbox: Dovecot) -> None:
    assert "TLS" in trouble(settings(inbox, "tls", port=inbox.port))


def test_a_folder_that_is_not_there_is_told(inbox: Dovecot) -> None:
    with (
        connect_imap(settings(inbox), timeout=10) as client,
        pytest.raises(MailboxTrouble, match="folder does not exist"),
    ):
        mailbox.select(client, "Bounces")


# --- servers that are none -------------------------------------------------------------------


@contextlib.contextmanager
def scripted(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers each line with the next answer, with its tag put in."""
    heard: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            client, _ = listener.accept()
            with client, client.makefile("rb") as lines:
                client.settimeout(10)
                client.sendall(answers[0])
                for answer in answers[1:]:
                    line = lines.readline()
                    heard.append(line)
                    client.sendall(answer.replace(b"TAG", line.split(b" ")[0]))
                heard.append(lines.readline())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard
        thread.join(10)


def plain_settings(port: int, security: str = "none") -> Imap:
    return Imap(
        host="127.0.0.1",
        port=port,
        security=security,
        user="bounces",
        password=PASSWORD,
        folder="INBOX",
        ca_file=None,
    )


CAPABILITY = b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n"


def test_a_server_that_offers_no_tls_hears_no_password() -> None:
    with scripted(b"* OK hello\r\n", CAPABILITY) as (port, heard):
        assert "STARTTLS" in trouble(plain_settings(port, "starttls"))
    assert len([line for line in heard if line]) == 1


def test_a_server_that_knows_only_old_signing_in_and_a_foreign_password_is_told() -> None:
    with scripted(b"* OK hello\r\n", CAPABILITY) as (port, _):
        assert "ASCII" in trouble(plain_settings(port))


@pytest.mark.parametrize(
    "greeting",
    [b"220 mail.example.org ESMTP\r\n", b"* BYE not now\r\n", b"\xff\xfe\r\n", b"\r\n"],
)
def test_what_is_no_imap_server_is_trouble(greeting: bytes) -> None:
    with scripted(greeting) as (port, _):
        assert trouble(plain_settings(port), timeout=1)


@pytest.mark.parametrize(
    "answer", [b"* CAPABILITY \xff\r\nTAG OK\r\n", b"TAG BAD what\r\n", b""]
)
def test_a_server_that_talks_nonsense_later_is_trouble(answer: bytes) -> None:
    with scripted(b"* OK hello\r\n", answer) as (port, _):
        assert trouble(plain_settings(port), timeout=1)


def test_a_silent_server_is_given_up() -> None:
    with scripted(b"") as (port, _):
        assert "silent" in trouble(plain_settings(port), timeout=0.5)


def test_a_server_that_is_not_there_is_told() -> None:
    assert "cannot be reached" in trouble(plain_settings(free_port()))


def test_a_ca_file_that_is_gone_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(MailboxTrouble):
        connect_imap(
            Imap(
                host="127.0.0.1",
                port=9,
                security="tls",
                user="bounces",
                password=PASSWORD,
                folder="INBOX",
                ca_file=tmp_path / "gone.pem",
            ),
            timeout=1,
        )


# --- one message -----------------------------------------------------------------------------


def test_one_message_is_found_read_and_deleted_and_no_other(inbox: Dovecot) -> None:
    inbox.put(MAIL % b"one", MAIL % b"doctor-two", MAIL % b"three")
    with connect_imap(settings(inbox), timeout=10) as client:
        mailbox.select(client, "INBOX")
        uid = mailbox.find(client, "doctor-two")
        assert uid is not None
        assert b"Message-ID: <doctor-two@example.org>" in mailbox.headers(client, uid)
        assert b"Body" not in mailbox.headers(client, uid)
        marked = mailbox.find(client, "three")
        client.uid("STORE", marked or "", "+FLAGS.SILENT", r"(\Deleted)")
        mailbox.delete(client, uid)
        assert mailbox.find(client, "doctor-two") is None
    left = b"".join(inbox.kept())
    assert b"<one@" in left
    assert b"<three@" in left, "what another one marked is not ours to remove"


def test_a_message_that_is_gone_meanwhile_is_trouble(inbox: Dovecot) -> None:
    with connect_imap(settings(inbox), timeout=10) as client:
        mailbox.select(client, "INBOX")
        with pytest.raises(MailboxTrouble, match="does not give the message"):
            mailbox.headers(client, "4711")
