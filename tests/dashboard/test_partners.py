"""Organisers register partners, see their figures, and copy the lines for their sites."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.conftest import BASE_URL, submit
from tests.support import factories
from tracker.campaigns import partners
from tracker.campaigns.models import Campaign, Partner
from tracker.extensions import db, writing

PAGE = "/en/organise/campaigns/amar-fayaz/partners"


def add(client: FlaskClient, name: str, slug: str = "") -> TestResponse:
    return submit(client, PAGE, {"name": name, "slug": slug})


def known(app: Flask) -> dict[str, str]:
    with app.app_context():
        return {one.slug: one.name for one in db.session.query(Partner)}


def test_a_partner_is_added_and_its_lines_lead_to_frames_that_answer(
    app: Flask, signed_in: FlaskClient, campaign: Campaign
) -> None:
    assert "There is no partner yet." in signed_in.get(PAGE).text
    answer = add(signed_in, "Dockers’ <Union>")
    assert answer.status_code == 303
    assert known(app) == {"dockers-union": "Dockers’ <Union>"}
    page = signed_in.get(answer.location)
    assert "Dockers’ &lt;Union&gt;" in page.text
    lines = [html.unescape(found) for found in re.findall(r"<pre[^>]*>(.*?)</pre>", page.text)]
    assert len(lines) == 4
    for line, what in zip(lines, ("form", "counter"), strict=False):
        source = re.fullmatch(
            rf'<iframe src="{BASE_URL}(/en/embed/amar-fayaz/{what}\?partner=dockers-union)" '
            r'title="Free Amar Fayaz" width="100%" height="\d+" frameborder="0" '
            r'loading="lazy"></iframe>',
            line,
        )
        assert source, line
        assert signed_in.get(source[1]).status_code == 200
    assert lines[2] == f'<script src="{BASE_URL}/embed.js" async></script>'
    assert lines[3] == f"{BASE_URL}/en/campaigns/amar-fayaz?partner=dockers-union"


def test_the_lines_are_there_in_every_language(
    app: Flask, signed_in: FlaskClient, campaign: Campaign
) -> None:
    page = add(signed_in, "Dockers").location
    for language in ("ar", "ur", "de"):
        assert f"/{language}/embed/" in signed_in.get(f"{page}?language={language}").text
    for nonsense in ("xx", "<b>", ""):
        assert "/en/embed/" in signed_in.get(f"{page}?language={nonsense}").text


def test_the_list_shows_what_was_counted(
    app: Flask, signed_in: FlaskClient, campaign: Campaign
) -> None:
    add(signed_in, "Dockers")
    with app.app_context(), writing():
        found = db.session.query(Partner).one()
        partners.count(campaign.id, found.id, more=1234)
    assert '<td class="number">1,234</td>' in signed_in.get(PAGE).text


@pytest.mark.parametrize(
    ("name", "slug", "said"),
    [
        ("", "", "Enter its name."),
        ("   ", "x", "Enter its name."),
        ("Dockers", "Dockers", "Use small letters"),
        ("Dockers", "a b", "Use small letters"),
        ("Dockers", "-", "Use small letters"),
        ("Dockers", "../..", "Use small letters"),
        ("عمال الميناء", "", "Use small letters"),
        ("Dockers", "x" * 41, "at most 40"),
        ("x" * 121, "x", "at most 120"),
        ("Dock\u202eers", "x", "cannot be used"),
    ],
)
def test_a_bad_entry_is_told_and_adds_nothing(
    app: Flask, signed_in: FlaskClient, campaign: Campaign, name: str, slug: str, said: str
) -> None:
    answer = add(signed_in, name, slug)
    assert answer.status_code == 422
    assert said in answer.text
    assert known(app) == {}


def test_a_short_name_is_taken_once_in_a_campaign_and_free_in_another(
    app: Flask, signed_in: FlaskClient, campaign: Campaign, given: Callable[..., Any]
) -> None:
    assert add(signed_in, "Dockers", "dockers").status_code == 303
    again = add(signed_in, "Other dockers", "dockers")
    assert again.status_code == 422
    assert "There is a partner with this short name already." in again.text
    given(factories.a_campaign, slug="another")
    page = PAGE.replace("amar-fayaz", "another")
    assert submit(signed_in, page, {"name": "D", "slug": "dockers"}).status_code == 303


def test_a_campaign_has_no_more_partners_than_it_may(
    app: Flask, signed_in: FlaskClient, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partners, "MOST", 2)
    assert [add(signed_in, f"Union {n}").status_code for n in range(3)] == [303, 303, 422]
    assert len(known(app)) == 2


def test_a_partner_is_removed_and_only_by_those_who_may(
    app: Flask, signed_in: FlaskClient, campaign: Campaign, given: Callable[..., Any]
) -> None:
    page = add(signed_in, "Dockers").location
    given(factories.a_campaign, slug="another")
    elsewhere = page.replace("amar-fayaz", "another")
    assert signed_in.get(elsewhere).status_code == 404
    assert submit(signed_in, f"{elsewhere}/remove", {}, page=page).status_code == 404
    answer = submit(signed_in, f"{page}/remove", {}, page=page)
    assert answer.status_code == 303
    assert "Removed." in signed_in.get(answer.location).text
    assert known(app) == {}
    assert submit(signed_in, f"{page}/remove", {}, page=PAGE).status_code == 404


def test_the_campaigns_page_in_the_room_leads_there(
    signed_in: FlaskClient, campaign: Campaign
) -> None:
    assert f'href="{PAGE}"' in signed_in.get("/en/organise/campaigns/amar-fayaz").text
