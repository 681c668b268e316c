"""A worker that is woken looks at once; one that never is works all the same."""

from __future__ import annotations

import datetime as dt
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from flask_migrate import upgrade

from tests.conftest import Person, environment, sign
from tests.support import factories, redis
from tests.support.sink import Sink
from tests.worker.test_crash import Crew
from tracker import worker as working
from tracker.app import create_app
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign
from tracker.core import clock, wakeups
from tracker.core.wakeup_storages import FileStorage
from tracker.core.wakeups import KEEP_HOUSE, SWEEP, Queue
from tracker.extensions import db, writing
from tracker.mail.models import MailCap
from tracker.settings import load
from tracker.worker import Worker

PATIENCE = 20
"""Seconds after which something that does not happen never will."""
FAR_AWAY = 3600.0
"""Seconds until a worker looks by itself, where a test is about wake-ups."""


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def storage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def redis_server(storage: str) -> Iterator[redis.Server | None]:
    if storage != "redis":
        yield None
        return
    if redis.unavailable():
        pytest.skip(f"redis: {redis.unavailable()}")
    with redis.server() as server:
        yield server


@pytest.fixture
def variables(
    request: pytest.FixtureRequest,
    storage: str,
    redis_server: redis.Server | None,
    tmp_path: Path,
    sink: Sink,
) -> dict[str, str]:
    made = environment(tmp_path, TRACKER_SMTP_PORT=str(sink.port))
    if storage == "postgres":
        server = request.getfixturevalue("postgres_server")
        made["TRACKER_DATABASE_URL"] = server.create_database()
    if redis_server is not None:
        made["TRACKER_QUEUE_URL"] = redis_server.url
    return made


@pytest.fixture
def site(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """An installation of its own with one live campaign."""
    monkeypatch.setattr(wakeups, "LINGER_SECONDS", 0.5)
    monkeypatch.setattr(wakeups, "REST_SECONDS", 0.2)
    app = create_app(load(variables))
    with app.app_context():
        upgrade()
        with writing():
            campaign = factories.a_campaign()
        Worker(app).make_keys()
        with writing():
            campaigns.publish(db.session.get_one(Campaign, campaign.id))
        app.config["SLUG"] = campaign.slug
    yield app
    wait_for(lambda: not app.extensions["wakeups"]._is_running())
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def crew(variables: dict[str, str], tmp_path: Path) -> Iterator[Crew]:
    crew = Crew(variables, tmp_path / "workers.log")
    yield crew
    crew.end()


def wait_for(condition: Callable[[], object], crew: Crew | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, crew.log.read_text() if crew else "in vain"
        time.sleep(0.01)


def sign_as(site: Flask, address: str) -> None:
    answer = sign(site.test_client(), site.config["SLUG"], Person(email=address))
    assert answer.status_code in {200, 302}, answer.text


@contextmanager
def idle_worker(site: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """Run a worker that hardly ever looks by itself, past the wake-ups it begins with."""
    worker = Worker(site)
    seen: set[str] = set()
    wait = worker.bell.wait

    # This worker's alone: others of this process, as that of the browser's site, look on.
    def watched(_: float) -> set[str]:
        rung = wait(FAR_AWAY)
        seen.update(rung)
        return rung

    monkeypatch.setattr(worker.bell, "wait", watched)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        wait_for(lambda: seen >= {KEEP_HOUSE, SWEEP})
        time.sleep(0.3)
        yield worker
    finally:
        worker.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "to stop is a wake-up too"


def test_a_signature_wakes_a_worker_that_would_not_look_for_an_hour(
    site: Flask, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    with idle_worker(site, monkeypatch):
        for number in range(3):
            sign_as(site, f"person{number}@example.org")
            wait_for(lambda number=number: len(sink.mails) == number + 1)


def test_house_is_kept_when_it_rings_but_never_too_often(
    site: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Queue(site.config["TRACKER"])

    def caps() -> int:
        with site.app_context():
            return db.session.query(MailCap).count()

    def leave_a_cap() -> None:
        with site.app_context(), writing():
            yesterday = clock.today() - dt.timedelta(days=1)
            db.session.add(MailCap(name=b"x" * 32, day=yesterday, count=1))

    monkeypatch.setattr(working, "HOUSEKEEPING_SECONDS", FAR_AWAY)
    try:
        with idle_worker(site, monkeypatch):
            leave_a_cap()
            sender.send(KEEP_HOUSE)
            wait_for(lambda: sender.storage.queue_size() == 0)
            time.sleep(0.5)
            assert caps() == 1, "it did so a moment ago"
            monkeypatch.setattr(working, "LEAST_HOUSEKEEPING_SECONDS", 0.0)
            sender.send(KEEP_HOUSE)
            wait_for(lambda: caps() == 0)
    finally:
        sender.storage.close()


def test_no_storage_of_wake_ups_knows_who_signed(
    site: Flask, sink: Sink, tmp_path: Path
) -> None:
    sign_as(site, "sara@example.org")
    sender = Queue(site.config["TRACKER"])
    try:
        wait_for(sender.storage.queue_size)
        assert [bytes(item) for item in sender.storage.enqueued_items()] == [b'["look"]']
    finally:
        sender.storage.close()
    for path in tmp_path.glob("queue.db*"):
        assert b"example.org" not in path.read_bytes()


def destroy(storage: str, variables: dict[str, str], server: redis.Server | None) -> None:
    """Take the storage away from under everybody."""
    if storage == "sqlite":
        for path in Path(variables["TRACKER_DATA"]).glob("queue.db*"):
            path.unlink()
    elif storage == "postgres":
        with psycopg.connect(variables["TRACKER_DATABASE_URL"]) as connection:
            connection.execute("drop schema huey cascade")
    else:
        assert server is not None
        server.kill()


def test_with_the_storage_destroyed_everything_still_arrives(
    site: Flask,
    crew: Crew,
    sink: Sink,
    storage: str,
    variables: dict[str, str],
    redis_server: redis.Server | None,
) -> None:
    crew.hire()
    sign_as(site, "first@example.org")
    wait_for(lambda: sink.to("first@example.org"), crew)
    destroy(storage, variables, redis_server)
    people = [f"person{number}@example.org" for number in range(5)]
    for address in people:
        sign_as(site, address)
        wait_for(lambda address=address: sink.to(address), crew)
    crew.hire()  # one that never saw it
    sign_as(site, "last@example.org")
    wait_for(lambda: sink.to("last@example.org"), crew)
    crew.dismiss()
    assert len(sink.mails) == len(people) + 2
    said = crew.log.read_text()
    assert "Traceback" not in said
    assert said.count("wake-ups do not work") <= 2, "once by each worker"


def break_it(storage: str, variables: dict[str, str], server: redis.Server | None) -> None:
    """Make a storage that can never be used."""
    if storage == "sqlite":
        for path in Path(variables["TRACKER_DATA"]).glob("queue.db*"):
            path.unlink()
        Path(variables["TRACKER_DATA"], "queue.db").mkdir()
    elif storage == "postgres":
        with psycopg.connect(variables["TRACKER_DATABASE_URL"]) as connection:
            connection.execute("create schema if not exists huey")
            connection.execute("drop table if exists huey.huey_task")
            connection.execute("create view huey.huey_task as select 1 as one")
    else:
        assert server is not None
        server.kill()


def test_a_storage_that_fails_fails_no_signature_and_no_worker(
    site: Flask,
    crew: Crew,
    sink: Sink,
    storage: str,
    variables: dict[str, str],
    redis_server: redis.Server | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    break_it(storage, variables, redis_server)
    crew.hire()
    for number in range(3):
        address = f"person{number}@example.org"
        sign_as(site, address)
        wait_for(lambda address=address: sink.to(address), crew)
    wait_for(lambda: "wake-ups do not work" in caplog.text)
    crew.dismiss()
    assert caplog.text.count("wake-ups do not work") == 1
    said = crew.log.read_text()
    assert said.count("wake-ups do not work") == 1
    assert "Traceback" not in said
    assert "example.org" not in said


def test_a_flood_of_rubbish_keeps_no_mail_waiting(site: Flask, crew: Crew, sink: Sink) -> None:
    crew.hire()
    intruder = Queue(site.config["TRACKER"])
    try:
        for number in range(1000):
            intruder.storage.enqueue(b"\x80\x05rubbish%d" % number)
        sign_as(site, "sara@example.org")
        wait_for(lambda: sink.to("sara@example.org"), crew)
        wait_for(lambda: intruder.storage.queue_size() == 0, crew)
    finally:
        intruder.storage.close()
    crew.dismiss()
    assert crew.log.read_text().count("were no wake-ups") == 1
    assert "rubbish" not in crew.log.read_text()


def test_a_turn_needs_no_bell(site: Flask, sink: Sink) -> None:
    sign_as(site, "sara@example.org")
    worker = Worker(site)
    with site.app_context():
        while worker.turn():
            pass
        worker.office.close()
    assert sink.to("sara@example.org")


def test_a_command_that_ends_while_the_queue_is_made_locks_nobody_out(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's umask would keep web and worker from a file that is half made."""
    file = tmp_path / "queue.db"
    before = os.umask(0o077)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fchmod", _end)
            with pytest.raises(KeyboardInterrupt):
                FileStorage("tracker", file).enqueue(b'"look"')
        assert not file.exists()
        assert list(tmp_path.glob("queue.db*")) == []
        FileStorage("tracker", file).enqueue(b'"look"')
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o660


def _end(*_: object) -> None:
    raise KeyboardInterrupt
