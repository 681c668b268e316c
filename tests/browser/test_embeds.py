"""Frames on a foreign page, in a real browser: signing inside them, and their height."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep

import pytest
from playwright.sync_api import FrameLocator, Page
from sqlalchemy import select

from tests.browser.conftest import PATIENCE, Site, follow, sign_in
from tests.browser.test_accessibility import LOOKS, findings
from tracker.campaigns import partners
from tracker.campaigns.models import Campaign, Partner
from tracker.extensions import db, writing

Opener = Callable[..., Page]

HEIGHT = 500
"""Of the frames as they are pasted; lower than the form, so that it has to scroll."""


@dataclass
class Foreign:
    """Another organisation's site, of another host."""

    url: str
    page: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def foreign() -> Iterator[Foreign]:
    site = Foreign("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(site.page.encode() if self.path == "/" else b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    site.url = f"http://localhost:{server.server_port}/"
    yield site
    server.shutdown()
    thread.join(PATIENCE)
    server.server_close()


@pytest.fixture
def dockers(site: Site) -> None:
    with site.app.app_context(), writing():
        campaign = db.session.scalars(select(Campaign)).one()
        partners.register(campaign, slug="dockers", name="Dockers")


def show(
    foreign: Foreign, site: Site, page: Page, *, what: str, lang: str = "en", script: str = ""
) -> FrameLocator:
    """Open the foreign page with one frame, and give what is inside."""
    source = f"{site.url}/{lang}/embed/amar-fayaz/{what}?partner=dockers"
    foreign.page = (
        "<!doctype html><html lang=en><title>Dockers</title><h1>Dockers</h1>"
        f'<iframe src="{source}" title="Sign" width="100%" height="{HEIGHT}"></iframe>{script}'
    )
    page.on("request", lambda request: foreign.asked.append(request.url))
    page.goto(foreign.url)
    return page.frame_locator("iframe")


def pasted(site: Site) -> str:
    return f'<script src="{site.url}/embed.js" async></script>'


def counted(site: Site, number: int) -> bool:
    """Say whether the partner's figure gets there."""
    until = monotonic() + PATIENCE
    while monotonic() < until:
        with site.app.app_context():
            if db.session.scalars(select(Partner.counted)).one() == number:
                return True
        sleep(0.1)
    return False


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("lang", ["en", "ar"])
@pytest.mark.usefixtures("dockers")
def test_somebody_signs_on_a_foreign_page_and_the_partner_is_counted(
    site: Site, foreign: Foreign, open_page: Opener, lang: str, script: bool
) -> None:
    page = open_page(width=360, script=script)
    frame = show(foreign, site, page, what="form", lang=lang, script=pasted(site))
    frame.locator("form.slip button[type=submit]").click()
    frame.locator("#error-summary").wait_for()
    frame.locator("#name").fill("Sara Example")
    frame.locator("#email").fill("sara@example.org")
    frame.locator("#country").select_option("DE")
    frame.locator("form.slip button[type=submit]").click()
    frame.locator("#code").wait_for()
    assert page.url == foreign.url
    mail = site.mail_to("sara@example.org")
    assert f"/{lang}/confirm/" in mail.text
    confirming = open_page(script=script)
    confirming.goto(site.link(mail, "/confirm/"))
    for question in ("alerts", "shows_name", "hands_over"):
        confirming.check(f"input[name={question}][value=no]")
    follow(confirming, "form.slip button[type=submit]")
    assert counted(site, 1)
    assert page.context.cookies() == []
    ours = (f"{site.url}/", foreign.url)
    assert all(url.startswith(ours) for url in foreign.asked), foreign.asked


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.usefixtures("dockers")
def test_the_code_from_the_mail_leads_out_of_the_frame(
    site: Site, foreign: Foreign, open_page: Opener, script: bool
) -> None:
    page = open_page(script=script)
    frame = show(foreign, site, page, what="form")
    frame.locator("#name").fill("Sara Example")
    frame.locator("#email").fill("sara@example.org")
    frame.locator("#country").select_option("DE")
    frame.locator("form.slip button[type=submit]").click()
    mail = site.mail_to("sara@example.org")
    [code] = [word for word in mail.text.split() if word.isdecimal() and len(word) == 6]
    frame.locator("#code").fill(code)
    with page.context.expect_page() as opened:
        frame.locator("form.slip button[type=submit]").click()
    opened.value.wait_for_url("**/confirm/signature/**")
    assert opened.value.locator("input[name=alerts]").count() == 2
    assert page.url == foreign.url


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
@pytest.mark.parametrize("what", ["form", "counter"])
@pytest.mark.usefixtures("dockers")
def test_with_its_script_the_frame_is_as_high_as_what_is_in_it(
    site: Site, foreign: Foreign, open_page: Opener, what: str, width: int
) -> None:
    page = open_page(width=width)
    show(foreign, site, page, what=what, script=pasted(site))
    page.wait_for_function(f"document.querySelector('iframe').offsetHeight != {HEIGHT + 4}")
    inner = page.frames[1]
    page.wait_for_timeout(300)
    for action in ("", "document.querySelector('details')?.setAttribute('open', '')"):
        inner.evaluate(action or "0")
        page.wait_for_timeout(300)
        is_whole = "document.documentElement.scrollHeight <= innerHeight + 1"
        assert inner.evaluate(is_whole)
        assert inner.evaluate("innerHeight - document.body.offsetHeight < 2")
        assert inner.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.usefixtures("dockers")
def test_without_its_script_the_frame_keeps_its_height_and_scrolls(
    site: Site, foreign: Foreign, open_page: Opener, script: bool
) -> None:
    page = open_page(script=script)
    frame = show(foreign, site, page, what="form")
    frame.locator("form.slip button[type=submit]").scroll_into_view_if_needed()
    assert frame.locator("form.slip button[type=submit]").is_visible()
    box = page.locator("iframe").bounding_box()
    assert box
    assert round(box["height"]) == HEIGHT + 4


@pytest.mark.usefixtures("dockers")
def test_only_our_frames_may_set_a_height_and_only_with_a_number(
    site: Site, foreign: Foreign, open_page: Opener
) -> None:
    page = open_page()
    show(foreign, site, page, what="counter", script=pasted(site))
    page.wait_for_function(f"document.querySelector('iframe').offsetHeight != {HEIGHT + 4}")
    page.wait_for_timeout(300)
    before = page.evaluate("document.querySelector('iframe').offsetHeight")
    page.evaluate("window.postMessage(4321, '*')")
    for what in ("'4321px'", "NaN", "Infinity", "{height: 4321}", "null"):
        page.frames[1].evaluate(f"parent.postMessage({what}, '*')")
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelector('iframe').offsetHeight") == before
    # The frame measures itself anew at once: what it was in between is written down.
    page.evaluate(
        """() => {
            const frame = document.querySelector('iframe');
            window.tallest = 0;
            const note = () => { tallest = Math.max(tallest, frame.offsetHeight); };
            new MutationObserver(note).observe(frame, {attributes: true});
        }"""
    )
    page.frames[1].evaluate("parent.postMessage(1e12, '*')")
    page.wait_for_function("tallest > 4000")
    assert page.evaluate("tallest") < 10_000


@pytest.mark.usefixtures("dockers")
def test_links_open_in_a_tab_of_their_own(
    site: Site, foreign: Foreign, open_page: Opener
) -> None:
    page = open_page()
    frame = show(foreign, site, page, what="counter")
    with page.context.expect_page() as opened:
        frame.locator("main a.button").click()
    opened.value.wait_for_url(f"{site.url}/en/campaigns/amar-fayaz?partner=dockers#sign")
    assert page.url == foreign.url
    assert opened.value.evaluate("opener") is None


def test_no_other_page_of_ours_shows_up_in_a_foreign_frame(
    site: Site, foreign: Foreign, open_page: Opener
) -> None:
    page = open_page()
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    refused = f"{site.url}/en/campaigns/amar-fayaz"
    foreign.page = f'<!doctype html><iframe src="{refused}"></iframe>'
    page.goto(foreign.url)
    page.wait_for_timeout(300)
    assert failed == [refused]
    assert "Amar" not in page.frames[1].content()


@pytest.mark.parametrize(("width", "scheme", "lang"), LOOKS)
@pytest.mark.usefixtures("dockers")
def test_axe_finds_nothing_in_frames_and_on_the_partners_page(
    site: Site, open_page: Opener, width: int, scheme: str, lang: str
) -> None:
    page = open_page(width=width, scheme=scheme)
    found = []
    for path in ("counter", "none/form", "form?partner=dockers"):
        page.goto(f"{site.url}/{lang}/embed/amar-fayaz/{path}")
        found += findings(page)
    follow(page, "form.slip button[type=submit]")
    found += findings(page)
    page.fill("#name", "Sara Example")
    page.fill("#email", "sara@example.org")
    page.select_option("#country", "DE")
    follow(page, "form.slip button[type=submit]")
    found += findings(page)
    sign_in(page, site, lang)
    page.goto(f"{site.url}/{lang}/organise/campaigns/amar-fayaz/partners")
    found += findings(page)
    page.click("tbody a")
    page.wait_for_selector("[data-copy]:not([hidden])")
    found += findings(page)
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
