"""Statuses follow one another as they do in life."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from flask import Flask

from tests.support import factories
from tracker.campaigns import queries, services, words
from tracker.campaigns.models import Campaign
from tracker.campaigns.status import (
    STATUSES,
    Certainty,
    Kind,
    MoveRefused,
    Status,
    check_move,
    moves,
    tone,
)
from tracker.extensions import db, writing


def test_nobody_comes_back_from_death() -> None:
    assert moves(Kind.PERSON, Status.KILLED) == frozenset()
    with pytest.raises(MoveRefused):
        check_move(Kind.PERSON, Status.KILLED, Status.RELEASED)


@pytest.mark.parametrize("again", [Status.MISSING, Status.DETAINED, Status.KILLED])
def test_somebody_released_can_be_taken_again(again: Status) -> None:
    check_move(Kind.PERSON, Status.RELEASED, again)


@pytest.mark.parametrize("never", [Status.TRANSFERRED, Status.ILL_TREATED, Status.BAILED])
def test_somebody_free_cannot_be_moved_or_bailed(never: Status) -> None:
    with pytest.raises(MoveRefused):
        check_move(Kind.PERSON, Status.RELEASED, never)


def test_a_report_can_be_confirmed_and_nothing_else_stays_the_same() -> None:
    missing = Status.MISSING
    check_move(
        Kind.PERSON, missing, missing, was=Certainty.REPORTED, certainty=Certainty.CONFIRMED
    )
    with pytest.raises(MoveRefused):
        check_move(Kind.PERSON, missing, missing, was=Certainty.CONFIRMED)


def test_a_strike_is_no_status_of_a_person() -> None:
    with pytest.raises(MoveRefused):
        check_move(Kind.PERSON, None, Status.ON_STRIKE)


def test_every_status_belongs_to_a_kind_has_a_word_and_a_tone() -> None:
    used = frozenset().union(*STATUSES.values())
    assert used == set(Status) == set(words.STATUS)
    assert {tone(status).value for status in Status} == {"bad", "open", "good", "grave"}


@pytest.mark.parametrize(
    ("goal", "count", "is_open", "shown"),
    [
        (1000, 0, True, 1000),
        (1000, 989, True, 1000),
        (1000, 990, True, 2500),
        (15_000, 14_999, True, 25_000),
        (500_000, 499_999, True, 1_000_000),
        (1000, 1000, True, 2500),
        (1000, 12_282, True, 15_000),
        (1000, 12_282, False, 1000),
        (1000, 700_000, True, 1_000_000),
    ],
)
def test_a_goal_neither_is_nor_looks_reached_while_the_case_is_open(
    goal: int, count: int, is_open: bool, shown: int
) -> None:
    assert services.shown_goal(goal, count, is_open=is_open) == shown


def test_days_are_a_difference_of_dates_that_ends_with_the_release(
    app: Flask, campaign: Campaign
) -> None:
    with app.app_context():
        with writing():
            live = db.session.get_one(Campaign, campaign.id)
            day = dt.date(2020, 11, 8)
            factories.an_update(live, to=Status.MISSING, happened_on=day)
            factories.an_update(live, to=Status.RELEASED, happened_on=dt.date(2021, 1, 3))
        live = db.session.get_one(Campaign, campaign.id)
        begun = queries.first_change(live.subjects)
        assert begun == day
        assert queries.days(live, begun) == 56


def test_three_of_nine_are_free(
    app: Flask, given: Callable[..., Campaign], publish: Callable[[int], None]
) -> None:
    nine = [(f"Person {n}", "") for n in range(9)]
    campaign = given(factories.a_campaign, slug="nine", subjects=nine)
    publish(campaign.id)
    with app.app_context():
        with writing():
            live = db.session.get_one(Campaign, campaign.id)
            for subject in live.subjects:
                subject.status = Status.MISSING
            for subject in live.subjects[:3]:
                subject.status = Status.RELEASED
            live.subjects[3].status = Status.BAILED
        assert queries.count_free(db.session.get_one(Campaign, campaign.id)) == (3, 9)
    page = app.test_client().get("/en/campaigns/nine").text
    assert "3 of 9 free" in page


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Free Amar Fayaz!", "free-amar-fayaz"),
        ("Fábrica ocupada", "fabrica-ocupada"),
        ("الحرية", ""),
        ("x" * 200, "x" * 80),
    ],
)
def test_an_address_is_made_from_the_title(title: str, slug: str) -> None:
    assert services.slug_of(title) == slug


def test_a_report_confirmed_later_did_not_happen_later(app: Flask, campaign: Campaign) -> None:
    reported, confirmed = dt.date(2026, 11, 1), dt.date(2026, 11, 20)
    with app.app_context():
        with writing():
            live = db.session.get_one(Campaign, campaign.id)
            factories.an_update(
                live, to=Status.RELEASED, certainty=Certainty.REPORTED, happened_on=reported
            )
            factories.an_update(live, to=Status.RELEASED, happened_on=confirmed)
        [subject] = db.session.get_one(Campaign, campaign.id).subjects
        assert (subject.since, subject.certainty) == (reported, Certainty.CONFIRMED)
