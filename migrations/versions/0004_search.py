"""Search.

The words of campaigns that exist already are written by the worker at its first start, and
whenever the rules for them change: folding them is the application's matter.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Both split at blanks only, so that both databases find the same; the words are folded already.
# On SQLite the application fills the index: a trigger may not, since schemas are not trusted.
SQLITE = """
    CREATE VIRTUAL TABLE campaign_words_fts
    USING fts5(heading, body, tokenize='ascii', detail='column', columnsize=0)
"""
# PostgreSQL thinks that reading all rows is cheaper than its index, not knowing what the long
# texts beside them cost. A function with a price of its own tells it otherwise.
POSTGRESQL = """
    CREATE FUNCTION words_fts(words text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 10000
    AS $$ BEGIN RETURN array_to_tsvector(string_to_array(words, ' ')); END $$;
    CREATE INDEX ix_campaign_words_heading_fts
    ON campaign_words USING gin (words_fts(heading)) WITH (fastupdate = off);
    CREATE INDEX ix_campaign_words_body_fts
    ON campaign_words USING gin (words_fts(body)) WITH (fastupdate = off)
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "campaign_words",
        sa.Column("campaign_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("edition", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_campaign_words_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_campaign_words")),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(SQLITE if is_sqlite else POSTGRESQL)


def downgrade() -> None:
    """Take back."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.drop_table("campaign_words")
    op.execute("DROP TABLE campaign_words_fts" if is_sqlite else "DROP FUNCTION words_fts")
