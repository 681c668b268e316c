"""Atom and JSON feeds, and the number of signatures for other sites."""

from __future__ import annotations

import datetime as dt
import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.conftest import BASE_URL
from tests.support import factories
from tracker import paths
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign, Outcome
from tracker.campaigns.status import Certainty, Status
from tracker.campaigns.translations import translate
from tracker.core import clock
from tracker.extensions import db, writing
from tracker.signatures.models import CountChange
from tracker.updates import services as updates
from tracker.updates.models import Update

ATOM = "{http://www.w3.org/2005/Atom}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"
OF_CAMPAIGN, OF_SITE = "/en/campaigns/amar-fayaz/feed", "/en/feed"
COUNT = "/campaigns/amar-fayaz/count.json"
EVERYWHERE = [f"{of}.{kind}" for of in (OF_CAMPAIGN, OF_SITE) for kind in ("atom", "json")]


def posted(app: Flask, campaign: Campaign, **values: Any) -> int:
    """Publish an update and give its id."""
    with app.app_context(), writing():
        return factories.an_update(db.session.get_one(Campaign, campaign.id), **values).id


@pytest.fixture
def taken(app: Flask, campaign: Campaign) -> int:
    """An update with a status change."""
    return posted(
        app,
        campaign,
        to=Status.MISSING,
        certainty=Certainty.REPORTED,
        text="Men took him **away**.",
        sources="https://example.org/news?a=1&b=2\nA neighbour",
    )


def atom(client: FlaskClient, path: str = f"{OF_CAMPAIGN}.atom") -> ET.Element:
    answer = client.get(path)
    assert answer.mimetype == "application/atom+xml"
    return ET.fromstring(answer.data)


def told(element: ET.Element, name: str) -> str:
    return element.findtext(ATOM + name) or ""


def entries(client: FlaskClient, path: str = f"{OF_CAMPAIGN}.atom") -> list[ET.Element]:
    return atom(client, path).findall(ATOM + "entry")


def feed(client: FlaskClient, path: str = f"{OF_CAMPAIGN}.json") -> dict[str, Any]:
    answer = client.get(path)
    assert answer.mimetype == "application/feed+json"
    found: dict[str, Any] = answer.get_json(force=True)
    return found


# --- what is in them --------------------------------------------------------------------------


def test_an_atom_feed_has_all_that_the_standard_wants(
    client: FlaskClient, campaign: Campaign, taken: int
) -> None:
    found = atom(client)
    assert found.get(LANG) == "en"
    assert told(found, "title") == "Free Amar Fayaz"
    assert told(found, "id").startswith("urn:uuid:")
    assert found.findtext(f"{ATOM}author/{ATOM}name")
    links = {link.get("rel"): link.get("href") for link in found.findall(ATOM + "link")}
    assert links == {
        "self": f"{BASE_URL}{OF_CAMPAIGN}.atom",
        "alternate": f"{BASE_URL}/en/campaigns/amar-fayaz",
    }
    [entry] = found.findall(ATOM + "entry")
    assert told(entry, "title") == "Taken at night"
    assert told(entry, "updated") == told(entry, "published") == told(found, "updated")
    assert dt.datetime.fromisoformat(told(entry, "updated")).tzinfo is dt.UTC
    link = entry.find(ATOM + "link")
    assert link is not None
    page = client.get("/en/campaigns/amar-fayaz").text
    assert f'id="{str(link.get("href")).partition("#")[2]}"' in page


def test_an_entry_tells_text_status_and_sources_in_words(
    client: FlaskClient, campaign: Campaign, taken: int
) -> None:
    [entry] = entries(client)
    content = entry.find(ATOM + "content")
    assert content is not None
    assert content.get("type") == "html"
    html = content.text or ""
    assert "<strong>away</strong>" in html
    assert "<bdi>Amar Fayaz</bdi>: missing, reported" in html
    assert '<a href="https://example.org/news?a=1&amp;b=2">' in html
    assert "A neighbour" in html
    [item] = feed(client)["items"]
    assert item["content_html"].strip() == html.strip()


def test_a_json_feed_has_all_that_the_standard_wants(
    client: FlaskClient, campaign: Campaign, taken: int
) -> None:
    found = feed(client)
    assert found["version"] == "https://jsonfeed.org/version/1.1"
    assert found["feed_url"] == f"{BASE_URL}{OF_CAMPAIGN}.json"
    assert found["home_page_url"] == f"{BASE_URL}/en/campaigns/amar-fayaz"
    assert (found["title"], found["language"]) == ("Free Amar Fayaz", "en")
    [item] = found["items"]
    [entry] = entries(client)
    assert item["id"] == told(entry, "id")
    assert item["date_published"] == told(entry, "published")
    assert item["language"] == "en"


def test_ids_stay_and_differ_by_language(
    app: Flask, client: FlaskClient, campaign: Campaign, taken: int
) -> None:
    def ids(lang: str) -> tuple[str, str]:
        found = atom(client, f"/{lang}/campaigns/amar-fayaz/feed.atom")
        return told(found, "id"), told(found.findall(ATOM + "entry")[0], "id")

    before = ids("en")
    assert len({*before, *ids("ar")}) == 4
    posted(app, campaign, headline="Later", happened_on=clock.today() - dt.timedelta(days=9))
    [_, old] = entries(client)
    assert told(old, "id") == before[1]
    assert ids("en")[0] == before[0]
    [_, same] = entries(client, f"{OF_SITE}.atom")
    assert told(same, "id") == before[1]


def test_entries_are_in_the_feeds_language_or_honestly_in_their_own(
    app: Flask, client: FlaskClient, campaign: Campaign, taken: int
) -> None:
    path = "/ar/campaigns/amar-fayaz/feed.atom"
    [entry] = entries(client, path)
    assert entry.get(LANG) == "en"
    content = told(entry, "content")
    assert '<div lang="en" dir="ltr">' in content
    with app.app_context(), writing():
        update = db.session.get_one(Update, taken)
        blocks = {"headline": (update.headline, "اختُطف"), "text": (update.text, "أخذه رجال.")}
        named = {f"update.{taken}.{name}": block for name, block in blocks.items()}
        translate(update.campaign, "ar", named)
    [entry] = entries(client, path)
    assert entry.get(LANG) == "ar"
    assert told(entry, "title") == "اختُطف"
    assert "أخذه رجال." in told(entry, "content")


HOSTILE = [
    "a\x0bb\x0c\x1f\x7f",
    "\ufffe\uffff\u200f\u202e",
    "]]> <!-- --> <?x?> &amp; & \"'",
    "</content></entry></feed><script>alert(1)</script>",
    "\U0001f3f4\U000e0067\U000e007f 𝒳",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_feeds_are_well_formed_whatever_texts_hold(
    app: Flask, client: FlaskClient, campaign: Campaign, text: str
) -> None:
    with app.app_context(), writing():
        found = db.session.get_one(Campaign, campaign.id)
        found.title = found.summary = f"T {text}"
        found.subjects[0].name = f"N {text}"
    posted(app, campaign, headline=f"H {text}", text=text, sources=text, to=Status.MISSING)
    for path in (OF_CAMPAIGN, OF_SITE):
        [entry] = entries(client, f"{path}.atom")
        assert "H " in told(entry, "title")
        assert "<script" not in told(entry, "content")
        [item] = feed(client, f"{path}.json")["items"]
        assert "\x0b" not in item["title"] + item["content_html"]


# --- which updates ----------------------------------------------------------------------------


def test_the_sites_feed_gives_the_newest_of_all_campaigns_and_says_which(
    app: Flask, client: FlaskClient, campaign: Campaign, given: Any, publish: Any
) -> None:
    other = given(factories.a_campaign, slug="another", title="Free the nine")
    publish(other.id)
    for number in range(30):
        with time_machine.travel(clock.now() + dt.timedelta(hours=number)):
            posted(app, campaign if number % 2 else other, headline=f"News {number}")
    titles = [told(entry, "title") for entry in entries(client, f"{OF_SITE}.atom")]
    assert titles[:2] == ["Free Amar Fayaz: News 29", "Free the nine: News 28"]
    assert len(titles) == 30
    for number in range(30, 60):
        with time_machine.travel(clock.now() + dt.timedelta(hours=number)):
            posted(app, other, headline=f"News {number}")
    assert len(entries(client, f"{OF_SITE}.atom")) == 50
    assert feed(client)["items"][0]["title"] == "News 29"


def test_what_is_not_public_is_in_no_feed(
    app: Flask, client: FlaskClient, campaign: Campaign, given: Any
) -> None:
    draft = given(factories.a_campaign, slug="a-draft", title="Secret plan")
    with app.app_context(), writing():
        for one in (campaign, draft):
            updates.write(
                db.session.get_one(Campaign, one.id),
                author_id=None,
                changes=[],
                headline="Not yet",
                text="Hush",
                happened_on=clock.today(),
            )
    for path in EVERYWHERE:
        answer = client.get(path)
        assert answer.status_code == 200
        assert "Not yet" not in answer.text
        assert "Secret plan" not in answer.text
    for path in ("/en/campaigns/a-draft/feed.atom", "/campaigns/a-draft/count.json"):
        assert client.get(path).status_code == 404


def test_a_campaign_paused_for_safety_vanishes_from_everywhere_and_comes_back(
    app: Flask, client: FlaskClient, campaign: Campaign, taken: int
) -> None:
    with app.app_context(), writing():
        campaigns.pause(db.session.get_one(Campaign, campaign.id))
    for path in (f"{OF_CAMPAIGN}.atom", f"{OF_CAMPAIGN}.json", COUNT):
        answer = client.get(path)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.data == b""
    assert "Amar" not in client.get(f"{OF_SITE}.atom").text
    with app.app_context(), writing():
        campaigns.publish(db.session.get_one(Campaign, campaign.id))
    assert len(entries(client)) == 1


# --- how they are fetched ---------------------------------------------------------------------


@pytest.mark.parametrize("path", [*EVERYWHERE, COUNT])
def test_other_sites_and_programs_may_read_and_keep_them(
    client: FlaskClient, campaign: Campaign, taken: int, path: str
) -> None:
    answer = client.get(path)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == f"public, max-age={30 if path == COUNT else 60}"
    assert "Set-Cookie" not in answer.headers
    again = client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert again.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("page", ["/en/", "/ar/", "/en/campaigns/amar-fayaz"])
def test_pages_say_where_their_feeds_are(
    client: FlaskClient, campaign: Campaign, page: str
) -> None:
    text = client.get(page).text
    for kind, name in (("atom+xml", "atom"), ("feed+json", "json")):
        path = f"{page.rstrip('/')}/feed.{name}"
        assert f'<link rel="alternate" type="application/{kind}" href="{path}"' in text
        assert client.get(path).status_code == 200


# --- the number of signatures -----------------------------------------------------------------


def count(client: FlaskClient) -> dict[str, Any]:
    answer: TestResponse = client.get(COUNT)
    assert answer.mimetype == "application/json"
    found: dict[str, Any] = answer.get_json()
    return found


def test_the_count_is_exact_and_says_where_it_stands(
    app: Flask, client: FlaskClient, campaign: Campaign, taken: int
) -> None:
    with app.app_context(), writing():
        for country, delta in (("DE", 1), ("DE", 1), ("PK", 1), ("FR", 1), ("FR", -1)):
            change = {"campaign_id": campaign.id, "country": country, "delta": delta}
            db.session.add(CountChange(day=clock.today(), **change))
    found = count(client)
    assert found.pop("updated").startswith(str(clock.today())[:4])
    assert found == {
        "campaign": "amar-fayaz",
        "url": f"{BASE_URL}/en/campaigns/amar-fayaz",
        "signatures": 3,
        "goal": 1000,
        "countries": 2,
        "state": "live",
        "outcome": None,
        "status": "missing",
        "days": 3,
    }


def test_the_documented_answer_has_the_same_fields(
    client: FlaskClient, campaign: Campaign
) -> None:
    text = (paths.PACKAGE.parent / "docs" / "embedding.md").read_text("utf-8")
    documented = json.loads(text.partition("```json")[2].partition("```")[0])
    assert set(documented) == set(count(client))


def test_the_count_of_a_new_and_of_a_closed_campaign(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    found = count(client)
    assert (found["signatures"], found["status"], found["days"]) == (0, None, None)
    assert found["updated"] is None
    with app.app_context(), writing():
        campaigns.close(db.session.get_one(Campaign, campaign.id), Outcome.PARTLY_WON)
    found = count(client)
    assert (found["state"], found["outcome"]) == ("closed", "partly-won")
