"""The proof that the main job works: eight weeks in fast motion on a demo of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SIGNATURES = 300


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tracker", "demo", *arguments]


def environment(data: Path) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("TRACKER_")}
    return {**kept, "TRACKER_DATA": str(data), "PYTHONUNBUFFERED": "1"}


@contextmanager
def running(data: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo with few generated supporters, stopped at the end however the test ends."""
    arguments = command("start", "--supporters", "small", "--port", "28100")
    with (data.parent / "start.log").open("w") as log:
        process = subprocess.Popen(
            arguments, cwd=ROOT, env=environment(data), stdout=log, stderr=log, text=True
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


def said(data: Path) -> str:
    return (data.parent / "start.log").read_text()


def await_start(process: subprocess.Popen[str], data: Path) -> None:
    until = time.monotonic() + 60
    while "Demo mailbox" not in said(data):
        assert process.poll() is None, said(data)
        assert time.monotonic() < until, said(data)
        time.sleep(0.1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "var"


def test_eight_weeks_balance_at_300_signatures(data: Path) -> None:
    with running(data) as process:
        await_start(process, data)
        replayed = subprocess.run(
            command("replay", "amar-fayaz", "--signatures", str(SIGNATURES)),
            cwd=ROOT,
            env=environment(data),
            capture_output=True,
            text=True,
            timeout=150,
        )
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        check_table(replayed.stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert said(data).rstrip().endswith("Stopped.")
    check_logs(data)


def check_table(told: str) -> None:
    assert "≠" not in told
    found = dict(re.findall(r"^(.+?)  +[\d,]+ +([\d,]+)  =$", told, re.M))
    assert int(found["Signatures sent → asked to confirm"]) > SIGNATURES
    assert int(found["All alerts owed → delivered"]) > SIGNATURES
    assert int(found["Signed again → told so by mail only"]) > 0
    assert int(found["Endorsements approved → shown"]) >= 5
    for zero in ("Alerts missing", "Alerts delivered twice", "Mails to people who had left"):
        assert found[zero] == "0"


def check_logs(data: Path) -> None:
    """No log names anybody."""
    for log in (data / "log").iterdir():
        assert "@example.org" not in log.read_text(), log.name
        assert "Traceback" not in log.read_text(), log.name
