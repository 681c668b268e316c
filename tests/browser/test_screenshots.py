"""The main pages as they look, kept in tests/browser/screenshots to be looked at.

What a machine can say of a picture is said here: nothing failed to load, the browser had
nothing to complain about, and the page is as wide as the screen.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Site

Opener = Callable[..., Page]

FOLDER = Path(__file__).parent / "screenshots"
PAGES = {
    "home": "/",
    "campaign-won": "/campaigns/amar-fayaz",
    "campaign-open": "/campaigns/karachi-nine",
    "act": "/campaigns/karachi-nine/act",
    "share": "/campaigns/karachi-nine/share",
    "archive": "/campaigns/",
    "sign": "/campaigns/karachi-nine/sign",
    "embed": "/embed/karachi-nine/form",
}
LOOKS = [
    (360, "light", "en"),
    (768, "light", "en"),
    (1280, "light", "en"),
    (1280, "dark", "en"),
    (360, "dark", "ar"),
    (1280, "light", "ar"),
    (360, "light", "ur"),
]


@pytest.mark.parametrize(("width", "scheme", "lang"), LOOKS)
def test_the_main_pages_load_whole_and_fit_the_screen(
    demo_site: Site, open_page: Opener, width: int, scheme: str, lang: str
) -> None:
    FOLDER.mkdir(exist_ok=True)
    page = open_page(width=width, scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{page.url}: {message.text}"))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    wide = []
    for name, path in PAGES.items():
        page.goto(f"{demo_site.url}/{lang}{path}", wait_until="networkidle")
        page.screenshot(path=FOLDER / f"{name}-{lang}-{width}-{scheme}.png", full_page=True)
        if page.evaluate("document.documentElement.scrollWidth") > width:
            wide.append(path)
    assert complaints == []
    assert wide == []
