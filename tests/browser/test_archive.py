"""Looking for a campaign without script, and drawings that can be read on a small screen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Site, follow
from tests.browser.test_accessibility import findings
from tracker.campaigns import queries
from tracker.core import clock
from tracker.extensions import db, writing
from tracker.signatures.models import CountryTotal, DayTotal

Opener = Callable[..., Page]
LOOKS = [(360, "light", "en"), (1280, "dark", "en"), (360, "dark", "ar"), (1280, "light", "ar")]
DRAWN = "section[aria-labelledby=support]"


@pytest.fixture
def supported(site: Site) -> Site:
    """The site whose campaign has supporters from many countries."""
    codes = ["DE", "PK", "IT", "FR", "ES", "PT", "TR", "GB", "IE", "US", "CA", "BR", "MX", "AR"]
    with site.app.app_context():
        campaign = queries.by_slug("amar-fayaz")
        assert campaign is not None
        campaign_id = campaign.id
        with writing():
            queries.by_id(campaign_id).opened_on = clock.today() - dt.timedelta(days=30)
            for n in range(31):
                day = clock.today() - dt.timedelta(days=n)
                db.session.add(DayTotal(campaign_id=campaign_id, day=day, total=10 + n % 7))
            for n, code in enumerate(codes):
                row = CountryTotal(campaign_id=campaign_id, country=code, total=60 - 4 * n)
                db.session.add(row)
    return site


@pytest.mark.parametrize(("width", "scheme", "lang"), LOOKS)
def test_axe_finds_nothing_in_list_and_drawings(
    supported: Site, open_page: Opener, width: int, scheme: str, lang: str
) -> None:
    page = open_page(width=width, scheme=scheme)
    found = []
    for path in (
        "/campaigns/amar-fayaz",
        "/campaigns/",
        "/campaigns/?standing=open&q=amar",
        "/campaigns/?q=nobody&country=PK",
        "/",
    ):
        page.goto(f"{supported.url}/{lang}{path}")
        for details in page.locator("main details").all():
            details.evaluate("one => one.open = true")
        found += findings(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert found == []


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_the_drawing_can_be_read_on_a_small_screen(
    supported: Site, open_page: Opener, lang: str
) -> None:
    page = open_page(width=360)
    page.goto(f"{supported.url}/{lang}/campaigns/amar-fayaz")
    texts = page.locator(f"{DRAWN} svg text")
    assert texts.count() >= 3
    for text in texts.all():
        size = text.evaluate("one => parseFloat(getComputedStyle(one).fontSize)")
        assert size >= 11
        box = text.bounding_box()
        assert box is not None
        # Near the edge it may reach into the margin, never out of sight.
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 360
    line = page.locator(f"{DRAWN} path")
    assert line.evaluate("one => getComputedStyle(one).strokeWidth") == "3px"


def test_time_runs_from_the_side_where_reading_begins(
    supported: Site, open_page: Opener
) -> None:
    page = open_page(width=1280)
    sides = {}
    for lang in ("en", "ar"):
        page.goto(f"{supported.url}/{lang}/campaigns/amar-fayaz")
        first = page.locator(".ends span").first.bounding_box()
        svg = page.locator(f"{DRAWN} svg").first.bounding_box()
        mark = page.locator(f"{DRAWN} circle").first.bounding_box()
        assert first is not None
        assert svg is not None
        assert mark is not None
        middle = svg["x"] + svg["width"] / 2
        # The change was three days ago, thirty days after the beginning.
        sides[lang] = (first["x"] < middle, mark["x"] > middle)
    assert sides == {"en": (True, True), "ar": (False, False)}


@pytest.mark.parametrize("script", [True, False])
def test_a_campaign_is_found_from_the_first_page(
    supported: Site, open_page: Opener, script: bool
) -> None:
    page = open_page(width=360, script=script)
    page.goto(f"{supported.url}/en/")
    page.get_by_label("Search all campaigns").fill("AMAR jamsh")
    page.keyboard.press("Enter")
    page.wait_for_url("**/en/campaigns/?q=AMAR+jamsh")
    assert page.get_by_role("heading", name="1 campaign", exact=True).is_visible()
    page.locator("details summary", has_text="Filter").click()
    page.get_by_label("How it stands").select_option(label="Won or closed")
    follow(page, "form.search button")
    assert page.get_by_role("heading", name="Nothing found").is_visible()
    page.get_by_role("link", name="Search for the same words everywhere").click()
    page.get_by_role("link", name="Free Amar Fayaz").click()
    page.wait_for_url("**/en/campaigns/amar-fayaz")


def test_a_change_on_the_curve_leads_to_what_happened(
    supported: Site, open_page: Opener
) -> None:
    page = open_page(script=False)
    page.goto(f"{supported.url}/en/campaigns/amar-fayaz")
    page.locator(f"{DRAWN} .marks a").click()
    assert page.locator(":target", has_text="Taken at night").is_visible()
