"""A bounded crew of threads that does what supporters do, the urgent first."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable

Job = Callable[[], None]

STALL_SECONDS = 90.0
"""Without any progress for so long, a replay gives up."""


class Trouble(Exception):
    """The replay cannot go on; the message says why."""


class Crew:
    """Threads that work off jobs; the first thing that goes wrong is kept for :meth:`check`."""

    def __init__(self, threads: int) -> None:
        """Start the threads."""
        self._jobs: queue.PriorityQueue[tuple[int, int, Job]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._open = 0
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self.trouble: str | None = None
        self._threads = [
            threading.Thread(target=self._work, daemon=True, name=f"crew-{number}")
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def do(self, job: Job, *, first: bool = False) -> None:
        """Have a job done, before all others where it is the ``first``."""
        with self._guard:
            self._open += 1
        self._jobs.put((0 if first else 1, next(self._numbers), job))

    @property
    def is_idle(self) -> bool:
        """Say whether everything is done."""
        return self._open == 0

    def check(self) -> None:
        """Raise :class:`Trouble` where a job has failed."""
        if self.trouble is not None:
            raise Trouble(self.trouble)

    def wait(self, is_done: Callable[[], bool], measure: Callable[[], int]) -> None:
        """Wait until ``is_done``; ``measure`` says how far it is.

        Raises :class:`Trouble` where a job fails or nothing moves any more.
        """
        before, moved = -1, time.monotonic()
        while not is_done():
            self.check()
            now = measure()
            if now != before:
                before, moved = now, time.monotonic()
            elif time.monotonic() - moved > STALL_SECONDS:
                raise Trouble(f"nothing has moved for {STALL_SECONDS:.0f} seconds")
            time.sleep(0.05)
        self.check()

    def stop(self) -> None:
        """Let the threads finish what they have in hand, and end."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(5)

    def fail(self, error: Exception) -> None:
        """Keep the first thing that went wrong."""
        with self._guard:
            self.trouble = self.trouble or f"{type(error).__name__}: {error}"

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                _, _, job = self._jobs.get(timeout=0.2)
            except queue.Empty:
                continue
            try:
                job()
            except Exception as error:  # noqa: BLE001 - told by check(), whatever it is
                self.fail(error)
            finally:
                with self._guard:
                    self._open -= 1
