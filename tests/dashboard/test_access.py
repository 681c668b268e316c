"""Who is let into the organisers' room; the routes are taken from the URL map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from tests.conftest import submit
from tests.support import factories
from tracker.campaigns.models import Campaign
from tracker.core.guard import guard_of
from tracker.extensions import SAFE_METHODS, db, writing
from tracker.organisers import services as organisers
from tracker.organisers.models import Organiser, Role
from tracker.updates.models import Update

VALUES: dict[str, Any] = {
    "lang": "en",
    "slug": "amar-fayaz",
    "update_id": 1,
    "subject_id": 1,
    "endorsement_id": 1,
    "signature_id": 1,
    "partner_id": 1,
    "language": "ar",
    "state": "approved",
}


def rules(app: Flask) -> Iterator[Rule]:
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("dashboard."):
            yield rule


def calls(app: Flask, **values: Any) -> Iterator[tuple[str, str]]:
    """Every method on every address of the room."""
    for rule in rules(app):
        known = {**VALUES, **values}
        with app.test_request_context():
            arguments = {name: known[name] for name in rule.arguments | {"lang"}}
            address = url_for(rule.endpoint, **arguments, _external=False)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, address


@pytest.fixture
def stranger(client: FlaskClient, given: Callable[..., Any]) -> FlaskClient:
    """An organiser of other campaigns is signed in."""
    given(factories.an_organiser, is_admin=False)
    sign_in(client, "organiser@example.org")
    return client


def sign_in(client: FlaskClient, email: str) -> None:
    values = {"email": email, "password": factories.PASSWORD}
    assert submit(client, "/en/organisers/sign-in", values).status_code == 302


def token(client: FlaskClient, address: str = "/en/organise/campaigns/new") -> str:
    page = client.get(address).text
    return page.split('name="csrf_token" type="hidden" value="')[1].split('"')[0]


def test_signed_out_every_page_of_the_room_leads_to_the_sign_in(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    sent = {"csrf_token": token(client, "/en/organisers/sign-in")}
    answers = {call: client.open(call[1], method=call[0], data=sent) for call in calls(app)}
    assert len(answers) > 30
    for call, answer in answers.items():
        assert answer.status_code == 302, call
        assert "/en/organisers/sign-in" in answer.location, call


def test_a_one_time_password_opens_nothing_but_the_page_to_replace_it(
    app: Flask, client: FlaskClient, given: Callable[..., Any], campaign: Campaign
) -> None:
    def invited() -> Organiser:
        organiser = factories.an_organiser()
        organiser.must_change_password = True
        return organiser

    given(invited)
    sign_in(client, "organiser@example.org")
    for method, address in calls(app):
        if method == "GET":
            assert client.get(address).location == "/en/organisers/password", address


def test_the_campaign_of_others_does_not_exist(
    app: Flask,
    stranger: FlaskClient,
    live: Campaign,
    given: Callable[..., Any],
) -> None:
    update: Update = given(factories.an_update, live)
    csrf = token(stranger)
    seen = 0
    for method, address in calls(app, update_id=update.id):
        if "amar-fayaz" not in address:
            continue
        answer = stranger.open(address, method=method, data={"csrf_token": csrf})
        assert answer.status_code == 404, (method, address)
        seen += 1
    assert seen > 20
    assert "Amar Fayaz" not in stranger.get("/en/organise/campaigns").text


def test_an_editor_may_work_on_the_campaign(
    app: Flask, stranger: FlaskClient, campaign: Campaign
) -> None:
    with app.app_context(), writing():
        organiser = db.session.query(Organiser).one()
        organisers.assign(organiser, campaign.id, Role.EDITOR)
    assert stranger.get("/en/organise/campaigns/amar-fayaz").status_code == 200
    assert "Free Amar Fayaz" in stranger.get("/en/organise/campaigns").text


def test_every_route_that_changes_something_wants_a_token(
    app: Flask, signed_in: FlaskClient, campaign: Campaign
) -> None:
    for rule in rules(app):
        if (rule.methods or set()) - SAFE_METHODS:
            assert guard_of(app, rule.endpoint) == "csrf", rule.endpoint
    for method, address in calls(app):
        if method not in SAFE_METHODS:
            assert signed_in.open(address, method=method).status_code == 400, address


def test_an_id_larger_than_the_database_holds_is_not_found(
    signed_in: FlaskClient, campaign: Campaign
) -> None:
    address = f"/en/organise/campaigns/amar-fayaz/updates/{10**30}"
    assert signed_in.get(address).status_code == 404
