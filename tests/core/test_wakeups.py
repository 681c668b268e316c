"""Wake-ups arrive, carry nothing but a name, and cannot be used to get into the worker."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from huey import MemoryHuey
from huey.exceptions import HueyException

from tests.conftest import environment
from tests.support import redis
from tests.support.sink import free_port
from tracker.app import create_app
from tracker.core import wakeup_storages, wakeups
from tracker.core.wakeups import KEEP_HOUSE, LOOK, SWEEP, Bell, Queue, Waker
from tracker.extensions import wake_after_commit, writing
from tracker.settings import Settings, SettingsError, load

PATIENCE = 20
"""Seconds after which something that does not happen never will."""
STORAGES = ("sqlite", "postgres", "redis")


@pytest.fixture(scope="module")
def redis_server() -> Iterator[redis.Server]:
    if redis.unavailable():
        pytest.skip(f"redis: {redis.unavailable()}")
    with redis.server() as server:
        yield server


@pytest.fixture(params=STORAGES)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """The settings of an installation with each of the storages, all of them empty."""
    values = {}
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        values["TRACKER_DATABASE_URL"] = server.create_database()
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        values["TRACKER_QUEUE_URL"] = server.url
        with server.client() as client:
            client.flushall()
    yield load(environment(tmp_path, **values))
    if request.param == "postgres":
        server.drop_database(values["TRACKER_DATABASE_URL"])


@pytest.fixture
def file_settings(tmp_path: Path) -> Settings:
    return load(environment(tmp_path))


@pytest.fixture
def sender(settings: Settings) -> Iterator[Queue]:
    """Somebody who may write into the storage: the web process, or who broke into it."""
    made = Queue(settings)
    yield made
    made.storage.close()


@pytest.fixture
def bell(settings: Settings) -> Iterator[Bell]:
    made = Bell(settings)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeups, "REST_SECONDS", 0.05)
    monkeypatch.setattr(wakeups, "LINGER_SECONDS", 0.2)


def heard(bell: Bell, *names: str) -> set[str]:
    """Wait until all ``names`` rang and give everything that did."""
    rung: set[str] = set()
    deadline = time.monotonic() + PATIENCE
    while not rung >= set(names):
        assert time.monotonic() < deadline, f"only {rung} rang"
        rung |= bell.wait(0.1)
    return rung


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def listening(bell: Bell) -> Bell:
    """Start it, past the periodic wake-ups with which it begins."""
    bell.start()
    heard(bell, KEEP_HOUSE, SWEEP)
    return bell


# --- what arrives --------------------------------------------------------------------------


def test_what_is_periodic_rings_by_itself_and_what_is_sent_rings(
    bell: Bell, sender: Queue
) -> None:
    bell.start()
    assert heard(bell, KEEP_HOUSE, SWEEP) == {KEEP_HOUSE, SWEEP}
    for name in wakeups.NAMES:
        assert sender.send(name)
        assert heard(bell, name) == {name}


def test_two_workers_share_the_messages_and_none_is_left(
    settings: Settings, bell: Bell, sender: Queue
) -> None:
    other = Bell(settings)
    try:
        listening(bell)
        other.start()
        for _ in range(20):
            assert sender.send(LOOK)
        wait_for(lambda: sender.storage.queue_size() == 0)
    finally:
        other.stop()


def test_what_waits_is_the_bare_names_and_never_more_than_a_hundred(sender: Queue) -> None:
    for _ in range(3 * wakeups.MOST_WAITING):
        assert sender.send(LOOK)
    found = sender.storage.enqueued_items()
    assert [bytes(item) for item in found] == [b'["look"]'] * wakeups.MOST_WAITING


def test_many_wake_ups_at_once_become_few(settings: Settings, sender: Queue) -> None:
    waker = Waker(settings)
    for _ in range(1000):
        waker.wake()
    wait_for(sender.storage.queue_size)
    time.sleep(3 * wakeups.SPACING_SECONDS)
    assert 1 <= sender.storage.queue_size() <= 3


def test_after_an_idle_time_the_web_lets_go_and_can_still_wake(
    settings: Settings, sender: Queue
) -> None:
    waker = Waker(settings)
    for times in (1, 2):
        waker.wake()
        wait_for(lambda times=times: sender.storage.queue_size() == times)
        wait_for(lambda: not waker._is_running())


def test_a_signal_ends_a_wait_at_once(file_settings: Settings) -> None:
    bell = Bell(file_settings)
    before = signal.signal(signal.SIGALRM, lambda *_: bell.ring(LOOK))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        started = time.monotonic()
        assert bell.wait(PATIENCE) == {LOOK}
        assert time.monotonic() - started < PATIENCE / 2
    finally:
        signal.signal(signal.SIGALRM, before)


# --- after commit --------------------------------------------------------------------------


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    made = create_app(settings)
    with made.app_context():
        yield made
        made.extensions["sqlalchemy"].engine.dispose()
    wait_for(lambda: not made.extensions["wakeups"]._is_running())


def test_a_commit_wakes_and_a_rollback_or_a_commit_of_something_else_does_not(
    app: Flask, sender: Queue
) -> None:
    def fail_after_asking() -> None:
        with writing():
            wake_after_commit()
            raise LookupError

    with pytest.raises(LookupError):
        fail_after_asking()
    with writing():
        pass
    time.sleep(3 * wakeups.SPACING_SECONDS)
    assert sender.storage.queue_size() == 0
    with writing():
        wake_after_commit()
    wait_for(lambda: sender.storage.queue_size() == 1)
    with writing():
        pass
    time.sleep(3 * wakeups.SPACING_SECONDS)
    assert sender.storage.queue_size() == 1


# --- what an intruder writes ---------------------------------------------------------------


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def pickles(path: Path) -> list[bytes]:
    """Give a plain trap, and one in a message as huey itself would write it."""
    stock = MemoryHuey()

    @stock.task(name=LOOK)
    def look(argument: object) -> None:
        """Never runs."""

    return [pickle.dumps(Trap(path)), stock.serialize_task(look.s(Trap(path)))]


def test_the_traps_of_these_tests_do_work_on_huey_as_it_comes(tmp_path: Path) -> None:
    for message in pickles(tmp_path / "trapped"):
        stock = MemoryHuey()
        stock.storage.enqueue(message)
        with pytest.raises((HueyException, AttributeError)):
            stock.dequeue()  # neither is a task of this huey, but it is unpickled by then
        (tmp_path / "trapped").rmdir()


def test_a_pickle_is_dropped_unopened_wherever_it_lies(
    bell: Bell, sender: Queue, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trap = tmp_path / "trapped"
    for message in pickles(trap):
        sender.storage.enqueue(message)
    if isinstance(sender.storage, wakeup_storages.ServerStorage):
        for message in pickles(trap):
            sender.storage.conn.zadd(sender.storage.schedule_key, {message: 0})
            for key in ("rt:look", "r:look", "look"):
                sender.storage.put_data(key, message)
    sender.send(LOOK)
    bell.start()
    assert heard(bell, LOOK, KEEP_HOUSE, SWEEP) <= {LOOK, KEEP_HOUSE, SWEEP}
    wait_for(lambda: sender.storage.queue_size() == 0)
    assert not trap.exists()
    assert "were no wake-ups" in caplog.text
    assert "trapped" not in caplog.text


def test_storages_in_sql_have_no_place_for_results_or_plans(sender: Queue) -> None:
    if isinstance(sender.storage, wakeup_storages.ServerStorage):
        pytest.skip("Redis has no tables")
    sender.send(LOOK)
    with pytest.raises((sqlite3.Error, psycopg.Error)):
        sender.storage.schedule_size()
    with pytest.raises((sqlite3.Error, psycopg.Error)):
        sender.storage.result_store_size()


RUBBISH = [
    b"",
    b"look",
    b'"look"',
    b'{"look": 1}',
    b"[]",
    b'["look", "keep-house"]',
    b'["look", []]',
    b'["look", ["argument"], {}]',
    b'[["look"]]',
    b'["LOOK"]',
    b'["look\\u0000"]',
    b'["os.system"]',
    b"[" * 199,
    b'["look"]' + b" " * 193,
    b'["look"]\xff\xfe',
    b"\x80\x05\x95",
    b"\x1f\x8b\x08",
    b"0" * 5_000_000,
]


def test_what_is_no_wake_up_of_ours_rings_nothing(bell: Bell, sender: Queue) -> None:
    listening(bell)
    for message in RUBBISH:
        sender.storage.enqueue(message)
    wait_for(lambda: sender.storage.queue_size() == 0)
    assert bell.wait(0.3) == set()
    sender.send(SWEEP)
    assert heard(bell, SWEEP) == {SWEEP}


def test_a_thousand_messages_of_rubbish_delay_nothing_for_long(
    bell: Bell, sender: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    listening(bell)
    for number in range(1000):
        sender.storage.enqueue(b"rubbish %d" % number)
    wait_for(lambda: sender.storage.queue_size() == 0)
    sender.send(LOOK)
    assert heard(bell, LOOK) == {LOOK}
    assert caplog.text.count("were no wake-ups") == 1
    assert "rubbish" not in caplog.text


def test_other_types_than_bytes_in_the_file_are_dropped(file_settings: Settings) -> None:
    bell, sender = Bell(file_settings), Queue(file_settings)
    try:
        listening(bell)
        sender.storage.queue_size()
        for value in ('["look"]', 7, 1.5):
            sender.storage.sql(
                "insert into task (queue, data) values ('tracker', ?)", (value,), commit=True
            )
        sender.storage.sql(
            "insert into task (queue, data) values ('tracker', cast(x'ff' as text))",
            commit=True,
        )
        wait_for(lambda: sender.storage.queue_size() == 0)
        assert bell.wait(0.3) == set()
    finally:
        bell.stop()
        sender.storage.close()


def test_a_link_in_place_of_the_file_is_not_followed(
    file_settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    aim = tmp_path / "elsewhere"
    (tmp_path / "queue.db").symlink_to(aim)
    sender = Queue(file_settings)
    assert not sender.send(LOOK)
    assert not aim.exists()
    assert "wake-ups do not work (OSError)" in caplog.text


def test_nothing_but_a_name_can_be_said() -> None:
    names = wakeups.Names()
    for wrong in ("os.system", None, 7, ["look"], b"look"):
        with pytest.raises(ValueError, match="name of a wake-up"):
            names.serialize(wrong)
    for name in wakeups.NAMES:
        assert names.deserialize(names.serialize(name)) == name


# --- trouble -------------------------------------------------------------------------------


def broken(kind: str, tmp_path: Path) -> Settings:
    """Give the settings of an installation whose storage cannot be reached."""
    values = {}
    if kind == "sqlite":
        (tmp_path / "queue.db").mkdir()
    if kind == "postgres":
        values["TRACKER_DATABASE_URL"] = f"postgresql://t:secret@127.0.0.1:{free_port()}/t"
    if kind == "redis":
        values["TRACKER_QUEUE_URL"] = f"redis://:secret@127.0.0.1:{free_port()}/0"
    return load(environment(tmp_path, **values))


@pytest.mark.parametrize("kind", STORAGES)
def test_a_storage_that_is_not_there_blocks_nobody_and_is_told_once(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = broken(kind, tmp_path)
    bell, waker = Bell(settings), Waker(settings)
    try:
        bell.start()
        for _ in range(3):
            waker.wake()
            assert bell.wait(0.2) == set()
        wait_for(lambda: caplog.text.count("wake-ups do not work") >= 2)
        assert caplog.text.count("wake-ups do not work") == 2, "one of each process"
        assert "secret" not in caplog.text
        bell.ring(LOOK)
        assert bell.wait(PATIENCE) == {LOOK}
    finally:
        bell.stop()
        wait_for(lambda: not waker._is_running())


def test_a_deleted_file_is_made_anew_and_found_by_those_who_had_the_old_one_open(
    file_settings: Settings, tmp_path: Path
) -> None:
    bell, old, new = Bell(file_settings), Queue(file_settings), Queue(file_settings)
    try:
        listening(bell)
        old.send(LOOK)
        assert heard(bell, LOOK) == {LOOK}
        for path in tmp_path.glob("queue.db*"):
            path.unlink()
        for sender in (new, old):  # one that never saw the old file, and one that has it open
            wait_for(lambda sender=sender: sender.send(LOOK))
            heard(bell, LOOK)
    finally:
        bell.stop()
        old.storage.close()
        new.storage.close()


def test_a_file_full_of_rubbish_is_replaced(file_settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "queue.db").write_bytes(os.urandom(100_000))
    bell, sender = Bell(file_settings), Queue(file_settings)
    try:
        bell.start()
        wait_for(lambda: sender.send(LOOK))
        heard(bell, LOOK)
        assert (tmp_path / "queue.db").stat().st_mode & 0o777 == 0o660
    finally:
        bell.stop()
        sender.storage.close()


def test_a_locked_file_holds_up_neither_who_wakes_nor_who_waits(
    file_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeup_storages, "LOCKED_SECONDS", 0.05)
    bell, waker = listening(Bell(file_settings)), Waker(file_settings)
    holder = sqlite3.connect(tmp_path / "queue.db", isolation_level=None)
    try:
        holder.execute("begin exclusive")
        waker.wake()
        assert bell.wait(0.5) == set()
        holder.execute("rollback")
        waker.wake()
        heard(bell, LOOK)
    finally:
        holder.close()
        bell.stop()
        wait_for(lambda: not waker._is_running())


def test_a_schema_that_is_dropped_is_made_anew(postgres_server: Any, tmp_path: Path) -> None:
    url = postgres_server.create_database()
    settings = load(environment(tmp_path, TRACKER_DATABASE_URL=url))
    bell, sender = Bell(settings), Queue(settings)
    try:
        listening(bell)
        sender.send(LOOK)
        heard(bell, LOOK)
        with psycopg.connect(url) as connection:
            connection.execute("drop schema huey cascade")
        wait_for(lambda: sender.send(LOOK))
        heard(bell, LOOK)
    finally:
        bell.stop()
        sender.storage.close()
        postgres_server.drop_database(url)


def test_a_redis_that_comes_back_is_listened_to_again(tmp_path: Path) -> None:
    if redis.unavailable():
        pytest.skip(f"redis: {redis.unavailable()}")
    with redis.server() as server:
        settings = load(environment(tmp_path, TRACKER_QUEUE_URL=server.url))
        bell, sender = Bell(settings), Queue(settings)
        try:
            listening(bell)
            with server.client() as client:
                client.set(sender.storage.queue_key, "what is no list")
                time.sleep(0.3)
                client.delete(sender.storage.queue_key)
            wait_for(lambda: sender.send(LOOK))
            heard(bell, LOOK)
        finally:
            bell.stop()
            sender.storage.close()


def test_redis_without_its_package_or_address_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = load(environment(tmp_path, TRACKER_QUEUE_URL="redis://:secret@host:port/0"))
    with pytest.raises(SettingsError, match="no address of a Redis server") as told:
        create_app(wrong)
    assert "secret" not in str(told.value)
    right = load(environment(tmp_path, TRACKER_QUEUE_URL="redis://127.0.0.1:6379/0"))
    monkeypatch.setattr(wakeup_storages, "Redis", None)
    with pytest.raises(SettingsError, match=r"needs the extra 'redis'"):
        create_app(right)


def test_two_installations_on_one_redis_do_not_wake_each_other(
    redis_server: redis.Server, tmp_path: Path
) -> None:
    values = {"TRACKER_QUEUE_URL": redis_server.url}
    other = {"TRACKER_BASE_URL": "http://127.0.0.1:9000", **values}
    first = Queue(load(environment(tmp_path, **values)))
    second = Queue(load(environment(tmp_path, **other)))
    try:
        first.storage.flush_queue()
        first.send(LOOK)
        assert (first.storage.queue_size(), second.storage.queue_size()) == (1, 0)
    finally:
        first.storage.close()
        second.storage.close()


def test_no_thread_stays_behind(settings: Settings) -> None:
    # Another test's worker may be running beside.
    before = set(threading.enumerate())

    def of_huey() -> set[str]:
        new = {thread.name for thread in set(threading.enumerate()) - before}
        return new & {"Worker-1", "Scheduler"}

    bell = listening(Bell(settings))
    assert of_huey() == {"Worker-1", "Scheduler"}
    bell.stop()
    wait_for(lambda: not of_huey())
