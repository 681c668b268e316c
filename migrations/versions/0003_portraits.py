"""Portraits of subjects, in the formats and sizes that pages show."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "portraits",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("credit", sa.String(length=160), nullable=False),
        sa.ForeignKeyConstraint(
            ["subject_id"],
            ["subjects.id"],
            name=op.f("fk_portraits_subject_id_subjects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portraits")),
        sa.UniqueConstraint("subject_id", name=op.f("uq_portraits_subject_id")),
    )
    op.create_table(
        "portrait_files",
        sa.Column("portrait_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("format", sa.String(length=8), nullable=False),
        sa.Column("width", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("height", sa.SmallInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["portrait_id"],
            ["portraits.id"],
            name=op.f("fk_portrait_files_portrait_id_portraits"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "portrait_id", "format", "width", name=op.f("pk_portrait_files")
        ),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("portrait_files")
    op.drop_table("portraits")
