"""The demo's three processes: site, worker, mail catcher; started, watched, stopped by id."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from tracker import paths
from tracker.demo.folder import Demo
from tracker.demo.progress import Step

START_SECONDS = 30.0
"""How long a process may take until it answers."""
STOP_SECONDS = 6.0
"""How long the processes may take to end before they are killed."""
_LAST_LINES = 12


class ProcessDied(Exception):
    """A process of the demo ended by itself; the message carries its last lines."""


@dataclass
class Child:
    """One process of the demo."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    def check(self) -> None:
        """Raise :class:`ProcessDied` where it has ended."""
        status = self.process.poll()
        if status is None:
            return
        lines = self.log.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:]
        told = "\n".join(f"  {line}" for line in lines) or "  (it said nothing)"
        raise ProcessDied(f"The {self.name} has ended with status {status}:\n{told}")


@dataclass
class Company:
    """All processes of one demo; stopped together, however the demo ends."""

    demo: Demo
    lock: int
    children: list[Child] = field(default_factory=list)

    def start_all(self) -> None:
        """Start the three and wait until each answers. Raises :class:`ProcessDied`."""
        demo = self.demo
        with Step("Starting the demo mailbox") as step:
            self._start("mailbox", _catcher(demo))
            self._await(step, lambda: _answers(demo.mailbox + "/healthz"))
        with Step("Starting the site") as step:
            self._start("site", _site(demo))
            self._await(step, lambda: _answers(demo.site + "/healthz"))
        with Step("Starting the worker") as step:
            worker = self._start("worker", [sys.executable, "-m", "tracker", "work"])
            self._await(step, lambda: b"ready" in worker.log.read_bytes())

    def pids(self) -> list[int]:
        """Give the ids of the processes."""
        return [child.process.pid for child in self.children]

    def check(self) -> None:
        """Raise :class:`ProcessDied` where one has ended."""
        for child in self.children:
            child.check()

    def stop_all(self) -> None:
        """Stop worker, site and mailbox, in this order: what is being sent is still taken."""
        until = time.monotonic() + STOP_SECONDS
        for child in reversed(self.children):
            with contextlib.suppress(ProcessLookupError):
                child.process.send_signal(signal.SIGTERM)
            if child.name == "worker":
                _wait(child.process, until - STOP_SECONDS / 2)
        for child in self.children:
            if not _wait(child.process, until):
                child.process.kill()
                child.process.wait()

    def _start(self, name: str, command: list[str]) -> Child:
        log = self.demo.folder / "log" / f"{name}.log"
        log.parent.mkdir(exist_ok=True, mode=0o700)
        with _opened(log) as file:
            process = subprocess.Popen(  # noqa: S603 - our own modules
                command,
                env=_environment(self.demo),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches us alone; we stop the others, in the right order.
                start_new_session=True,
                pass_fds=(self.lock,),
            )
        child = Child(name, log, process)
        self.children.append(child)
        return child

    def _await(self, step: Step, is_ready: Callable[[], bool]) -> None:
        until = time.monotonic() + START_SECONDS
        while not is_ready():
            self.check()
            if time.monotonic() > until:
                child = self.children[-1]
                raise ProcessDied(f"The {child.name} does not answer; see {child.log}.")
            step.tick()
            time.sleep(0.1)


def _opened(log: Path) -> IO[bytes]:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    return os.fdopen(descriptor, "ab")


def _environment(demo: Demo) -> dict[str, str]:
    """Give a child's environment: ours, with the demo's settings in place of any other."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("TRACKER_")}
    here = str(paths.PACKAGE.parent)
    others = [part for part in kept.get("PYTHONPATH", "").split(os.pathsep) if part]
    kept["PYTHONPATH"] = os.pathsep.join([here, *others])
    kept["PYTHONUNBUFFERED"] = "1"
    return {**kept, **demo.environment()}


def _site(demo: Demo) -> list[str]:
    options = "--worker-class gthread --workers 1 --threads 8 --no-control-socket"
    return [
        *(sys.executable, "-m", "gunicorn", *options.split()),
        *("--bind", f"{demo.host}:{demo.ports['site']}", "--log-level", "warning"),
        *("--graceful-timeout", "2", "tracker.app:create_app()"),
    ]


def _catcher(demo: Demo) -> list[str]:
    return [
        *(sys.executable, "-m", "tracker.demo.catcher", str(demo.folder / "mailbox.db")),
        *(demo.host, str(demo.ports["smtp"]), str(demo.ports["mailbox"]), demo.site),
    ]


def answer(url: str, *, timeout: float = 2.0) -> int | None:
    """Give the status that an address on this machine answers with, or ``None``."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _answers(url: str) -> bool:
    return answer(url) == 200


def _wait(process: subprocess.Popen[bytes], until: float) -> bool:
    """Wait for an end and say whether it came in time."""
    try:
        process.wait(max(0.05, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True
