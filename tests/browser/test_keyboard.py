"""The whole way of a signature with the keyboard alone: focus is seen, and nothing holds it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Site

Opener = Callable[..., Page]

VISIBLE = """() => {
  const style = getComputedStyle(document.activeElement);
  const box = document.activeElement.getBoundingClientRect();
  const isOutlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return isOutlined && box.width > 0 && box.bottom > 0 && box.top < innerHeight;
}"""


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until an element is focused; each stop on the way must be seen."""
    for _ in range(150):
        page.keyboard.press("Tab")
        assert page.evaluate(VISIBLE), page.evaluate("document.activeElement.outerHTML")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"the keyboard never reaches {selector}")


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_signing_confirming_and_withdrawing_need_no_mouse(
    site: Site, open_page: Opener, lang: str
) -> None:
    page = open_page(width=360)
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{site.url}/{lang}/campaigns/amar-fayaz")
    tab_to(page, "#name")
    page.keyboard.type("Sara Example")
    tab_to(page, "#email")
    page.keyboard.type("keys@example.org")
    tab_to(page, "#country")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    tab_to(page, "form.slip button[type=submit]")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    mail = site.mail_to("keys@example.org")
    page.goto(site.link(mail, "/confirm/"))
    for question in ("alerts", "shows_name", "hands_over"):
        tab_to(page, f"input[name={question}]")
        page.keyboard.press("Space")
    tab_to(page, "form.slip button[type=submit]")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "/my/" in page.url
    page.goto(site.link(mail, "/my/"))
    tab_to(page, "form[action$='/withdraw'] button")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "withdrawn" in page.url or page.url.endswith("/deleted")


@pytest.mark.parametrize("path", ["/", "/campaigns/amar-fayaz", "/campaigns/amar-fayaz/share"])
def test_the_keyboard_goes_through_a_page_and_out_of_it_again(
    site: Site, open_page: Opener, path: str
) -> None:
    page = open_page(width=1280)
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{site.url}/en{path}")
    last = "footer a >> nth=-1"
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.locator(last).evaluate("element => element === document.activeElement"):
            break
    else:
        raise AssertionError("the keyboard never reaches the end of the page")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement === document.body")
