"""The page whose only job is the next step, for somebody who has signed and for everybody."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import Person, confirm, path_in, sign
from tests.support.sink import Sink
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign, Outcome
from tracker.campaigns.translations import translate
from tracker.extensions import db, writing
from tracker.pages import letters

ACT = "/en/campaigns/amar-fayaz/act"
MOTION = "/en/campaigns/amar-fayaz/motion.txt"
TARGETS = [
    {"office": "Ministry", "country": "PK", "email": "minister@example.pk"},
    {"office": "Embassy Vienna", "country": "AT", "post_address": "Hofzeile 13\n1190 Wien"},
    {"office": "Embassy Berlin", "country": "DE", "email": "berlin+desk@example.pk"},
]
LETTER = "Dear Sir or Madam,\n\nfree **Amar** & all others: 100 %?\n\nYours faithfully"


@pytest.fixture
def live(app: Flask, campaign: Campaign) -> Callable[..., None]:
    """Give the campaign other texts or targets."""

    def change(*, targets: list[dict[str, Any]] | None = None, **texts: str) -> None:
        with app.app_context(), writing():
            found = db.session.get_one(Campaign, campaign.id)
            campaigns.set_targets(found, targets if targets is not None else TARGETS)
            campaigns.edit(found, **{"letter": LETTER, **texts})

    change()
    return change


def offices(page: str) -> list[str]:
    return re.findall(r"<li><b>([^<]+)</b>", page)


def mails(page: str) -> list[str]:
    return [html.unescape(link) for link in re.findall(r'href="(mailto:[^"?]+\?[^"]*)"', page)]


def test_confirming_leads_to_the_next_step_with_the_signers_country_first(
    client: FlaskClient,
    live: Callable[..., None],
    work: Callable[[], None],
    sink: Sink,
) -> None:
    sign(client, "amar-fayaz", Person(country="AT"))
    work()
    text = sink.mails[0].text
    done = confirm(client, path_in(text, "/confirm/signature/"), Person(country="AT"))
    assert done.location == f"{path_in(text, '/my/')}/next"
    page = client.get(done.location)
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert "Thank you. Your signature counts." in page.text
    assert 'content="noindex"' in page.text
    assert offices(page.text) == ["Embassy Vienna", "Ministry", "Embassy Berlin"]
    mine = path_in(text, "/my/")
    assert f'href="{mine}"' in page.text
    assert f'href="{mine}/next"' in client.get(mine).text
    token = mine.rpartition("/")[2]
    for link in re.findall(r'href="(https?://[^"]+|mailto:[^"]+)"', page.text):
        assert token not in link, "the link to one's own page is passed on to nobody"


def test_what_was_deleted_has_no_next_step(
    client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    sign(client, campaign.slug)
    work()
    text = sink.mails[0].text
    done = confirm(client, path_in(text, "/confirm/signature/"))
    client.post(f"{path_in(text, '/my/')}/delete")
    assert client.get(done.location).status_code == 410
    assert client.get(f"/en/my/{'x' * 43}/next").status_code == 410


def test_everybody_gets_the_same_page_and_may_choose_a_country(
    client: FlaskClient, live: Callable[..., None]
) -> None:
    page = client.get(ACT)
    assert page.headers["Cache-Control"].startswith("public")
    assert "Set-Cookie" not in page.headers
    assert "Thank you" not in page.text
    assert offices(page.text) == ["Ministry", "Embassy Vienna", "Embassy Berlin"]
    german = client.get(f"{ACT}?country=DE").text
    assert offices(german) == ["Embassy Berlin", "Ministry", "Embassy Vienna"]
    assert '<option value="DE" selected>' in german
    for nonsense in ("XX", "", "DE%20", "%E2%80%AE", "D" * 3000):
        answer = client.get(f"{ACT}?country={nonsense}")
        assert answer.status_code == 200
        assert offices(answer.text) == offices(page.text)


def test_a_mail_begins_with_subject_and_letter(
    client: FlaskClient, live: Callable[..., None]
) -> None:
    found = mails(client.get(ACT).text)
    assert [urlsplit(link).path for link in found[:2]] == [
        "minister@example.pk",
        "berlin+desk@example.pk",
    ]
    fields = parse_qs(urlsplit(found[0]).query)
    assert fields["subject"] == ["Free Amar Fayaz"]
    assert fields["body"] == [
        "Dear Sir or Madam,\r\n\r\nfree Amar & all others: 100 %?\r\n\r\nYours faithfully"
    ]
    assert " " not in found[0]
    assert "+" not in urlsplit(found[0]).query, "blanks are %20, a plus is a plus"


def test_a_letter_too_long_for_a_link_is_copied_not_cut_off(
    client: FlaskClient, live: Callable[..., None]
) -> None:
    live(letter="عمار " * 300)
    page = client.get(ACT).text
    assert all("body=" not in link for link in mails(page)[:2])
    assert "too long to be put into the mail by itself" in page
    assert page.count("عمار") >= 300
    assert 'data-copy="#letter"' in page


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("a@example.org", "mailto:a@example.org?"),
        ("a&cc=b@example.org", "mailto:a%26cc%3Db@example.org?"),
        ("a?bcc=b@example.org", "mailto:a%3Fbcc%3Db@example.org?"),
        ("o'b/c%@example.org", "mailto:o%27b%2Fc%25@example.org?"),
    ],
)
def test_an_address_cannot_add_other_recipients(address: str, link: str) -> None:
    made, _ = letters.mailto(address, "S & T", "")
    assert made.startswith(link)
    assert made.endswith("?subject=S%20%26%20T")


@pytest.mark.parametrize("length", [0, 1, 500, 1500, 1900, 5000])
def test_links_stay_short_enough_for_every_system(length: int) -> None:
    made, carries = letters.mailto("a@example.org", "ع" * 120, "a b\n" * (length // 4))
    assert len(made) <= letters.LONGEST_LINK
    assert carries == ("body=" in made)


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**Bold** and *light*", "Bold and light"),
        ("[here](https://example.org)", "here (https://example.org)"),
        ("# Head\n\n> quoted", "Head\n\nquoted"),
        ("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"),
        ("", ""),
    ],
)
def test_a_letter_is_sent_without_the_signs_of_its_markup(markdown: str, text: str) -> None:
    assert letters.plain(markdown) == text


def test_the_motion_is_a_text_to_download(
    client: FlaskClient, live: Callable[..., None]
) -> None:
    answer = client.get(MOTION)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="motion-amar-fayaz-en.txt"'
    )
    assert answer.headers["Cache-Control"].startswith("public")
    for part in (
        "Motion: Free Amar Fayaz",
        "Abducted at night.",
        "1. Immediate release\n2. Disclosure of his whereabouts",
        "Ministry",
        "http://127.0.0.1:8000/en/campaigns/amar-fayaz/endorse",
        "Seconded by:",
    ):
        assert part in answer.text
    assert "/en/campaigns/amar-fayaz/motion.txt" in client.get(ACT).text
    assert "Abducted at night." in client.get(ACT).text


def test_texts_are_in_the_readers_language_where_they_are_translated(
    app: Flask, client: FlaskClient, campaign: Campaign, live: Callable[..., None]
) -> None:
    with app.app_context(), writing():
        found = db.session.get_one(Campaign, campaign.id)
        translate(found, "es", {"letter": (LETTER, "Señoras y señores: ¡libertad!")})
        translate(found, "es", {"title": ("Free Amar Fayaz", "Libertad para Amar Fayaz")})
    page = client.get("/es/campaigns/amar-fayaz/act").text
    assert "Señoras y señores" in page
    [first, *_] = mails(page)
    assert "¡libertad!" in unquote(first)
    assert "Libertad para Amar Fayaz" in unquote(first)
    motion = client.get("/es/campaigns/amar-fayaz/motion.txt").text
    assert "Libertad para Amar Fayaz" in motion
    assert "Immediate release" in motion, "not translated, so the original"
    arabic = client.get("/ar/campaigns/amar-fayaz/act").text
    assert 'id="letter" lang="en" dir="ltr"' in arabic


def test_without_targets_and_letter_there_are_still_things_to_do(
    client: FlaskClient, live: Callable[..., None]
) -> None:
    live(targets=[], letter="")
    page = client.get(ACT).text
    assert 'id="write"' not in page
    assert "Bring your organisation in" in page
    assert client.get(MOTION).status_code == 200


def test_a_closed_campaign_asks_for_nothing_more(
    app: Flask, client: FlaskClient, campaign: Campaign, live: Callable[..., None]
) -> None:
    with app.app_context(), writing():
        campaigns.close(db.session.get_one(Campaign, campaign.id), Outcome.WON)
    page = client.get(ACT)
    assert page.status_code == 200
    assert "This campaign is closed." in page.text
    assert "mailto:minister" not in page.text
    assert client.get(MOTION).status_code == 404


def test_a_paused_campaign_says_nothing(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    work: Callable[[], None],
    sink: Sink,
) -> None:
    sign(client, campaign.slug)
    work()
    text = sink.mails[0].text
    done = confirm(client, path_in(text, "/confirm/signature/"))
    with app.app_context(), writing():
        campaigns.pause(db.session.get_one(Campaign, campaign.id))
    assert client.get(ACT).status_code == 404
    assert client.get(MOTION).status_code == 404
    assert client.get(done.location).location == path_in(text, "/my/")


def test_the_letter_on_the_page_is_copied_as_it_is_mailed(
    client: FlaskClient, live: Callable[..., None]
) -> None:
    page = client.get(ACT).text
    found = re.search(r'id="letter"[^>]*>(.*?)</div>', page, re.S)
    assert found
    text = html.unescape(re.sub("<[^>]+>", "", found[1])).strip()
    assert text == letters.plain(LETTER)
