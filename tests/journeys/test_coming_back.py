"""What real mail servers return comes in by the command line and stops mail, once believed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_migrate import upgrade

from tests.conftest import environment
from tests.support import factories, requirements
from tests.support.dovecot import Dovecot, running_dovecot
from tests.support.postfix import Pile, Postfix, piling_postfix
from tests.support.sink import Sink
from tests.support.supporters import subscribe
from tracker import paths
from tracker.alerts import queries as alerts
from tracker.alerts.models import Alert
from tracker.app import create_app
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign
from tracker.database import write_mode
from tracker.extensions import db, writing
from tracker.mail.models import Bounce, ReturnClaim, Suppression, SuppressionReason
from tracker.mail.verp import bounce_address
from tracker.settings import load
from tracker.subscriptions.models import Subscription
from tracker.worker import Worker

OURS = "bounces@example.org"
GONE, SARA = "no-such-person@example.org", "sara@example.org"


def clean() -> dict[str, str]:
    """Give this process's variables without any of ours."""
    return {name: value for name, value in os.environ.items() if "TRACKER" not in name}


def command(*words: str) -> list[str]:
    """Give the console script's command line for a ``tracker mail`` command."""
    return [sys.executable, "-m", "tracker", "mail", *words]


@dataclass
class Site:
    """An installation with a campaign, and its worker."""

    app: Flask
    worker: Worker
    variables: dict[str, str]
    campaign_id: int

    def work(self) -> None:
        with self.app.app_context():
            for _ in range(200):
                if not self.worker.turn():
                    return
            raise AssertionError("the worker never comes to rest")

    def tell(self, headline: str) -> int:
        """Tell an update; give the id of its alert."""
        with self.app.app_context(), writing():
            campaign = db.session.get_one(Campaign, self.campaign_id)
            update = factories.an_update(campaign, alerts=True, headline=headline)
            alert_id = factories.an_alert(update).id
        self.work()
        return alert_id

    def figures(self, alert_id: int) -> tuple[int, int, int, int]:
        """Give how many were sent, skipped, came back and complained."""
        with self.app.app_context():
            alert = db.session.get_one(Alert, alert_id)
            return alert.sent, alert.skipped, alert.bounced, alert.complained

    def run(self, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run the console script as the mail server would, without a keystore."""
        nowhere = {"TRACKER_KEYSTORE": str(self.app.config["TRACKER"].data / "no-keys")}
        return subprocess.run(
            command(*arguments),
            env={**clean(), **self.variables, **nowhere},
            cwd=paths.PACKAGE.parent,
            input=given,
            capture_output=True,
        )

    def count(self, table: type[Any]) -> int:
        with self.app.app_context():
            return db.session.query(table).count()

    def reasons(self) -> list[SuppressionReason]:
        with self.app.app_context():
            return [row.reason for row in db.session.query(Suppression)]


@pytest.fixture(params=["sqlite", "postgres"])
def variables(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    made = environment(tmp_path, TRACKER_RETURN_ADDRESS=OURS)
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        made["TRACKER_DATABASE_URL"] = server.create_database()
    return made


@pytest.fixture
def site(variables: dict[str, str]) -> Iterator[Callable[..., Site]]:
    """Make an installation whose mail server listens on a port."""
    made: list[Site] = []

    def make(port: int, *people: str, **more: str) -> Site:
        settings = {**variables, "TRACKER_SMTP_PORT": str(port), **more}
        app = create_app(load(settings))
        with app.app_context():
            upgrade()
            worker = Worker(app)
            with writing():
                campaign = factories.a_campaign()
            worker.make_keys()
            with writing():
                campaigns.publish(db.session.get_one(Campaign, campaign.id))
            campaign_id = campaign.id
        subscribe(app, campaign_id, list(people))
        made.append(Site(app, worker, settings, campaign_id))
        return made[-1]

    yield make
    for one in made:
        with one.app.app_context():
            one.worker.close()
            db.session.remove()
            db.engine.dispose()


@pytest.fixture(scope="module")
def postfix() -> Iterator[tuple[Postfix, Pile]]:
    requirements.need("postfix")
    with piling_postfix("example.org") as found:
        yield found


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    requirements.need("dovecot")
    with running_dovecot() as found:
        yield found


def test_a_mailbox_that_does_not_exist_gets_no_second_mail(
    site: Callable[..., Site], postfix: tuple[Postfix, Pile]
) -> None:
    server, pile = postfix
    here = site(server.port, GONE)
    first = here.tell("Found in prison")
    _, returned = pile.one(server)
    for _ in range(2):
        answer = here.run("receive", given=returned)
        assert (answer.returncode, answer.stdout) == (0, b"failed: 1\n"), answer.stderr
    assert not (here.app.config["TRACKER"].data / "no-keys").exists(), "it holds no key"
    here.work()
    assert here.count(ReturnClaim) == 0
    assert here.reasons() == [SuppressionReason.BOUNCE]
    assert here.figures(first) == (1, 0, 1, 0), "the same report twice counts once"
    second = here.tell("Released")
    assert here.figures(second) == (0, 1, 0, 0)


def test_a_forged_bounce_stops_nothing(site: Callable[..., Site], sink: Sink) -> None:
    here = site(sink.port, SARA)
    alert_id = here.tell("Found in prison")
    [mail] = sink.mails
    forged = mail.sender[:-20] + ("a" * 8 if "aaaaaaaa" not in mail.sender else "b" * 8)
    forged += mail.sender[-12:]
    for sender in (forged, OURS, "bounces+b" + "a" * 39 + "@example.org"):
        here.run("receive", given=bounce(sender))
    here.work()
    assert here.count(ReturnClaim) == here.count(Bounce) == here.count(Suppression) == 0
    assert here.figures(alert_id) == (1, 0, 0, 0)


def bounce(sender: str, status: str = "5.1.1") -> bytes:
    """A delivery report as small as it can be."""
    return (
        f"From: <MAILER-DAEMON@example.org>\r\nTo: <{sender}>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="x"\r\n\r\n'
        "--x\r\n\r\nIt came back.\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mail.example.org\r\n\r\n"
        f"Final-Recipient: rfc822; {SARA}\r\nAction: failed\r\nStatus: {status}\r\n\r\n--x--"
    ).encode()


def test_a_complaint_ends_all_mail_and_a_refusal_of_us_ends_none(
    site: Callable[..., Site], sink: Sink
) -> None:
    here = site(sink.port, SARA)
    first = here.tell("Found in prison")
    [mail] = sink.mails
    here.run("receive", given=bounce(mail.sender, "5.7.1"))
    here.work()
    assert here.reasons() == []
    complaint = (
        "From: <feedback@example.net>\r\nTo: <abuse@example.org>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="x"\r\n\r\n'
        "--x\r\n\r\nA complaint.\r\n--x\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\n"
        f"Original-Mail-From: <{mail.sender}>\r\n\r\n--x--"
    ).encode()
    for _ in range(2):
        answer = here.run("receive", given=complaint)
        assert answer.stdout == b"complaint: 1\n", answer.stderr
    here.work()
    assert here.reasons() == [SuppressionReason.COMPLAINT]
    assert here.figures(first) == (1, 0, 0, 1)
    sink.clear()
    here.tell("Released")
    assert sink.mails == []


def test_a_mail_to_the_unsubscribe_address_ends_the_mails_without_the_worker(
    site: Callable[..., Site], sink: Sink
) -> None:
    here = site(sink.port, SARA, "omar@example.org")
    here.tell("Found in prison")
    [mail] = sink.to(SARA)
    header = str(mail.message["List-Unsubscribe"])
    https, mailto = (part.strip(" <>") for part in header.split(","))
    assert https.startswith("http")
    address = mailto.removeprefix("mailto:").partition("?")[0]
    letter = (
        f"From: <sara@example.org>\r\nTo: <{address}>\r\nSubject: unsubscribe\r\n\r\n".encode()
    )
    answer = here.run("receive", given=letter)
    assert answer.stdout == b"unsubscribe: 1\n", answer.stderr
    assert here.count(Subscription) == 1, "before any worker has looked"
    sink.clear()
    here.tell("Released")
    assert [one.to for one in sink.mails] == ["omar@example.org"]


def mailbox_of(dovecot: Dovecot) -> dict[str, str]:
    return {
        "TRACKER_IMAP_HOST": "127.0.0.1",
        "TRACKER_IMAP_PORT": str(dovecot.port),
        "TRACKER_IMAP_SECURITY": "none",
        "TRACKER_IMAP_USER": dovecot.user,
        "TRACKER_IMAP_PASSWORD": dovecot.password,
    }


def test_bounces_are_fetched_from_a_mailbox_and_deleted_once_taken(
    site: Callable[..., Site], sink: Sink, dovecot: Dovecot
) -> None:
    dovecot.clear()
    here = site(sink.port, SARA, **mailbox_of(dovecot))
    first = here.tell("Found in prison")
    [mail] = sink.mails
    dovecot.put(bounce(mail.sender), b"Subject: lunch?\r\n\r\nAt noon.\r\n")
    answer = here.run("fetch")
    assert answer.stdout == b"2 messages. failed: 1\n", answer.stderr
    assert dovecot.kept() == []
    here.work()
    assert here.reasons() == [SuppressionReason.BOUNCE]
    assert here.figures(first) == (1, 0, 1, 0)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"TRACKER_DATABASE_URL": "postgresql://nobody@/none?host={file}"}, "database"),
        ({"TRACKER_DATABASE_URL": "sqlite:///{file}/tracker.db"}, "NotADirectoryError"),
        ({"TRACKER_DATABASE_URL": "sqlite:///{file}.db"}, "database"),
        ({"TRACKER_SECRET": "short"}, "TRACKER_SECRET"),
        ({"TRACKER_RETURN_ADDRESS": ""}, "TRACKER_RETURN_ADDRESS"),
    ],
    ids=["away", "no folder", "no tables", "settings", "nothing can come back"],
)
def test_a_mail_server_is_asked_to_wait_whatever_is_wrong(
    variables: dict[str, str], tmp_path: Path, broken: dict[str, str], said: str
) -> None:
    (tmp_path / "file").touch()
    changed = {name: text.format(file=tmp_path / "file") for name, text in broken.items()}
    answer = subprocess.run(
        command("receive"),
        env={**clean(), **variables, **changed},
        cwd=paths.PACKAGE.parent,
        input=bounce(bounce_address(OURS, alert_id=1, veiled=bytes(8), mac=bytes(12))),
        capture_output=True,
    )
    assert answer.returncode == os.EX_TEMPFAIL, answer.stderr
    assert said in answer.stderr.decode()
    assert b"Traceback" not in answer.stderr, "it could be mailed to the sender"


def test_the_mailbox_is_fetched_again_and_again_until_the_process_is_ended(
    site: Callable[..., Site], sink: Sink, dovecot: Dovecot
) -> None:
    dovecot.clear()
    here = site(sink.port, SARA, **mailbox_of(dovecot))
    here.tell("Found in prison")
    [mail] = sink.mails
    process = subprocess.Popen(
        command("fetch", "--every", "10"),
        env={**clean(), **here.variables},
        cwd=paths.PACKAGE.parent,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"0 messages")
        dovecot.put(bounce(mail.sender))
        assert process.stdout.readline() == b"1 messages. failed: 1\n"
    finally:
        process.terminate()
        process.communicate(timeout=5)
    assert process.returncode == -signal.SIGTERM


def test_where_the_database_takes_nothing_all_stays_and_the_status_says_so(
    site: Callable[..., Site], sink: Sink, dovecot: Dovecot
) -> None:
    dovecot.clear()
    here = site(sink.port, SARA, **mailbox_of(dovecot))
    here.tell("Found in prison")
    [mail] = sink.mails
    dovecot.put(*[bounce(mail.sender)] * 3)
    with here.app.app_context(), write_mode(), db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE return_claims RENAME TO elsewhere")
    answer = here.run("fetch")
    assert answer.returncode != 0
    assert answer.stderr
    assert len(dovecot.kept()) == 3


def test_the_mail_says_where_it_returns_to_and_how_to_leave(
    site: Callable[..., Site], sink: Sink
) -> None:
    here = site(sink.port, SARA)
    here.tell("Found in prison")
    [mail] = sink.mails
    assert mail.sender.startswith("bounces+b")
    assert len(mail.sender.partition("@")[0]) <= 64, "RFC 5321"
    message = message_from_bytes(mail.raw, policy=policy.default)
    assert "mailto:bounces+s" in str(message["List-Unsubscribe"])
    with here.app.app_context():
        assert alerts.is_any_running() is False
