"""A first visit is light, complete, without a cookie, and asks nobody but this site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Site

Opener = Callable[..., Page]

MAX_BYTES = 30_000
"""Compressed bytes of page, style and script together; the picture and the face are apart."""
MAX_REQUESTS = 4
APART = {"image", "font"}

CAMPAIGNS = ["amar-fayaz", "karachi-nine", "florenzi-workers"]


class Loaded(NamedTuple):
    """One file that the browser fetched."""

    url: str
    kind: str
    bytes: int


def listen(page: Page, loaded: list[Loaded]) -> None:
    """Write down every file with the bytes that came over the wire, headers included."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    kinds: dict[str, tuple[str, str]] = {}

    def received(event: dict[str, Any]) -> None:
        kinds[event["requestId"]] = (event["response"]["url"], event["type"].lower())

    def finished(event: dict[str, Any]) -> None:
        url, kind = kinds[event["requestId"]]
        loaded.append(Loaded(url, kind, int(event["encodedDataLength"])))

    devtools.on("Network.responseReceived", received)
    devtools.on("Network.loadingFinished", finished)


@pytest.mark.parametrize("slug", CAMPAIGNS)
@pytest.mark.parametrize("lang", ["en", "ar", "ur"])
def test_a_campaign_page_costs_at_most_thirty_kilobytes_and_four_requests(
    demo_site: Site, open_page: Opener, slug: str, lang: str
) -> None:
    loaded: list[Loaded] = []
    page = open_page(width=360)
    listen(page, loaded)
    page.goto(f"{demo_site.url}/{lang}/campaigns/{slug}", wait_until="networkidle")
    assert loaded
    assert all(one.url.startswith(demo_site.url) for one in loaded)
    assert page.context.cookies() == []
    counted = [one for one in loaded if one.kind not in APART]
    assert sum(one.bytes for one in counted) <= MAX_BYTES, counted
    assert len(counted) <= MAX_REQUESTS, counted
    assert sum(one.bytes for one in loaded if one.kind == "font") <= 16_500


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_the_page_says_the_same_with_script_and_without(
    demo_site: Site, open_page: Opener, lang: str
) -> None:
    seen = []
    for script in (True, False):
        page = open_page(width=360, script=script)
        page.goto(f"{demo_site.url}/{lang}/campaigns/amar-fayaz", wait_until="networkidle")
        seen.append(page.locator("main :is(h1, h2, h3, p, li, a, label)").all_text_contents())
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "path", ["/en/", "/en/campaigns/karachi-nine", "/ar/campaigns/amar-fayaz"]
)
def test_nothing_moves_while_a_page_loads(
    demo_site: Site, open_page: Opener, path: str
) -> None:
    page = open_page(width=360)
    page.add_init_script(
        """window.shifts = 0;
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) window.shifts += entry.value;
        }).observe({type: "layout-shift", buffered: true});"""
    )
    page.goto(f"{demo_site.url}{path}", wait_until="networkidle")
    page.wait_for_timeout(300)
    assert page.evaluate("window.shifts") == 0
