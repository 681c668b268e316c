"""Every public campaign is found in the list; what is over shows what it came to."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from tests.campaigns.test_search import public
from tracker.campaigns.models import Campaign, Outcome, State
from tracker.campaigns.status import Kind, Status
from tracker.endorsements.models import Endorsement, EndorsementState, Level
from tracker.extensions import db, writing
from tracker.pages.archive import SIZE
from tracker.signatures.models import CountryTotal

Given = Callable[..., Any]
LIST = "/en/campaigns/"
DAY = dt.date(2026, 1, 10)


def slugs(page: str) -> list[str]:
    """Give the campaigns of a list, in order."""
    return re.findall(r'<a href="/en/campaigns/([^"?/]+)">', page)


def look(client: FlaskClient, query: str = "", lang: str = "en") -> str:
    answer = client.get(f"/{lang}/campaigns/{query}")
    assert answer.status_code == 200
    return str(answer.text)


@pytest.fixture
def won(app: Flask, given: Given) -> Campaign:
    """A campaign that is over, with its figures."""
    made: Campaign = given(
        public,
        slug="won",
        title="Free Noor",
        state=State.ARCHIVED,
        outcome=Outcome.WON,
        opened_on=DAY,
        closed_on=DAY.replace(month=3),
        status=Status.RELEASED,
    )
    with app.app_context(), writing():
        for country, total in (("DE", 1200), ("PK", 34), ("IT", 0)):
            db.session.add(CountryTotal(campaign_id=made.id, country=country, total=total))
        for organisation, state, members in (
            ("A union", EndorsementState.APPROVED, 50_000),
            ("A branch", EndorsementState.APPROVED, None),
            ("Unknown", EndorsementState.WAITING, 9_999),
        ):
            db.session.add(
                Endorsement(
                    campaign_id=made.id,
                    state=state,
                    organisation=organisation,
                    level=Level.NATIONAL,
                    country="DE",
                    members=members,
                    statement="",
                    language="en",
                    day=DAY,
                )
            )
    return made


def test_the_record_of_a_campaign_that_is_over(client: FlaskClient, won: Campaign) -> None:
    page = look(client)
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Won 10 January 2026 to 10 March 2026: 59 days" in text
    figures = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert figures == {
        "signatures": "1,234",
        "countries": "2",
        "organisations": "2",
        "members represented": "50,000",
    }


def test_an_archived_campaign_is_in_the_archive_and_not_on_the_first_page(
    client: FlaskClient, won: Campaign
) -> None:
    assert slugs(look(client)) == ["won"]
    home = client.get("/en/").text
    assert slugs(home) == []
    assert 'href="/en/campaigns/"' in home


def test_the_first_page_keeps_six_of_those_that_are_over(
    client: FlaskClient, given: Given
) -> None:
    for number in range(8):
        for outcome in (Outcome.WON, Outcome.LOST):
            given(
                public,
                slug=f"{outcome.value}-{number}",
                state=State.CLOSED,
                outcome=outcome,
                closed_on=DAY + dt.timedelta(days=number),
            )
    given(public, slug="open")
    found = slugs(client.get("/en/").text)
    kept = {f"{outcome}-{number}" for outcome in ("won", "lost") for number in range(2, 8)}
    assert set(found) == {"open", *kept}
    assert found[0] == "open"


@pytest.fixture
def several(given: Given, won: Campaign) -> None:
    given(public, slug="a", country="PK", status=Status.MISSING)
    given(public, slug="b", country="IT", kind=Kind.DISPUTE, status=Status.LOCKED_OUT)
    given(public, slug="hidden", state=State.PAUSED, country="MX", status=Status.KILLED)


def test_the_list_is_narrowed_by_words_and_facts(client: FlaskClient, several: None) -> None:
    assert slugs(look(client)) == ["a", "b", "won"]
    assert slugs(look(client, "?q=noor")) == ["won"]
    assert slugs(look(client, "?country=IT")) == ["b"]
    assert slugs(look(client, "?kind=dispute")) == ["b"]
    assert slugs(look(client, "?status=missing")) == ["a"]
    assert slugs(look(client, "?standing=open")) == ["a", "b"]
    assert slugs(look(client, "?standing=over&q=free")) == ["won"]


def test_what_was_chosen_stays_chosen_and_names_the_page(
    client: FlaskClient, several: None
) -> None:
    page = look(client, "?q=%22fre&country=PK&standing=open")
    assert "<title>Campaigns – “&#34;fre” – Pakistan – Open – " in page
    assert re.search(r'<input[^>]*name="q"[^>]*value="&#34;fre"', page)
    assert re.search(r'<option selected value="PK">Pakistan</option>', page)
    assert "<details open>" in page
    assert "1 campaign<" in page
    assert '<meta name="robots" content="noindex, follow">' in page
    assert "<details>" in (plain := look(client, "?q=free"))
    assert "robots" not in look(client)
    assert "<details open>" not in plain


def test_only_what_leads_to_something_can_be_chosen(client: FlaskClient, several: None) -> None:
    page = look(client)
    for shown in ('value="PK"', 'value="IT"', 'value="missing"', 'value="released"'):
        assert shown in page
    for hidden in ('value="MX"', 'value="DE"', 'value="killed"'):
        assert hidden not in page


@pytest.mark.parametrize(
    "query",
    [
        "?country=XX&kind=nonsense&status=%27&standing=../..",
        "?country=MX",
        "?page=0",
        "?page=-7",
        "?page=99999999999999999999999",
        "?page=x",
        "?page=" + "9" * 5000,
        "?unknown=1",
        "?q=+++",
        "?q=&country=&kind=&status=&standing=",
    ],
)
def test_nonsense_in_the_address_is_no_filter(
    client: FlaskClient, several: None, query: str
) -> None:
    assert slugs(look(client, query)) == ["a", "b", "won"]


@pytest.mark.parametrize(
    "words", ['"', "*", "NEAR(", "👍", "a" * 10_000, "<script>", "%", "!!"]
)
def test_nothing_found_helps_along(client: FlaskClient, several: None, words: str) -> None:
    answer = client.get(LIST, query_string={"q": words, "country": "PK"})
    assert answer.status_code == 200
    assert "Nothing found" in answer.text
    assert "Search for the same words everywhere" in answer.text
    assert f'href="{LIST}"' in answer.text
    assert "<script>" not in answer.text.partition("<body")[2]


def test_pages_keep_what_was_asked_for(client: FlaskClient, given: Given) -> None:
    for number in range(SIZE + 3):
        given(public, slug=f"c{number:02}", title=f"Free & {number}")
    first = look(client, "?q=free+%26&country=PK")
    assert len(slugs(first)) == SIZE
    assert f"{SIZE + 3} campaigns" in first
    [href] = re.findall(r'rel="next" href="([^"]+)"', first)
    assert href == "?q=free+%26&amp;country=PK&amp;page=2"
    second = look(client, href.replace("&amp;", "&"))
    assert len(slugs(second)) == 3
    assert "(Page 2 of 2)" in second
    assert not set(slugs(first)) & set(slugs(second))


def test_the_list_is_in_the_readers_language(client: FlaskClient, given: Given) -> None:
    given(public, translations={"ar": {"title": "الحرية لعمار فياز"}})
    page = look(client, "?q=%D8%A7%D9%84%D8%AD%D8%B1%D9%8A%D9%91%D8%A9", lang="ar")
    assert "الحرية لعمار فياز" in page
    assert 'dir="rtl"' in page


def test_the_list_is_the_same_for_everybody_and_may_be_kept(
    client: FlaskClient, several: None
) -> None:
    answer = client.get(LIST + "?q=free")
    assert answer.headers["Cache-Control"] == "public, max-age=30"
    assert "Set-Cookie" not in answer.headers
    assert client.get("/en/campaigns").location.endswith("/en/campaigns/")


def test_the_number_of_queries_does_not_grow_with_the_list(
    app: Flask, client: FlaskClient, given: Given
) -> None:
    def count() -> int:
        run: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            run.append(statement)

        with app.app_context():
            event.listen(db.engine, "before_cursor_execute", note)
            client.get(LIST + "?q=free")
            event.remove(db.engine, "before_cursor_execute", note)
        return len([one for one in run if "SELECT" in one])

    given(public, slug="first")
    few = count()
    for number in range(SIZE + 2):
        given(
            public,
            slug=f"c{number:02}",
            language="es" if number % 2 else "en",
            subjects=[("One", ""), ("Two", "")],
            state=State.CLOSED,
            outcome=Outcome.WON,
            closed_on=DAY,
        )
    assert count() == few <= 12
