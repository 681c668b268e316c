"""Passing on: short address, QR codes, links to services, the picture for previews."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from itertools import groupby
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import segno
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image, ImageChops
from werkzeug.datastructures import MultiDict

from tests.conftest import BASE_URL
from tests.support import factories
from tracker.campaigns import services as campaigns
from tracker.campaigns.forms import campaign_form, is_reserved
from tracker.campaigns.models import Campaign, Outcome
from tracker.campaigns.status import Status
from tracker.campaigns.translations import translate
from tracker.core import clock, languages
from tracker.core.errors import NotReady
from tracker.extensions import db, writing
from tracker.pages import codes, drawing, lettering, ways
from tracker.pages.drawing import Poster

PAGE = "/en/campaigns/amar-fayaz"
SHORT = f"{BASE_URL}/amar-fayaz"


@pytest.fixture
def change(app: Flask, campaign: Campaign) -> Callable[[Callable[[Campaign], Any]], None]:
    """Change the live campaign."""

    def run(act: Callable[[Campaign], Any]) -> None:
        with app.app_context(), writing():
            act(db.session.get_one(Campaign, campaign.id))

    return run


# --- the short address ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoken", "page"), [("de-AT,en;q=0.5", "de"), ("ar", "ar"), ("ko", "en"), ("", "en")]
)
def test_the_short_address_leads_to_the_campaign_in_the_visitors_language(
    client: FlaskClient, campaign: Campaign, spoken: str, page: str
) -> None:
    for path in ("/amar-fayaz", "/Amar-Fayaz"):
        answer = client.get(path, headers={"Accept-Language": spoken})
        assert answer.status_code == 302
        assert answer.location == f"/{page}/campaigns/amar-fayaz"
        assert "Accept-Language" in answer.headers["Vary"]
        assert "Set-Cookie" not in answer.headers


def test_an_unknown_short_address_and_a_draft_lead_nowhere(
    client: FlaskClient, given: Callable[..., Campaign]
) -> None:
    given(factories.a_campaign, slug="a-draft")
    for path in ("/a-draft", "/nothing", "/no.thing", "/%F0%9F%98%80", f"/{'x' * 3000}"):
        assert client.get(path).status_code == 404, path


def test_a_paused_campaign_keeps_its_short_address(
    client: FlaskClient, change: Callable[..., None]
) -> None:
    change(campaigns.pause)
    assert client.get("/amar-fayaz", follow_redirects=True).status_code == 503


def test_the_sites_own_addresses_go_before_short_ones(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"ok": True}
    for code in languages.LANGUAGES:
        assert client.get(f"/{code}", follow_redirects=True).status_code == 200


def test_no_campaign_can_take_an_address_of_the_site(app: Flask) -> None:
    firsts = {rule.rule.strip("/").split("/")[0] for rule in app.url_map.iter_rules()}
    fixed = {first for first in firsts if first and "<" not in first and "." not in first}
    assert fixed >= {"campaigns", "healthz", "static"}
    for word in fixed | set(languages.LANGUAGES) | {"feed", "embed", "oembed"}:
        assert is_reserved(word), word
    with app.test_request_context():
        form = campaign_form(subjects=1, targets=1)(
            formdata=MultiDict({"slug": "static"}), meta={"csrf": False}
        )
        form.validate()
        assert form.slug.errors
    assert not is_reserved("amar-fayaz")


# --- QR codes ---------------------------------------------------------------------------------


def the_code() -> list[list[int]]:
    """Give what segno, which is tested against decoders, makes of the short address."""
    return [list(row) for row in segno.make_qr(SHORT, error="m").matrix]


def test_the_qr_code_as_png_holds_the_short_address_with_a_quiet_margin(
    client: FlaskClient, campaign: Campaign
) -> None:
    answer = client.get("/campaigns/amar-fayaz/qr.png")
    assert answer.mimetype == "image/png"
    assert "amar-fayaz-qr.png" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "public, max-age=604800"
    image = Image.open(io.BytesIO(answer.data)).convert("L")
    expected = the_code()
    side = len(expected) + 2 * codes.MARGIN
    assert image.width == image.height
    assert image.width % side == 0
    module = image.width // side
    seen = [
        [
            int(image.getpixel((x * module + module // 2, y * module + module // 2)) < 128)
            for x in range(side)
        ]
        for y in range(side)
    ]
    inner = slice(codes.MARGIN, -codes.MARGIN)
    assert [row[inner] for row in seen[inner]] == expected
    assert sum(map(sum, seen)) == sum(map(sum, expected)), "the margin is light"


def test_the_qr_code_as_drawing_is_the_same_dark_on_light(
    client: FlaskClient, campaign: Campaign
) -> None:
    answer = client.get("/campaigns/amar-fayaz/qr.svg")
    assert answer.mimetype == "image/svg+xml"
    assert drawn(answer.text) == the_code()
    assert 'fill="#fff"' in answer.text
    assert "<style" not in answer.text
    assert 'style="' not in answer.text


def drawn(svg: str) -> list[list[int]]:
    """Give the dark modules of a drawing, without its margin."""
    found = re.search(r'viewBox="0 0 (\d+) \1"', svg)
    path = re.search(r'stroke="#000" d="([^"]+)"', svg)
    assert found
    assert path
    side = int(found[1])
    grid, x, y = [[0] * side for _ in range(side)], 0.0, 0.0
    for command, values in re.findall(r"([Mmh])([-\d. ]+)", path[1]):
        numbers = [float(one) for one in values.split()]
        if command == "h":
            for at in range(int(numbers[0])):
                grid[int(y)][int(x) + at] = 1
            x += numbers[0]
        else:
            x, y = numbers if command == "M" else (x + numbers[0], y + numbers[1])
    inner = slice(codes.MARGIN, side - codes.MARGIN)
    return [row[inner] for row in grid[inner]]


def test_a_label_in_a_qr_code_is_text(app: Flask) -> None:
    made = codes.qr_markup(SHORT, label='"><script>')
    assert "<script>" not in made
    assert 'role="img"' in made


def test_a_draft_has_no_code_no_picture_and_no_page_to_pass_it_on(
    client: FlaskClient, given: Callable[..., Campaign]
) -> None:
    given(factories.a_campaign, slug="a-draft")
    for path in ("campaigns/a-draft/qr.svg", "campaigns/a-draft/qr.png"):
        assert client.get(f"/{path}").status_code == 404
    for page in ("share", "card.png", "sheet", "sheet.pdf"):
        assert client.get(f"/en/campaigns/a-draft/{page}").status_code == 404


# --- links ------------------------------------------------------------------------------------


def links(page: str) -> dict[str, str]:
    """Give the links of a page that lead away from it, by host or scheme."""
    found = re.findall(r'<a class="button[^"]*" href="([^"]+)"( rel="[^"]+")?', page)
    by_host = {}
    for url, rel in found:
        url = url.replace("&amp;", "&")
        parts = urlsplit(url)
        if parts.scheme:
            assert rel == ' rel="noreferrer noopener nofollow"', url
            by_host[parts.hostname or parts.scheme] = url
    return by_host


def test_every_service_gets_title_status_and_address_in_the_pages_language(
    app: Flask, client: FlaskClient, change: Callable[..., None]
) -> None:
    def tell(found: Campaign) -> None:
        factories.an_update(found, to=Status.MISSING)
        translate(found, "ar", {"title": (found.title, "الحرية لعمار فياز")})

    change(tell)
    english = links(client.get(f"{PAGE}/share").text)
    arabic = links(client.get("/ar/campaigns/amar-fayaz/share").text)
    assert set(english) == {
        "mailto",
        "wa.me",
        "t.me",
        "www.facebook.com",
        "x.com",
        "www.linkedin.com",
    }
    for host in set(english) - {"mailto"}:
        assert f"{BASE_URL}/en/campaigns/amar-fayaz" in unquote(english[host]), host
        assert f"{BASE_URL}/ar/campaigns/amar-fayaz" in unquote(arabic[host]), host
        assert "utm_" not in english[host]
    text = parse_qs(urlsplit(english["x.com"]).query)["text"][0]
    assert text == "Free Amar Fayaz – missing. Add your name:"
    assert "الحرية لعمار فياز" in unquote(arabic["wa.me"])
    mail = parse_qs(urlsplit(english["mailto"]).query)
    assert mail["subject"] == ["Free Amar Fayaz"]
    assert mail["body"][0].endswith("\r\n\r\nhttp://127.0.0.1:8000/en/campaigns/amar-fayaz\r\n")


@pytest.mark.parametrize("lang", list(languages.LANGUAGES))
def test_the_longest_title_still_fits_into_a_post(
    client: FlaskClient, change: Callable[..., None], lang: str
) -> None:
    change(lambda found: campaigns.edit(found, title="Ä" * 120))
    post = links(client.get(f"/{lang}/campaigns/amar-fayaz/share").text)["x.com"]
    assert len(parse_qs(urlsplit(post).query)["text"][0]) + 1 + 23 <= 280


def test_a_campaign_that_is_over_asks_for_no_names(
    client: FlaskClient, change: Callable[..., None]
) -> None:
    change(lambda found: campaigns.close(found, Outcome.WON, on=clock.today()))
    page = client.get(f"{PAGE}/share").text
    assert "Free Amar Fayaz – Won. Read what happened:" in page
    assert "Add your name" not in page
    assert "Print a sheet" not in page
    assert client.get(f"{PAGE}/sheet").status_code == 404


def test_a_title_with_signs_of_addresses_stays_in_its_place(
    client: FlaskClient, change: Callable[..., None]
) -> None:
    title = "A&body=b?c=d#e \"'<b> 50 %"
    change(lambda found: campaigns.edit(found, title=title))
    found = links(client.get(f"{PAGE}/share").text)
    assert parse_qs(urlsplit(found["mailto"]).query)["subject"] == [title]
    assert parse_qs(urlsplit(found["t.me"]).query)["text"][0].startswith(title)


def test_everything_is_there_without_script_and_nothing_is_asked_of_others(
    client: FlaskClient, campaign: Campaign
) -> None:
    answer = client.get(f"{PAGE}/share")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert "Set-Cookie" not in answer.headers
    page = answer.text
    assert SHORT in page
    assert re.search(r"<textarea[^>]*readonly[^>]*>[^<]*" + re.escape(SHORT), page)
    for button in re.findall(r"<button[^>]*data-(?:copy|share)[^>]*>", page):
        assert " hidden" in button
    for source in re.findall(r'(?:src|rel="(?:icon|stylesheet)" href)="([^"]+)"', page):
        assert source.startswith("/"), source


# --- Mastodon ---------------------------------------------------------------------------------


def test_a_mastodon_server_becomes_a_link_and_is_kept_nowhere(
    client: FlaskClient, campaign: Campaign
) -> None:
    answer = client.get(f"{PAGE}/share", query_string={"instance": " Mastodon.Social "})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    url = links(answer.text)["mastodon.social"]
    assert url.startswith("https://mastodon.social/share?text=")
    assert f"{BASE_URL}/en/campaigns/amar-fayaz" in unquote(url)


@pytest.mark.parametrize(
    "typed",
    [
        "mastodon",
        "localhost",
        "127.0.0.1",
        "2130706433",
        "[::1]",
        "0x7f.1",
        "mastodon.social:8080",
        "me@mastodon.social",
        "@me@mastodon.social",
        "https://mastodon.social",
        "mastodon.social/path",
        "mastodon.social?x",
        "mastodon.social#x",
        "mastodon..social",
        ".mastodon.social",
        "-a.social",
        "server.local",
        "hidden.onion",
        "a.b.c.d.1",
        "mastodon.social\n.evil.example",
        "mаstodon.social",
        "a" * 64 + ".social",
        "a." * 200 + "social",
        "\u202emastodon.social",
        '"><script>.social',
        " ",
    ],
)
def test_anything_but_a_public_host_name_is_refused_in_a_sentence(
    client: FlaskClient, campaign: Campaign, typed: str
) -> None:
    assert ways.public_host(typed) is None
    answer = client.get(f"{PAGE}/share", query_string={"instance": typed})
    assert answer.status_code == 422
    assert "This is not the name of a server" in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "/share?text=" not in answer.text
    assert "<script>." not in answer.text


@pytest.mark.parametrize(
    "typed", ["mastodon.social", "m.xn--80ak6aa92e.com", "a-b.example.org"]
)
def test_public_host_names_are_taken(typed: str) -> None:
    assert ways.public_host(typed) == typed


# --- the picture for previews -----------------------------------------------------------------


def picture(client: FlaskClient, lang: str = "en") -> Image.Image:
    answer = client.get(f"/{lang}/campaigns/amar-fayaz/card.png")
    assert answer.status_code == 200
    assert answer.mimetype == "image/png"
    assert len(answer.data) <= 100_000
    return Image.open(io.BytesIO(answer.data))


def test_a_page_names_a_picture_of_its_own_language(
    client: FlaskClient, change: Callable[..., None]
) -> None:
    change(lambda found: factories.an_update(found, to=Status.MISSING))
    for lang, locale in (("en", "en_GB"), ("ur", "ur_PK")):
        page = client.get(f"/{lang}/campaigns/amar-fayaz").text
        meta = dict(re.findall(r'<meta (?:property|name)="([^"]+)" content="([^"]*)"', page))
        assert meta["og:title"] == "Free Amar Fayaz"
        assert meta["og:description"] == "Abducted at night."
        assert meta["og:url"] == f"{BASE_URL}/{lang}/campaigns/amar-fayaz"
        assert meta["og:locale"] == locale
        assert meta["twitter:card"] == "summary_large_image"
        assert meta["og:image:alt"].startswith("Free Amar Fayaz – ")
        image = urlsplit(meta["og:image"])
        assert f"{image.scheme}://{image.netloc}" == BASE_URL
        answer = client.get(f"{image.path}?{image.query}")
        drawn = Image.open(io.BytesIO(answer.data))
        assert (str(drawn.width), str(drawn.height)) == (
            meta["og:image:width"],
            meta["og:image:height"],
        )
        alternates = re.findall(r'og:locale:alternate" content="([^"]+)"', page)
        assert len(alternates) == len(languages.LANGUAGES) - 1
        assert locale not in alternates


def test_a_new_status_is_a_new_picture_at_a_new_address(
    client: FlaskClient, change: Callable[..., None]
) -> None:
    def address() -> str:
        found = re.search(r'og:image" content="([^"]+)"', client.get(PAGE).text)
        assert found
        return found[1]

    before, drawn_before = address(), picture(client).tobytes()
    assert address() == before
    change(lambda found: factories.an_update(found, to=Status.MISSING))
    assert address() != before
    assert picture(client).tobytes() != drawn_before


def test_the_picture_is_cached_and_known_by_its_content(
    client: FlaskClient, campaign: Campaign
) -> None:
    first = client.get(f"{PAGE}/card.png")
    assert first.headers["Cache-Control"] == "public, max-age=600"
    assert first.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    again = client.get(f"{PAGE}/card.png", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


def test_a_paused_campaign_has_no_picture(
    client: FlaskClient, change: Callable[..., None]
) -> None:
    change(campaigns.pause)
    assert client.get(f"{PAGE}/card.png").status_code == 404


@pytest.mark.parametrize("lang", list(languages.LANGUAGES))
def test_every_language_has_a_picture(
    client: FlaskClient, campaign: Campaign, lang: str
) -> None:
    assert picture(client, lang).size == (1200, 630)


def a_poster(**values: Any) -> Poster:
    facts: dict[str, Any] = {
        "site_name": "Tracker",
        "title": "Free Amar Fayaz",
        "title_lang": "en",
        "title_is_rtl": False,
        "lang": "en",
        "is_rtl": False,
        "stamp": "missing",
        "tone": "bad",
        "days": "15",
        "days_label": "days missing",
        "count": "12,282",
        "count_label": "have signed",
        "is_open": True,
    }
    return Poster(**{**facts, **values})


def opened(poster: Poster) -> Image.Image:
    return Image.open(io.BytesIO(drawing.picture(poster))).convert("RGB")


def ink(image: Image.Image, area: tuple[int, int, int, int]) -> tuple[int, int]:
    """Give where the ink of an area begins and ends, across."""
    part = image.crop(area).convert("L").point(lambda value: 255 if value < 128 else 0)
    box = part.getbbox()
    assert box, "nothing is drawn"
    return box[0], box[2]


def test_in_arabic_the_picture_begins_on_the_right() -> None:
    title = (0, 95, 1200, 300)
    left, _ = ink(opened(a_poster()), title)
    _, right = ink(
        opened(
            a_poster(title="عمار", title_lang="ar", title_is_rtl=True, lang="ar", is_rtl=True)
        ),
        title,
    )
    assert left < 70
    assert right > 1130


@pytest.mark.parametrize(
    ("title", "lang"),
    [
        ("", "en"),
        ("A", "en"),
        ("W" * 120, "en"),
        ("word " * 24, "de"),
        ("自由" * 60, "en"),
        ("👩‍🔧 🚩", "en"),
        ("\u202e\u2066\u200f", "en"),
        ("(" * 120, "ar"),
        ("ערן חופש Свободу Ελλάδα", "en"),
        ("ا\u064b" * 60, "ar"),
        ("کارکنوں کو رہا کرو", "ur"),
        ("a\u0301" * 60, "es"),
    ],
)
def test_no_title_breaks_the_picture(
    title: str, lang: str, caplog: pytest.LogCaptureFixture
) -> None:
    is_rtl = languages.direction(lang) == "rtl"
    poster = a_poster(
        title=title, title_lang=lang, title_is_rtl=is_rtl, lang=lang, is_rtl=is_rtl
    )
    made = drawing.picture(poster)
    assert Image.open(io.BytesIO(made)).size == (1200, 630)
    assert len(made) <= 100_000
    assert caplog.text == ""


def test_the_longest_words_leave_the_margins_free() -> None:
    image = opened(a_poster(title="W" * 120, stamp="held " * 20, days="1,000,000"))
    plain = Image.new("RGB", (40, 280), "white")
    for left in (0, 1160):
        area = image.crop((left, 95, left + 40, 375))
        assert ImageChops.difference(area, plain).getbbox() is None


def test_a_picture_is_drawn_once_and_only_so_many_are_kept() -> None:
    poster = a_poster(title="Once")
    assert drawing.picture(poster) is drawing.picture(poster)
    for number in range(drawing.KEPT):
        drawing.picture(
            a_poster(title="A", days="", count="", stamp="", days_label=str(number))
        )
    assert len(drawing._kept) == drawing.KEPT
    assert poster not in drawing._kept


def test_many_who_ask_at_once_get_the_same_picture_or_are_asked_to_come_again() -> None:
    made: list[bytes] = []
    sent_away: list[NotReady] = []
    poster = a_poster(title="All at once")

    def ask() -> None:
        try:
            made.append(drawing.picture(poster))
        except NotReady as refused:
            sent_away.append(refused)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(made) + len(sent_away) == 20
    assert {drawing.picture(poster)} == set(made)


# --- lettering --------------------------------------------------------------------------------


def order(text: str, *, lang: str, is_rtl: bool) -> list[str]:
    """Give the stretches of one direction as they are seen from the left."""
    style = lettering.Style(lettering.plain(lang), lang, is_rtl)
    runs = lettering.set_line(text, style, size=10).runs
    stretches = [list(same) for _, same in groupby(runs, key=lambda run: run.is_rtl)]
    return [
        "".join(run.text for run in (same[::-1] if same[0].is_rtl else same)).strip()
        for same in stretches
    ]


def test_mixed_directions_are_ordered_as_on_the_screen() -> None:
    assert order("الحرية لعمار (Amar) بعد 15", lang="ar", is_rtl=True) == [
        "15",
        ") بعد",
        "Amar",
        "الحرية لعمار (",
    ]
    assert order("Free عمار now", lang="en", is_rtl=False) == ["Free", "عمار", "now"]
    assert order("a (عمار 12) b", lang="en", is_rtl=False) == ["a (12", "عمار", ") b"]


def test_arabic_letters_are_joined_and_their_vowel_signs_do_not_part_them() -> None:
    def glyphs(text: str) -> list[int]:
        made = lettering.shaped(text, lettering.NASKH, is_rtl=True, lang="ar")
        return [info.codepoint for info in made.glyph_infos]

    alone = [glyph for letter in "عمار" for glyph in glyphs(letter)]
    assert set(glyphs("عمار")) != set(alone)
    assert order("اختُطف", lang="ar", is_rtl=True) == ["اختُطف"]


def test_every_language_finds_its_letters_in_our_own_fonts() -> None:
    letters = {
        "tr": "İışğçöü",
        "de": "äöüßẞ",
        "pt": "ãõçéâ",
        "fr": "œæçéŸ",
        "es": "ñ¿¡ü",
        "ar": "ءأإآةىﻻ؟،",
        "ur": "ٹڈڑںےھگچپ۔ۓ",
    }
    for lang, text in letters.items():
        for faces in (lettering.headings(lang), lettering.plain(lang), lettering.bold(lang)):
            line = lettering.set_line(
                text, lettering.Style(faces, lang, lang in {"ar", "ur"}), size=10
            )
            for run in line.runs:
                shaped = lettering.shaped(run.text, run.face, is_rtl=run.is_rtl, lang=lang)
                assert all(info.codepoint for info in shaped.glyph_infos), (lang, run)


def test_capitals_are_those_of_the_language() -> None:
    assert lettering.capitals("istanbul ışık", "tr") == "İSTANBUL IŞIK"
    assert lettering.capitals("istanbul", "en") == "ISTANBUL"
