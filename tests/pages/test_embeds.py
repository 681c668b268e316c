"""Frames on other organisations' sites, the lines they paste, and oEmbed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import Rule
from werkzeug.routing.converters import AnyConverter, IntegerConverter
from werkzeug.test import TestResponse

from tests.conftest import BASE_URL, confirm, path_in
from tests.support import factories
from tests.support.sink import Sink
from tracker.campaigns import partners
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign, Outcome, Partner
from tracker.campaigns.status import Status
from tracker.campaigns.translations import translate
from tracker.confirmations.models import Pending
from tracker.extensions import db, writing
from tracker.signatures import queries

FORM, COUNTER = "/en/embed/amar-fayaz/form", "/en/embed/amar-fayaz/counter"
FRAMES = {"embeds.form", "embeds.sign", "embeds.counter"}
GOOD = {"name": "Sara Example", "email": "sara@example.org", "country": "DE"}


@pytest.fixture
def dockers(app: Flask, campaign: Campaign) -> int:
    with app.app_context(), writing():
        found = db.session.get_one(Campaign, campaign.id)
        return partners.register(found, slug="dockers", name="Dockers").id


def counted(app: Flask) -> int:
    with app.app_context():
        return db.session.scalars(select(Partner.counted)).one()


def may_be_framed(answer: TestResponse) -> bool:
    policy = answer.headers["Content-Security-Policy"]
    is_denied = answer.headers.get("X-Frame-Options") == "DENY"
    assert is_denied == ("frame-ancestors 'none'" in policy)
    assert is_denied != ("frame-ancestors *" in policy)
    return not is_denied


def in_frame_layout(answer: TestResponse) -> bool:
    """Say whether a page has no way around the site, and all its links leave the frame."""
    text = answer.text
    ways = re.findall(r'<a [^>]*href="([^"]*)"[^>]*>', text)
    outside = [way for way in ways if not way.startswith("#") and "/embed/" not in way]
    leaving = re.findall(r'<a target="_blank" rel="no[^>]*href="([^"]*)"', text)
    assert sorted(outside) == sorted(leaving)
    return '<body class="framed">' in text and "masthead" not in text


# --- who may be framed ------------------------------------------------------------------------


def test_of_all_addresses_only_the_frames_may_be_framed(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    framed = set()
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD"}):
            if may_be_framed(client.open(address(app, rule), method=method)):
                framed.add(rule.endpoint)
    assert framed == FRAMES
    assert not may_be_framed(client.get("/en/embed/amar-fayaz/other"))


def address(app: Flask, rule: Rule) -> str:
    """Give some address of a route."""
    values: dict[str, Any] = {}
    for name, converter in rule._converters.items():
        if isinstance(converter, IntegerConverter):
            values[name] = 1
        elif isinstance(converter, AnyConverter):
            values[name] = sorted(converter.items)[0]
        else:
            values[name] = {"lang": "en", "slug": "amar-fayaz"}.get(name, "x")
    return app.url_map.bind("127.0.0.1:8000").build(rule.endpoint, values)


@pytest.mark.parametrize("path", [FORM, COUNTER, "/en/embed/none/form"])
def test_a_frame_has_no_way_around_the_site_and_its_links_leave_it(
    client: FlaskClient, campaign: Campaign, path: str
) -> None:
    answer = client.get(path)
    assert in_frame_layout(answer)
    assert may_be_framed(answer)


@pytest.mark.parametrize("path", [FORM, COUNTER])
def test_a_frame_sets_no_cookie_asks_nobody_else_and_may_be_kept(
    client: FlaskClient, campaign: Campaign, path: str
) -> None:
    answer = client.get(path)
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "public, max-age=30"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    loaded = re.findall(r'<(?:script|img|link)\b[^>]*(?:src|href)="([^"]*)"', answer.text)
    assert len(loaded) == 4
    assert all(one.startswith("/static/") for one in loaded)
    assert "style=" not in answer.text


def test_a_frame_speaks_the_language_of_its_address(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    with app.app_context(), writing():
        found = db.session.get_one(Campaign, campaign.id)
        factories.an_update(found, to=Status.MISSING)
        translate(found, "ar", {"title": (found.title, "الحرية لعمار فياز")})
    page = client.get("/ar/embed/amar-fayaz/counter").text
    assert '<html lang="ar" dir="rtl">' in page
    assert "الحرية لعمار فياز" in page
    assert 'href="/ar/campaigns/amar-fayaz' in page


# --- signing inside ---------------------------------------------------------------------------


def test_the_whole_signing_step_stays_in_the_frame_and_the_partner_is_counted(
    app: Flask, client: FlaskClient, work: Callable[[], None], sink: Sink, dockers: int
) -> None:
    page = client.get(f"{FORM}?partner=dockers").text
    action = re.search(r'<form class="slip" method="post" action="([^"]*)"', page)
    assert action
    assert '<input id="partner" name="partner" type="hidden" value="dockers">' in page
    headers = {"Origin": BASE_URL, "Sec-Fetch-Site": "same-origin"}
    answer = client.post(action[1], data={**GOOD, "partner": "dockers"}, headers=headers)
    assert answer.status_code == 200
    assert "Look in your inbox" in answer.text
    assert may_be_framed(answer)
    assert in_frame_layout(answer)
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    work()
    mail = sink.to("sara@example.org")[0].text
    link = path_in(mail, "/confirm/signature/")
    assert not may_be_framed(client.get(link))
    confirm(client, link)
    work()
    assert counted(app) == 1
    assert client.post(f"{path_in(mail, '/my/')}/withdraw").status_code == 303
    work()
    assert counted(app) == 0


def test_the_code_leads_out_of_the_frame_where_the_questions_are_asked(
    client: FlaskClient, campaign: Campaign
) -> None:
    page = client.post(FORM, data=GOOD).text
    forms = re.findall(r"<form [^>]*>", page)
    assert forms
    assert all('target="_blank"' in form for form in forms)


def test_mistakes_are_told_in_the_frame_and_nothing_is_lost(
    app: Flask, client: FlaskClient, dockers: int
) -> None:
    answer = client.post(FORM, data={**GOOD, "name": "", "partner": "dockers"})
    assert answer.status_code == 422
    assert "Enter your name." in answer.text
    assert 'value="sara@example.org"' in answer.text
    assert 'name="partner" type="hidden" value="dockers"' in answer.text
    assert in_frame_layout(answer)
    assert may_be_framed(answer)
    with app.app_context():
        assert db.session.scalars(select(Pending)).all() == []


def test_a_mistyped_address_is_asked_about_in_the_frame(
    app: Flask, client: FlaskClient, dockers: int
) -> None:
    data = {**GOOD, "email": "sara@gmial.com", "partner": "dockers"}
    answer = client.post(FORM, data=data)
    assert "sara@gmail.com" in answer.text
    assert 'name="partner" type="hidden" value="dockers"' in answer.text
    assert in_frame_layout(answer)
    with app.app_context():
        assert db.session.scalars(select(Pending)).all() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_what_another_sites_page_sends_is_refused_in_the_frames_own_layout(
    app: Flask, client: FlaskClient, campaign: Campaign, headers: dict[str, str]
) -> None:
    answer = client.post(FORM, data=GOOD, headers=headers)
    assert answer.status_code == 403
    assert in_frame_layout(answer)
    with app.app_context():
        assert db.session.scalars(select(Pending)).all() == []


def test_a_closed_campaign_shows_its_figures_and_takes_nothing(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    with app.app_context(), writing():
        campaigns.close(db.session.get_one(Campaign, campaign.id), Outcome.WON)
    page = client.get(FORM)
    assert page.status_code == 200
    assert "takes no signatures" in page.text
    assert "<form" not in page.text
    answer = client.post(FORM, data=GOOD)
    assert answer.status_code == 409
    assert in_frame_layout(answer)
    assert "Won" in client.get(COUNTER).text


@pytest.mark.parametrize("path", [FORM, COUNTER])
def test_a_campaign_that_is_paused_for_safety_is_gone_from_frames(
    app: Flask, client: FlaskClient, campaign: Campaign, path: str
) -> None:
    with app.app_context(), writing():
        campaigns.pause(db.session.get_one(Campaign, campaign.id))
    answer = client.get(path)
    assert answer.status_code == 404
    assert "Amar" not in answer.text
    assert client.post(FORM, data=GOOD).status_code == 404


# --- whose site it is -------------------------------------------------------------------------


def test_a_partner_nobody_registered_makes_no_difference(
    app: Flask, client: FlaskClient, work: Callable[[], None], sink: Sink, dockers: int
) -> None:
    known = client.get(f"{FORM}?partner=dockers").text
    assert client.get(f"{FORM}?partner=nobody").text == known.replace("dockers", "nobody")
    client.post(FORM, data={**GOOD, "partner": "nobody"})
    work()
    mail = sink.to("sara@example.org")[0].text
    assert confirm(client, path_in(mail, "/confirm/signature/")).status_code == 303
    work()
    assert counted(app) == 0
    with app.app_context():
        assert queries.count_confirmed(db.session.scalars(select(Campaign.id)).one()) == 1


@pytest.mark.parametrize(
    "partner", ["", "<b>", '"><script>', "a b", "Ä", "-", "a--b", "A", "x" * 41, "x" * 20_000]
)
def test_what_no_partner_can_be_called_is_taken_for_none(
    app: Flask, client: FlaskClient, dockers: int, partner: str
) -> None:
    for path in (FORM, COUNTER, "/en/campaigns/amar-fayaz"):
        plain = client.get(path)
        if len(partner) < 100:
            named = client.get(f"{path}?partner={quote(partner)}")
            assert main_of(named) == main_of(plain)
    answer = client.post(FORM, data={**GOOD, "partner": partner})
    assert "Look in your inbox" in answer.text


def main_of(answer: TestResponse) -> str:
    return answer.text.partition("<main")[2]


def test_the_campaigns_own_page_takes_the_partner_along_too(
    app: Flask, client: FlaskClient, work: Callable[[], None], sink: Sink, dockers: int
) -> None:
    counter = client.get(f"{COUNTER}?partner=dockers").text
    assert 'href="/en/campaigns/amar-fayaz?partner=dockers#sign"' in counter
    page = client.get("/en/campaigns/amar-fayaz?partner=dockers").text
    assert 'name="partner" type="hidden" value="dockers"' in page
    client.post("/en/campaigns/amar-fayaz/sign", data={**GOOD, "partner": "dockers"})
    work()
    confirm(client, path_in(sink.to("sara@example.org")[0].text, "/confirm/signature/"))
    work()
    assert counted(app) == 1


# --- the lines of script ----------------------------------------------------------------------


def test_the_script_that_partners_load_is_small_and_open_to_them(client: FlaskClient) -> None:
    answer = client.get("/embed.js")
    assert answer.mimetype == "text/javascript"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert len(answer.data) < 1500
    again = client.get("/embed.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


# --- oEmbed -----------------------------------------------------------------------------------


def asked(client: FlaskClient, url: str, **more: Any) -> TestResponse:
    return client.get("/oembed", query_string={"url": url, **more})


def short_addresses(app: Flask) -> Iterator[str]:
    for rule in app.url_map.iter_rules():
        if rule.endpoint == "sharing.short":
            yield BASE_URL + address(app, rule)


def test_oembed_gives_the_frame_for_every_address_of_a_campaign(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    page = f"{BASE_URL}/ar/campaigns/amar-fayaz"
    answer = asked(client, page)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    found = answer.get_json()
    assert (found["version"], found["type"]) == ("1.0", "rich")
    assert found["html"] == (
        f'<iframe src="{BASE_URL}/ar/embed/amar-fayaz/form" title="Free Amar Fayaz" '
        f'width="{found["width"]}" height="{found["height"]}" '
        'frameborder="0" loading="lazy"></iframe>'
    )
    for other in (f"{page}?partner=x#timeline", *short_addresses(app)):
        assert "/embed/amar-fayaz/form" in asked(client, other).get_json()["html"]


def test_oembed_keeps_to_the_size_that_is_asked_for(
    client: FlaskClient, campaign: Campaign
) -> None:
    page = f"{BASE_URL}/en/campaigns/amar-fayaz"
    small = asked(client, page, maxwidth=300, maxheight=200).get_json()
    assert (small["width"], small["height"]) == (300, 200)
    usual = asked(client, page).get_json()
    for most in ("100000", "-5", "0", "x", "9" * 400):
        found = asked(client, page, maxwidth=most, maxheight=most).get_json()
        assert (found["width"], found["height"]) == (usual["width"], usual["height"])


def test_oembed_escapes_titles_and_shows_a_counter_once_nothing_can_be_signed(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    with app.app_context(), writing():
        found = db.session.get_one(Campaign, campaign.id)
        found.title = 'Free "Amar" <script>'
        campaigns.close(found, Outcome.WON)
    html = asked(client, f"{BASE_URL}/en/campaigns/amar-fayaz").get_json()["html"]
    assert "/en/embed/amar-fayaz/counter" in html
    assert "<script" not in html
    assert 'Free "' not in html


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "https://elsewhere.example/en/campaigns/amar-fayaz",
        f"{BASE_URL}/",
        f"{BASE_URL}/en/",
        f"{BASE_URL}/en/campaigns/none",
        f"{BASE_URL}/en/campaigns/amar-fayaz/sign",
        f"{BASE_URL}/xx/campaigns/amar-fayaz",
        f"{BASE_URL}/en/organise/campaigns",
        "http://[::1/en/campaigns/amar-fayaz",
        "javascript:alert(1)",
        "http://" + "x" * 3000,
        f"{BASE_URL}@evil.example/en/campaigns/amar-fayaz",
        f"{BASE_URL}/en/campaigns/%ff%fe",
    ],
)
def test_oembed_knows_nothing_but_campaigns(
    client: FlaskClient, campaign: Campaign, url: str
) -> None:
    assert asked(client, url).status_code == 404


def test_oembed_takes_no_nul_however_often_it_is_encoded(
    client: FlaskClient, campaign: Campaign
) -> None:
    for sign in ("%00", "%2500"):
        address = f"http://127.0.0.1:8000/en/campaigns/amar{sign}fayaz"
        assert client.get("/oembed", query_string={"url": address}).status_code == 404


def test_oembed_speaks_json_only(client: FlaskClient, campaign: Campaign) -> None:
    page = f"{BASE_URL}/en/campaigns/amar-fayaz"
    assert asked(client, page, format="json").status_code == 200
    assert asked(client, page, format="xml").status_code == 501


def test_a_campaigns_page_says_where_its_frame_is_found(
    client: FlaskClient, campaign: Campaign
) -> None:
    page = client.get("/ar/campaigns/amar-fayaz").text
    found = re.search(
        r'<link rel="alternate" type="application/json\+oembed" href="([^"]*)"', page
    )
    assert found
    path = found[1].replace("&amp;", "&").removeprefix(BASE_URL)
    assert "/ar/embed/amar-fayaz/form" in client.get(path).get_json()["html"]
