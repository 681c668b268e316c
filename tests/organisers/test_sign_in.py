"""Organisers sign in safely, and are signed out in time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import submit
from tests.support import factories
from tracker.core import clock
from tracker.extensions import db, writing
from tracker.organisers import passwords, services
from tracker.organisers.models import Organiser, SignIn

SIGN_IN = "/en/organisers/sign-in"
ROOM = "/en/organise/campaigns"


def attempt(client: FlaskClient, email: str, password: str) -> Any:
    return submit(client, SIGN_IN, {"email": email, "password": password})


@pytest.fixture
def organiser(given: Callable[..., Organiser]) -> Organiser:
    return given(factories.an_organiser)


def test_a_wrong_password_and_an_unknown_account_get_the_same_answer(
    client: FlaskClient, organiser: Organiser
) -> None:
    wrong = attempt(client, organiser.email, "not the right password at all")
    unknown = attempt(client, "somebody@example.org", "not the right password at all")
    assert wrong.status_code == unknown.status_code == 422
    for answer in (wrong, unknown):
        assert "Address or password is wrong." in answer.text


def test_a_one_time_password_must_be_replaced_at_once(
    client: FlaskClient, app: Flask, organiser: Organiser
) -> None:
    with app.app_context(), writing():
        db.session.get_one(Organiser, organiser.id).must_change_password = True
    attempt(client, organiser.email, factories.PASSWORD)
    assert client.get(ROOM).location.endswith("/organisers/password")
    page = "/en/organisers/password"
    short = submit(client, page, {"password": "fourteen chars", "again": "fourteen chars"})
    assert short.status_code == 422
    differ = submit(client, page, {"password": "a fine long sentence", "again": "another one"})
    assert differ.status_code == 422
    new = "ein Satz mit Umlauten: äöü und 雪"
    assert submit(client, page, {"password": new, "again": new}).status_code == 302
    assert client.get(ROOM).status_code == 200
    with app.app_context():
        stored = db.session.get_one(Organiser, organiser.id).password_hash
        assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=1$")


def test_signing_out_makes_the_cookie_worthless(
    client: FlaskClient, app: Flask, organiser: Organiser
) -> None:
    attempt(client, organiser.email, factories.PASSWORD)
    cookie = client.get_cookie("organiser", domain="127.0.0.1")
    assert cookie is not None
    submit(client, "/en/organisers/sign-out", {}, page=ROOM)
    thief = app.test_client()
    thief.set_cookie("organiser", cookie.value, domain="127.0.0.1")
    assert thief.get(ROOM).status_code == 302


def test_the_cookie_holds_nothing_and_the_database_only_its_hash(
    client: FlaskClient, app: Flask, organiser: Organiser
) -> None:
    attempt(client, organiser.email, factories.PASSWORD)
    cookie = client.get_cookie("organiser", domain="127.0.0.1")
    assert cookie is not None
    assert len(cookie.value) == 43
    with app.app_context():
        [sign_in] = db.session.query(SignIn).all()
        assert cookie.value.encode() not in sign_in.token_hash


@pytest.mark.parametrize(
    ("away", "stays"),
    [
        (dt.timedelta(minutes=29), True),
        (dt.timedelta(minutes=31), False),
    ],
)
def test_half_an_hour_without_a_page_signs_out(
    client: FlaskClient, organiser: Organiser, away: dt.timedelta, stays: bool
) -> None:
    start = clock.now()
    with time_machine.travel(start, tick=False):
        attempt(client, organiser.email, factories.PASSWORD)
    with time_machine.travel(start + away, tick=False):
        assert (client.get(ROOM).status_code == 200) is stays


def test_twelve_hours_sign_out_in_any_case(client: FlaskClient, organiser: Organiser) -> None:
    start = clock.now()
    with time_machine.travel(start, tick=False):
        attempt(client, organiser.email, factories.PASSWORD)
    for minutes in range(20, 12 * 60, 20):
        with time_machine.travel(start + dt.timedelta(minutes=minutes), tick=False):
            assert client.get(ROOM).status_code == 200
    with time_machine.travel(start + dt.timedelta(hours=12, minutes=1), tick=False):
        assert client.get(ROOM).status_code == 302


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example", "https:evil", "/\\evil.example", "/%0d%0aX: y"],
)
def test_signing_in_never_leads_to_another_site(
    client: FlaskClient, organiser: Organiser, target: str
) -> None:
    answer = submit(
        client,
        f"{SIGN_IN}?next={target}",
        {"email": organiser.email, "password": factories.PASSWORD},
    )
    assert answer.status_code == 302
    assert answer.location == "/en/organise/campaigns"


def test_ten_wrong_passwords_slow_down_and_never_lock_for_ever(
    client: FlaskClient, organiser: Organiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "matches", lambda *_: False)
    for _ in range(10):
        assert attempt(client, organiser.email, "wrong" * 4).status_code == 422
    answer = attempt(client, organiser.email, "wrong" * 4)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) <= 15 * 60 + 1


def test_a_closed_account_is_signed_out_at_once(
    client: FlaskClient, app: Flask, organiser: Organiser
) -> None:
    attempt(client, organiser.email, factories.PASSWORD)
    assert client.get(ROOM).status_code == 200
    with app.app_context(), writing():
        services.deactivate(db.session.get_one(Organiser, organiser.id))
    assert client.get(ROOM).status_code == 302
    assert attempt(client, organiser.email, factories.PASSWORD).status_code == 422


@pytest.mark.parametrize(
    "password",
    ["password password", "aaaaaaaaaaaaaaaaaaaa", "solidarity-tracker", "x" * 201],
)
def test_passwords_that_are_easy_to_guess_are_refused(password: str) -> None:
    with pytest.raises(passwords.Refused):
        passwords.check_password(password)
