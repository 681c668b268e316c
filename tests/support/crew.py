"""Real worker processes, hired, killed and dismissed."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tracker import cli, paths

PATIENCE = 60.0
"""Seconds after which what has not happened never will."""
STOP_SECONDS = 8.0
"""Time in which a worker that is asked to stop must be gone."""
LIFE_SECONDS = 900.0
"""Longest life of a worker, whatever becomes of the tests that hired it."""
_POLL = 0.01

Process = subprocess.Popen[bytes] | ForkServerProcess


@dataclass
class Crew:
    """The worker processes of one installation.

    A worker needs two seconds to load its modules. With ``is_quick`` it is forked from a
    process that has loaded them, and is in all else the same command; where many are killed,
    that is most of the time a test takes.
    """

    variables: dict[str, str]
    log: Path
    is_quick: bool = False
    running: list[Process] = field(default_factory=list)

    def hire(self) -> Process:
        """Start one more worker."""
        worker = self._fork() if self.is_quick else self._start()
        self.running.append(worker)
        return worker

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tracker", "work"],
                env=_clean(self.variables),
                cwd=paths.PACKAGE.parent,
                stdout=log,
                stderr=log,
            )

    def _fork(self) -> ForkServerProcess:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tracker.cli", "tests.support.crew"])
        worker = context.Process(
            target=_work, args=(_clean(self.variables), str(self.log)), daemon=True
        )
        worker.start()
        return worker

    def kill(self, worker: Process | None = None) -> None:
        """Kill a worker as a power cut would: the one that is longest here, or a given one."""
        worker = worker or self.running[0]
        assert _status(worker) is None, self.log.read_text()
        self.running.remove(worker)
        worker.kill()
        _wait(worker, PATIENCE)

    def dismiss(self) -> None:
        """Ask all to stop; they finish what is inside SMTP and go."""
        started = time.monotonic()
        for worker in self.running:
            worker.terminate()
        for worker in self.running:
            # One that was still starting knows no better than to end, with nothing in hand.
            assert _wait(worker, PATIENCE) in {0, -signal.SIGTERM}, self.log.read_text()
        assert time.monotonic() - started < STOP_SECONDS
        self.running.clear()

    def end(self) -> None:
        """Kill all that are left."""
        for worker in self.running:
            worker.kill()
            _wait(worker, PATIENCE)
        self.running.clear()

    def sending(self, port: int) -> list[Process]:
        """Give the workers that have a connection to the mail server on ``port``."""
        inodes = _connections_to(port)
        return [worker for worker in self.running if inodes & _sockets_of(worker.pid)]

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until something is so; fail with the log after :data:`PATIENCE`.

        Fails also where a worker has ended that nobody killed or dismissed.
        """
        deadline = time.monotonic() + PATIENCE
        while not condition():
            ended = [status for one in self.running if (status := _status(one)) is not None]
            assert not ended, f"ended with {ended}: {self.log.read_text()[-20_000:]}"
            assert time.monotonic() < deadline, self.log.read_text()[-20_000:]
            time.sleep(_POLL)

    def kill_one_that_sends(self, port: int, *, after: float) -> None:
        """Kill any worker that is connected to the mail server, ``after`` seconds later."""
        self.wait_for(lambda: self.sending(port))
        time.sleep(after)
        self.kill(random.choice(self.sending(port) or self.running))


def cpu_seconds(pid: int) -> float:
    """Give the processor time a process has used, its own and the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> tuple[float, float]:
    """Give the memory of a process in MB: now, and the most it ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    return int(found["VmRSS"]) / 1024, int(found["VmHWM"]) / 1024


def _clean(variables: dict[str, str]) -> dict[str, str]:
    """Give an environment in which only ``variables`` say what the tracker does."""
    others = {name: text for name, text in os.environ.items() if "TRACKER" not in name}
    return others | variables


def _work(variables: dict[str, str], log: str) -> None:
    """Be ``tracker work``; runs in a process of its own."""
    threading.Thread(target=_end_with_the_tests, daemon=True).start()
    with open(log, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(paths.PACKAGE.parent)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    sys.argv = ["tracker", "work"]
    cli.main()


def _end_with_the_tests() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join(LIFE_SECONDS)
    os._exit(1)


def _status(worker: Process) -> int | None:
    return worker.poll() if isinstance(worker, subprocess.Popen) else worker.exitcode


def _wait(worker: Process, patience: float) -> int | None:
    if isinstance(worker, subprocess.Popen):
        return worker.wait(patience)
    worker.join(patience)
    return worker.exitcode


def _connections_to(port: int) -> set[str]:
    """Give the kernel's numbers of established connections to a port of this machine."""
    target = f"0100007F:{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[2] == target and row[3] == "01"}


def _sockets_of(pid: int | None) -> set[str]:
    found: set[str] = set()
    # It may end while we look.
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{name}")
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
