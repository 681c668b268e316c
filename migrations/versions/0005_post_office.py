"""The post office: alerts in chunks with bitmaps, mail servers, what comes back.

Alerts that are on their way lose nobody: who was not yet told becomes a deferred exception,
which the next worker sends. Going back turns whoever is left into deliveries again.
"""

from __future__ import annotations

import datetime as dt
import secrets
import struct
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CHUNK = 500
MOMENT: Any = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    _add_tables()
    # Not in batches: those would build tables anew, and with hidden row numbers.
    for table, column in _columns():
        op.add_column(table, column)
    op.create_index(
        "ix_subscriptions_audience",
        "subscriptions",
        ["campaign_id", "id", "generation", "scope"],
    )
    _fill_alerts()
    _take_over_running_alerts()
    _slim_deliveries()


def _columns() -> list[tuple[str, sa.Column[Any]]]:
    return [
        (
            "campaigns",
            sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        ),
        (
            "subscriptions",
            sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        ),
        ("alerts", sa.Column("paused_for", sa.String(length=32), nullable=True)),
        ("alerts", sa.Column("approved_at", MOMENT, nullable=True)),
        ("alerts", sa.Column("not_after", MOMENT, nullable=True)),
        ("alerts", sa.Column("active_at", MOMENT, nullable=True)),
        ("alerts", sa.Column("generation", sa.Integer(), nullable=True)),
        ("alerts", sa.Column("slots", sa.Integer(), nullable=True)),
        ("alerts", sa.Column("bounced", sa.Integer(), server_default="0", nullable=False)),
        ("alerts", sa.Column("complained", sa.Integer(), server_default="0", nullable=False)),
    ]


def _add_tables() -> None:
    op.create_table(
        "alert_variants",
        sa.Column("update_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("language", sa.String(length=12), nullable=False),
        sa.Column("frozen", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["update_id"],
            ["updates.id"],
            name=op.f("fk_alert_variants_update_id_updates"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("update_id", "language", name=op.f("pk_alert_variants")),
    )
    op.create_table(
        "alert_audiences",
        sa.Column("alert_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ids", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"],
            ["alerts.id"],
            name=op.f("fk_alert_audiences_alert_id_alerts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("alert_id", "number", name=op.f("pk_alert_audiences")),
    )
    op.create_table(
        "alert_chunks",
        sa.Column("alert_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("done", sa.LargeBinary(), nullable=False),
        sa.Column("is_done", sa.Boolean(), nullable=False),
        sa.Column("is_held", sa.Boolean(), nullable=False),
        sa.Column("lease_owner", sa.String(length=80), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("sent", sa.SmallInteger(), nullable=False),
        sa.Column("skipped", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"],
            ["alerts.id"],
            name=op.f("fk_alert_chunks_alert_id_alerts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("alert_id", "number", name=op.f("pk_alert_chunks")),
    )
    op.create_index("ix_alert_chunks_alert_id_is_done", "alert_chunks", ["alert_id", "is_done"])
    op.create_table(
        "alert_exceptions",
        sa.Column("alert_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("code", sa.SmallInteger(), nullable=False),
        sa.Column("enhanced", sa.String(length=12), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("lease_owner", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(
            ["alert_id"],
            ["alerts.id"],
            name=op.f("fk_alert_exceptions_alert_id_alerts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("alert_id", "slot", name=op.f("pk_alert_exceptions")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_alert_exceptions_due", "alert_exceptions", ["state", "due_at"])
    op.create_table(
        "relay_health",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("first_used_on", sa.Date(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("slowed", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.String(length=64), nullable=False),
        sa.Column("trouble_at", MOMENT, nullable=True),
        sa.Column("well_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_relay_health")),
    )
    op.create_table(
        "rate_buckets",
        sa.Column("name", sa.String(length=48), nullable=False),
        sa.Column("tat", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rate_buckets")),
    )
    op.create_table(
        "return_claims",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=False),
        sa.Column("veiled", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_return_claims")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bounces",
        sa.Column("source", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("is_hard", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_bounces")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_bounces_fingerprint"), "bounces", ["fingerprint"])
    op.create_index(op.f("ix_bounces_day"), "bounces", ["day"])


def _run(*statements: str, **values: Any) -> None:
    for statement in statements:
        op.get_bind().execute(sa.text(statement), values)


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _fill_alerts() -> None:
    later = "datetime(not_before, '+3 days')"
    if not _is_sqlite():
        later = "not_before + interval '3 days'"
    _run(
        f"UPDATE alerts SET approved_at = not_before, not_after = {later}, generation = 1",
        # Who subscribes from now on came after them.
        "UPDATE campaigns SET generation = 2 WHERE id IN (SELECT campaign_id FROM alerts)",
    )
    with op.batch_alter_table("alerts") as batch:
        for name in ("approved_at", "not_after"):
            batch.alter_column(name, existing_type=MOMENT, nullable=False)
        batch.alter_column("generation", existing_type=sa.Integer(), nullable=False)


def _take_over_running_alerts() -> None:
    """Write down whom alerts that are on their way still owe a mail, each to be tried again."""
    for alert in _rows("SELECT id FROM alerts WHERE state IN ('expanding', 'sending')"):
        owed = op.get_bind().execute(
            sa.text(
                "SELECT s.id FROM deliveries d JOIN subscriptions s ON s.id = d.recipient_id"
                " WHERE d.batch_id = :alert AND d.state = 'queued'"
                " UNION SELECT s.id FROM alerts a JOIN subscriptions s"
                " ON s.campaign_id = a.campaign_id AND s.id > a.cursor"
                " WHERE a.id = :alert AND a.state = 'expanding' AND (s.scope = 'every-update'"
                " OR EXISTS (SELECT 1 FROM status_changes c WHERE c.update_id = a.update_id))"
                " ORDER BY 1"
            ),
            {"alert": alert.id},
        )
        for number, page in enumerate(owed.scalars().partitions(CHUNK)):
            _owe(alert.id, number, list(page))
    counted = "(SELECT count(*) FROM deliveries d WHERE d.batch_id = alerts.id AND d.state {})"
    _run(
        "UPDATE alerts SET state = 'sending', slots = 0, active_at = CURRENT_TIMESTAMP, sent = "
        + counted.format("= 'sent'")
        + ", skipped = "
        + counted.format("= 'skipped'")
        + ", failed = "
        + counted.format("IN ('refused', 'given-up')")
        + ", queued = "
        + counted.format("<> 'queued'")
        + " + (SELECT count(*) FROM alert_exceptions e WHERE e.alert_id = alerts.id)"
        " WHERE state IN ('expanding', 'sending')",
        "DELETE FROM deliveries WHERE batch_id IS NOT NULL"
        " OR envelope IS NULL OR outbox_key_id IS NULL",
    )


def _owe(alert: int, number: int, ids: list[int]) -> None:
    _run(
        "INSERT INTO alert_audiences (alert_id, number, ids) VALUES (:alert, :number, :ids)",
        alert=alert,
        number=number,
        ids=struct.pack(f">{len(ids)}q", *ids),
    )
    op.get_bind().execute(
        sa.text(
            "INSERT INTO alert_exceptions"
            " (alert_id, slot, state, attempts, code, enhanced, since, due_at)"
            " VALUES (:alert, :slot, 'deferred', 0, 0, '',"
            " CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)"
        ),
        [{"alert": alert, "slot": number * CHUNK + place} for place in range(len(ids))],
    )


def _slim_deliveries() -> None:
    for name in ("ix_deliveries_batch_id_state", "ix_deliveries_due"):
        op.drop_index(name, "deliveries")
    with op.batch_alter_table("deliveries", table_kwargs=_UNORDERED) as batch:
        batch.drop_constraint("uq_deliveries_batch_id_recipient_id", type_="unique")
        for name in ("priority", "state", "batch_id", "recipient_id"):
            batch.drop_column(name)
        batch.alter_column("envelope", existing_type=sa.LargeBinary(), nullable=False)
        batch.alter_column("outbox_key_id", existing_type=sa.String(32), nullable=False)
    op.create_index(op.f("ix_deliveries_due_at"), "deliveries", ["due_at"])


_UNORDERED = {"sqlite_with_rowid": False}


def downgrade() -> None:
    """Take back."""
    owed = _owed()
    op.drop_index(op.f("ix_deliveries_due_at"), "deliveries")
    with op.batch_alter_table("deliveries", table_kwargs=_UNORDERED) as batch:
        batch.add_column(
            sa.Column("priority", sa.SmallInteger(), server_default="0", nullable=False)
        )
        batch.add_column(
            sa.Column("state", sa.String(32), server_default="queued", nullable=False)
        )
        batch.add_column(sa.Column("batch_id", sa.BigInteger(), nullable=True))
        batch.add_column(sa.Column("recipient_id", sa.BigInteger(), nullable=True))
        batch.alter_column("envelope", existing_type=sa.LargeBinary(), nullable=True)
        batch.alter_column("outbox_key_id", existing_type=sa.String(32), nullable=True)
        batch.create_unique_constraint(
            "uq_deliveries_batch_id_recipient_id", ["batch_id", "recipient_id"]
        )
    with op.batch_alter_table("deliveries", table_kwargs=_UNORDERED) as batch:
        batch.alter_column("priority", existing_type=sa.SmallInteger(), server_default=None)
        batch.alter_column("state", existing_type=sa.String(32), server_default=None)
    op.create_index("ix_deliveries_batch_id_state", "deliveries", ["batch_id", "state"])
    op.create_index("ix_deliveries_due", "deliveries", ["state", "priority", "due_at"])
    _queue_again(owed)
    op.drop_index("ix_subscriptions_audience", "subscriptions")
    for table, column in reversed(_columns()):
        op.drop_column(table, column.name)
    for table in ("bounces", "return_claims", "rate_buckets", "relay_health"):
        op.drop_table(table)
    for table in ("alert_exceptions", "alert_chunks", "alert_audiences", "alert_variants"):
        op.drop_table(table)


def _owed() -> list[tuple[int, int]]:
    """Give alert and subscription of every mail that is still owed."""
    pages = _rows(
        "SELECT p.alert_id, p.number, p.ids, c.done FROM alert_audiences p"
        " JOIN alerts a ON a.id = p.alert_id AND a.state = 'sending'"
        " LEFT JOIN alert_chunks c ON c.alert_id = p.alert_id AND c.number = p.number"
        " AND NOT c.is_done"
    )
    deferred = {
        (row.alert_id, row.slot)
        for row in _rows("SELECT alert_id, slot FROM alert_exceptions WHERE state = 'deferred'")
    }
    found: list[tuple[int, int]] = []
    for page in pages:
        ids = struct.unpack_from(f">{len(page.ids) // 8}q", page.ids)
        owed = {
            one
            for place, one in enumerate(ids)
            if _is_open(page.done, place)
            or (page.alert_id, page.number * CHUNK + place) in deferred
        }
        if owed:
            found += [(page.alert_id, one) for one in _wanted(page.alert_id, ids) & owed]
    return found


def _is_open(done: bytes | None, place: int) -> bool:
    if done is None:
        return False
    return not bytes(done).ljust(CHUNK // 8 + 1, b"\0")[place // 8] >> (place % 8) & 1


def _wanted(alert: int, ids: tuple[int, ...]) -> set[int]:
    """Give those of one page who are still subscribed and want to hear of it."""
    rows = op.get_bind().execute(
        sa.text(
            "SELECT s.id FROM alerts a JOIN subscriptions s ON s.campaign_id = a.campaign_id"
            " WHERE a.id = :alert AND s.id BETWEEN :first AND :last"
            " AND (s.scope = 'every-update' OR EXISTS"
            " (SELECT 1 FROM status_changes c WHERE c.update_id = a.update_id))"
        ),
        {"alert": alert, "first": min(ids), "last": max(ids)},
    )
    return set(rows.scalars())


def _rows(statement: str) -> Sequence[sa.Row[Any]]:
    return op.get_bind().execute(sa.text(statement)).all()


def _queue_again(owed: list[tuple[int, int]]) -> None:
    """Make a delivery of each mail that is owed; what rests or was overtaken stays unsent."""
    moment = dt.datetime.now(dt.UTC)
    deliveries = sa.table(
        "deliveries",
        *(sa.column(name) for name in ("id", "kind", "priority", "state", "batch_id")),
        *(sa.column(name) for name in ("recipient_id", "attempts")),
        *(sa.column(name, MOMENT) for name in ("queued_at", "due_at")),
    )
    if owed:
        rows = [
            {
                "id": secrets.randbits(63) or 1,
                "kind": "alert",
                "priority": 1,
                "state": "queued",
                "batch_id": alert,
                "recipient_id": subscription,
                "attempts": 0,
                "queued_at": moment,
                "due_at": moment,
            }
            for alert, subscription in sorted(set(owed))
        ]
        op.get_bind().execute(deliveries.insert(), rows)
    _run(
        "UPDATE alerts SET state = 'stopped' WHERE state IN"
        " ('paused', 'superseded', 'expired')",
        # Not all of its audience is written down yet: nobody has been written to.
        "UPDATE alerts SET state = 'waiting', cursor = 0, queued = 0 WHERE state = 'expanding'",
    )
