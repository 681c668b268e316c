"""The look holds: narrow and enlarged, without the display face, in print, with a thumb."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Site, follow

Opener = Callable[..., Page]

LIST, CAMPAIGN = "/", "/campaigns/amar-fayaz"
SEVERAL = "/campaigns/karachi-nine"

SMALL_TARGETS = """() => {
  const how = { visibilityProperty: true, contentVisibilityAuto: true };
  const isSeen = (e) => e.checkVisibility(how) && !e.closest(".trap, .skip");
  // A link within a sentence is as high as its line, which WCAG 2.5.8 allows.
  const isInSentence = (e) => getComputedStyle(e).display === "inline"
    && [...e.parentElement.childNodes].some((n) => n !== e && n.textContent.trim().length > 2);
  return [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
    .filter((e) => e.type !== "hidden" && isSeen(e) && !isInSentence(e))
    .map((e) => [e.outerHTML.slice(0, 120), e.getBoundingClientRect()])
    .filter(([, box]) => box.width && (box.width < 24 || box.height < 24))
    .map(([html, box]) => `${html} ${box.width} x ${box.height}`);
}"""

TEXT_SPACING = """
  * { line-height: 1.5 !important; }
  * { letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }
  p { margin-block-end: 2em !important; }
"""
"""What WCAG 1.4.12 says a reader may set."""

CUT_OFF = """() => [...document.querySelectorAll("main *")]
  .filter((e) => getComputedStyle(e).overflow === "hidden")
  .filter((e) => !e.closest(".unseen, .trap, svg, progress"))
  .filter((e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
  .map((e) => e.outerHTML.slice(0, 120))"""


UNDER_THE_BAR = """() => {
  const e = document.activeElement, box = e.getBoundingClientRect();
  if (e === document.body || e.closest(".signbar, .skip")) return [];
  return [...document.querySelectorAll(".signbar")].map((bar) => bar.getBoundingClientRect())
    .filter((bar) => box.top < bar.bottom && box.bottom > bar.top)
    .map(() => e.outerHTML.slice(0, 120));
}"""


def sideways(page: Page) -> str | None:
    """Say which page is wider than its window."""
    width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return f"{page.url} by {width}" if width > 0 else None


def findings(page: Page) -> list[str]:
    """Give what is too wide or too small to hit on the page now open."""
    wide = sideways(page)
    return [*([wide] if wide else []), *page.evaluate(SMALL_TARGETS)]


def send(page: Page) -> None:
    """Press the form's button and wait for the answer."""
    follow(page, "form.slip button[type=submit]")


@pytest.mark.parametrize("lang", ["en", "ar"])
@pytest.mark.parametrize("width", [320, 360])
def test_nothing_scrolls_sideways_and_every_target_can_be_hit(
    site: Site, open_page: Opener, lang: str, width: int
) -> None:
    page = open_page(width=width)
    found = []
    for path in (LIST, CAMPAIGN, f"{CAMPAIGN}/sign", "/privacy", "/organisers/sign-in"):
        page.goto(f"{site.url}/{lang}{path}")
        found += findings(page)
    page.goto(f"{site.url}/{lang}{CAMPAIGN}")
    page.fill("#name", "Sara Example")
    page.fill("#email", "sara@example.org")
    page.select_option("#country", "DE")
    send(page)
    found += findings(page)
    mail = site.mail_to("sara@example.org")
    mine = site.link(mail, "/my/")
    page.goto(site.link(mail, "/confirm/"))
    found += findings(page)
    send(page)
    found += findings(page)
    for question in ("alerts", "shows_name", "hands_over"):
        page.check(f"input[name={question}][value=yes]")
    send(page)
    found += findings(page)
    page.goto(mine)
    found += findings(page)
    assert found == []


@pytest.mark.parametrize("lang", ["en", "tr", "ar", "ur"])
def test_several_people_and_real_texts_fit_a_narrow_window(
    demo_site: Site, open_page: Opener, lang: str
) -> None:
    page = open_page(width=320)
    found = []
    for path in (LIST, SEVERAL, "/campaigns/florenzi-workers", "/campaigns/amar-fayaz"):
        page.goto(f"{demo_site.url}/{lang}{path}")
        found += findings(page)
    assert found == []


@pytest.mark.parametrize("lang", ["en", "ar"])
@pytest.mark.parametrize("width", [320, 1280])
def test_wider_text_spacing_cuts_nothing_off(
    demo_site: Site, open_page: Opener, lang: str, width: int
) -> None:
    page = open_page(width=width)
    found = []
    for path in (LIST, SEVERAL, CAMPAIGN):
        page.goto(f"{demo_site.url}/{lang}{path}")
        page.evaluate(
            "css => { const s = new CSSStyleSheet(); s.replaceSync(css);"
            " document.adoptedStyleSheets.push(s); }",
            TEXT_SPACING,
        )
        found += [sideways(page), *page.evaluate(CUT_OFF)]
    assert [one for one in found if one] == []


# --- the display face ----------------------------------------------------------------------


def fonts_asked(page: Page) -> list[str]:
    """Give a list that fills with the fonts that the page asks for."""
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if r.resource_type == "font" else None)
    return asked


def test_latin_pages_fetch_one_small_face_and_arabic_ones_none(
    demo_site: Site, open_page: Opener
) -> None:
    page = open_page()
    asked = fonts_asked(page)
    page.goto(f"{demo_site.url}/ar{SEVERAL}", wait_until="networkidle")
    page.goto(f"{demo_site.url}/ar{LIST}", wait_until="networkidle")
    assert asked == []
    page.goto(f"{demo_site.url}/en{SEVERAL}", wait_until="networkidle")
    assert len(set(asked)) == 1
    answer = page.request.get(asked[0])
    assert answer.status == 200
    assert len(answer.body()) <= 16 * 1024


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("path", [LIST, SEVERAL])
def test_the_page_is_laid_out_alike_without_the_face(
    demo_site: Site, open_page: Opener, width: int, path: str
) -> None:
    heights = []
    for is_blocked in (False, True):
        page = open_page(width=width)
        if is_blocked:
            page.route("**/*.woff2", lambda route: route.abort())
        page.goto(f"{demo_site.url}/en{path}", wait_until="networkidle")
        page.reload(wait_until="networkidle")
        heights.append(page.evaluate("document.documentElement.scrollHeight"))
    assert heights[1] == pytest.approx(heights[0], rel=0.04)


# --- always one gesture away ---------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_the_sign_form_is_one_gesture_away_wherever_one_reads(
    demo_site: Site, open_page: Opener, lang: str
) -> None:
    page = open_page(width=360, script=False)
    page.emulate_media(reduced_motion="reduce")
    for place in ("", "#demands", "#appeal", "#timeline", "#targets"):
        page.goto(f"{demo_site.url}/{lang}{SEVERAL}{place}")
        links = page.locator("a[href='#sign']").all()
        assert any(is_on_screen(link.bounding_box(), 800) for link in links), place
    page.goto(f"{demo_site.url}/{lang}{SEVERAL}#sign")
    form = page.locator("form.slip").bounding_box()
    bars = [bar.bounding_box() for bar in page.locator(".signbar").all()]
    assert form
    assert all(
        bar
        and (bar["y"] >= form["y"] + form["height"] or bar["y"] + bar["height"] <= form["y"])
        for bar in bars
    )


def is_on_screen(box: object, height: int) -> bool:
    """Say whether a box lies within the window."""
    return isinstance(box, dict) and box["y"] >= 0 and box["y"] + box["height"] <= height


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_the_bar_hides_neither_what_has_the_focus_nor_the_footer(
    demo_site: Site, open_page: Opener, lang: str
) -> None:
    page = open_page(width=360)
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{demo_site.url}/{lang}{SEVERAL}")
    hidden = []
    for _ in range(70):
        page.keyboard.press("Tab")
        hidden += page.evaluate(UNDER_THE_BAR)
    assert hidden == []
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    footer = page.locator(".colophon").bounding_box()
    bars = [bar.bounding_box() for bar in page.locator(".signbar").all()]
    assert footer
    assert all(bar and bar["y"] + bar["height"] <= footer["y"] for bar in bars)


# --- languages, print ----------------------------------------------------------------------


@pytest.mark.parametrize(("lang", "other"), [("en", "اردو"), ("ar", "Türkçe")])
def test_the_language_is_switched_without_script_on_a_phone(
    demo_site: Site, open_page: Opener, lang: str, other: str
) -> None:
    page = open_page(width=360, script=False)
    page.goto(f"{demo_site.url}/{lang}{SEVERAL}")
    page.focus(".languages summary")
    page.keyboard.press("Enter")
    assert findings(page) == []
    follow(page, f".languages a:text-is('{other}')")
    assert page.url.endswith(SEVERAL)
    assert f"/{lang}/" not in page.url


def test_the_languages_stand_side_by_side_where_there_is_room(
    demo_site: Site, open_page: Opener
) -> None:
    page = open_page(width=1280, script=False)
    page.goto(f"{demo_site.url}/en{SEVERAL}")
    follow(page, ".languages a:text-is('Deutsch')")
    assert page.url.endswith(f"/de{SEVERAL}")


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_a_campaign_prints_as_a_leaflet(demo_site: Site, open_page: Opener, lang: str) -> None:
    page = open_page()
    page.goto(f"{demo_site.url}/{lang}{SEVERAL}")
    page.emulate_media(media="print")
    for selector in ("h1", ".days", ".poster-stamp", ".demands", ".targets", ".share svg"):
        assert page.locator(selector).first.is_visible(), selector
    for selector in ("nav", "form", ".signbar", "#timeline", ".colophon", ".share-links"):
        assert not any(one.is_visible() for one in page.locator(selector).all()), selector
    assert "/karachi-nine" in page.inner_text(".share")
