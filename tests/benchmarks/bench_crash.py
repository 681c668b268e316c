"""Five hundred workers killed while they send: what was lost, what came twice.

Prints a line for each database and number of workers. Every round is a new alert whose sink,
database and audience are compared after each kill and at its end, as in tests/worker.
``TRACKER_TEST_KILLS`` changes the number of kills in all.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.crew import Crew
from tests.support.quicksink import quicksink
from tests.support.trials import ANSWER_SECONDS, Trial, installation, settings_for

KILLS = int(os.environ.get("TRACKER_TEST_KILLS", "500")) // 4
KILLS_A_ROUND = 15


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_killing_workers(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, workers: int
) -> None:
    kills = people = 0
    extras: list[int] = []
    while kills < KILLS:
        url = None
        if database == "postgres":
            url = request.getfixturevalue("postgres_server").create_database()
        folder = tmp_path / str(kills)
        folder.mkdir()
        trial, repeated = round_of_kills(
            folder, url, min(KILLS_A_ROUND, KILLS - kills), workers
        )
        kills += len(trial.killed_at)
        people += len(trial.crowd.owed)
        extras.append(repeated)
    assert kills == KILLS
    print(
        f"\n{database:8} {workers} workers: {kills} kills in {len(extras)} alerts,"
        f" {people} people: 0 lost, {sum(extras)} twice, {sum(extras) / kills:.1f} a kill,"
        f" all with the Message-ID of the first; 0 to who had left"
    )


def round_of_kills(
    folder: Path, url: str | None, kills: int, workers: int
) -> tuple[Trial, int]:
    """Tell a crowd something, killing workers all the while; give how many mails came twice."""
    with quicksink(record=folder / "arrived", latency=ANSWER_SECONDS) as sink:
        variables = settings_for(folder, sink, url)
        crew = Crew(variables, folder / "workers.log", is_quick=True)
        with installation(variables) as site:
            try:
                return _round(Trial.begin(site, crew, sink), kills, workers)
            finally:
                crew.end()


def _round(trial: Trial, kills: int, workers: int) -> tuple[Trial, int]:
    for _ in range(kills):
        trial.hire(workers)
        trial.kill_one()
        trial.check_running()
        if workers == 1:
            trial.let_some_leave()
    trial.assert_unfinished()
    trial.hire(workers)
    trial.finish()
    return trial, trial.check_over()
