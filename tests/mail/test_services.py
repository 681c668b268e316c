"""When a mailbox gets no more mail, and for how long."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterator

import pytest
import time_machine
from flask import Flask

from tracker.core import clock
from tracker.extensions import db, writing
from tracker.mail import queries, services
from tracker.mail.models import Bounce, BounceKind, Suppression, SuppressionReason

MAILBOX = b"m" * 32


@pytest.fixture
def travel(app: Flask) -> Iterator[time_machine.Traveller]:
    now = dt.datetime.now(dt.UTC)
    with app.app_context(), time_machine.travel(now, tick=True) as traveller:
        yield traveller


def bounce(
    *, kind: BounceKind = BounceKind.HARD, source: bytes = b"", suppresses: bool = False
) -> None:
    with writing():
        services.record_bounce(
            MAILBOX,
            source=source or secrets.token_bytes(32),
            kind=kind,
            suppresses=suppresses,
        )


def is_suppressed() -> bool:
    return queries.is_suppressed(MAILBOX, on=clock.today())


def test_a_bounce_for_now_on_five_days_ends_the_mails(travel: time_machine.Traveller) -> None:
    for _ in range(4):
        for _ in range(3):
            bounce(kind=BounceKind.SOFT)
        travel.shift(dt.timedelta(days=6))
    assert not is_suppressed(), "many on one day count as one"
    bounce(kind=BounceKind.SOFT)
    assert is_suppressed()


def test_a_week_without_a_bounce_begins_the_count_anew(travel: time_machine.Traveller) -> None:
    for _ in range(4):
        bounce(kind=BounceKind.SOFT)
        travel.shift(dt.timedelta(days=1))
    travel.shift(dt.timedelta(days=8))
    for _ in range(4):
        bounce(kind=BounceKind.SOFT)
        travel.shift(dt.timedelta(days=1))
    assert not is_suppressed()


def test_the_same_mail_counts_once_however_often_it_comes_back(
    travel: time_machine.Traveller,
) -> None:
    for _ in range(5):
        bounce(source=b"the same mail")
    assert not is_suppressed()


def test_a_dead_mailbox_rests_for_three_months_and_the_second_time_for_ever(
    travel: time_machine.Traveller,
) -> None:
    bounce(suppresses=True)
    bounce(suppresses=True)
    travel.shift(dt.timedelta(days=90))
    assert is_suppressed(), "twice at once is once"
    travel.shift(dt.timedelta(days=1))
    assert not is_suppressed()
    bounce(suppresses=True)
    travel.shift(dt.timedelta(days=4000))
    assert is_suppressed()


def test_a_bounce_does_not_shorten_what_a_complaint_said(
    travel: time_machine.Traveller,
) -> None:
    with writing():
        services.suppress(MAILBOX, SuppressionReason.COMPLAINT, until=None)
    bounce(suppresses=True)
    row = db.session.get_one(Suppression, MAILBOX)
    assert (row.reason, row.until) == (SuppressionReason.COMPLAINT, None)


def test_bounces_that_no_rule_looks_at_are_deleted(travel: time_machine.Traveller) -> None:
    bounce(kind=BounceKind.SOFT)
    travel.shift(dt.timedelta(days=30))
    bounce(kind=BounceKind.SOFT)
    travel.shift(dt.timedelta(days=6))
    with writing():
        services.forget_bounces()
    assert db.session.query(Bounce).count() == 1
