"""Every page is in one of our languages, and says so."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_babel import get_locale

from tracker.campaigns.models import Campaign
from tracker.core import languages


def html_of(text: str) -> str:
    found = re.search(r"<html[^>]*>", text)
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("", "en"),
        ("es", "es"),
        ("ar-EG,ar;q=0.9,en;q=0.8", "ar"),
        ("es-419, en;q=0.5", "es"),
        ("it, ar;q=0.2, en;q=0.7", "en"),
        ("xx", "en"),
        ("es;q=banana", "en"),
        ("a" * 8000, "en"),
    ],
)
def test_the_front_door_leads_to_the_visitors_language(
    client: FlaskClient, wanted: str, got: str
) -> None:
    answer = client.get("/", headers={"Accept-Language": wanted})
    assert answer.status_code == 302
    assert answer.location == f"/{got}/"
    assert answer.headers["Vary"] == "Accept-Language"


@pytest.mark.parametrize(("lang", "dir_"), [("en", "ltr"), ("es", "ltr"), ("ar", "rtl")])
def test_a_page_says_its_language_and_direction_whatever_the_browser_prefers(
    client: FlaskClient, campaign: Campaign, lang: str, dir_: str
) -> None:
    for page in ("/", "/privacy", f"/campaigns/{campaign.slug}", "/no/such/page"):
        text = client.get(f"/{lang}{page}", headers={"Accept-Language": "fr, es"}).text
        assert html_of(text) == f'<html lang="{lang}" dir="{dir_}">'


def test_a_language_we_do_not_speak_is_no_address(client: FlaskClient) -> None:
    for path in ("/it/", "/EN/", "/e/", "/english/"):
        assert client.get(path).status_code == 404


def test_the_switch_leads_to_the_same_page_in_each_language(
    client: FlaskClient, campaign: Campaign
) -> None:
    text = client.get(f"/es/campaigns/{campaign.slug}").text
    for lang in languages.LANGUAGES:
        assert f'href="/{lang}/campaigns/{campaign.slug}"' in text
    refused = client.get("/es/no/such/page").text
    for lang in languages.LANGUAGES:
        assert f'href="/{lang}/"' in refused, "from a page that is none it leads home"


def test_the_switch_survives_a_page_with_a_wrongly_filled_form(
    client: FlaskClient, campaign: Campaign
) -> None:
    answer = client.post(f"/es/campaigns/{campaign.slug}/sign", data={})
    assert answer.status_code == 422
    assert f'href="/ar/campaigns/{campaign.slug}/sign"' in answer.text


def test_speaking_a_language_ends_where_it_ends(app: Flask) -> None:
    with app.app_context():
        with languages.speaking("ar"):
            assert (languages.current(), str(get_locale())) == ("ar", "ar")
            with languages.speaking("es"):
                assert (languages.current(), str(get_locale())) == ("es", "es")
            assert (languages.current(), str(get_locale())) == ("ar", "ar")
        assert languages.current() == "en"


def test_a_language_from_an_old_row_that_we_no_longer_speak_becomes_the_default(
    app: Flask,
) -> None:
    with app.app_context(), languages.speaking("tlh"):
        assert languages.current() == "en"
