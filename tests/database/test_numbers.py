"""Many numbers are one parameter, on both databases."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from tests.support import factories
from tracker.campaigns.models import Campaign
from tracker.database import random_id
from tracker.extensions import among, db, numbered, writing


@pytest.mark.parametrize("numbers", [[], [7], [2**63 - 1, 1, 5, 5, 0]])
def test_numbers_come_back_with_their_places(app: Flask, numbers: list[int]) -> None:
    with app.app_context():
        table = numbered("these", db.engine.dialect.name)
        query = select(table.c.number, table.c.place).order_by(table.c.place)
        rows = [tuple(row) for row in db.session.execute(query, {"these": numbers})]
    assert rows == [(number, place) for place, number in enumerate(numbers)]


def test_a_column_is_found_among_many(app: Flask) -> None:
    with app.app_context():
        with writing():
            ids = [factories.a_campaign(slug=f"campaign-{one}").id for one in range(3)]
        column = Campaign.__table__.c.id
        query = select(column).where(among(column, "these", db.engine.dialect.name))
        wanted = [*ids[1:], *(random_id() for _ in range(2_000))]
        assert set(db.session.scalars(query, {"these": wanted})) == set(ids[1:])
        assert not db.session.scalars(query, {"these": []}).all()
