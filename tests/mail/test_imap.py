"""The mailbox of bounces is emptied; nothing is lost untaken, nothing is taken twice."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import requirements
from tests.support.dovecot import Dovecot, make_certificate, running_dovecot
from tracker.configuration.mail import Imap
from tracker.mail import imap as imap_client
from tracker.mail.bounces import LONGEST
from tracker.mail.mailbox import MailboxTrouble
from tracker.side_lock import DatabaseBusy


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    requirements.need("dovecot")
    with running_dovecot() as dovecot:
        yield dovecot


@pytest.fixture
def dovecot(server: Dovecot) -> Dovecot:
    server.clear()
    return server


def mailbox(dovecot: Dovecot, **values: object) -> Imap:
    usual = Imap(
        host="127.0.0.1",
        port=dovecot.port,
        security="starttls",
        user=dovecot.user,
        password=dovecot.password,
        folder="INBOX",
        ca_file=dovecot.certificate,
    )
    return dataclasses.replace(usual, **values)  # type: ignore[arg-type]  # fields by name


def fetch(imap: Imap, **values: Any) -> int:
    return imap_client.fetch(imap, **values).taken


def mail(number: int) -> bytes:
    return f"Subject: {number}\r\n\r\nText {number}\r\n".encode()


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_hundred_messages_are_taken_each_once_and_the_mailbox_is_empty(
    dovecot: Dovecot, security: str
) -> None:
    dovecot.put(*map(mail, range(100)))
    taken: list[bytes] = []
    port = dovecot.tls_port if security == "tls" else dovecot.port
    imap = mailbox(dovecot, security=security, port=port)
    assert fetch(imap, take=taken.append) == 100
    assert sorted(taken) == sorted(map(mail, range(100)))
    assert dovecot.kept() == []
    assert fetch(imap, take=taken.append) == 0


def test_a_message_that_cannot_be_taken_stays_and_stops_no_other(
    dovecot: Dovecot, caplog: pytest.LogCaptureFixture
) -> None:
    dovecot.put(*map(mail, range(10)))
    tried: list[bytes] = []

    def take(raw: bytes) -> None:
        tried.append(raw)
        if raw == mail(3):
            raise RuntimeError("sara@example.org")

    with caplog.at_level(logging.INFO):
        assert fetch(mailbox(dovecot), take=take) == 9
    assert len(tried) == 10, "nothing is tried twice in one run"
    assert dovecot.kept() == [mail(3)]
    assert "stays in the mailbox" in caplog.text
    assert "sara" not in caplog.text
    assert fetch(mailbox(dovecot), take=tried.append) == 1
    assert dovecot.kept() == []


def test_a_message_is_deleted_only_after_it_was_taken(dovecot: Dovecot) -> None:
    dovecot.put(mail(1), mail(2))
    kept: list[int] = []
    fetch(mailbox(dovecot), take=lambda _: kept.append(len(dovecot.kept())))
    assert kept == [2, 2]


def test_a_run_that_is_killed_loses_nothing_and_repeats_at_most_one(dovecot: Dovecot) -> None:
    dovecot.put(*map(mail, range(6)))
    taken: list[bytes] = []

    def take(raw: bytes) -> None:
        taken.append(raw)
        if len(taken) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(mailbox(dovecot), take=take)
    assert fetch(mailbox(dovecot), take=taken.append) == 3
    assert sorted(set(taken)) == sorted(map(mail, range(6)))
    assert len(taken) == 7, "only the one that was in hand comes again"
    assert dovecot.kept() == []


def test_a_run_ends_at_its_limit_and_the_next_goes_on(dovecot: Dovecot) -> None:
    dovecot.put(*map(mail, range(7)))
    taken: list[bytes] = []
    assert [fetch(mailbox(dovecot), take=taken.append, limit=3) for _ in range(3)] == [3, 3, 1]
    assert sorted(taken) == sorted(map(mail, range(7)))


def test_messages_that_cannot_be_taken_do_not_block_those_behind_them(dovecot: Dovecot) -> None:
    dovecot.put(*map(mail, range(9)))

    def take(raw: bytes) -> None:
        if raw in {mail(0), mail(1), mail(2)}:
            raise OSError

    assert fetch(mailbox(dovecot), take=take, limit=4) == 4
    assert len(dovecot.kept()) == 5


def test_a_run_in_which_nothing_can_be_taken_has_an_end(dovecot: Dovecot) -> None:
    dovecot.put(*map(mail, range(9)))
    tried: list[bytes] = []

    def take(raw: bytes) -> None:
        tried.append(raw)
        raise OSError

    assert fetch(mailbox(dovecot), take=take, limit=4) == 0
    assert len(tried) == 4
    assert len(dovecot.kept()) == 9


def test_where_the_database_is_away_the_run_ends_at_the_first_message(
    dovecot: Dovecot,
) -> None:
    dovecot.put(mail(1), mail(2))
    tried: list[bytes] = []

    def take(raw: bytes) -> None:
        tried.append(raw)
        raise DatabaseBusy

    with pytest.raises(DatabaseBusy):
        fetch(mailbox(dovecot), take=take)
    assert len(tried) == 1
    assert len(dovecot.kept()) == 2


def test_of_a_huge_message_only_the_beginning_is_fetched(dovecot: Dovecot) -> None:
    raw = b"Subject: x\r\n\r\n" + b"All work and no play\r\n" * 200_000
    dovecot.put(raw, mail(1))
    taken: list[bytes] = []
    assert fetch(mailbox(dovecot), take=taken.append) == 2
    assert sorted(taken) == sorted([raw[:LONGEST], mail(1)])
    assert dovecot.kept() == []


def test_a_test_mail_of_the_doctor_is_left_to_the_doctor(dovecot: Dovecot) -> None:
    waiting = b"Message-ID: <doctor-0123@example.org>\r\nSubject: test\r\n\r\n\r\n"
    dovecot.put(mail(1), waiting)
    assert fetch(mailbox(dovecot), take=lambda _: None) == 1
    assert dovecot.kept() == [waiting]


# --- what can be wrong -----------------------------------------------------------------------


def untouched(dovecot: Dovecot, imap: Imap) -> str:
    """Fetch, which must fail before anything is taken; give the sentence."""
    dovecot.put(mail(1))
    with pytest.raises(MailboxTrouble) as trouble:
        fetch(imap, take=lambda _: pytest.fail("taken"), timeout=5)
    assert dovecot.kept() == [mail(1)]
    sentence = str(trouble.value)
    assert sentence.endswith(".")
    assert imap.password not in sentence
    assert imap.user not in sentence
    return sentence


def test_a_wrong_password_is_told_without_telling_it(dovecot: Dovecot) -> None:
    assert "password" in untouched(dovecot, mailbox(dovecot, password="battery staple"))


def test_a_missing_folder_is_told(dovecot: Dovecot) -> None:
    assert "folder" in untouched(dovecot, mailbox(dovecot, folder="No such folder"))


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_somebody_else_is_told_and_no_password_sent(
    dovecot: Dovecot, tmp_path: Path, security: str
) -> None:
    port = dovecot.tls_port if security == "tls" else dovecot.port
    other = make_certificate(tmp_path, name="other")
    imap = mailbox(dovecot, security=security, port=port, ca_file=other)
    assert "certificate" in untouched(dovecot, imap)
    assert "certificate" in untouched_again(dovecot, imap)


def untouched_again(dovecot: Dovecot, imap: Imap) -> str:
    """The same with the authorities that the machine trusts."""
    dovecot.clear()
    return untouched(dovecot, dataclasses.replace(imap, ca_file=None))


def test_a_folder_of_another_name_is_emptied_and_the_inbox_is_not(dovecot: Dovecot) -> None:
    dovecot.put(mail(1))
    with contextlib.suppress(MailboxTrouble):
        fetch(mailbox(dovecot, folder="Bounces"), take=lambda _: pytest.fail("taken"))
    assert dovecot.kept() == [mail(1)]


# --- a server that misbehaves ----------------------------------------------------------------

Answers = dict[str, list[str]]

GOOD: Answers = {
    "GREETING": ["* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready"],
    "CAPABILITY": ["* CAPABILITY IMAP4rev1", "{tag} OK done"],
    "LOGIN": ["{tag} OK welcome"],
    "SELECT": ["* 2 EXISTS", "* OK [UIDVALIDITY 1] x", "{tag} OK [READ-WRITE] done"],
    "SEARCH": ["* SEARCH 11 12", "{tag} OK done"],
    "FETCH": ["* 1 FETCH (UID {uid} BODY[]<0> {{4}}\r\nabc{digit})", "{tag} OK done"],
    "STORE": ["{tag} OK done"],
    "EXPUNGE": ["{tag} OK done"],
    "LOGOUT": ["* BYE", "{tag} OK done"],
}


@contextlib.contextmanager
def scripted(changes: Answers) -> Iterator[tuple[Imap, list[str]]]:
    """An IMAP server that follows a script; an empty list is silence, ``drop`` hangs up."""
    heard: list[str] = []
    answers = {**GOOD, **changes}
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                client, _ = listening.accept()
                client.settimeout(10)
                with client, client.makefile("rb") as lines:
                    say(client, answers["GREETING"], "", "0")
                    for line in lines:
                        tag, verb, *words = line.decode().split()
                        verb = words.pop(0) if verb == "UID" else verb
                        heard.append(" ".join([verb, *words]))
                        if not say(client, answers[verb], tag, (words or ["0"])[0]):
                            return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        imap = Imap(
            host="127.0.0.1",
            port=listening.getsockname()[1],
            security="none",
            user="bounces",
            password="secret",
            folder="INBOX",
            ca_file=None,
        )
        yield imap, heard
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(15)


def say(client: socket.socket, lines: list[str], tag: str, uid: str) -> bool:
    for line in lines:
        if line == "drop":
            return False
        client.sendall(line.format(tag=tag, uid=uid, digit=uid[-1]).encode() + b"\r\n")
    return True


def test_the_script_of_a_good_server_is_good() -> None:
    taken: list[bytes] = []
    with scripted({}) as (imap, heard):
        assert fetch(imap, take=taken.append, timeout=5) == 2
    assert taken == [b"abc1", b"abc2"]
    assert [line.split()[0] for line in heard[3:]] == [
        *("SEARCH", "FETCH", "STORE", "FETCH", "STORE", "EXPUNGE", "LOGOUT")
    ]


@pytest.mark.parametrize("verb", [verb for verb in GOOD if verb != "LOGOUT"])
@pytest.mark.parametrize("answer", [[], ["drop"], ["\x00\x01"], ["{tag} NO sara@example.org"]])
def test_a_server_that_fails_at_any_point_is_trouble_in_a_sentence(
    verb: str, answer: list[str]
) -> None:
    with scripted({verb: answer}) as (imap, heard), pytest.raises(MailboxTrouble) as trouble:
        fetch(imap, take=lambda _: None, timeout=0.3)
    sentence = str(trouble.value)
    assert sentence.endswith(".")
    assert not {"sara", "secret", "bounces"} & set(sentence.replace("@", " ").split())
    assert len([line for line in heard if line.startswith("FETCH")]) <= 2


@pytest.mark.parametrize("answer", [[], ["drop"], ["{tag} NO no"]])
def test_a_goodbye_that_nobody_hears_is_no_trouble(answer: list[str]) -> None:
    with scripted({"LOGOUT": answer}) as (imap, _):
        assert fetch(imap, take=lambda _: None, timeout=0.3) == 2


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"SELECT": ["* 0 EXISTS", "{tag} OK done"]}, 0),
        ({"SELECT": ["{tag} OK done"]}, 0),
        ({"SEARCH": ["{tag} OK done"]}, 0),
        ({"SEARCH": ["* SEARCH", "{tag} OK done"]}, 0),
        ({"FETCH": ["{tag} OK gone"]}, 0),
        ({"FETCH": ["* 9 FETCH (FLAGS (\\Seen))", "{tag} OK gone"]}, 0),
        ({"FETCH": ["* 1 FETCH (BODY[]<0> {{4}}\r\nabcd UID {uid})", "{tag} OK done"]}, 2),
    ],
)
def test_answers_that_the_protocol_allows_are_understood(
    changes: Answers, expected: int
) -> None:
    with scripted(changes) as (imap, _):
        assert fetch(imap, take=lambda _: None, timeout=5) == expected


def test_a_server_that_is_not_there_is_trouble() -> None:
    with scripted({}) as (imap, _):
        pass
    with pytest.raises(MailboxTrouble, match="reached"):
        fetch(imap, take=lambda _: None, timeout=5)


def test_without_tls_only_this_machine_is_asked() -> None:
    with scripted({}) as (imap, heard):
        other = dataclasses.replace(imap, host="192.0.2.1")
        with pytest.raises(MailboxTrouble, match="TLS"):
            fetch(other, take=lambda _: None, timeout=5)
        assert heard == []
        assert fetch(imap, take=lambda _: None, timeout=5) == 2
