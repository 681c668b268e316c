"""Another site's page cannot act for a visitor; a phone that says nothing still can sign."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import SIGNER, path_in, sign
from tests.support.sink import Sink
from tracker.app import create_app
from tracker.campaigns.models import Campaign
from tracker.confirmations.models import Pending
from tracker.core import guard
from tracker.extensions import db
from tracker.settings import Settings

OURS = "http://127.0.0.1:8000"

REFUSED = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "nonsense"},
    {"Sec-Fetch-Site": ""},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1.evil.example:8000"},
    {"Origin": "http://127.0.0.1:9999"},
    {"Origin": "https://127.0.0.1:8000"},
    {"Origin": OURS, "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
]
ALLOWED = [
    {},
    {"Origin": OURS},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": OURS, "Sec-Fetch-Site": "same-origin"},
    {"Referer": "https://evil.example/"},
]


def sign_with(client: FlaskClient, headers: dict[str, str]) -> int:
    data = {"name": SIGNER.name, "email": SIGNER.email, "country": "DE"}
    answer = client.post("/en/campaigns/amar-fayaz/sign", data=data, headers=headers)
    return answer.status_code


@pytest.mark.parametrize("headers", REFUSED, ids=str)
def test_a_form_sent_from_another_site_is_refused(
    app: Flask, client: FlaskClient, campaign: Campaign, headers: dict[str, str]
) -> None:
    assert sign_with(client, headers) == 403
    with app.app_context():
        assert db.session.query(Pending).count() == 0


@pytest.mark.parametrize("headers", ALLOWED, ids=str)
def test_a_form_of_our_own_page_is_taken_from_new_and_old_browsers(
    client: FlaskClient, campaign: Campaign, headers: dict[str, str]
) -> None:
    assert sign_with(client, headers) == 200


def test_a_mail_program_may_unsubscribe_from_anywhere(
    client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    sign(client, campaign.slug)
    work()
    link = path_in(sink.mails[0].text, "/unsubscribe/")
    for headers in REFUSED:
        answer = client.post(link, data={"List-Unsubscribe": "One-Click"}, headers=headers)
        assert answer.status_code == 200


def test_an_organisers_form_without_its_token_is_refused(signed_in: FlaskClient) -> None:
    for data in ({}, {"csrf_token": "x"}, {"csrf_token": ""}):
        answer = signed_in.post("/en/organisers/sign-out", data=data, headers={"Origin": OURS})
        assert answer.status_code == 400
    assert signed_in.get("/en/organise/", follow_redirects=True).status_code == 200


def test_a_route_that_declares_no_guard_refuses_every_post(settings: Settings) -> None:
    app = create_app(settings)
    app.add_url_rule("/undeclared", view_func=lambda: "done", methods=["GET", "POST"])
    client = app.test_client()
    assert client.get("/undeclared").text == "done"
    for headers in ({}, {"Origin": OURS}):
        assert client.post("/undeclared", headers=headers).status_code == 405
    assert guard.guard_of(app, "<lambda>") is None
    with app.app_context():
        db.engine.dispose()
