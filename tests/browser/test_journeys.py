"""Journeys in a real browser, with JavaScript on and off, in English and Arabic."""

from __future__ import annotations

import re
from collections.abc import Callable
from time import monotonic

import pytest
from playwright.sync_api import Page
from sqlalchemy import select

from tests.browser.conftest import PATIENCE, Site, follow, sign_in
from tests.support import factories
from tests.support.sink import Mail
from tracker.campaigns.models import Campaign
from tracker.extensions import db
from tracker.signatures import queries
from tracker.subscriptions import queries as subscriptions

Opener = Callable[..., Page]


def fill_and_sign(page: Page, address: str) -> None:
    page.fill("#name", "Sara Example")
    page.fill("#email", address)
    page.select_option("#country", "DE")
    follow(page, "form.slip button[type=submit]")


def answer_yes(page: Page) -> None:
    for question in ("alerts", "shows_name", "hands_over"):
        page.check(f"input[name={question}][value=yes]")
    follow(page, "form.slip button[type=submit]")


def code_in(mail: Mail) -> str:
    found = re.search(r"^(\d{6})\s*$", mail.text, re.M)
    assert found, mail.text
    return found[1]


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("lang", ["en", "ar"])
def test_sign_confirm_and_withdraw(
    site: Site, open_page: Opener, lang: str, script: bool
) -> None:
    page = open_page(width=360, script=script)
    page.goto(f"{site.url}/{lang}/")
    follow(page, "h3 a")
    fill_and_sign(page, "sara@example.org")
    assert "sara@example.org" in page.inner_text("main")
    mail = site.mail_to("sara@example.org")
    page.goto(site.link(mail, "/confirm/"))
    answer_yes(page)
    assert page.url.endswith("/next")
    assert page.locator("main a[href*='/endorse']").count() >= 1
    assert page.locator("main a[href^='https://wa.me/']").is_visible()
    follow(page, "main p.aside a[href*='/my/']")
    public = open_page(script=script)
    public.goto(f"{site.url}/{lang}/campaigns/amar-fayaz?fresh")
    assert "Sara Example" in public.inner_text("main")
    follow(page, "form[action$='/withdraw'] button")
    with site.app.app_context():
        assert queries.count_confirmed(db.session.scalars(select(Campaign.id)).one()) == 0


def subscribe(page: Page, site: Site) -> Mail:
    """Fill in the form to subscribe and confirm; give the mail that asked for it."""
    page.fill("#email", "sara@example.org")
    page.check("input[name=scope][value=every-update]")
    follow(page, "form.slip button[type=submit]")
    mail = site.mail_to("sara@example.org")
    page.goto(site.link(mail, "/confirm/"))
    follow(page, "form.slip button[type=submit]")
    return mail


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("lang", ["en", "ar"])
def test_subscribe_and_leave_by_the_link_in_the_mail(
    site: Site, open_page: Opener, lang: str, script: bool
) -> None:
    page = open_page(width=360, script=script)
    page.goto(f"{site.url}/{lang}/campaigns/amar-fayaz")
    follow(page, "a[href$='/subscribe']")
    mail = subscribe(page, site)
    assert "/my/" in page.url
    with site.app.app_context():
        campaign_id = db.session.scalars(select(Campaign.id)).one()
        assert subscriptions.count_active(campaign_id, for_status_change=True) == 1
    page.goto(site.link(mail, "/unsubscribe/"))
    follow(page, "main form button")
    with site.app.app_context():
        assert subscriptions.count_active(campaign_id, for_status_change=True) == 0


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("lang", ["en", "ar"])
def test_write_try_publish_and_the_supporter_is_told_and_leaves(
    site: Site, open_page: Opener, lang: str, script: bool
) -> None:
    page = open_page(width=360, script=script)
    page.goto(f"{site.url}/{lang}/campaigns/amar-fayaz/subscribe")
    subscribe(page, site)

    organiser = open_page(width=360, script=script)
    sign_in(organiser, site, lang)
    organiser.goto(f"{site.url}/{lang}/organise/campaigns/amar-fayaz/updates/new")
    organiser.fill("#headline", "Brought before a judge")
    organiser.fill("#text", "He was seen in court this morning.")
    organiser.locator("select[name^=status]").select_option("detained")
    organiser.locator("select[name^=certainty]").select_option("confirmed")
    organiser.check("input[name=alerts][value=yes]")
    follow(organiser, "form.wide button[type=submit]")
    follow(organiser, "form[action*='/trial'] button")
    tried = site.mail_to("organiser@example.org")
    follow(organiser, "form[action$='/publish'] button")
    follow(organiser, "form[action$='/send-now'] button")

    told = site.mail_to("sara@example.org", number=2)
    assert "Brought before a judge" in told.subject
    assert "Brought before a judge" in tried.subject
    until = monotonic() + PATIENCE
    while organiser.locator("progress, form[action$='/stop']").count():
        assert monotonic() < until
        organiser.reload()
    figures = organiser.inner_text("section[aria-labelledby^=alert-]")
    assert ("Done: 1 sent" if lang == "en" else "الرسائل المُرسَلة: 1") in figures
    page.goto(f"{site.url}/{lang}/campaigns/amar-fayaz?fresh")
    assert "Brought before a judge" in page.inner_text("main")
    page.goto(site.link(told, "/unsubscribe/"))
    follow(page, "main form button")
    with site.app.app_context():
        campaign_id = db.session.scalars(select(Campaign.id)).one()
        assert subscriptions.count_active(campaign_id, for_status_change=True) == 0


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("lang", ["en", "ar"])
def test_endorse_approve_and_see_it_shown(
    site: Site, open_page: Opener, lang: str, script: bool
) -> None:
    page = open_page(width=360, script=script)
    page.goto(f"{site.url}/{lang}/campaigns/amar-fayaz")
    follow(page, "a[href$='/endorse']")
    page.fill("#organisation", "Dockers, branch 12")
    page.select_option("#level", "branch")
    page.select_option("#country", "DE")
    page.fill("#members", "1200")
    page.fill("#contact", "Sara Example")
    page.fill("#email", "dockers@example.org")
    follow(page, "form.slip button[type=submit]")
    page.goto(site.link(site.mail_to("dockers@example.org"), "/confirm/"))
    page.check("input[name=alerts][value=no]")
    follow(page, "form.slip button[type=submit]")
    organiser = open_page(script=script)
    sign_in(organiser, site, lang)
    organiser.goto(f"{site.url}/{lang}/organise/endorsements")
    follow(organiser, "form[action$='/approve'] button")
    page.goto(f"{site.url}/{lang}/campaigns/amar-fayaz?fresh")
    assert "Dockers, branch 12" in page.inner_text("[aria-labelledby=endorsements]")


def test_an_empty_form_says_what_is_missing_beside_each_field(
    site: Site, open_page: Opener
) -> None:
    page = open_page(width=360)
    page.goto(f"{site.url}/en/campaigns/amar-fayaz")
    follow(page, "form.slip button[type=submit]")
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
    page.wait_for_selector("#code")
    mail = site.mail_to("keys@example.org")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "code":
            break
    page.keyboard.type(code_in(mail))
    page.keyboard.press("Enter")
    page.wait_for_url("**/confirm/signature/**")


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize(("lang", "digits"), [("en", "0123456789"), ("ur", "۰۱۲۳۴۵۶۷۸۹")])
def test_a_slip_is_put_right_and_the_code_leads_on(
    site: Site, open_page: Opener, lang: str, digits: str, script: bool
) -> None:
    page = open_page(width=360, script=script)
    page.goto(f"{site.url}/{lang}/campaigns/amar-fayaz")
    fill_and_sign(page, "sara@gmial.com")
    assert page.input_value("#name") == "Sara Example"
    follow(page, "button[value=suggested]")
    assert "sara@gmail.com" in page.inner_text("main")
    code = code_in(site.mail_to("sara@gmail.com"))
    page.fill("#code", f"{int(code) ^ 1:06}")
    follow(page, "form.slip button[type=submit]")
    assert page.locator("#code-error").count() == 1
    page.fill("#code", code.translate(str.maketrans("0123456789", digits)))
    follow(page, "form.slip button[type=submit]")
    answer_yes(page)
    assert page.url.endswith("/next")


def test_the_letter_can_be_read_and_copied_without_script(
    site: Site, open_page: Opener
) -> None:
    page = open_page(script=False)
    page.goto(f"{site.url}/en/campaigns/amar-fayaz/act")
    assert "Dear Sir or Madam" in page.inner_text("#letter")
    assert not page.is_visible("[data-copy='#letter']"), "no button that does nothing"


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
    follow(page, "form button[type=submit]")
    assert "Free Amar Fayaz" in page.inner_text("main")
    [cookie] = [c for c in page.context.cookies() if c["name"] == "organiser"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    follow(page, "form.sign-out button")
    page.goto(f"{site.url}/en/organise/campaigns")
    assert "/organisers/sign-in" in page.url
