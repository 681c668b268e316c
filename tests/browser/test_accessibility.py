"""axe finds nothing by the rules of WCAG 2.2 A and AA, on every page and error state."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import Site
from tests.support import factories

Opener = Callable[..., Page]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = [(360, "light", "en"), (1280, "dark", "en"), (360, "dark", "ar"), (1280, "light", "ar")]
PUBLIC = [
    "/",
    "/campaigns/amar-fayaz",
    "/campaigns/amar-fayaz/sign",
    "/campaigns/amar-fayaz/subscribe",
    "/campaigns/amar-fayaz/endorse",
    "/campaigns/amar-fayaz/check-inbox",
    "/campaigns/amar-fayaz/act",
    "/campaigns/amar-fayaz/my-link",
    "/campaigns/amar-fayaz/share",
    "/campaigns/amar-fayaz/share?instance=x",
    "/campaigns/amar-fayaz/sheet",
    "/privacy",
    "/not-me",
    "/deleted",
    "/campaigns/none",
    "/unsubscribe/any",
    "/organisers/sign-in",
]


def findings(page: Page) -> list[str]:
    options = {"runOnly": {"type": "tag", "values": TAGS}}
    found = Axe().run(page, options=options).response["violations"]
    return [f"{page.url} {one['id']}: {one['nodes'][0]['html'][:150]}" for one in found]


@pytest.mark.parametrize(("width", "scheme", "lang"), LOOKS)
def test_axe_finds_nothing_on_public_pages(
    site: Site, open_page: Opener, width: int, scheme: str, lang: str
) -> None:
    page = open_page(width=width, scheme=scheme)
    found = []
    for path in PUBLIC:
        page.goto(f"{site.url}/{lang}{path}")
        found += findings(page)
    for path in ("sign", "subscribe", "endorse"):
        page.goto(f"{site.url}/{lang}/campaigns/amar-fayaz/{path}")
        page.click("form.slip button[type=submit]")
        found += findings(page)
    assert found == []


@pytest.mark.parametrize(("width", "scheme", "lang"), LOOKS)
def test_axe_finds_nothing_behind_the_links_of_a_mail(
    site: Site, open_page: Opener, width: int, scheme: str, lang: str
) -> None:
    page = open_page(width=width, scheme=scheme)
    page.goto(f"{site.url}/{lang}/campaigns/amar-fayaz")
    page.fill("#name", "Sara")
    page.fill("#email", "sara@exampl.con")
    page.select_option("#country", "DE")
    page.click("form.slip button[type=submit]")
    question = findings(page)
    page.fill("#email", "sara@example.org")
    page.click("form.slip button[value=typed]")
    found = question + findings(page)
    mail = site.mail_to("sara@example.org")
    page.fill("#code", "x")
    page.click("form.slip button[type=submit]")
    found += findings(page)
    page.goto(site.link(mail, "/my/"))
    found += findings(page)
    page.goto(site.link(mail, "/confirm/"))
    found += findings(page)
    page.click("form.slip button[type=submit]")
    found += findings(page)
    for question in ("alerts", "shows_name", "hands_over"):
        page.check(f"input[name={question}][value=yes]")
    page.click("form.slip button[type=submit]")
    found += findings(page)
    assert found == []


@pytest.mark.parametrize(("width", "scheme", "lang"), LOOKS)
def test_axe_finds_nothing_in_the_organisers_room(
    site: Site, open_page: Opener, width: int, scheme: str, lang: str
) -> None:
    page = open_page(width=width, scheme=scheme)
    page.goto(f"{site.url}/{lang}/organisers/sign-in")
    page.fill("#email", "organiser@example.org")
    page.fill("#password", factories.PASSWORD)
    page.click("main form button[type=submit]")
    seen, todo, found = set(), [page.url], []
    while todo:
        address = todo.pop()
        page.goto(address)
        found += findings(page)
        seen.add(address)
        links = page.eval_on_selector_all(
            "a[href*='/organise/']", "all => all.map(a => a.href)"
        )
        todo += [
            link.split("#")[0]
            for link in dict.fromkeys(links)
            if link.split("#")[0] not in seen
            and link.split("#")[0] not in todo
            and f"/{lang}/organise" in link
        ]
    assert len(seen) > 5
    assert found == []
