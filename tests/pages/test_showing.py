"""What the campaign's page shows: faces, warnings, its address in every language."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from tests.support import factories
from tracker.campaigns.models import Campaign
from tracker.campaigns.status import Status, days_unverified
from tracker.core.languages import LANGUAGES
from tracker.extensions import db, writing
from tracker.pages.plates import STEPS, plate

TODAY = dt.date(2026, 11, 30)
PAGE = "/en/campaigns/amar-fayaz"


# --- when a verification is too old --------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "verified_on", "days"),
    [
        (Status.MISSING, dt.date(2026, 11, 30), None),
        (Status.MISSING, dt.date(2026, 11, 16), None),
        (Status.MISSING, dt.date(2026, 11, 15), 15),
        (Status.ON_STRIKE, dt.date(2020, 11, 30), 2191),
        (Status.BAILED, dt.date(2026, 11, 7), 23),
        (Status.RELEASED, dt.date(2020, 1, 1), None),
        (Status.KILLED, dt.date(2020, 1, 1), None),
        (Status.MISSING, None, None),
        (None, dt.date(2020, 1, 1), None),
    ],
)
def test_what_is_open_must_be_looked_at_every_two_weeks(
    status: Status | None, verified_on: dt.date | None, days: int | None
) -> None:
    assert days_unverified(status, verified_on, today=TODAY) == days


def show(app: Flask, campaign: Campaign, **values: Any) -> None:
    """Change the campaign's first subject."""
    with app.app_context(), writing():
        found = db.session.get_one(Campaign, campaign.id)
        factories.an_update(found, to=Status.MISSING)
        for name, value in values.items():
            setattr(found.subjects[0], name, value)


def test_the_page_warns_where_nobody_has_looked_for_too_long(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    show(app, campaign, verified_on=dt.date(2026, 11, 7))
    # 22.30 in London is the day after in Karachi, where the case is.
    with time_machine.travel("2026-11-29T22:30:00Z", tick=False):
        page = client.get(PAGE).text
    assert "Last verified 23 days ago. What is said here may be out of date." in page


def test_the_page_does_not_warn_of_what_was_looked_at_lately(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    show(app, campaign, verified_on=dt.date(2026, 11, 16))
    with time_machine.travel("2026-11-30T12:00:00Z", tick=False):
        assert "out of date" not in client.get(PAGE).text


def test_one_warning_speaks_for_several_people(
    app: Flask, client: FlaskClient, given: Callable[..., Any], publish: Callable[[int], None]
) -> None:
    names = [("Karim Parhar", ""), ("Zain ul Abidin", ""), ("Shay Razai", "")]
    made = given(factories.a_campaign, subjects=names)
    publish(made.id)
    show(app, made, verified_on=dt.date(2026, 11, 7))
    with time_machine.travel("2026-11-30T12:00:00Z", tick=False):
        page = client.get(PAGE).text
    assert page.count("may be out of date") == 1
    assert "For 1 of 3 the last verification is more than two weeks old." in page
    assert "0 of 3 free" in page


# --- faces and plates ----------------------------------------------------------------------


def test_a_plate_has_a_line_for_every_long_word_and_short_ones_keep_company() -> None:
    assert [line.text for line in plate("Zain ul Abidin")] == ["Zain ul", "Abidin"]
    assert [line.text for line in plate("Li Wei")] == ["Li Wei"]
    assert [line.text for line in plate("Karim  Parhar")] == ["Karim", "Parhar"]
    assert plate("") == []


def test_longer_lines_are_set_smaller_and_accents_cost_nothing() -> None:
    short, long = plate("Amar Muhammad")
    assert 0 < short.fit < long.fit <= len(STEPS)
    assert plate("Cigdem")[0].fit == plate("Çiğdem")[0].fit
    assert plate("W" * 100)[0].fit == len(STEPS)


def test_lines_in_other_letters_share_one_size() -> None:
    assert {line.fit for line in plate("عمار فياز")} == {0}
    assert {line.fit for line in plate("Пётр")} == {0}


def test_every_step_of_a_plate_has_a_rule_in_the_style_sheet(app: Flask) -> None:
    with open(f"{app.static_folder}/site.css", encoding="utf-8") as file:
        rules = set(re.findall(r"\.fit-(\d+) \{", file.read()))
    assert rules == {str(fit) for fit in range(len(STEPS) + 1)}


# --- the page in every language ------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/campaigns/amar-fayaz", "/privacy"])
def test_a_public_page_names_itself_in_every_language(
    app: Flask, client: FlaskClient, campaign: Campaign, path: str
) -> None:
    base = app.config["TRACKER"].base_url
    page = client.get(f"/tr{path}?page=2").text
    assert f'<link rel="canonical" href="{base}/tr{path}">' in page
    for code in LANGUAGES:
        assert f'hreflang="{code}" href="{base}/{code}{path}">' in page
        assert client.get(f"/{code}{path}").status_code == 200
    assert f'hreflang="x-default" href="{base}/en{path}">' in page


@pytest.mark.parametrize(
    "path", ["/campaigns/none", "/organisers/sign-in", "/not-me", "/deleted"]
)
def test_other_pages_are_not_announced_to_search_engines(
    client: FlaskClient, path: str
) -> None:
    page = client.get(f"/en{path}").text
    assert "<h1" in page
    assert "canonical" not in page
    assert 'rel="alternate"' not in page


def test_the_language_switch_stays_on_the_page_and_keeps_its_question(
    client: FlaskClient, campaign: Campaign
) -> None:
    page = client.get(f"{PAGE}?q=a%22%3Eb&_scheme=javascript&lang=xx&_external=1").text
    [link] = re.findall(r'href="([^"]*)" lang="ur"', page)
    assert link == (
        "/ur/campaigns/amar-fayaz?q=a%22%3Eb&amp;_scheme=javascript&amp;lang=xx&amp;_external=1"
    )
    assert client.get(link.replace("&amp;", "&")).status_code == 200


def test_the_language_switch_names_every_language_in_its_own_words(
    client: FlaskClient,
) -> None:
    page = client.get("/ar/").text
    for code, name in LANGUAGES.items():
        assert re.search(rf'lang="{code}" hreflang="{code}"[^>]*>{name}</a>', page)
    assert re.search(r"<summary>.*العربية</summary>", page)


# --- the living page of components ---------------------------------------------------------


def test_the_components_are_shown_in_debug_mode_alone(app: Flask, client: FlaskClient) -> None:
    assert client.get("/en/components").status_code == 404
    app.debug = True
    for code in LANGUAGES:
        page = client.get(f"/{code}/components")
        assert page.status_code == 200
        assert "--red" in page.text
