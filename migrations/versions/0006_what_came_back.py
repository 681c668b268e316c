"""What came back: refusals that are about us, and mail servers known by their host, too."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _columns() -> list[tuple[str, sa.Column[Any]]]:
    return [
        ("alerts", sa.Column("refused", sa.Integer(), server_default="0", nullable=False)),
        ("alerts", sa.Column("excused", sa.Integer(), server_default="0", nullable=False)),
        (
            "alerts",
            sa.Column("is_warned", sa.Boolean(), server_default=sa.false(), nullable=False),
        ),
        ("relay_health", sa.Column("host", sa.String(260), server_default="", nullable=False)),
        ("bounces", sa.Column("kind", sa.String(32), server_default="hard", nullable=False)),
    ]


def upgrade() -> None:
    """Apply."""
    # Not in batches: those would build tables anew, and with hidden row numbers.
    for table, column in _columns():
        op.add_column(table, column)
    op.execute("UPDATE bounces SET kind = 'soft' WHERE NOT is_hard")
    op.drop_column("bounces", "is_hard")


def downgrade() -> None:
    """Take back."""
    # Refusals of us counted for nobody's mailbox, and the release before knows no such word.
    op.execute("DELETE FROM bounces WHERE kind NOT IN ('hard', 'soft')")
    is_hard = sa.Column("is_hard", sa.Boolean(), server_default=sa.true(), nullable=False)
    op.add_column("bounces", is_hard)
    op.execute("UPDATE bounces SET is_hard = (kind = 'hard')")
    for table, column in reversed(_columns()):
        op.drop_column(table, column.name)
