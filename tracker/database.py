"""The typed base of all tables, and how a database connection of ours behaves."""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Enum,
    MetaData,
    String,
    event,
    make_url,
    text,
)
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.exc import InterfaceError, InternalError, InvalidatePoolError, OperationalError
from sqlalchemy.orm import DeclarativeBase, registry
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from tracker.side_lock import SIDE_LOCK_SECONDS, DatabaseBusy, FairConnection, SideLock

IDLE_SECONDS = 1.0
"""After how long without use a connection to PostgreSQL is tried before it is used again."""

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


AS_BYTES = {"as_bytes": True}
"""Execution options of a query for many bytes: PostgreSQL would write them as text, twice as
long, and reading that takes longer than all the rest. Only for numbers, texts and bytes."""

AWAY = (DatabaseBusy, OperationalError, InterfaceError, InternalError)
"""What is raised while the database cannot be used, whatever is in it: try again."""


def name_of(error: Exception) -> str:
    """Name an error in words that quote nothing: its class, and the database's code for it.

    Such as ``OperationalError, SQLITE_FULL`` or ``OperationalError, 53100`` (disk full).
    """
    cause = getattr(error, "orig", None)
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    return ", ".join(filter(None, (type(error).__name__, code)))


class NotDurable(Exception):
    """The database may forget what it acknowledged; the process must not start."""


class UtcDateTime(TypeDecorator[dt.datetime]):
    """A moment: aware in Python, UTC in the database; a naive one raises ``ValueError``."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> Any:
        """Turn an aware moment into UTC; SQLite keeps it without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        value = value.astimezone(dt.UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        """Give the moment back, aware."""
        if value is None:
            return None
        moment: dt.datetime = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return moment.astimezone(dt.UTC)


class Numbers(TypeDecorator[Sequence[int]]):
    """Whole numbers as one parameter: JSON for SQLite, an array's text for PostgreSQL.

    psycopg takes ten times as long to write an array of as many numbers.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Sequence[int] | None, dialect: Dialect) -> Any:
        """Write them down."""
        if value is None:
            return None
        written = ",".join(map(str, value))
        return f"[{written}]" if dialect.name == "sqlite" else f"{{{written}}}"


def Words(words: type[enum.Enum]) -> Enum:  # noqa: N802 - stands where types stand
    """Give the type of a word from a list that the code knows, readable in the database.

    It is checked on the way in, not by the database, so that a new word is no migration.
    """
    return Enum(
        words,
        native_enum=False,
        create_constraint=False,
        length=32,
        validate_strings=True,
        values_callable=lambda cls: [member.value for member in cls],
    )


class Model(DeclarativeBase):
    """The base of every table."""

    metadata = MetaData(naming_convention=NAMING)
    registry = registry(
        metadata=metadata,
        type_annotation_map={dt.datetime: UtcDateTime(), int: BigInteger()},
    )


def random_id() -> int:
    """Give a random primary key below 2**63: storage order tells nothing of who came when."""
    return secrets.randbits(63) or 1


def is_compared(_item: Any, name: str | None, *_more: Any) -> bool:
    """Say whether models and migrations must agree on a table or an index.

    Not on full text: SQLite makes tables of its own for it, PostgreSQL an index on what a
    function gives. Migrations make both by hand, and call them ``…_fts…``.
    """
    return "_fts" not in (name or "")


UNORDERED = {"sqlite_with_rowid": False}
"""Table option for rows about people: SQLite keeps no hidden row number in signing order."""


# --- transactions --------------------------------------------------------------------------

_is_writing: ContextVar[bool] = ContextVar("tracker_is_writing", default=False)


def is_writing() -> bool:
    """Say whether transactions begun now may write."""
    return _is_writing.get()


@contextmanager
def write_mode() -> Iterator[None]:
    """Let transactions begun inside write; outside of it every transaction is read-only."""
    mark = _is_writing.set(True)
    try:
        yield
    finally:
        _is_writing.reset(mark)


SERVER_PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""How soon a PostgreSQL server whose machine has vanished is noticed (libpq, "Parameter Key
Words"): in seconds, the last in milliseconds. By itself the kernel waits a quarter of an hour,
and the worker with it. An address may say otherwise."""


def engine_options(url: str) -> dict[str, Any]:
    """Give what ``create_engine`` needs for ``url``; bound values never appear in errors."""
    options: dict[str, Any] = {"hide_parameters": True}
    if url.startswith("sqlite"):
        options["connect_args"] = {"factory": FairConnection, "timeout": SIDE_LOCK_SECONDS}
        options["pool_size"] = 20
    else:
        given = make_url(url).query
        options["connect_args"] = {
            name: value for name, value in SERVER_PATIENCE.items() if name not in given
        }
    return options


def prepare_engine(engine: Engine) -> None:
    """Attach our rules to an engine: pragmas, the side lock, read-only unless writing."""
    if engine.dialect.name == "sqlite":
        lock = SideLock(f"{engine.url.database}.lock")
        _make_file(str(engine.url.database))
        event.listen(engine, "connect", lambda connection, _: _set_pragmas(connection, lock))
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "begin", _begin_postgresql)
        event.listen(engine, "before_cursor_execute", _set_format)
        event.listen(engine, "checkin", _remember_use)
        event.listen(engine, "checkout", partial(_ping, engine.dialect))


def _make_file(path: str) -> None:
    """Make a new database that web and worker may both write, as two users of one group.

    SQLite itself would make it writable for its owner only; WAL files take over its mode.
    """
    for name in (path, f"{path}.lock"):
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
            os.fchmod(descriptor, 0o660)
            os.close(descriptor)


def _set_pragmas(connection: FairConnection, lock: SideLock) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: dependencies.md, trap S2
    # Text that is none raises OperationalError, as a database does that is away.
    connection.text_factory = _as_text
    connection.side_lock = lock
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        "trusted_schema=OFF",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _as_text(stored: bytes) -> str:
    return stored.decode("utf-8", "replace")


def _begin_sqlite(connection: Connection) -> None:
    writing = is_writing()
    if writing:
        raw = connection.connection.dbapi_connection
        if isinstance(raw, FairConnection):
            raw.take_turn()
    connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if writing else 'ON'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _remember_use(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _ping(
    dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _proxy: object
) -> None:
    """Ask the server whether it still knows a connection that has been lying for a moment.

    ``pool_pre_ping`` would ask before each transaction: a twelfth of the time of a worker that
    sends. Raises ``InvalidatePoolError``, on which the pool connects anew.
    """
    used_at = record.info.get("used_at")
    if used_at is None or time.monotonic() - used_at < IDLE_SECONDS:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error


def _set_format(
    _connection: Connection,
    cursor: Any,
    _statement: str,
    _values: Any,
    context: ExecutionContext,
    _is_many: bool,
) -> None:
    """Let psycopg take bytes as they are where :data:`AS_BYTES` is asked for."""
    if context.execution_options.get("as_bytes"):
        cursor.format = context.dialect.loaded_dbapi.pq.Format.BINARY


def _begin_postgresql(connection: Connection) -> None:
    if not is_writing():
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def check_durability(engine: Engine) -> None:
    """Raise :class:`NotDurable` with every reason why an acknowledged commit could be lost."""
    wanted = _DURABLE_SQLITE if engine.dialect.name == "sqlite" else _DURABLE_POSTGRESQL
    with engine.connect() as connection:
        found = {name: _setting(connection, name) for name in wanted}
    wrong = [f"{name} is {found[name]}" for name in wanted if found[name] not in wanted[name]]
    if wrong:
        engine.dispose()
        raise NotDurable("The database is not durable: " + ", ".join(wrong) + ".")


_DURABLE_SQLITE = {"journal_mode": {"wal"}, "synchronous": {"2", "3"}, "foreign_keys": {"1"}}
_DURABLE_POSTGRESQL = {
    "fsync": {"on"},
    "synchronous_commit": {"on", "remote_apply", "local"},
    "full_page_writes": {"on"},
}


def _setting(connection: Connection, name: str) -> str:
    verb = "PRAGMA" if connection.dialect.name == "sqlite" else "SHOW"
    return str(connection.execute(text(f"{verb} {name}")).scalar_one()).lower()
