"""Costly work in a web process: one at a time, one in waiting, everybody else is sent away.

A thread that waits answers nobody. Were all of them waiting for pictures, no page would come.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask_babel import lazy_gettext as _l

from tracker.core.errors import NotReady


class Turns:
    """Lets one thread work while at most one other waits."""

    def __init__(self) -> None:
        """Start with nobody at work."""
        self._places = threading.BoundedSemaphore(2)
        self._work = threading.Lock()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Do the work inside; raise :class:`NotReady` where somebody is waiting already."""
        if not self._places.acquire(blocking=False):
            raise NotReady(_l("Too many people want this at once. Please try again."))
        try:
            with self._work:
                yield
        finally:
            self._places.release()
