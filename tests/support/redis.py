"""A Redis server for the tests, started by themselves where Debian's package is installed.

It listens on a loopback port, keeps nothing on disk and ends with the tests that asked for it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as NotConnected

from tests.support.sink import free_port

START_SECONDS = 20


@dataclass
class Server:
    """A running Redis server."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> Redis:
        """Give a connection of the test's own; the test closes it."""
        return Redis.from_url(self.url)

    def kill(self) -> None:
        """End the server as a power cut would."""
        self.process.kill()
        self.process.wait()


def unavailable() -> str | None:
    """Say why there is no Redis to test with; ``None`` where there is one."""
    return None if shutil.which("redis-server") else "redis-server is not installed"


def description() -> str:
    """Say which Redis will be used."""
    answer = subprocess.run(["redis-server", "--version"], capture_output=True, text=True)
    return f"{' '.join(answer.stdout.split()[:3])}, started by the tests"


@contextmanager
def server() -> Iterator[Server]:
    """Run a server of its own; raises ``RuntimeError`` where it does not start."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="tracker-redis-") as folder:
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", folder]
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "--save", "", "--appendonly", "no"], stdout=output, stderr=output
            )
        made = Server(port, process)
        try:
            _wait(made, log)
            yield made
        finally:
            made.kill()


def _wait(server: Server, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        with server.client() as client:
            try:
                client.ping()
            except NotConnected:
                time.sleep(0.05)
            else:
                return
    raise RuntimeError(f"Redis did not start:\n{log.read_text('utf-8', 'replace')}")
