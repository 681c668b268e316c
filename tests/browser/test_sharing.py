"""Passing on in a real browser: the copy buttons, the browser's own sheet, both without."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

Opener = Callable[..., Page]

SHARE = "/en/campaigns/amar-fayaz/share"


def test_the_copy_button_copies_the_message_and_says_so(site: Site, open_page: Opener) -> None:
    page = open_page(width=360)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{site.url}{SHARE}")
    button = page.locator("[data-copy='#message']")
    button.click()
    # The clipboard answers when it likes.
    expect(button).to_have_text("Copied")
    expect(page.locator("[role=status]:not(.notice)")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()").replace("\r\n", "\n")
    assert copied == page.input_value("#message")
    assert f"{site.url}/amar-fayaz" in copied
    expect(button).to_contain_text("Copy")
    expect(page.locator("[role=status]:not(.notice)")).to_be_empty()


def test_without_a_clipboard_the_text_is_selected_ready_to_be_copied(
    site: Site, open_page: Opener
) -> None:
    page = open_page()
    page.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', {value: undefined});"
        "Document.prototype.execCommand = () => false;"
    )
    page.goto(f"{site.url}{SHARE}")
    page.click("[data-copy='#short-address']")
    assert page.evaluate("getSelection().toString()") == f"{site.url}/amar-fayaz"
    assert "Copied" not in page.inner_text("main")


def test_the_browsers_own_sheet_gets_title_text_and_address(
    site: Site, open_page: Opener
) -> None:
    page = open_page()
    page.add_init_script(
        "navigator.share = (what) => { window.shared = what; return Promise.reject(); };"
    )
    page.goto(f"{site.url}{SHARE}")
    page.click("[data-share]")
    shared = page.evaluate("window.shared")
    assert shared["title"] == "Free Amar Fayaz"
    assert shared["url"] == f"{site.url}/en/campaigns/amar-fayaz"
    assert "missing" in shared["text"]


@pytest.mark.parametrize("path", [SHARE, "/ar/campaigns/amar-fayaz"])
def test_nothing_moves_when_the_script_shows_its_buttons(
    site: Site, open_page: Opener, path: str
) -> None:
    page = open_page(width=360)
    page.goto(f"{site.url}{path}")
    page.wait_for_load_state("networkidle")
    moved = page.evaluate(
        """() => new Promise((done) => {
            let sum = 0;
            new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) sum += entry.value;
            }).observe({ type: "layout-shift", buffered: true });
            setTimeout(() => done(sum), 300);
        })"""
    )
    assert moved == 0


@pytest.mark.parametrize("script", [True, False])
def test_a_mastodon_server_leads_to_a_plain_link(
    site: Site, open_page: Opener, script: bool
) -> None:
    page = open_page(script=script)
    page.goto(f"{site.url}{SHARE}")
    page.fill("#instance", "mastodon.social")
    page.click("#mastodon ~ form button, section:has(#mastodon) button")
    link = page.locator("section:has(#mastodon) a.button")
    assert str(link.get_attribute("href")).startswith("https://mastodon.social/share?text=")
    assert page.url.startswith(site.url), "a link to follow, never a redirect"


def test_without_script_no_button_stands_that_does_nothing(
    site: Site, open_page: Opener
) -> None:
    page = open_page(script=False)
    page.goto(f"{site.url}{SHARE}")
    for button in page.locator("[data-copy], [data-share]").all():
        assert not button.is_visible()
    assert page.locator(".share-links a").count() == 8


@pytest.mark.parametrize("lang", ["en", "ar"])
@pytest.mark.parametrize("page_name", ["share", "sheet"])
def test_the_pages_do_not_scroll_sideways_at_320_pixels(
    site: Site, open_page: Opener, page_name: str, lang: str
) -> None:
    page = open_page(width=320)
    page.goto(f"{site.url}/{lang}/campaigns/amar-fayaz/{page_name}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_the_sheet_alone_is_printed(site: Site, open_page: Opener) -> None:
    page = open_page()
    page.emulate_media(media="print")
    page.goto(f"{site.url}/en/campaigns/amar-fayaz/sheet")
    assert page.is_visible(".sheet")
    assert page.is_visible(".sheet .qr")
    for part in (".masthead", ".colophon", ".sheet-choice"):
        assert not page.is_visible(part)
    assert page.pdf(format="A4").count(b"/Type /Page\n") <= 1
