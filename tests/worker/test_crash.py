"""Real workers, killed in the middle: nobody is forgotten, hardly anybody is told twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import upgrade

from tests.conftest import environment
from tests.support import factories
from tests.support.sink import Sink
from tests.support.supporters import subscribe
from tracker import paths
from tracker.alerts import services as alerting
from tracker.alerts.models import Alert, AlertState
from tracker.app import create_app
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign
from tracker.extensions import db, writing
from tracker.mail.models import Delivery
from tracker.settings import load
from tracker.worker import Worker

PEOPLE = [f"person{number}@example.org" for number in range(600)]
GONE = PEOPLE[:20]
"""Who unsubscribes before the alert."""
KILLS_OF_ONE, KILLS_OF_TWO = 4, 6
LEASE_SECONDS = 3


@dataclass
class Crew:
    """The worker processes of one installation."""

    variables: dict[str, str]
    log: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def hire(self) -> None:
        clean = {name: value for name, value in os.environ.items() if "TRACKER" not in name}
        with self.log.open("ab") as log:
            self.running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "tracker", "work"],
                    env={**clean, **self.variables},
                    cwd=paths.PACKAGE.parent,
                    stdout=log,
                    stderr=log,
                )
            )

    def kill(self) -> None:
        """Kill the worker that is longest here, as a power cut would."""
        worker = self.running.pop(0)
        assert worker.poll() is None, self.log.read_text()
        worker.kill()
        worker.wait()

    def dismiss(self) -> None:
        """Ask all to stop; they finish the mail in hand and go."""
        started = time.monotonic()
        for worker in self.running:
            worker.terminate()
        for worker in self.running:
            # One that was still starting knows no better than to end, with nothing in hand.
            assert worker.wait(10) in {0, -signal.SIGTERM}, self.log.read_text()
        assert time.monotonic() - started < 8
        self.running.clear()

    def end(self) -> None:
        for worker in self.running:
            worker.send_signal(signal.SIGKILL)
            worker.wait()


@pytest.fixture(params=["sqlite", "postgres"])
def variables(request: pytest.FixtureRequest, tmp_path: Path, sink: Sink) -> dict[str, str]:
    made = environment(
        tmp_path,
        TRACKER_SMTP_PORT=str(sink.port),
        TRACKER_LEASE_SECONDS=str(LEASE_SECONDS),
    )
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        made["TRACKER_DATABASE_URL"] = server.create_database()
    return made


@pytest.fixture
def site(variables: dict[str, str]) -> Iterator[Flask]:
    """An installation of its own, which the workers share."""
    app = create_app(load(variables))
    with app.app_context():
        upgrade()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def crew(variables: dict[str, str], tmp_path: Path) -> Iterator[Crew]:
    crew = Crew(variables, tmp_path / "workers.log")
    yield crew
    crew.end()


def announce(site: Flask, people: list[str]) -> int:
    """Publish a campaign, subscribe everybody, let some leave, and begin an alert."""
    with site.app_context():
        with writing():
            campaign = factories.a_campaign()
        Worker(site).make_keys()
        with writing():
            campaigns.publish(db.session.get_one(Campaign, campaign.id))
        campaign_id = campaign.id
    links = subscribe(site, campaign_id, people)
    for address in GONE:
        answer = site.test_client().post(links[address], data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    with site.app_context(), writing():
        update = factories.an_update(db.session.get_one(Campaign, campaign_id), alerts=True)
        alert = alerting.announce(update, by_id=None, cancel_window=0)
        db.session.flush()
        return alert.id


def wait_for(condition: Callable[[], bool], crew: Crew) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, crew.log.read_text()
        time.sleep(0.01)


def more_than(sink: Sink, count: int) -> bool:
    return len(sink.mails) > count


def test_killed_at_any_moment_everybody_is_told_and_hardly_anybody_twice(
    site: Flask, crew: Crew, sink: Sink
) -> None:
    alert_id, kills = announce(site, PEOPLE), 0
    draw = random.Random()

    for workers, times in ((1, KILLS_OF_ONE), (2, KILLS_OF_TWO)):
        for _ in range(times):
            while len(crew.running) < workers:
                crew.hire()
            wait_for(partial(more_than, sink, len(sink.mails) + draw.randint(0, 15)), crew)
            time.sleep(draw.uniform(0, 0.03))
            crew.kill()
            kills += 1
    while len(crew.running) < 2:
        crew.hire()
    wait_for(partial(more_than, sink, len(sink.mails) + 5), crew)
    assert len({mail.to for mail in sink.mails}) < len(PEOPLE) - len(GONE), "too late to kill"
    crew.dismiss()
    before = len(sink.mails)
    crew.hire()
    crew.hire()
    wait_for(lambda: state_of(site, alert_id) is AlertState.DONE, crew)
    assert len(sink.mails) > before
    crew.dismiss()
    check(site, sink, alert_id, people=PEOPLE, kills=kills)


def state_of(site: Flask, alert_id: int) -> AlertState:
    with site.app_context():
        return db.session.get_one(Alert, alert_id).state


def check(site: Flask, sink: Sink, alert_id: int, *, people: list[str], kills: int) -> None:
    """Compare what arrived with what was owed."""
    owed = set(people) - set(GONE)
    arrived = Counter(mail.to for mail in sink.mails)
    assert set(arrived) == owed
    extras = len(sink.mails) - len(owed)
    assert extras <= kills
    for address, count in arrived.items():
        if count > 1:
            ids = {mail.message["Message-ID"] for mail in sink.to(address)}
            assert len(ids) == 1, "mailboxes show the two as one"
    with site.app_context():
        alert = db.session.get_one(Alert, alert_id)
        assert (alert.queued, alert.sent) == (len(owed), len(owed))
        assert (alert.skipped, alert.failed) == (0, 0)
        assert db.session.query(Delivery).count() == 0


def test_a_worker_that_is_asked_to_stop_finishes_the_mail_in_hand_and_nothing_comes_twice(
    site: Flask, crew: Crew, sink: Sink
) -> None:
    people = PEOPLE[:150]
    alert_id = announce(site, people)
    for _ in range(2):
        crew.hire()
        count = len(sink.mails)
        wait_for(partial(more_than, sink, count + 15), crew)
        crew.dismiss()
        with site.app_context():
            held = db.session.query(Delivery).filter(Delivery.lease_owner.is_not(None)).count()
        assert held == 0, "what was not sent is free for the next at once"
    crew.hire()
    wait_for(lambda: state_of(site, alert_id) is AlertState.DONE, crew)
    crew.dismiss()
    check(site, sink, alert_id, people=people, kills=0)
