"""The grants of docs/operations.md are enough for web and receiver, and not too much."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from flask import Flask
from flask_migrate import upgrade

from tests.conftest import Person, confirm, environment, path_in, sign
from tests.support import factories
from tests.support.postgres import Server
from tests.support.sink import Sink
from tracker.alerts.models import Alert
from tracker.alerts.receiving import receive
from tracker.app import create_app
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign
from tracker.campaigns.status import Status
from tracker.extensions import db, writing
from tracker.settings import load
from tracker.worker import Worker

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("tracker-work", "tracker-web", "tracker-back")
SARA, OMAR = "sara@example.org", "omar@example.org"


def grants() -> str:
    """Give the documented statements: for the tables, and for the wake-ups."""
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    tables = text.partition("<<'SQL'\n")[2].partition("\nSQL\n")[0]
    queue = text.partition("GRANT USAGE ON SCHEMA huey")[2].partition("\n```")[0]
    return f"{tables}\nGRANT USAGE ON SCHEMA huey{queue}"


@dataclasses.dataclass
class Parts:
    """The three processes, each with a role of its own."""

    work: Flask
    web: Flask
    back: Flask
    url: str


@pytest.fixture
def parts(postgres_server: Server, tmp_path: Path, sink: Sink) -> Iterator[Parts]:
    url = postgres_server.create_database()
    if ".host" in url or "@/" not in url:
        pytest.skip("roles are tried on a server of our own only, which trusts all users")
    with psycopg.connect(url, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(f'CREATE ROLE "{role}" LOGIN')
        connection.execute('GRANT ALL ON SCHEMA public TO "tracker-work"')
        name = urlsplit(url).path[1:]
        connection.execute(f'GRANT CREATE ON DATABASE "{name}" TO "tracker-work"')

    def app(role: str) -> Flask:
        address = urlsplit(url)
        own = urlunsplit(address._replace(netloc=f"{role}@"))
        made = create_app(
            load(
                environment(
                    tmp_path / role,
                    TRACKER_DATABASE_URL=own,
                    TRACKER_KEYSTORE=str(tmp_path / "keys" if "work" in role else tmp_path),
                    TRACKER_SMTP_PORT=str(sink.port),
                    TRACKER_RETURN_ADDRESS="bounces@example.org",
                )
            )
        )
        made.testing = True
        return made

    work = app("tracker-work")
    with work.app_context():
        upgrade()
        worker = Worker(work)
        worker.bell.start()
        worker.bell.stop()
        worker.close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(grants())
    made = Parts(work, app("tracker-web"), app("tracker-back"), url)
    yield made
    for one in (made.work, made.web, made.back):
        with one.app_context():
            db.session.remove()
            db.engine.dispose()
    postgres_server.drop_database(url)
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(f'DROP ROLE "{role}"')


def test_web_worker_and_receiver_do_their_work_with_the_documented_grants(
    parts: Parts, sink: Sink
) -> None:
    worker = Worker(parts.work)

    def work() -> None:
        with parts.work.app_context():
            while worker.turn():
                pass

    with parts.web.app_context(), writing():
        campaign_id = factories.a_campaign().id
    work()
    with parts.web.app_context(), writing():
        campaigns.publish(db.session.get_one(Campaign, campaign_id))
    client = parts.web.test_client()
    for address in (SARA, OMAR):
        sign(client, "amar-fayaz", Person(email=address))
        work()
        confirm(client, path_in(sink.to(address)[-1].text, "/confirm/"), alerts="yes")
    with parts.web.app_context(), writing():
        found = db.session.get_one(Campaign, campaign_id)
        alert_id = factories.an_alert(
            factories.an_update(found, alerts=True, to=Status.MISSING)
        ).id
    work()
    told = {mail.to: mail for mail in sink.mails if "bounces+" in mail.sender}
    assert set(told) == {SARA, OMAR}

    stop = str(told[OMAR].message["List-Unsubscribe"]).partition("mailto:")[2].partition("?")[0]
    returned = (
        f"To: <{told[SARA].sender}>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="x"\r\n\r\n'
        "--x\r\n\r\nBack.\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.example.net\r\n\r\nFinal-Recipient: rfc822; x@example.org\r\n"
        "Action: failed\r\nStatus: 5.1.1\r\n\r\n--x--"
    )
    with parts.back.app_context():
        assert receive(returned.encode())
        assert receive(f"From: <{OMAR}>\r\nTo: <{stop}>\r\nSubject: stop\r\n\r\n".encode())
    work()
    with parts.work.app_context():
        assert db.session.get_one(Alert, alert_id).bounced == 1
        worker.close()
    sink.clear()
    with parts.web.app_context(), writing():
        found = db.session.get_one(Campaign, campaign_id)
        factories.an_alert(factories.an_update(found, alerts=True))
    worker = Worker(parts.work)
    work()
    assert sink.mails == [], "one mailbox is dead, the other has left"
    with parts.work.app_context():
        worker.close()


@pytest.mark.parametrize("table", ["signatures", "endorsements", "alerts", "organisers"])
def test_the_receiver_reads_nothing_it_does_not_need(parts: Parts, table: str) -> None:
    own = parts.url.replace("tracker@", "tracker-back@")
    with (
        psycopg.connect(own) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(f"SELECT 1 FROM {table}")
