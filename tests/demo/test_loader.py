from __future__ import annotations

from collections import Counter

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.demo.conftest import PASSWORD
from tracker.campaigns import queries as campaigns
from tracker.campaigns.models import Outcome, State
from tracker.campaigns.status import Status
from tracker.demo import content
from tracker.demo.content import happened
from tracker.demo.folder import ORGANISER, Demo
from tracker.demo.loader import load
from tracker.demo.people import people
from tracker.demo.supporters import Size, plan
from tracker.extensions import db
from tracker.organisers import passwords
from tracker.organisers import queries as organisers
from tracker.sealing import envelopes
from tracker.sealing.keystore import Keystore
from tracker.signatures import queries as signatures
from tracker.signatures.models import DayTotal, Signature
from tracker.subscriptions.models import Subscription


def counts(app: Flask) -> dict[str, int]:
    with app.app_context():
        return {
            table.name: db.session.scalar(select(func.count()).select_from(table)) or 0
            for table in db.metadata.sorted_tables
        }


def test_a_second_load_changes_nothing(loaded: Flask) -> None:
    before = counts(loaded)
    assert before["campaigns"] == 9
    assert load(loaded, password="another-password-entirely", size=Size.FULL)
    assert counts(loaded) == before


def test_every_campaign_is_public_with_its_story(loaded: Flask) -> None:
    client = loaded.test_client()
    for story in content.stories():
        for language, headline in (
            (story.facts["language"], story.updates[-1]["headline"]),
            *(
                (code, told["updates"][story.updates[-1]["key"]]["headline"])
                for code, told in story.facts["translations"].items()
            ),
        ):
            page = client.get(f"/{language}/campaigns/{story.slug}")
            assert page.status_code == 200, story.slug
            assert str(headline).replace("'", "&#39;") in page.text


def test_three_of_the_nine_are_free(loaded: Flask) -> None:
    page = loaded.test_client().get("/en/campaigns/karachi-nine").text
    assert "3 of 9 free" in page
    with loaded.app_context():
        nine = campaigns.by_slug("karachi-nine")
        assert nine is not None
        stand = Counter(subject.status for subject in nine.subjects)
    assert stand == {Status.RELEASED: 3, Status.MISSING: 6}


def test_amar_fayaz_was_won_after_fifty_six_days(loaded: Flask) -> None:
    with loaded.app_context():
        campaign = campaigns.by_slug("amar-fayaz")
        assert campaign is not None
        assert (campaign.state, campaign.outcome) == (State.CLOSED, Outcome.WON)
        assert campaign.closed_on == content.story("amar-fayaz").closed  # type: ignore[union-attr]
        since = campaigns.first_change(campaign.subjects)
        assert since is not None
        assert campaigns.days(campaign, since) == 56


def test_the_totals_are_those_of_the_rows(loaded: Flask) -> None:
    with loaded.app_context():
        for story in content.stories():
            campaign = campaigns.by_slug(story.slug)
            assert campaign is not None
            rows = Counter(
                db.session.scalars(
                    select(Signature.country).where(Signature.campaign_id == campaign.id)
                )
            )
            days = db.session.scalar(
                select(func.sum(DayTotal.total)).where(DayTotal.campaign_id == campaign.id)
            )
            planned = plan(story, Size.SMALL)
            assert signatures.by_country([campaign.id])[campaign.id] == rows
            assert days == rows.total() == planned.signatures
            assert len(rows) == planned.countries


def test_the_full_demo_has_the_reported_signatures_and_countries() -> None:
    story = content.story("amar-fayaz")
    assert story is not None
    planned = plan(story, Size.FULL)
    assert (planned.signatures, planned.countries) == (12282, 50)
    crowd = list(people(planned.signatures, prefix="x", countries=planned.countries))
    by_country = Counter(person.country for person in crowd)
    assert (len(crowd), len(by_country)) == (12282, 50)
    assert min(by_country.values()) >= 5
    assert len({person.address for person in crowd}) == 12282


def test_addresses_lie_sealed_and_open_with_the_workers_keys(loaded: Flask, demo: Demo) -> None:
    raw = b"".join(path.read_bytes() for path in demo.folder.glob("tracker.db*"))
    assert b"karachi-nine-00001@" not in raw
    assert ORGANISER.encode() in raw
    keystore = Keystore(demo.folder / "keys")
    with loaded.app_context():
        campaign = campaigns.by_slug("karachi-nine")
        assert campaign is not None
        assert campaign.key_id is not None
        keys = keystore.campaign(campaign.key_id)
        found = db.session.scalars(
            select(Subscription).where(Subscription.campaign_id == campaign.id)
        ).all()
        addresses = {
            envelopes.open_sealed(
                keys.pair.private,
                one.contact,
                context=envelopes.context("contact", one.campaign_id, one.id),
            )["to"]
            for one in found
        }
    assert len(addresses) == len(found) > 0
    assert all(address.endswith("@example.org") for address in addresses)


def test_the_organiser_has_to_change_the_printed_password(loaded: Flask) -> None:
    with loaded.app_context():
        organiser = organisers.by_email(ORGANISER)
        assert organiser is not None
        assert organiser.must_change_password
        assert organiser.is_admin
        assert passwords.matches(organiser.password_hash, PASSWORD)


@pytest.mark.parametrize(
    ("when", "posted", "day"),
    [
        ("2020", "2021-02-03", "2020-01-01"),
        ("2020-11", "2020-12-01", "2020-11-01"),
        ("2020-11", "2020-11-20", "2020-11-20"),
        ("2020-11-08", "2020-11-09", "2020-11-08"),
    ],
)
def test_a_time_is_no_more_exact_than_it_is_known(when: str, posted: str, day: str) -> None:
    found = happened({"when": when, "posted": posted, "precision": "month", "about": True})
    assert found["happened_on"].isoformat() == day
    assert found["happened_time"] is None
    assert found["is_approximate"]
