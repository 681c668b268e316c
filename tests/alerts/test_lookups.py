"""What is read for each window touches the rows asked about, not the whole campaign."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from tests.support.crowd import Crowd, gather
from tracker.alerts import batches
from tracker.alerts.batches import Batch
from tracker.alerts.mailings import Mailing, Recipient, mailing
from tracker.alerts.models import Alert, AlertState
from tracker.extensions import db, writing
from tracker.sealing.keystore import Keystore
from tracker.subscriptions.models import Subscription

PEOPLE, FEW = 3_000, 100


@pytest.fixture
def crowd(app: Flask) -> Crowd:
    return gather(app, PEOPLE, is_sealed=False)


def plan_of(call: Callable[[], Any]) -> str:
    """Give how the database does what ``call`` asks of it about subscriptions."""
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if "FROM subscriptions" in statement:
            asked.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        call()
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    [(statement, parameters)] = asked
    verb = "EXPLAIN QUERY PLAN" if db.engine.dialect.name == "sqlite" else "EXPLAIN"
    rows = db.session.connection().exec_driver_sql(f"{verb} {statement}", parameters)
    return "\n".join(str(row) for row in rows)


@pytest.mark.parametrize("question", ["contacts", "languages"])
def test_a_few_are_found_by_their_ids(app: Flask, crowd: Crowd, question: str) -> None:
    alert_id = crowd.tell()
    with app.app_context():
        with writing():
            db.session.get_one(Alert, alert_id).state = AlertState.SENDING
        few = list(db.session.scalars(select(Subscription.id).limit(FEW)))
        keystore = Keystore(app.config["TRACKER"].keystore)
        made = mailing(db.session.get_one(Alert, alert_id), keystore, app.config["TRACKER"])
        plan = plan_of(lambda: ask(made, few, question))
    assert "SCAN subscriptions" not in plan
    assert "Seq Scan on subscriptions" not in plan
    for index in ("ix_subscriptions_audience", "uq_subscriptions_campaign_id_tag"):
        assert index not in plan, "every row of the campaign is looked at"


def ask(made: Mailing, ids: list[int], question: str) -> None:
    """Ask one of the questions; all of them must be found."""
    if question == "contacts":
        assert len(batches._read_contacts(made, ids)) == FEW
        return
    people = [Recipient(slot, one, b"", "en") for slot, one in enumerate(ids)]
    for recipient in people:
        recipient.fingerprint = secrets.token_bytes(32)
    batch = Batch(made, 0, bytearray(), deque(people))
    assert len(batches.languages_of(batch, people) or {}) == FEW
