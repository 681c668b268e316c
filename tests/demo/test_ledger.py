from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tracker.demo import commands
from tracker.demo.crew import Trouble
from tracker.demo.folder import Demo
from tracker.demo.ledger import Ledger, balances, table


def balanced() -> Ledger:
    ledger = Ledger()
    for number in range(4):
        address = f"p{number}@example.org"
        ledger.signed[address] = "PK" if number else "IT"
        ledger.asked[address] += 1
        if number < 3:
            ledger.confirmed[address] = "/my/x"
    ledger.subscribe("p0@example.org")
    ledger.subscribe("p1@example.org", only_changes=True)
    told = ledger.tell("Seen alive", is_status_change=False)
    told.delivered["p0@example.org"] += 1
    told.sent = 1
    ledger.withdrawn.add("p2@example.org")
    ledger.leave("p1@example.org")
    ledger.shown = {"count": 2, "countries": 2, "endorsements": 0}
    return ledger


def test_a_balanced_ledger_balances() -> None:
    lines = balanced().lines()
    assert balances(lines)
    assert "≠" not in table(lines)


def test_status_changes_are_owed_to_those_who_want_only_them() -> None:
    ledger = balanced()
    ledger.subscribe("p1@example.org", only_changes=True)
    assert ledger.tell("Moved", is_status_change=True).owed == {
        "p0@example.org",
        "p1@example.org",
    }
    assert ledger.tell("Rally", is_status_change=False).owed == {"p0@example.org"}


def uncounted(ledger: Ledger) -> None:
    ledger.shown["count"] = 1


def counted_twice(ledger: Ledger) -> None:
    ledger.repeated.add("p0@example.org")
    ledger.already["p0@example.org"] += 1
    ledger.shown["count"] = 3


def lost(ledger: Ledger) -> None:
    ledger.told[0].delivered.clear()


def doubled(ledger: Ledger) -> None:
    ledger.told[0].delivered["p0@example.org"] += 1


def lost_and_doubled(ledger: Ledger) -> None:
    ledger.subscribe("p3@example.org")
    told = ledger.tell("Free", is_status_change=True)
    told.delivered["p0@example.org"] += 2
    told.sent = 2


def uncalled_for(ledger: Ledger) -> None:
    ledger.told[0].delivered["p3@example.org"] += 1


def after_leaving(ledger: Ledger) -> None:
    ledger.after_leaving += 1


def never_told_twice(ledger: Ledger) -> None:
    ledger.repeated.add("p0@example.org")


def never_looked(ledger: Ledger) -> None:
    ledger.shown.clear()


WRONGS = [
    uncounted,
    counted_twice,
    lost,
    doubled,
    lost_and_doubled,
    uncalled_for,
    after_leaving,
    never_told_twice,
    never_looked,
]


@pytest.mark.parametrize("wrong", WRONGS)
def test_whatever_is_wrong_shows_in_the_table(wrong: Callable[[Ledger], None]) -> None:
    ledger = balanced()
    wrong(ledger)
    assert not balances(ledger.lines())
    assert "≠" in table(ledger.lines())


class Played:
    """A replay whose books are given."""

    def __init__(self, ledger: Ledger, trouble: str | None = None) -> None:
        self.ledger, self.trouble = ledger, trouble

    def run(self) -> None:
        if self.trouble:
            raise Trouble(self.trouble)

    def rates(self) -> str:
        return "0 seconds."


@pytest.mark.parametrize(
    ("wrong", "trouble", "status"),
    [(None, None, 0), (lost, None, 1), (None, "the site is gone", 1)],
)
def test_a_replay_that_does_not_balance_exits_non_zero(
    wrong: Callable[[Ledger], None] | None,
    trouble: str | None,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    ledger = balanced()
    if wrong is not None:
        wrong(ledger)
    demo = Demo(tmp_path, secret="0123456789abcdef" * 3, password="x")
    demo.ports = {"site": 8000, "mailbox": 8001, "smtp": 8025}

    def nothing(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr(commands, "_running", lambda _: demo)
    monkeypatch.setattr(commands, "create_app", nothing)
    monkeypatch.setattr(commands, "prepare", nothing)
    monkeypatch.setattr(commands, "Replay", lambda *_, **__: Played(ledger, trouble))
    done = CliRunner().invoke(commands.demo_cli, ["replay", "amar-fayaz"])
    assert done.exit_code == status
    assert "Alerts missing" in done.output
    assert (trouble or "") in done.output


def test_a_replay_without_a_running_demo_says_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        commands.demo_cli, ["replay", "amar-fayaz"], env={"TRACKER_DATA": str(tmp_path)}
    )
    assert done.exit_code == 1
    assert "No demo is running" in done.output
