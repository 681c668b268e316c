"""Signature sheets: what stands on them, from which side, how large; never the same twice."""

from __future__ import annotations

import datetime as dt
import re
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support import factories
from tracker.campaigns import services as campaigns
from tracker.campaigns.batches import is_batch
from tracker.campaigns.models import Campaign
from tracker.campaigns.translations import translate
from tracker.core import languages
from tracker.core.throttle import network, throttle
from tracker.extensions import db, writing
from tracker.pages import lettering, paper, sheets
from tracker.pages.paper import Said, Sheet

PAGE = "/en/campaigns/amar-fayaz/sheet"
POINTS = 72 / 25.4


def pages(pdf: bytes) -> list[tuple[float, float]]:
    """Give the sizes of the pages in millimetres."""
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    count = len(re.findall(rb"/Type /Page\n", pdf))
    sizes = [(float(width) / POINTS, float(height) / POINTS) for width, height in boxes]
    return sizes * count if len(sizes) == 1 else sizes


def drawing(pdf: bytes) -> bytes:
    """Give what is drawn, uncompressed."""
    streams = re.findall(rb"stream\n(.*?)\nendstream", pdf, re.DOTALL)
    opened = []
    for stream in streams:
        try:
            opened.append(zlib.decompress(stream))
        except zlib.error:
            continue
    return b"\n".join(one for one in opened if b" re" in one)


def squares(pdf: bytes) -> list[float]:
    """Give where the modules of the QR code begin, in millimetres from the left."""
    found = re.findall(rb"([\d.]+) [\d.]+ ([\d.]+) -[\d.]+ re f", drawing(pdf))
    return [float(x) / POINTS for x, width in found if float(width) / POINTS < paper._QR]


def lines(pdf: bytes) -> int:
    """Give how many boxes there are to tick."""
    return len(re.findall(rb" re S", drawing(pdf)))


# --- the page to print ------------------------------------------------------------------------


def test_the_page_says_what_is_asked_of_whom_and_what_happens_with_the_paper(
    client: FlaskClient, campaign: Campaign
) -> None:
    answer = client.get(PAGE)
    assert answer.status_code == 200
    page = answer.text
    for part in (
        "Free Amar Fayaz",
        "Abducted at night.",
        "We, the undersigned, call on: Prime Minister (Pakistan). We demand:",
        "Immediate release",
        "Disclosure of his whereabouts",
        "E-mail, only if you want news",
        "My name may be shown",
        "Write to me",
        "destroy the sheet",
        "127.0.0.1:8000/amar-fayaz",
    ):
        assert part in page, part
    assert page.count('<tr><th scope="row">') == sheets.ROWS
    assert '<svg class="qr" role="img" aria-label="QR code that leads to' in page


def batch_of(page: str) -> str:
    found = re.search("Batch \u2066([^\u2069]+)\u2069", page)
    assert found
    return found[1]


def test_every_sheet_is_a_batch_of_its_own_and_kept_by_nobody(
    client: FlaskClient, campaign: Campaign
) -> None:
    seen = set()
    for _ in range(5):
        answer = client.get(PAGE)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers
        seen.add(batch_of(answer.text))
    assert len(seen) == 5
    assert all(is_batch(one) for one in seen)


def test_an_arabic_page_keeps_the_number_of_the_batch_readable(
    client: FlaskClient, campaign: Campaign
) -> None:
    page = client.get("/ar/campaigns/amar-fayaz/sheet").text
    assert 'dir="rtl"' in page
    found = re.search("\u2066([0-9A-Z-]+)\u2069", page)
    assert found, "the number is kept apart from the words around it"
    assert is_batch(found[1])


# --- the PDF ----------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", list(languages.LANGUAGES))
def test_every_language_has_a_small_pdf_that_says_its_language(
    client: FlaskClient, campaign: Campaign, lang: str
) -> None:
    answer = client.get(f"/{lang}/campaigns/amar-fayaz/sheet.pdf")
    assert answer.status_code == 200
    assert answer.mimetype == "application/pdf"
    assert answer.headers["Cache-Control"] == "no-store"
    assert f"amar-fayaz-{lang}.pdf" in answer.headers["Content-Disposition"]
    assert answer.data.startswith(b"%PDF-")
    assert f"/Lang ({lang})".encode() in answer.data
    assert len(answer.data) <= 200_000
    assert pages(answer.data) == [pytest.approx((210, 297), abs=0.1)]


def test_two_downloads_are_two_batches(client: FlaskClient, campaign: Campaign) -> None:
    one, other = (client.get(f"{PAGE}.pdf").data for _ in range(2))
    assert drawing(one) != drawing(other)


def test_no_pdf_tells_the_moment_it_was_fetched(
    client: FlaskClient, campaign: Campaign
) -> None:
    found = re.search(rb"/CreationDate \(D:(\d{14})", client.get(f"{PAGE}.pdf").data)
    assert found
    assert found[1].endswith(b"000000")


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("paper=a4", (210, 297)),
        ("paper=letter", (215.9, 279.4)),
        ("paper=../../etc", (210, 297)),
        ("paper=", (210, 297)),
    ],
)
def test_paper_is_a4_or_us_letter(
    client: FlaskClient, campaign: Campaign, query: str, size: tuple[float, float]
) -> None:
    pdf = client.get(f"{PAGE}.pdf?{query}").data
    assert pages(pdf) == [pytest.approx(size, abs=0.1)]
    assert lines(pdf) / 2 >= 12


@pytest.mark.parametrize("rows", ["30", "90", "1000000", "-5", "0", "x", "9" * 400, "1.5", "٣"])
def test_so_many_lines_as_asked_for_and_never_too_many_pages(
    client: FlaskClient, campaign: Campaign, rows: str
) -> None:
    answer = client.get(f"{PAGE}.pdf", query_string={"rows": rows})
    assert answer.status_code == 200
    count = len(pages(answer.data))
    assert 1 <= count <= paper.MAX_PAGES
    if rows in {"30", "90"}:
        assert lines(answer.data) / 2 >= int(rows)
        assert count > 1


def test_one_network_cannot_keep_the_processor_busy(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    with app.test_request_context(environ_base={"REMOTE_ADDR": "127.0.0.1"}):
        for _ in range(5):
            throttle.hit(sheets.LIMIT, purpose="sheet", who=network())
    assert client.get(f"{PAGE}.pdf").status_code == 200
    answer = client.get(f"{PAGE}.pdf")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) <= 61
    assert client.get(PAGE).status_code == 200


def test_from_the_right_the_whole_sheet_is_mirrored(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    english = squares(client.get(f"{PAGE}.pdf").data)
    urdu = squares(client.get("/ur/campaigns/amar-fayaz/sheet.pdf").data)
    assert len(english) > 100
    assert min(english) > 150
    assert max(urdu) < 60


def test_the_letters_come_from_our_own_fonts(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    with app.app_context(), writing():
        found = db.session.get_one(Campaign, campaign.id)
        translate(found, "ur", {"title": (found.title, "عمار فیاض کو رہا کرو")})
        translate(found, "ar", {"summary": (found.summary, "اختُطف ليلًا.")})
    urdu = client.get("/ur/campaigns/amar-fayaz/sheet.pdf").data
    arabic = client.get("/ar/campaigns/amar-fayaz/sheet.pdf").data
    assert b"+NotoNastaliqUrdu" in urdu
    assert b"+NotoSansArabic" in arabic
    for pdf in (urdu, arabic):
        embedded = re.findall(rb"/BaseFont /MPDFA\w\+([\w-]+)", pdf)
        assert embedded
        assert b"Helvetica" not in pdf


# --- what nobody should write, but somebody will ----------------------------------------------


def a_sheet(**values: Any) -> Sheet:
    facts: dict[str, Any] = {
        "lang": "en",
        "is_rtl": False,
        "site_name": "Tracker",
        "title": Said(text="Free Amar Fayaz", lang="en", is_rtl=False),
        "summary": Said(text="Abducted at night.", lang="en", is_rtl=False),
        "appeal": "We demand:",
        "demands": (Said(text="Release", lang="en", is_rtl=False),),
        "columns": ("No.", "Name", "Town", "E-mail", "Shown", "Write", "Signature"),
        "notice": "Destroyed afterwards.",
        "batch_label": "Batch",
        "page_label": lambda page, all_pages: f"{page}/{all_pages}",
        "address": "https://example.org/amar-fayaz",
        "day": dt.date(2026, 11, 23),
    }
    return Sheet(**{**facts, **values})


@pytest.mark.parametrize("is_rtl", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "W" * 2000,
        "word " * 400,
        "!" * 2000,
        "( " * 1000,
        "自由 Свободу ערן 👩‍🔧",
        "{nb} **bold** \\ (x) --",
        "\u202e\u2066\u200f",
        "ا\u064b" * 500,
        "1:2/3-4 " * 200,
    ],
)
def test_no_text_breaks_a_sheet(
    text: str, is_rtl: bool, caplog: pytest.LogCaptureFixture
) -> None:
    lang = "ur" if is_rtl else "en"
    said = Said(text=text, lang=lang, is_rtl=is_rtl)
    made = a_sheet(
        lang=lang, is_rtl=is_rtl, title=said, summary=said, appeal=text, demands=(said,) * 12
    )
    pdf = paper.sheet_pdf(made, size="letter", rows=1)
    assert len(pages(pdf)) == 1
    assert len(pdf) <= 200_000
    assert caplog.text == ""


def test_a_vowel_sign_does_not_part_a_word() -> None:
    """fpdf2 sets every sign as a piece of its own, so that letters around it do not join."""

    def drawn(text: str) -> int:
        said = Said(text=text, lang="ar", is_rtl=True)
        pdf = paper.sheet_pdf(a_sheet(summary=said), size="a4", rows=1)
        return drawing(pdf).count(b"BT")

    assert drawn("اختُطف") == drawn("اختطف")


def test_the_longest_campaign_still_leaves_room_for_names(
    app: Flask,
    client: FlaskClient,
    given: Callable[..., Campaign],
    publish: Callable[..., None],
) -> None:
    long = given(
        factories.a_campaign,
        slug="x" * 80,
        title="W " * 60,
        summary="word " * 80,
        demands="\n".join(["demand " * 23] * 12),
        targets=[{"office": f"{n} " + "Ministry " * 17, "country": "PK"} for n in range(8)],
    )
    publish(long.id)
    for size in paper.SIZES:
        pdf = client.get(f"/en/campaigns/{long.slug}/sheet.pdf?paper={size}").data
        assert lines(pdf) / 2 >= 6


def test_a_campaign_that_is_paused_or_over_has_no_sheet(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    with app.app_context(), writing():
        campaigns.pause(db.session.get_one(Campaign, campaign.id))
    for path in (PAGE, f"{PAGE}.pdf"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize("lang", languages.LANGUAGES)
def test_a_long_notice_stands_on_the_sheet_to_its_last_word(app: Flask, lang: str) -> None:
    with app.test_request_context(), languages.speaking(lang):
        notice = sheets._notice()
    style = lettering.Style(lettering.plain(lang), lang, languages.direction(lang) == "rtl")
    set_ = lettering.set_lines(notice, style, size=8, width=500)
    letters = sum(len(run.text.strip()) for line in set_ for run in line.runs)
    assert len(notice) > 300
    assert letters >= len(notice) - notice.count(" ") - len(set_)
