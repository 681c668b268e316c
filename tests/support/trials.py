"""An installation whose workers are killed while they tell a crowd something."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flask import Flask
from flask_migrate import upgrade

from tests.conftest import environment
from tests.support.crew import Crew
from tests.support.crowd import Crowd, gather
from tests.support.invariants import check_over, check_running
from tests.support.quicksink import QuickSink
from tracker.alerts.models import Alert, AlertState
from tracker.app import create_app
from tracker.extensions import db
from tracker.settings import load

PEOPLE = 7_000
GONE, COMPLAINED, LEAVING = 20, 20, 3
"""Who unsubscribes or complains before the alert, and who leaves after each kill."""
LEASE_SECONDS = 3
CONNECTIONS = 8
ANSWER_SECONDS = 0.01
"""How late the mail server answers, so that the mails last and some are always inside."""
MOST_MAILS, MOST_SECONDS = 300, 0.05
"""How far apart two kills are at most: mails, and a little more so that any moment is met.

More mails than a window has, so that some die before anything is written down, others after it.
"""


def settings_for(data: Path, sink: QuickSink, database_url: str | None) -> dict[str, str]:
    """Give the settings of an installation whose leases are short."""
    made = environment(
        data,
        TRACKER_SMTP_PORT=str(sink.port),
        TRACKER_SMTP_CONNECTIONS=str(CONNECTIONS),
        TRACKER_LEASE_SECONDS=str(LEASE_SECONDS),
    )
    return made | ({"TRACKER_DATABASE_URL": database_url} if database_url else {})


@contextmanager
def installation(variables: dict[str, str]) -> Iterator[Flask]:
    """Give a migrated installation of its own, which workers share."""
    app = create_app(load(variables))
    with app.app_context():
        upgrade()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@dataclass
class Trial:
    """One alert on its way, and all who look at it."""

    site: Flask
    crew: Crew
    sink: QuickSink
    crowd: Crowd
    alert_id: int
    workers: int = 0
    killed_at: list[float] = field(default_factory=list)
    draw: random.Random = field(default_factory=random.Random)

    @classmethod
    def begin(cls, site: Flask, crew: Crew, sink: QuickSink, *, people: int = PEOPLE) -> Trial:
        """Let some leave, and approve an alert."""
        crowd = gather(site, people)
        everybody = sorted(crowd.addresses.values())
        crowd.leave(everybody[:GONE])
        crowd.suppress(everybody[GONE : GONE + COMPLAINED])
        return cls(site, crew, sink, crowd, crowd.tell())

    def hire(self, workers: int) -> None:
        """Bring the crew up to so many."""
        self.workers = workers
        while len(self.crew.running) < workers:
            self.crew.hire()

    def kill_one(self) -> None:
        """Kill one of those that send, at a moment that nobody chose."""
        self.wait_for_more(self.draw.randint(1, MOST_MAILS))
        self.crew.kill_one_that_sends(self.sink.port, after=self.draw.uniform(0, MOST_SECONDS))
        self.killed_at.append(time.monotonic())

    def wait_for_more(self, mails: int) -> None:
        """Wait until so many more mails have arrived."""
        before = self.sink.count()
        self.crew.wait_for(lambda: self.sink.count() >= before + mails)

    def assert_unfinished(self) -> None:
        """Check that there was still something to do."""
        told = {one.recipient for one in self.sink.arrivals()}
        assert len(told) < len(self.crowd.owed), "too late: everybody has been told"

    def let_some_leave(self) -> None:
        """Unsubscribe some who have not been told yet, while nobody works."""
        assert not self.crew.running
        told = {one.recipient for one in self.sink.arrivals()}
        self.crowd.leave(self.draw.sample(sorted(self.crowd.owed - told), LEAVING))

    def finish(self) -> None:
        """Wait until the alert is over."""
        self.crew.wait_for(lambda: self.state is AlertState.DONE)
        self.crew.dismiss()

    @property
    def state(self) -> AlertState:
        """Give how far the alert is."""
        with self.site.app_context():
            return db.session.get_one(Alert, self.alert_id).state

    def check_running(self) -> int:
        """Check what must be true at any moment, and give how many were told."""
        return check_running(self.crowd, self.sink, self.alert_id)

    def check_over(self) -> int:
        """Check all, and give how many mails came twice."""
        return check_over(
            self.crowd,
            self.sink,
            self.alert_id,
            killed_at=self.killed_at,
            workers=self.workers,
            connections=CONNECTIONS,
        )
