"""Wake-ups: the web tells a worker that rows wait, the clock tells it that a minute is over.

huey carries them. They are a comfort, never the truth: all may be lost, and any may come from
an intruder. So a message is one of three names without arguments, compared and never parsed.
Whatever fails here is logged, and the worker looks at the tables by itself as before.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from flask import Flask
from huey import Huey, crontab
from huey.api import Task
from huey.consumer import Consumer

from tracker.core.logs import Seldom
from tracker.core.wakeup_storages import Storage, storage_for
from tracker.settings import Settings

log = logging.getLogger(__name__)

LOOK = "look"
"""Rows wait."""
KEEP_HOUSE = "keep-house"
"""It is time to delete what is over."""
SWEEP = "sweep"
"""It is time to look for expired leases, retries that are due, starts that were planned."""
EACH_MINUTE = (KEEP_HOUSE, SWEEP)
NAMES = (LOOK, *EACH_MINUTE)

MOST_WAITING = 100
"""Messages after which more would tell nothing: not sent, or thrown away as rubbish."""
SPACING_SECONDS = 0.1
"""Time between two wake-ups of one web process, and between two looks at SQLite's file."""
REST_SECONDS = 5.0
"""Rest after a failure, or after much rubbish."""
LINGER_SECONDS = 10.0
"""Idle time after which a web process lets go of the storage."""
STOP_SECONDS = 1.0
"""Longest time to wait for huey's threads at the end."""


def init_app(app: Flask) -> None:
    """Let ``tracker.extensions.writing`` wake the worker.

    Raises :class:`~tracker.settings.SettingsError` where the storage can never work.
    """
    app.extensions["wakeups"] = Waker(app.config["TRACKER"])


# --- messages ------------------------------------------------------------------------------


class Names:
    """huey's serializer here: each name is a JSON list of itself; there is nothing else."""

    _messages: ClassVar = {name: json.dumps([name]).encode() for name in NAMES}
    _names: ClassVar = {message: name for name, message in _messages.items()}

    def serialize(self, name: object) -> bytes:
        """Give the message of a name; raise ``ValueError`` for anything else."""
        if not isinstance(name, str) or name not in self._messages:
            raise ValueError("not the name of a wake-up")
        message: bytes = self._messages[name]
        return message

    def deserialize(self, data: object) -> str:
        """Give the name of a message; raise ``ValueError`` for anything else.

        Bytes are compared: nothing that an intruder wrote is parsed, let alone unpickled.
        """
        if not isinstance(data, bytes) or data not in self._names:
            raise ValueError("not a wake-up")
        name: str = self._names[data]
        return name


class Queue(Huey):
    """huey without all that could carry more than a name, and without errors.

    There are no arguments, results, schedules, retries, revocations or hooks: the methods of
    huey that read a storage are replaced. ``resting`` is set to end a rest early.
    """

    def __init__(self, settings: Settings) -> None:
        """Use the storage that the settings name; it is opened by the first use."""
        self._storage = storage_for(settings)
        super().__init__("tracker", results=False, serializer=Names())
        self.resting = threading.Event()
        self._kinds: dict[str, type[Task]] = {}
        self._refused = 0
        self._is_told = False
        self._trouble, self._rubbish = Seldom(log), Seldom(log)

    def create_storage(self) -> Storage:
        """Give huey the storage."""
        return self._storage

    def answer(self, name: str, ring: Callable[[], object]) -> None:
        """Call ``ring`` for each message ``name``."""
        kind = (
            self.periodic_task(crontab(), name=name)
            if name in EACH_MINUTE
            else self.task(name=name)
        )
        self._kinds[name] = kind(ring).task_class

    def send(self, name: str) -> bool:
        """Put a message in, unless enough wait there; say whether the storage works."""
        try:
            if self.storage.queue_size() < MOST_WAITING:
                self.storage.enqueue(self.serializer.serialize(name))
        except Exception as error:  # noqa: BLE001 - of three drivers; all of them are told
            self._fail(error)
            return False
        self._recover()
        return True

    # --- what huey's threads call ----------------------------------------------------------

    def enqueue(self, task: Task) -> None:
        """Send the name of a task."""
        self.send(task.name)

    def dequeue(self) -> Task | None:
        """Give the next task if there is one; rubbish before it is dropped."""
        for _ in range(MOST_WAITING):
            data = self._take()
            if data is None:
                return None
            try:
                return self.deserialize_task(data)
            except (ValueError, KeyError):
                self._refused += 1
                self._rubbish.warn("%d messages so far were no wake-ups", self._refused)
        self._empty()
        return None

    def execute(self, task: Task, timestamp: object = None) -> None:
        """Ring, and nothing else: huey would ask the storage what it knows of the task."""
        task.execute()

    def read_schedule(self, timestamp: object = None) -> list[Task]:
        """Give nothing: we plan nothing, so what lies there comes from somebody else."""
        return []

    def deserialize_task(self, data: object) -> Task:
        """Give the task a message names; raise ``ValueError`` or ``KeyError`` for others."""
        return self._kinds[self.serializer.deserialize(data)]()

    def serialize_task(self, task: Task) -> bytes:
        """Give the message that names a task; raise ``ValueError`` for others."""
        return bytes(self.serializer.serialize(task.name))

    def _take(self) -> object:
        """Give the next message if there is one; after a failure there is none for a while."""
        try:
            data = self.storage.dequeue()
        except Exception as error:  # noqa: BLE001 - of three drivers; all of them are told
            self._fail(error)
            self.resting.wait(REST_SECONDS)
            return None
        self._recover()
        return data

    def _empty(self) -> None:
        """Throw away all that waits, and listen to none of it for a while."""
        try:
            self.storage.flush_queue()
        except Exception as error:  # noqa: BLE001 - of three drivers; all of them are told
            self._fail(error)
        self.resting.wait(REST_SECONDS)

    # --- trouble ---------------------------------------------------------------------------

    def _fail(self, error: Exception) -> None:
        """Tell it once, without the text of the error, and let the storage begin anew."""
        if not self._is_told:
            self._is_told = self._trouble.warn(
                "wake-ups do not work (%s); workers look at the tables by themselves",
                type(error).__name__,
            )
        self.storage.forget(error)

    def _recover(self) -> None:
        if self._is_told:
            self._is_told = False
            log.info("wake-ups work again")


# --- web -----------------------------------------------------------------------------------


class Waker:
    """Wakes a worker, whichever hears it first; never blocks, never fails."""

    def __init__(self, settings: Settings) -> None:
        """Open nothing and begin no thread yet: a server may still fork.

        Raises :class:`~tracker.settings.SettingsError` where the storage can never work.
        """
        self._queue = Queue(settings)
        self._asked = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Let a worker look at the tables soon; wake-ups close together become one."""
        self._asked.set()
        if self._is_running() or not self._starting.acquire(blocking=False):
            return
        try:
            if not self._is_running():
                self._start()
        finally:
            self._starting.release()

    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _start(self) -> None:
        thread = threading.Thread(target=self._carry, daemon=True, name="wake-ups")
        try:
            thread.start()
        except RuntimeError:  # no more threads; the worker looks by itself
            log.warning("no thread could be started to wake the worker")
        else:
            self._thread = thread

    def _carry(self) -> None:
        while self._asked.wait(LINGER_SECONDS):
            self._asked.clear()
            time.sleep(SPACING_SECONDS if self._queue.send(LOOK) else REST_SECONDS)
        self._queue.storage.close()


# --- worker --------------------------------------------------------------------------------


class _QuietConsumer(Consumer):
    """huey's consumer as a guest in another process."""

    def _set_signal_handlers(self) -> None:
        """Leave the signals to the process."""


class Bell:
    """What an idle worker waits for: wake-ups, gathered by huey's threads.

    Those threads only put names into a queue of ours; they touch nothing of the tracker.
    Without :meth:`start` it rings only for :meth:`ring`.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepare; nothing is opened or started."""
        self._settings = settings
        # The one queue of Python that may be filled from a signal's handler.
        self._rung: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._consumer: Any = None
        self._queue: Queue | None = None

    def start(self) -> None:
        """Begin to listen, in two threads that end with the process."""
        logging.getLogger("huey").setLevel(logging.ERROR)  # it tells each task at INFO
        self._queue = Queue(self._settings)
        for name in NAMES:
            self._queue.answer(name, partial(self.ring, name))
        self._queue.on_shutdown("close")(self._queue.storage.close)
        self._consumer = _QuietConsumer(
            self._queue,
            initial_delay=SPACING_SECONDS,
            max_delay=SPACING_SECONDS,
            backoff=1.0,
            scheduler_interval=60,
            check_worker_health=False,
            shutdown_timeout=STOP_SECONDS,
        )
        self._queue.resting = self._consumer.stop_flag
        try:
            self._consumer.start()
        except RuntimeError:  # no more threads
            log.warning("no thread could be started for wake-ups")
            self._consumer.stop_flag.set()
            self._consumer = None

    def ring(self, name: str) -> None:
        """End a wait at once; may be called from any thread and from a signal's handler."""
        if self._rung.qsize() < MOST_WAITING:
            self._rung.put(name)

    def wait(self, timeout: float) -> set[str]:
        """Wait until it rings, at most ``timeout`` seconds; give the names that rang."""
        rung: set[str] = set()
        try:
            rung.add(self._rung.get(timeout=timeout))
            while True:
                rung.add(self._rung.get_nowait())
        except queue.Empty:
            return rung

    def stop(self) -> None:
        """End huey's threads; one that hangs ends with the process."""
        if self._consumer is None or self._queue is None:
            return
        self._consumer.stop(graceful=True)
        self._queue.storage.close()
        self._consumer = self._queue = None
