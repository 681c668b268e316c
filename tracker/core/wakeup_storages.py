"""Where wake-ups wait: huey's storages, cut down to one queue of short messages.

Results, schedules and locks have no table here. What is read may have been written by an
intruder of the web process: where the storage allows it, a message that is too long is thrown
away unread. Each storage can also ``forget`` an error, so that its next use begins anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sqlite3
import stat
from pathlib import Path
from typing import Any

from huey.storage import (
    PostgresStorage,
    Redis,
    RedisStorage,
    SqliteStorage,
)
from sqlalchemy import make_url

from tracker.database import SERVER_PATIENCE
from tracker.settings import Settings, SettingsError

LONGEST_MESSAGE = 200
"""Bytes of a message that is read at all."""
READ_SECONDS = 0.5
"""How long PostgreSQL and Redis are listened to at a time, so how long stopping takes."""
TIMEOUT_SECONDS = 5
"""Longest time to connect to a server, or for one statement."""
LOCKED_SECONDS = 2
"""Longest time to wait for SQLite's lock."""

Storage = Any
"""One of the three below; huey has no types."""


def storage_for(settings: Settings) -> Storage:
    """Give the storage that the settings name; nothing is opened yet.

    Raises :class:`~tracker.settings.SettingsError` where it is Redis and cannot be used.
    """
    if settings.queue_url:
        return _redis(settings)
    if settings.database_url.startswith("sqlite"):
        return FileStorage("tracker", settings.data / "queue.db")
    return SchemaStorage("tracker", settings.database_url)


def _redis(settings: Settings) -> Storage:
    if Redis is None:
        raise SettingsError(
            ["TRACKER_QUEUE_URL needs the extra 'redis' (pip install '.[redis]')."]
        )
    # One Redis may serve several installations; all processes of one share its base URL.
    digest = hashlib.sha256(settings.base_url.encode()).hexdigest()[:12]
    try:
        return ServerStorage(f"tracker{digest}", settings.queue_url)
    except ValueError:  # its text would show the password
        raise SettingsError(["TRACKER_QUEUE_URL is no address of a Redis server."]) from None


class FileStorage(SqliteStorage):
    """A SQLite file that may vanish, change or be full of rubbish at any moment."""

    ddl = (SqliteStorage.table_task, SqliteStorage.index_task)
    _conn: sqlite3.Connection | None

    def __init__(self, name: str, path: Path) -> None:
        """Use the file at ``path``, made when missing."""
        self._opened: tuple[int, int] | None = None
        # Never synced to the disk: a lost wake-up costs nothing, a busy disk would.
        super().__init__(
            name,
            # Never made by SQLite, whose mode would keep the other user out.
            filename=f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            cache_mb=0,
            fsync=False,
            timeout=LOCKED_SECONDS,
            create_tables=False,
        )
        self.path = path

    @property
    def conn(self) -> sqlite3.Connection:
        """The connection to the file that lies there now; a deleted one is given up."""
        if self._conn is not None and self._identity() != self._opened:
            self._conn.close()
            self._conn = None
        found: sqlite3.Connection = super().conn
        return found

    def dequeue(self) -> bytes | None:
        """Take the next message, empty for one that is no short blob."""
        if not self.sql(
            "select 1 from task where queue = ? limit 1", (self.name,), results=True
        ):
            return None
        with self.db(commit=True) as cursor:
            # typeof() and length() read the row's head only, however long the blob is.
            row = cursor.execute(
                "select id, case when typeof(data) = 'blob' and length(data) <= ? then data end"
                " from task where queue = ? order by priority desc, id limit 1",
                (LONGEST_MESSAGE, self.name),
            ).fetchone()
            if row is None:
                return None
            cursor.execute("delete from task where id = ?", (row[0],))
        return row[1] or b""

    def close(self) -> None:
        """Close the connection, whichever thread asks first."""
        with self.lock:
            made, self._conn = self._conn, None
            if made is not None:
                made.close()

    def forget(self, error: Exception) -> None:
        """Close; also delete what is no database: it held nothing worth keeping."""
        self.close()
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            for suffix in ("-wal", "-shm", ""):  # the file last: then nobody has made a new one
                with contextlib.suppress(OSError):
                    Path(f"{self.path}{suffix}").unlink()

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.lstat(self.path)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):  # a link would lead the worker elsewhere
            raise OSError("what should hold the wake-ups is no file")
        return found.st_dev, found.st_ino

    def _create_connection(self) -> sqlite3.Connection:
        self._make_file()
        self._opened = self._identity()
        made: sqlite3.Connection = super()._create_connection()
        try:
            made.execute("pragma trusted_schema=off")
            for statement in self.ddl:
                made.execute(statement)
        except sqlite3.Error:
            made.close()
            raise
        return made

    def _make_file(self) -> None:
        # Web and worker may be two users of one group; SQLite would let in only its maker. It
        # has its name only when all may use it: a short command may end at any moment.
        if os.path.lexists(self.path):
            return
        draft = f"{self.path}.{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
        try:
            os.fchmod(descriptor, 0o660)
            with contextlib.suppress(FileExistsError):
                os.link(draft, self.path)
        finally:
            os.close(descriptor)
            os.unlink(draft)


class SchemaStorage(PostgresStorage):
    """A schema of its own, ``huey``, in the tracker's database; migrations do not see it."""

    def __init__(self, name: str, url: str) -> None:
        """Use the database at ``url``, in SQLAlchemy's spelling."""
        self.ddl: list[str]
        self._conn: Any
        self._url = make_url(url)
        self._dialect = self._url.get_dialect()
        super().__init__(
            name, connection=self._open, read_timeout=READ_SECONDS, create_tables=False
        )
        self.ddl = [statement for statement in self.ddl if self.table_task in statement]

    def close(self) -> None:
        """Close the connection, whichever thread asks first, and this thread's second one."""
        with self.lock:
            made, self._conn = self._conn, None
        for connection in (made, getattr(self._listen_local, "conn", None)):
            if connection is not None:
                self._close_quiet(connection)
        self._listen_local.conn = None

    def forget(self, error: Exception) -> None:
        """Close; the next use connects anew."""
        self.close()

    def _open(self) -> Any:
        driver = self._dialect.import_dbapi()
        arguments, named = self._dialect().create_connect_args(self._url)
        patience = {**SERVER_PATIENCE, "connect_timeout": TIMEOUT_SECONDS}
        made = driver.connect(*arguments, **{**patience, **named, "autocommit": True})
        try:
            made.execute(f"set statement_timeout to '{TIMEOUT_SECONDS}s'")
            made.execute("set search_path to huey")
            self._make_table(made)
        except driver.Error:
            made.close()
            raise
        return made

    def _make_table(self, connection: Any) -> None:
        find = f"select to_regclass('huey.{self.table_task}')"
        if connection.execute(find).fetchone()[0] is not None:
            return  # asked first, as a role may be allowed to use it and not to make it
        with connection.transaction():
            # Two that make one table at once would fail, "if not exists" or not.
            connection.execute("select pg_advisory_xact_lock(hashtext('tracker wake-ups'))")
            connection.execute("create schema if not exists huey")
            for statement in self.ddl:
                connection.execute(statement)

    def _dequeue(self) -> bytes | None:
        with self.db() as cursor:
            cursor.execute(
                f"delete from {self.table_task} where id = ("  # noqa: S608 - a fixed name
                f"select id from {self.table_task} where queue = %s"
                " order by priority desc, id limit 1 for update skip locked)"
                " returning case when octet_length(data) <= %s then data end",
                (self.name, LONGEST_MESSAGE),
            )
            row = cursor.fetchone()
        return None if row is None else bytes(row[0] or b"")


class ServerStorage(RedisStorage):
    """A list in Redis, which gives a message whole, however long it is."""

    def __init__(self, name: str, url: str) -> None:
        """Use the server at ``url``; raise ``ValueError`` where that is no address."""
        super().__init__(name, url=url, read_timeout=READ_SECONDS)

    def close(self) -> None:
        """Close all connections."""
        self.pool.disconnect()

    def forget(self, error: Exception) -> None:
        """Close; the next use connects anew."""
        self.close()
