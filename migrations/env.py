"""Runs the migrations inside the application's context, on its database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

from tracker.database import UtcDateTime, is_compared, write_mode
from tracker.extensions import db


def write_plainly(kind: str, item: Any, autogen: AutogenContext) -> Any:
    """Write our types as plain ones, so that migrations import no application code."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, sa.Enum):
        return f"sa.String(length={item.length})"
    return False


def same_type(
    _context: Any, _inspected: Any, _column: Any, found: Any, wanted: Any
) -> bool | None:
    """Say that words are text of their length; everything else is compared as usual."""
    if isinstance(wanted, sa.Enum) and isinstance(found, sa.String):
        return bool(found.length != wanted.length)
    return None


def _allow_rebuilding(connection: Connection, *, allowed: bool) -> None:
    """Let SQLite rebuild tables that others refer to; only possible between transactions."""
    raw = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite" and raw is not None:
        raw.execute(f"PRAGMA foreign_keys={'OFF' if allowed else 'ON'}")  # type: ignore[attr-defined]


def run() -> None:
    """Run what Alembic asks for, in one write transaction."""
    with write_mode(), db.engine.connect() as connection:
        _allow_rebuilding(connection, allowed=True)
        try:
            context.configure(
                connection=connection,
                target_metadata=db.metadata,
                render_as_batch=True,
                render_item=write_plainly,
                compare_type=same_type,
                include_object=is_compared,
            )
            with context.begin_transaction():
                context.run_migrations()
            broken = _broken_references(connection)
            if broken:
                raise RuntimeError(f"references are broken after migrating: {broken}")
        finally:
            connection.rollback()
            _allow_rebuilding(connection, allowed=False)


def _broken_references(connection: Connection) -> list[Any]:
    if connection.dialect.name != "sqlite":
        return []
    return list(connection.exec_driver_sql("PRAGMA foreign_key_check"))


run()
