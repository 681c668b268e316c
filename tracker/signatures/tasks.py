"""The worker folds counted rows into totals, so that pages stay quick."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from tracker.extensions import db, writing
from tracker.signatures.models import CountChange, CountryTotal, DayTotal

BATCH = 1000
"""Most rows folded in one transaction."""


def fold_counts() -> int:
    """Fold up to :data:`BATCH` rows, deleted by exact id, and give how many."""
    is_any = db.session.scalar(select(CountChange.id).limit(1)) is not None
    db.session.rollback()
    if not is_any:
        return 0
    with writing():
        rows = db.session.execute(
            select(
                CountChange.id,
                CountChange.campaign_id,
                CountChange.day,
                CountChange.country,
                CountChange.delta,
            )
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        ).all()
        if not rows:
            return 0
        countries: Counter[tuple[Any, ...]] = Counter()
        days: Counter[tuple[Any, ...]] = Counter()
        for row in rows:
            countries[row.campaign_id, row.country] += row.delta
            days[row.campaign_id, row.day] += row.delta
        _add(CountryTotal, "country", countries)
        _add(DayTotal, "day", days)
        ids = [row.id for row in rows]
        db.session.execute(delete(CountChange).where(CountChange.id.in_(ids)))
    return len(rows)


def _add(table: type[CountryTotal] | type[DayTotal], part: str, sums: Counter[Any]) -> None:
    dialect = sqlite if db.engine.dialect.name == "sqlite" else postgresql
    # In one order everywhere, so that two workers cannot wait for each other's rows.
    for (campaign_id, key), delta in sorted(sums.items()):
        statement = dialect.insert(table).values(
            campaign_id=campaign_id, **{part: key}, total=delta
        )
        db.session.execute(
            statement.on_conflict_do_update(
                index_elements=["campaign_id", part],
                set_={"total": table.total + statement.excluded.total},
            )
        )
