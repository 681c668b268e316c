"""Alerts on their way while the tables change: those still owed are told, nobody else."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_migrate import downgrade, upgrade

from tests.alerts.conftest import announce, cut, people
from tests.conftest import environment
from tests.support import factories
from tests.support.sink import Sink
from tests.support.supporters import subscribe
from tracker.alerts import expanding
from tracker.alerts.models import Alert, AlertState
from tracker.app import create_app
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign
from tracker.core import clock
from tracker.database import random_id, write_mode
from tracker.extensions import db, writing
from tracker.mail.models import Bounce, BounceKind
from tracker.settings import load
from tracker.subscriptions.models import Subscription
from tracker.worker import Worker

PEOPLE = people(9)


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, tmp_path: Path, sink: Sink) -> Iterator[Flask]:
    """An installation of its own with one campaign, and subscribers."""
    variables = environment(tmp_path, TRACKER_SMTP_PORT=str(sink.port))
    server = None
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        variables["TRACKER_DATABASE_URL"] = server.create_database()
    app = create_app(load(variables))
    with app.app_context():
        upgrade()
        with writing():
            made = factories.a_campaign()
        Worker(app).make_keys()
        with writing():
            campaigns.publish(db.session.get_one(Campaign, made.id))
        campaign_id = made.id
    subscribe(app, campaign_id, PEOPLE)
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    if server is not None:
        server.drop_database(variables["TRACKER_DATABASE_URL"])


def tell(site: Flask) -> int:
    with site.app_context(), writing():
        campaign = db.session.scalars(sa.select(Campaign)).one()
        return announce(factories.an_update(campaign, alerts=True)).id


def work(site: Flask) -> None:
    with site.app_context():
        worker = Worker(site)
        for _ in range(100):
            if not worker.turn():
                break
        worker.close()


def run(site: Flask, statement: str, **values: Any) -> None:
    with site.app_context(), write_mode(), db.engine.begin() as connection:
        connection.execute(sa.text(statement), values)


def subscriptions(site: Flask) -> list[int]:
    with site.app_context():
        return sorted(db.session.scalars(sa.select(Subscription.id)))


def deliver(site: Flask, alert_id: int, rows: list[int], state: str) -> None:
    """Store the deliveries of an alert as the release before wrote them."""
    for row in rows:
        run(
            site,
            "INSERT INTO deliveries (id, kind, priority, state, batch_id, recipient_id,"
            " attempts, queued_at, due_at)"
            " VALUES (:id, 'alert', 1, :state, :alert, :row, 0, :now, :now)",
            id=random_id(),
            state=state,
            alert=alert_id,
            row=row,
            now=dt.datetime.now(dt.UTC).replace(tzinfo=None),
        )


@pytest.mark.parametrize("state", ["sending", "expanding"])
def test_an_alert_of_the_release_before_goes_on_with_those_it_still_owes(
    site: Flask, sink: Sink, state: str
) -> None:
    alert_id, rows = tell(site), subscriptions(site)
    with site.app_context():
        downgrade(revision="0004")
    deliver(site, alert_id, rows[:2], "sent")
    deliver(site, alert_id, rows[2:3], "skipped")
    deliver(site, alert_id, rows[3:5], "queued")
    run(
        site,
        "UPDATE alerts SET state = :state, cursor = :cursor, queued = 5",
        state=state,
        cursor=rows[4],
    )
    with site.app_context():
        upgrade()
    work(site)
    told = Counter(mail.to for mail in sink.mails)
    owed = 2 if state == "sending" else 6
    assert (len(told), max(told.values())) == (owed, 1)
    with site.app_context():
        alert = db.session.get_one(Alert, alert_id)
        assert alert.state is AlertState.DONE
        assert (alert.sent, alert.skipped, alert.queued) == (2 + owed, 1, 3 + owed)


def test_going_back_in_the_middle_keeps_who_is_owed(site: Flask, sink: Sink) -> None:
    late = PEOPLE[:3]
    for address in late:
        sink.refuse_rcpt[address] = "450 later"
    alert_id = tell(site)
    work(site)
    assert {mail.to for mail in sink.mails} == set(PEOPLE) - set(late)
    sink.refuse_rcpt.clear()
    sink.clear()
    with site.app_context():
        downgrade(revision="0004")
        with db.engine.connect() as connection:
            found = connection.execute(
                sa.text("SELECT batch_id, state FROM deliveries WHERE batch_id IS NOT NULL")
            )
            assert [tuple(row) for row in found] == [(alert_id, "queued")] * 3
        upgrade()
    work(site)
    assert Counter(mail.to for mail in sink.mails) == Counter(late)
    with site.app_context():
        assert db.session.get_one(Alert, alert_id).state is AlertState.DONE


def test_going_back_before_anybody_was_told_keeps_all(site: Flask, sink: Sink) -> None:
    alert_id = tell(site)
    with site.app_context():
        downgrade(revision="0004")
        upgrade()
    work(site)
    assert Counter(mail.to for mail in sink.mails) == Counter(PEOPLE)
    with site.app_context():
        assert db.session.get_one(Alert, alert_id).queued == len(PEOPLE)


def test_going_back_in_the_middle_of_an_audience_counts_nobody_twice(
    site: Flask, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(monkeypatch, chunk=4, pages=1)
    alert_id = tell(site)
    with site.app_context():
        for _ in range(2):
            assert expanding.expand_next()
        db.session.rollback()
        downgrade(revision="0004")
        upgrade()
    work(site)
    assert Counter(mail.to for mail in sink.mails) == Counter(PEOPLE)
    with site.app_context():
        alert = db.session.get_one(Alert, alert_id)
        assert (alert.queued, alert.sent, alert.skipped) == (len(PEOPLE), len(PEOPLE), 0)


def test_what_came_back_is_kept_by_its_kind_up_and_down(site: Flask) -> None:
    def kinds(column: str) -> dict[bytes, object]:
        with site.app_context(), db.engine.connect() as connection:
            rows = connection.exec_driver_sql(f"SELECT source, {column} FROM bounces").all()
            return {bytes(row[0]): row[1] for row in rows}

    with site.app_context():
        with writing():
            db.session.add_all(
                Bounce(
                    source=kind.value.encode(), fingerprint=b"x", day=clock.today(), kind=kind
                )
                for kind in BounceKind
            )
        db.session.remove()
        downgrade(revision="0005")
    assert kinds("is_hard") == {b"hard": True, b"soft": False}, "others are nobody's mailbox"
    with site.app_context():
        upgrade()
    assert kinds("kind") == {b"hard": "hard", b"soft": "soft"}
