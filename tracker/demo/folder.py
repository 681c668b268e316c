"""The demo's data folder: what the demo made there, what it may delete, who uses it now."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracker.organisers.passwords import one_time_password

MARKER = "made-by-the-demo"
"""The file by which the demo knows a folder as its own; without it nothing is deleted."""
_MARKER_TEXT = "The demo made this folder. 'demo start --fresh' deletes what it keeps here.\n"

ORGANISER = "organiser@example.org"
SENDER = "alerts@example.org"
RETURN_ADDRESS = "bounces@example.org"
PARTNER, PARTNERS_CAMPAIGN = "a-partner", "karachi-nine"
"""Short name of the demo's partner, and what its site shows."""
CANCEL_WINDOW = 30
"""Seconds in which an alert can be stopped: short, for people who try it out."""

_OURS = (
    "demo.json",
    "queue.db*",
    "tracker.db*",
    "mailbox.db*",
    "keys/*.key",
    "log/*.log",
)


class FolderRefused(Exception):
    """The folder cannot be used; the message says why."""


@dataclass
class Demo:
    """What one demo is made of: written once, read by every later start and by the replay."""

    folder: Path
    secret: str
    password: str
    host: str = "127.0.0.1"
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def site(self) -> str:
        """Give the site's address."""
        return f"http://{self.host}:{self.ports['site']}"

    @property
    def mailbox(self) -> str:
        """Give the address of the demo mailbox."""
        return f"http://{self.host}:{self.ports['mailbox']}"

    def environment(self) -> dict[str, str]:
        """Give the settings of every process of the demo; the demo needs none from outside."""
        return {
            "TRACKER_BASE_URL": self.site,
            "TRACKER_ALLOWED_HOSTS": f"{self.host},127.0.0.1,localhost",
            "TRACKER_SECRET": self.secret,
            "TRACKER_DATA": str(self.folder),
            "TRACKER_SMTP_HOST": self.host,
            "TRACKER_SMTP_PORT": str(self.ports["smtp"]),
            "TRACKER_SMTP_SECURITY": "none",
            "TRACKER_MAIL_FROM": SENDER,
            "TRACKER_RETURN_ADDRESS": RETURN_ADDRESS,
            "TRACKER_CANCEL_WINDOW": str(CANCEL_WINDOW),
            "TRACKER_DEMO": "yes",
        }

    def save(self) -> None:
        """Write it down, readable by its owner only."""
        kept = {name: getattr(self, name) for name in ("secret", "password", "host", "ports")}
        draft = self.folder / f".demo.json.{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=1)
        draft.replace(self.folder / "demo.json")


def read(folder: Path) -> Demo | None:
    """Give the demo kept in a folder, or ``None`` where there is none yet."""
    try:
        kept: dict[str, Any] = json.loads((folder / "demo.json").read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise FolderRefused(f"{folder}/demo.json is damaged; start with --fresh.") from error
    return Demo(folder=folder, **kept)


def read_or_make(folder: Path) -> Demo:
    """Give the demo kept in a folder; at the first start draw its secrets."""
    found = read(folder)
    if found is None:
        found = Demo(folder, secret=secrets.token_urlsafe(48), password=one_time_password())
    return found


def claim(folder: Path, *, fresh: bool = False) -> None:
    """Make the folder the demo's, made when missing.

    Raises :class:`FolderRefused` where it holds somebody else's data; with ``fresh``, which is
    going to delete, where it holds anything at all that the demo did not make.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    marker = folder / MARKER
    if marker.exists():
        return
    if any(folder.iterdir() if fresh else _found(folder)):
        raise FolderRefused(
            f"{folder} holds data that the demo did not make, and is left alone. "
            "Name another folder in TRACKER_DATA."
        )
    marker.write_text(_MARKER_TEXT, "utf-8")


def clear(folder: Path) -> None:
    """Delete what the demo made, and nothing else. Raises :class:`FolderRefused`."""
    if not (folder / MARKER).exists():
        raise FolderRefused(f"{folder} was not made by the demo; nothing is deleted there.")
    for path in list(_found(folder)):
        path.unlink(missing_ok=True)


def _found(folder: Path) -> Iterator[Path]:
    for pattern in _OURS:
        yield from (path for path in folder.glob(pattern) if not path.is_dir())


@contextmanager
def alone(folder: Path) -> Iterator[int]:
    """Let one demo at a time use a folder, and give the lock's descriptor for its processes.

    They inherit it, so that the folder stays taken as long as any of them lives. Raises
    :class:`FolderRefused` where another one uses the folder.
    """
    path = folder / "demo.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderRefused(_taken(folder, path)) from None
        note(descriptor, [os.getpid()])
        yield descriptor
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def note(descriptor: int, processes: list[int]) -> None:
    """Write into the lock which processes use the folder."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, " ".join(map(str, processes)).encode(), 0)


def _taken(folder: Path, path: Path) -> str:
    processes = path.read_text("utf-8").strip()
    which = f" (process {processes.replace(' ', ', ')})" if processes else ""
    return f"A demo is running in {folder} already{which}. Stop it first, with Ctrl-C or kill."


# --- ports ---------------------------------------------------------------------------------


def free_port(host: str, wanted: int, *, taken: set[int]) -> int:
    """Give the wanted port of a loopback address, or the next one that nobody uses."""
    for port in range(wanted, min(wanted + 200, 65536)):
        if port not in taken and _is_free(host, port):
            return port
    raise FolderRefused(f"No port from {wanted} on is free on {host}.")


def _is_free(host: str, port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
