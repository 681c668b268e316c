"""What tests of alerts do again and again: subscribe, tell, let the worker send, look."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import time_machine
from flask import Flask

from tests.support import factories
from tests.support.sink import Sink
from tests.support.supporters import subscribe
from tracker.alerts import expanding, queries, services
from tracker.alerts.freezing import freeze_update
from tracker.alerts.models import Alert, AlertAudience, AlertChunk, AlertException
from tracker.alerts.queries import Figures
from tracker.campaigns.models import Campaign
from tracker.extensions import db, writing
from tracker.mail.models import Suppression
from tracker.sealing import tags
from tracker.updates.models import Update
from tracker.worker import Worker


def people(count: int, name: str = "person") -> list[str]:
    return [f"{name}{number}@example.org" for number in range(count)]


def announce(update: Update, *, window: int = 0, lifetime: int = 72) -> Alert:
    """Approve an alert, frozen in two languages only: all would take most of a test's time."""
    alert = services.announce(
        update,
        frozen=freeze_update(update, ("en", "ar")),
        by_id=None,
        cancel_window=window,
        lifetime=lifetime,
    )
    # The id is needed at once.
    db.session.flush()
    return alert


def cut(patch: pytest.MonkeyPatch, *, chunk: int, pages: int) -> None:
    """Let chunks be small from now on, and steps of fan-out some pages of them."""
    for name in ("PAGES", "PAGES_AT_ONCE"):
        patch.setattr(f"tracker.alerts.expanding.{name}", pages)
    for module in ("audiences", "batches", "expanding", "models"):
        patch.setattr(f"tracker.alerts.{module}.CHUNK", chunk)


@dataclass
class House:
    """One campaign, its worker, its mail server."""

    app: Flask
    campaign: Campaign
    worker: Worker
    sink: Sink
    patch: pytest.MonkeyPatch

    def subscribe(self, *addresses: str, language: str = "en") -> dict[str, str]:
        return subscribe(self.app, self.campaign.id, list(addresses), language=language)

    def tell(self, *, window: int = 0, lifetime: int = 72, **values: Any) -> int:
        """Publish an update that is told to all; give its alert."""
        with self.app.app_context(), writing():
            campaign = db.session.get_one(Campaign, self.campaign.id)
            update = factories.an_update(campaign, alerts=True, **values)
            return announce(update, window=window, lifetime=lifetime).id

    def do(self, action: Callable[..., Any], alert_id: int, *more: Any) -> None:
        """Let an organiser do something with an alert."""
        with self.app.app_context(), writing():
            action(db.session.get_one(Alert, alert_id, with_for_update=True), *more)

    def stop(self, alert_id: int) -> None:
        self.do(services.stop, alert_id)

    def pause(self, alert_id: int) -> None:
        self.do(services.pause, alert_id)

    def resume(self, alert_id: int) -> None:
        self.do(services.resume, alert_id)

    def change(self, model: type[Any], **values: Any) -> None:
        """Write into all rows of a table, as an intruder or a crash could."""
        with self.app.app_context(), writing():
            db.session.query(model).update(values)

    def configure(self, **values: Any) -> None:
        """Let settings be others from now on, for a worker that begins anew."""
        changed = dataclasses.replace(self.app.config["TRACKER"], **values)
        self.patch.setitem(self.app.config, "TRACKER", changed)
        with self.app.app_context():
            self.worker.close()

    def work(self) -> None:
        """Let the worker do all there is to do at this moment."""
        with self.app.app_context():
            for _ in range(200):
                if not self.worker.turn():
                    return
        raise AssertionError("the worker never comes to rest")

    def work_until(self, is_over: Callable[[], bool]) -> None:
        """Let the worker go on, whether it has something to do or not."""
        deadline = time.monotonic() + 20
        while not is_over():
            assert time.monotonic() < deadline
            with self.app.app_context():
                if not self.worker.turn():
                    time.sleep(0.02)

    def die(self) -> None:
        """Lose the worker without a word, and hire another."""
        with self.app.app_context():
            if self.worker.sender is not None:
                self.worker.sender.pipeline.close(patience=0)
                self.worker.sender = None
            self.worker.close()
        self.worker = Worker(self.app)

    def cut(self, *, chunk: int, pages: int = 1_000) -> None:
        """Let chunks be small from now on, and steps of fan-out some pages of them."""
        cut(self.patch, chunk=chunk, pages=pages)

    def expand(self, alert_id: int, *, steps: int = 100) -> None:
        """Do some steps of fan-out, all by default, and send nothing."""
        with self.app.app_context():
            for _ in range(steps):
                if self.alert(alert_id).slots is None:
                    assert expanding.expand_next()

    # --- looking -----------------------------------------------------------------------------

    def alert(self, alert_id: int) -> Alert:
        with self.app.app_context():
            alert = db.session.get_one(Alert, alert_id)
            db.session.expunge(alert)
            return alert

    def figures(self, alert_id: int) -> Figures:
        with self.app.app_context():
            return queries.figures(db.session.get_one(Alert, alert_id))

    def rows(self, model: type[Any] = AlertException) -> list[Any]:
        with self.app.app_context():
            rows = list(db.session.query(model))
            db.session.expunge_all()
            return rows

    def told(self) -> Counter[str]:
        return Counter(mail.to for mail in self.sink.mails)

    def suppression(self, address: str) -> Suppression | None:
        with self.app.app_context():
            fingerprint = tags.tag(self.worker.keystore.site_key(), address)
            found = db.session.get(Suppression, fingerprint)
            if found is not None:
                db.session.expunge(found)
            return found

    def has_forgotten(self) -> bool:
        """Say whether nothing tells who was written to."""
        return not any(self.rows(one) for one in (AlertAudience, AlertChunk, AlertException))


@pytest.fixture
def house(
    app: Flask, campaign: Campaign, worker: Worker, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> Iterator[House]:
    house = House(app, campaign, worker, sink, monkeypatch)
    yield house
    with app.app_context():
        house.worker.close()


@pytest.fixture
def travel() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(dt.datetime.now(dt.UTC), tick=True) as traveller:
        yield traveller
