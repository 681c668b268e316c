"""The site cannot be asked "has X signed?": not by what it answers, not by what it does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from tests.conftest import Person, confirm, path_in, sign
from tests.support.sink import Sink
from tracker.campaigns.models import Campaign
from tracker.confirmations.models import Pending
from tracker.confirmations.services import LETTER_KIND
from tracker.extensions import db, writing
from tracker.mail import services as mail
from tracker.mail.models import Delivery, SuppressionReason
from tracker.sealing import tags
from tracker.worker import Worker

STATES = ("new", "pending", "confirmed", "silent", "refused", "suppressed", "pestered")

FORMS: dict[str, dict[str, str]] = {
    "sign": {"name": "Somebody", "country": "DE"},
    "subscribe": {"scope": "every-update"},
    "endorse": {
        "organisation": "A union",
        "level": "city",
        "country": "DE",
        "members": "5",
        "statement": "",
        "contact": "Somebody",
    },
    "my-link": {},
}


def address(state: str) -> str:
    """Give an address of the same length for every state."""
    return f"{state:x<12}@example.org"


@pytest.fixture
def known(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    worker: Worker,
    work: Callable[[], None],
    sink: Sink,
) -> None:
    """People in every state there is."""
    for state in ("pending", "confirmed", "silent", "refused", *["pestered"] * 4):
        sign(client, campaign.slug, Person(email=address(state)))
    work()
    links = {
        state: path_in(sink.to(address(state))[0].text, "/confirm/signature/")
        for state in ("confirmed", "silent", "refused")
    }
    confirm(client, links["confirmed"])
    confirm(client, links["silent"], alerts="no")
    client.post(links["refused"].replace("/confirm/", "/not-me/"))
    with app.app_context(), writing():
        fingerprint = tags.tag(worker.keystore.site_key(), address("suppressed"))
        mail.suppress(fingerprint, SuppressionReason.COMPLAINT, until=None)
    sink.clear()


@contextmanager
def statements(app: Flask) -> Iterator[list[Any]]:
    """Note the shape of every statement: its text, and kind and length of each value."""
    noted: list[Any] = []

    def note(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        listed = values.values() if isinstance(values, dict) else values
        noted.append((statement, [shape(value) for value in listed]))

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield noted
    finally:
        event.remove(engine, "before_cursor_execute", note)


def shape(value: Any) -> Any:
    return (type(value).__name__, len(value) if isinstance(value, (bytes, str)) else None)


def post(client: FlaskClient, page: str, state: str, lang: str = "en") -> Any:
    data = {**FORMS[page], "email": address(state)}
    answer = client.post(f"/{lang}/campaigns/amar-fayaz/{page}", data=data)
    headers = [header for header in answer.headers.to_wsgi_list() if header[0] != "Date"]
    return answer.status_code, headers, alike(answer.text, address(state))


def alike(page: str, typed: str) -> str:
    """Give a page without what is random in it and without what its sender typed."""
    for name, pattern in (("pending", "[0-7][0-9a-f]{15}"), ("page_key", r"[\w-]{43}")):
        page = re.sub(rf'(name="{name}"[^>]*value=")({pattern})"', r'\1random"', page)
    return page.replace(typed, "typed")


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("page", FORMS)
def test_the_answer_is_the_same_to_the_byte_for_everybody(
    client: FlaskClient, page: str
) -> None:
    for lang in ("en", "ar"):
        answers = {state: post(client, page, state, lang) for state in STATES}
        assert answers["new"][0] == 200
        assert "typed" in answers["new"][2]
        assert ('value="random"' in answers["new"][2]) == (page != "my-link")
        for state in STATES:
            assert answers[state] == answers["new"], state


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("page", FORMS)
def test_the_database_is_asked_the_same_for_everybody(
    app: Flask, client: FlaskClient, page: str
) -> None:
    post(client, page, "new")
    asked = {}
    for state in STATES:
        with statements(app) as noted:
            post(client, page, state)
        asked[state] = noted
    assert any("INSERT" in statement for statement, _ in asked["new"])
    for state in STATES:
        assert asked[state] == asked["new"], state


@pytest.mark.usefixtures("known")
def test_the_rows_that_are_left_look_alike(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        before = {row.id for row in db.session.query(Pending)}
    rows = []
    for state in STATES:
        post(client, "sign", state)
        with app.app_context():
            new = [row for row in db.session.query(Pending) if row.id not in before]
            [pending] = new
            [delivery] = db.session.query(Delivery).filter(
                Delivery.id.not_in({one for one, _ in rows} or {0})
            )
            before.add(pending.id)
            assert (pending.tag, pending.links, pending.manage_hash) == (None, None, None)
            assert (delivery.kind, delivery.verdict, delivery.attempts) == (
                LETTER_KIND,
                None,
                0,
            )
            assert delivery.envelope is not None
            assert pending.payload is not None
            rows.append((delivery.id, (len(pending.payload), len(delivery.envelope))))
    assert len({lengths for _, lengths in rows}) == 1


@pytest.mark.usefixtures("known")
def test_the_pages_that_can_be_read_do_not_change_with_who_is_asked_for(
    client: FlaskClient, campaign: Campaign, work: Callable[[], None]
) -> None:
    def public() -> list[bytes]:
        pages = ("", "/sign", "/check-inbox", "/subscribe", "/my-link")
        return [client.get(f"/en/campaigns/{campaign.slug}{page}").data for page in pages]

    before = public()
    for state in STATES:
        post(client, "sign", state)
        assert public() == before
    work()
    assert public() == before


@pytest.mark.usefixtures("known")
def test_only_the_mail_tells_and_only_to_the_address_itself(
    client: FlaskClient, work: Callable[[], None], sink: Sink
) -> None:
    for state in STATES:
        post(client, "sign", state)
    work()
    got = {state: [mail.subject for mail in sink.to(address(state))] for state in STATES}
    assert [len(got[state]) for state in ("new", "pending", "confirmed", "silent")] == [1] * 4
    assert "confirm your signature" in got["new"][0]
    assert "already" in got["confirmed"][0]
    assert "already" in got["silent"][0]
    assert got["refused"] == got["suppressed"] == got["pestered"] == []


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("page", FORMS)
def test_an_answer_is_the_same_whether_a_worker_runs_or_not(
    client: FlaskClient, work: Callable[[], None], page: str
) -> None:
    waiting = post(client, page, "confirmed")
    work()
    assert post(client, page, "confirmed") == waiting
