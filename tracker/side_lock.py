"""Writers of one SQLite file take turns behind a lock on a side file (DESIGN §3).

SQLite's own lock is polled with sleeps, so that a busy writer can starve another for seconds.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading

SIDE_LOCK_SECONDS = 10.0
"""How long a writer waits for its turn before :class:`DatabaseBusy`."""


class DatabaseBusy(Exception):
    """No turn to write came within :data:`SIDE_LOCK_SECONDS`; answered with 503."""


class SideLock:
    """A queue for the writers of one SQLite file, across threads and processes."""

    def __init__(self, path: str) -> None:
        """Use the file at ``path``, made when missing."""
        self.path = path

    def acquire(self, timeout: float = SIDE_LOCK_SECONDS) -> int:
        """Wait in the kernel's queue and give the descriptor to :meth:`release`.

        Raises :class:`DatabaseBusy` after ``timeout`` seconds.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._wait(descriptor, timeout)
        return descriptor

    def release(self, descriptor: int) -> None:
        """Let the next writer in."""
        os.close(descriptor)

    def _wait(self, descriptor: int, timeout: float) -> None:
        # A blocking flock has no timeout, and polling would lose our place in the queue: a
        # thread waits instead. One that comes too late gives the lock straight back.
        guard, state = threading.Lock(), {"done": False, "abandoned": False}
        woken = threading.Event()

        def take() -> None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with guard:
                state["done"] = True
                if state["abandoned"]:
                    os.close(descriptor)
            woken.set()

        threading.Thread(target=take, daemon=True, name="side-lock").start()
        if woken.wait(timeout):
            return
        with guard:
            if state["done"]:
                return
            state["abandoned"] = True
        raise DatabaseBusy


class FairConnection(sqlite3.Connection):
    """A SQLite connection that holds the side lock from ``BEGIN IMMEDIATE`` to its end."""

    side_lock: SideLock | None = None
    _held: int | None = None

    def take_turn(self) -> None:
        """Wait for the side lock, once."""
        if self.side_lock is not None and self._held is None:
            self._held = self.side_lock.acquire()

    def _give_turn(self) -> None:
        if self.side_lock is not None and self._held is not None:
            held, self._held = self._held, None
            self.side_lock.release(held)

    def commit(self) -> None:
        """Commit, then let the next writer in."""
        try:
            super().commit()
        except sqlite3.Error:
            # A failed COMMIT (disk full) leaves the transaction open; only a rollback ends it.
            super().rollback()
            raise
        finally:
            self._give_turn()

    def rollback(self) -> None:
        """Roll back, then let the next writer in."""
        try:
            super().rollback()
        finally:
            self._give_turn()

    def close(self) -> None:
        """Close, holding nothing any more."""
        try:
            super().close()
        finally:
            self._give_turn()
