"""The Flask extensions, not yet bound to an application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from flask import current_app, has_request_context, request
from flask_babel import Babel
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    any_,
    bindparam,
    cast,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY

from tracker.database import Model, Numbers, write_mode

T = TypeVar("T")

db = SQLAlchemy(metadata=Model.metadata)
migrate = Migrate()
csrf = CSRFProtect()
babel = Babel()

_WAKE = "wake"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def insert(table: type[Model]) -> sqlite.Insert | postgresql.Insert:
    """Give an INSERT that may be told what to do on a conflict, in the database's dialect."""
    if db.engine.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def among(column: Column[int], name: str, dialect: str) -> ColumnElement[bool]:
    """Say whether a column is one of the numbers bound to ``name``.

    One parameter however many they are: else each length would be a statement of its own,
    written and planned anew.
    """
    if dialect == "sqlite":
        return column.in_(select(numbered(name, dialect).c.number))
    return column == any_(cast(bindparam(name, type_=Numbers()), ARRAY(BigInteger)))


def numbered(name: str, dialect: str) -> FromClause:
    """Give a table of the numbers bound to ``name``: ``number``, and ``place`` from 0 on."""
    numbers = bindparam(name, type_=Numbers())
    if dialect == "sqlite":
        each = func.json_each(numbers).table_valued("value", "key")
        return select(each.c.value.label("number"), each.c.key.label("place")).subquery()
    unnested = func.unnest(cast(numbers, ARRAY(BigInteger)))
    one = unnested.table_valued("number", with_ordinality="at").render_derived()
    return select(one.c.number, (cast(one.c.at, Integer) - 1).label("place")).subquery()


def locked(query: Select[T]) -> Select[T]:
    """Give a query that locks its rows and sees them as they are now, not as read before."""
    return query.with_for_update().execution_options(populate_existing=True)


def end_reading() -> None:
    """End the transaction that reads, before something that takes long."""
    db.session.rollback()


@contextmanager
def writing() -> Iterator[None]:
    """Write to the database inside, committed at the end, rolled back on any error.

    What was read before is read again inside: the transaction begins here, behind the side
    lock on SQLite, so costly work (hashing, sealing, sending) belongs before or after it.
    Raises ``RuntimeError`` while a GET or HEAD is answered: those change nothing.
    """
    if has_request_context() and request.method in SAFE_METHODS:
        raise RuntimeError(f"a {request.method} may not write")
    db.session.rollback()
    db.session.info.pop(_WAKE, None)
    with write_mode():
        try:
            yield
            db.session.commit()
        except BaseException:
            db.session.rollback()
            raise
    if db.session.info.pop(_WAKE, False):
        current_app.extensions["wakeups"].wake()


def wake_after_commit() -> None:
    """Have a worker woken once what :func:`writing` writes is committed."""
    db.session.info[_WAKE] = True
