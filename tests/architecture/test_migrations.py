"""The migrations make what the models say, there and back again with rows inside."""

from __future__ import annotations

import ast
import datetime as dt
import enum
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import Table, inspect, select

from tests.conftest import environment
from tests.support import postgres
from tracker import paths
from tracker.app import create_app
from tracker.database import UNORDERED, is_compared, write_mode
from tracker.extensions import db
from tracker.settings import load

VERSIONS = paths.MIGRATIONS / "versions"
ABOUT_PEOPLE = {
    "signatures",
    "subscriptions",
    "endorsements",
    "pendings",
    "deliveries",
    "suppressions",
    "mail_caps",
    "count_changes",
    "partner_changes",
    "alert_exceptions",
    "bounces",
    "return_claims",
}
"""Tables in which a row stands for somebody: no hidden row number may tell their order."""


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An application on a database without a single table."""
    variables = environment(tmp_path)
    server: postgres.Server | None = None
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        variables["TRACKER_DATABASE_URL"] = server.create_database()
    app = create_app(load(variables))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
    if server is not None:
        server.drop_database(variables["TRACKER_DATABASE_URL"])


def differences() -> list[Any]:
    def same_type(_c: Any, _i: Any, _column: Any, found: Any, wanted: Any) -> bool | None:
        if isinstance(wanted, sa.Enum) and isinstance(found, sa.String):
            return bool(found.length != wanted.length)
        return None

    with db.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": same_type, "include_object": is_compared}
        )
        return list(compare_metadata(context, db.metadata))


def tables() -> set[str]:
    # Without those that SQLite makes for full text.
    return {name for name in every_table() if is_compared(None, name)}


def every_table() -> set[str]:
    return set(inspect(db.engine).get_table_names())


# --- a row in every table ---------------------------------------------------------------------


def value_for(column: sa.Column[Any]) -> Any:
    """Give any value that fits a column."""
    kind = column.type
    if isinstance(kind, sa.Enum):
        words: type[enum.Enum] = kind.enum_class  # type: ignore[assignment]
        return next(iter(words))
    if isinstance(kind, sa.Float):
        return 1.5
    if isinstance(kind, (sa.Integer, sa.BigInteger, sa.SmallInteger)):
        return secrets.randbelow(30_000) + 1
    if isinstance(kind, sa.LargeBinary):
        return secrets.token_bytes(32)
    if isinstance(kind, sa.Boolean):
        return True
    if isinstance(kind, sa.Date):
        return dt.date(2026, 11, 8)
    if isinstance(kind, sa.Time):
        return dt.time(1, 30)
    if isinstance(kind, (sa.String, sa.Text)):
        return secrets.token_hex(8)[: getattr(kind, "length", None)]
    return dt.datetime(2026, 11, 8, 1, 30, tzinfo=dt.UTC)


def row_of(table: Table, made: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Give a row in which every column is filled, referring to the rows made before."""
    row: dict[str, Any] = {}
    for column in table.columns:
        [*targets] = column.foreign_keys
        if targets:
            row[column.name] = made[targets[0].column.table.name][targets[0].column.name]
        else:
            row[column.name] = value_for(column)
    return row


def fill() -> dict[str, dict[str, Any]]:
    """Store a row in every table."""
    made: dict[str, dict[str, Any]] = {}
    with write_mode(), db.engine.begin() as connection:
        for table in db.metadata.sorted_tables:
            made[table.name] = row_of(table, made)
            connection.execute(table.insert(), made[table.name])
    return made


def stored() -> dict[str, dict[str, Any]]:
    with db.engine.connect() as connection:
        return {
            table.name: dict(connection.execute(select(table)).mappings().one())
            for table in db.metadata.sorted_tables
        }


def test_models_and_migrations_agree(empty: Flask) -> None:
    upgrade()
    assert differences() == []
    assert tables() == {*db.metadata.tables, "alembic_version"}


def test_up_and_down_and_up_again_with_a_row_in_every_table(empty: Flask) -> None:
    upgrade()
    made = fill()
    assert stored() == made
    downgrade(revision="base")
    assert every_table() <= {"alembic_version"}
    upgrade()
    assert differences() == []
    made = fill()
    assert stored() == made


def test_signatures_outlive_going_back_to_the_first_release_and_up_again(empty: Flask) -> None:
    upgrade()
    made = fill()["signatures"]
    for step in ("0001", "head"):
        (downgrade if step == "0001" else upgrade)(revision=step)
        with db.engine.connect() as connection:
            row = connection.exec_driver_sql("SELECT * FROM signatures").mappings().one()
            assert row["identity"] == made["identity"]
            assert row["tag"] == made["tag"]
        assert ("origin" in row) == (step == "head")


def test_upgrading_what_is_up_to_date_changes_nothing(empty: Flask) -> None:
    upgrade()
    made = fill()
    upgrade()
    assert stored() == made


def test_deleting_a_campaign_leaves_nothing_of_its_people(empty: Flask) -> None:
    upgrade()
    fill()
    with write_mode(), db.engine.begin() as connection:
        connection.execute(db.metadata.tables["campaigns"].delete())
        for name in (
            "signatures",
            "subscriptions",
            "endorsements",
            "pendings",
            "count_changes",
            "partner_changes",
        ):
            assert connection.execute(select(db.metadata.tables[name])).all() == []


def test_every_table_about_people_is_named_here(empty: Flask) -> None:
    marked = {
        name
        for name, table in db.metadata.tables.items()
        if table.dialect_options["sqlite"]["with_rowid"] is False
    }
    assert marked == ABOUT_PEOPLE
    assert UNORDERED == {"sqlite_with_rowid": False}


def test_sqlite_keeps_no_row_number_that_tells_who_came_first(empty: Flask) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL has no row numbers")
    upgrade()
    with db.engine.connect() as connection:
        for name in ABOUT_PEOPLE:
            made = connection.exec_driver_sql(
                "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)
            ).scalar_one()
            assert made.rstrip().upper().endswith("WITHOUT ROWID"), name


def test_no_column_of_a_confirmed_person_is_finer_than_a_day() -> None:
    for name in sorted(ABOUT_PEOPLE - {"deliveries", "alert_exceptions", "mail_caps"}):
        for column in db.metadata.tables[name].columns:
            assert "DateTime" not in type(column.type).__name__, f"{name}.{column.name}"


def test_migrations_are_numbered_one_after_the_other_and_know_no_application() -> None:
    files = sorted(VERSIONS.glob("*.py"))
    assert files
    before = None
    for number, file in enumerate(files, start=1):
        assert file.name.startswith(f"{number:04}_")
        tree = ast.parse(file.read_text("utf-8"))
        values = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        assert (values["revision"], values["down_revision"]) == (f"{number:04}", before)
        before = values["revision"]
        assert "tracker" not in {
            name.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for name in [getattr(node, "module", None) or node.names[0].name]
        }
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        for name in ("upgrade", "downgrade"):
            assert not isinstance(functions[name].body[-1], ast.Pass), f"{file.name}: {name}"
