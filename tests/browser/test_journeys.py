"""Journeys in a real browser, with JavaScript on and off, in English and Arabic."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page
from sqlalchemy import select

from tests.browser.conftest import Site
from tests.support import factories
from tracker.campaigns.models import Campaign
from tracker.extensions import db
from tracker.signatures import queries

Opener = Callable[..., Page]


def fill_and_sign(page: Page, address: str) -> None:
    page.fill("#name", "Sara Example")
    page.fill("#email", address)
    page.select_option("#country", "DE")
    page.click("form.slip button[type=submit]")


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("lang", ["en", "ar"])
def test_sign_confirm_and_withdraw(
    site: Site, open_page: Opener, lang: str, script: bool
) -> None:
    page = open_page(width=360, script=script)
    page.goto(f"{site.url}/{lang}/")
    page.click("h3 a")
    fill_and_sign(page, "sara@example.org")
    assert page.url.endswith("/check-inbox")
    mail = site.mail_to("sara@example.org")
    page.goto(site.link(mail, "/confirm/"))
    for question in ("alerts", "shows_name", "hands_over"):
        page.check(f"input[name={question}][value=yes]")
    page.click("form.slip button[type=submit]")
    assert "/my/" in page.url
    public = open_page(script=script)
    public.goto(f"{site.url}/{lang}/campaigns/amar-fayaz?fresh")
    assert "Sara Example" in public.inner_text("main")
    page.click("form[action$='/withdraw'] button")
    with site.app.app_context():
        assert queries.count_confirmed(db.session.scalars(select(Campaign.id)).one()) == 0


def test_an_empty_form_says_what_is_missing_beside_each_field(
    site: Site, open_page: Opener
) -> None:
    page = open_page(width=360)
    page.goto(f"{site.url}/en/campaigns/amar-fayaz")
    page.click("form.slip button[type=submit]")
    assert page.locator("#error-summary a").count() == 3
    page.click("#error-summary a >> nth=0")
    assert page.evaluate("document.activeElement.id") == "name"
    assert "Enter your name." in page.inner_text("#name-error")


def test_signing_works_with_the_keyboard_alone(site: Site, open_page: Opener) -> None:
    page = open_page()
    page.goto(f"{site.url}/en/campaigns/amar-fayaz")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "name":
            break
    page.keyboard.type("Sara Example")
    page.keyboard.press("Tab")
    page.keyboard.type("keys@example.org")
    page.keyboard.press("Tab")
    page.keyboard.type("Germany")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/check-inbox")
    assert site.mail_to("keys@example.org")


def test_public_pages_ask_no_other_origin_and_set_no_cookie(
    site: Site, open_page: Opener
) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("/en/", "/ar/campaigns/amar-fayaz", "/en/privacy", "/en/campaigns/none"):
        page.goto(f"{site.url}{path}")
    assert asked
    assert all(url.startswith(site.url) for url in asked)
    assert page.context.cookies() == []


@pytest.mark.parametrize("path", ["/en/", "/ar/", "/en/campaigns/amar-fayaz", "/en/privacy"])
def test_no_sideways_scrolling_at_320_pixels(site: Site, open_page: Opener, path: str) -> None:
    page = open_page(width=320)
    page.goto(f"{site.url}{path}")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 320


def test_an_organiser_signs_in_and_out(site: Site, open_page: Opener) -> None:
    page = open_page()
    page.goto(f"{site.url}/en/organise/campaigns")
    assert "/organisers/sign-in" in page.url
    page.fill("#email", "organiser@example.org")
    page.fill("#password", factories.PASSWORD)
    page.click("form button[type=submit]")
    assert "Free Amar Fayaz" in page.inner_text("main")
    [cookie] = [c for c in page.context.cookies() if c["name"] == "organiser"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    page.click("form.sign-out button")
    page.goto(f"{site.url}/en/organise/campaigns")
    assert "/organisers/sign-in" in page.url
