"""Real workers, killed in the middle: nobody is forgotten, hardly anybody is told twice."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.support.crew import Crew
from tests.support.quicksink import QuickSink, quicksink
from tests.support.trials import (
    ANSWER_SECONDS,
    CONNECTIONS,
    Trial,
    installation,
    settings_for,
)
from tracker.alerts.models import AlertChunk, AlertException
from tracker.extensions import db

KILLS = 15
"""For each number of workers on each database: 60 in all."""
FIRST_PAGE = 4_096
"""Bytes of a file that may be written where the disk is said to be full; the log fits in."""
FULL_SECONDS = 3.0
"""How long the disk stays full: else all would have been sent."""


@pytest.fixture
def slow_sink(tmp_path: Path) -> Iterator[QuickSink]:
    with quicksink(record=tmp_path / "arrived", latency=ANSWER_SECONDS) as sink:
        yield sink


@pytest.fixture(params=["sqlite", "postgres"])
def variables(
    request: pytest.FixtureRequest, tmp_path: Path, slow_sink: QuickSink
) -> dict[str, str]:
    url = None
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_server").create_database()
    return settings_for(tmp_path, slow_sink, url)


@pytest.fixture
def site(variables: dict[str, str]) -> Iterator[Flask]:
    with installation(variables) as site:
        yield site


@pytest.fixture
def crew(variables: dict[str, str], tmp_path: Path) -> Iterator[Crew]:
    crew = Crew(variables, tmp_path / "workers.log", is_quick=True)
    yield crew
    crew.end()


@pytest.fixture
def lose_wake_ups(variables: dict[str, str], tmp_path: Path) -> Callable[[], None]:
    """Delete all that huey has, as an operator or an intruder could."""

    def run() -> None:
        url = variables.get("TRACKER_DATABASE_URL")
        if url is None:
            files = list(tmp_path.glob("queue.db*"))
            assert files, "the workers listen somewhere else"
            for file in files:
                file.unlink()
            return
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("drop schema huey cascade")

    return run


def test_killed_at_any_moment_one_worker_forgets_nobody_and_repeats_hardly_anything(
    site: Flask, crew: Crew, slow_sink: QuickSink, lose_wake_ups: Callable[[], None]
) -> None:
    trial = Trial.begin(site, crew, slow_sink)
    for number in range(KILLS):
        trial.hire(1)
        if number == KILLS // 2:
            trial.wait_for_more(1)
            lose_wake_ups()
        trial.kill_one()
        trial.check_running()
        trial.let_some_leave()
    trial.assert_unfinished()
    trial.hire(1)
    trial.finish()
    trial.check_over()


def test_killed_one_after_the_other_three_workers_forget_nobody(
    site: Flask, crew: Crew, slow_sink: QuickSink
) -> None:
    trial = Trial.begin(site, crew, slow_sink)
    for _ in range(KILLS):
        trial.hire(3)
        trial.kill_one()
        trial.check_running()
    trial.assert_unfinished()
    trial.hire(3)
    trial.finish()
    trial.check_over()


def test_a_worker_that_is_asked_to_stop_finishes_what_is_inside_and_nothing_comes_twice(
    variables: dict[str, str], site: Flask, tmp_path: Path, slow_sink: QuickSink
) -> None:
    crew = Crew(variables, tmp_path / "workers.log")
    trial = Trial.begin(site, crew, slow_sink, people=1_500)
    try:
        for _ in range(2):
            trial.hire(1)
            trial.wait_for_more(150)
            crew.dismiss()
            marked = trial.check_running()
            assert marked == len(slow_sink.arrivals()), "all that was inside is written down"
            assert leases(site) == 0, "what was not sent is free for the next at once"
        trial.assert_unfinished()
        trial.hire(1)
        trial.finish()
    finally:
        crew.end()
    assert trial.check_over() == 0


@pytest.mark.parametrize("variables", ["sqlite"], indirect=True)
def test_a_worker_whose_disk_is_full_sends_no_more_than_it_can_write_down(
    site: Flask, crew: Crew, slow_sink: QuickSink
) -> None:
    trial = Trial.begin(site, crew, slow_sink, people=2_000)
    trial.hire(1)
    trial.wait_for_more(300)
    with full_disk(crew):
        crew.wait_for(lambda: "SQLITE_IOERR" in crew.log.read_text())
        arrived = slow_sink.count()
        time.sleep(FULL_SECONDS)
        more = slow_sink.count() - arrived
        assert more <= 2 * CONNECTIONS, "only what was inside SMTP already is finished"
        trial.assert_unfinished()
    trial.finish()
    assert trial.check_over() == 0, "nobody is told twice"


@contextmanager
def full_disk(crew: Crew) -> Iterator[None]:
    """Let a worker write beyond the first page of no file, as if there were no room."""
    (worker,) = crew.running
    assert worker.pid is not None
    before = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (FIRST_PAGE, before[1]))
    yield
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, before)


def leases(site: Flask) -> int:
    with site.app_context():
        held = [
            db.session.scalar(
                select(func.count()).select_from(table).where(table.lease_owner.is_not(None))
            )
            for table in (AlertChunk, AlertException)
        ]
        db.session.rollback()
    return sum(number or 0 for number in held)
