"""One network cannot flood the site with forms; others do not notice, nobody is noted."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.conftest import submit
from tests.support import factories
from tracker.campaigns.models import Campaign
from tracker.confirmations.models import Pending
from tracker.core import throttle as module
from tracker.core.errors import TooMany
from tracker.core.throttle import Throttle, network
from tracker.extensions import db

LIMIT = 60


def post(client: FlaskClient, source: str, page: str = "sign") -> TestResponse:
    return client.post(
        f"/en/campaigns/amar-fayaz/{page}",
        data={
            "name": "Sara Example",
            "email": "sara@example.org",
            "country": "DE",
            "town": "Halle",
            "comment": "Free him & all",
            "scope": "every-update",
        },
        environ_overrides={"REMOTE_ADDR": source},
    )


@pytest.mark.parametrize("page", ["sign", "subscribe", "my-link"])
def test_at_the_limit_the_form_comes_back_filled_in_and_says_when_to_try_again(
    app: Flask, client: FlaskClient, campaign: Campaign, page: str
) -> None:
    for _ in range(LIMIT):
        assert post(client, "198.51.100.7").status_code == 200
    answer = post(client, "198.51.100.7", page)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 601
    assert "Too many attempts from your network" in answer.text
    assert 'value="sara@example.org"' in answer.text
    if page == "sign":
        assert 'value="Sara Example"' in answer.text
        assert 'value="Halle"' in answer.text
        assert "Free him &amp; all</textarea>" in answer.text
        assert re.search(r'<option selected value="DE">', answer.text)
    with app.app_context():
        assert db.session.query(Pending).count() == LIMIT


def test_other_networks_do_not_notice(client: FlaskClient, campaign: Campaign) -> None:
    for _ in range(LIMIT + 1):
        last = post(client, "198.51.100.7")
    assert last.status_code == 429
    assert post(client, "198.51.100.250").status_code == 429, "the same network"
    assert post(client, "198.51.101.7").status_code == 200
    assert post(client, "2001:db8::1").status_code == 200


def test_pages_can_still_be_read_from_a_network_at_its_limit(
    client: FlaskClient, campaign: Campaign
) -> None:
    for _ in range(LIMIT + 1):
        post(client, "198.51.100.7")
    for page in ("", "/sign"):
        answer = client.get(
            f"/en/campaigns/amar-fayaz{page}", environ_overrides={"REMOTE_ADDR": "198.51.100.7"}
        )
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("198.51.100.7", "198.51.100.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::ffff:198.51.100.7", "198.51.100.0/24"),
        ("", "unknown"),
        ("nonsense", "unknown"),
    ],
)
def test_a_sender_is_counted_by_network(app: Flask, address: str, counted_as: str) -> None:
    with app.test_request_context(environ_overrides={"REMOTE_ADDR": address}):
        assert network() == counted_as


def test_an_address_claimed_in_a_header_counts_for_nothing_without_a_proxy(
    client: FlaskClient, campaign: Campaign
) -> None:
    statuses = {
        client.post(
            "/en/campaigns/amar-fayaz/sign",
            data={"name": "S", "email": "s@example.org", "country": "DE"},
            headers={"X-Forwarded-For": f"203.0.{n}.1", "X-Real-Ip": f"203.0.{n}.1"},
        ).status_code
        for n in range(LIMIT + 1)
    }
    assert 429 in statuses


def everything_in(thing: object) -> str:
    """Give the text of all that can be reached from ``thing`` and is data."""
    seen: dict[int, object] = {}
    waiting: list[object] = [thing]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type) or callable(one):
            continue
        seen[id(one)] = one
        waiting += gc.get_referents(one)
        waiting += list(getattr(one, "__dict__", {}).values())
    return " ".join(repr(one) for one in seen.values() if isinstance(one, (str, bytes, dict)))


def test_the_limiter_remembers_no_address_and_no_account() -> None:
    counting = Throttle()
    for _ in range(3):
        counting.hit("10 per minute", purpose="form", who="198.51.100.0/24")
        counting.hit("10 per minute", purpose="account", who="sara@example.org")
    kept = everything_in(counting)
    assert re.search(r"[0-9a-f]{64}", kept), "it does remember something"
    for trace in ("198.51", "sara", "example.org"):
        assert trace not in kept


def test_what_is_counted_is_forgotten_with_its_key_within_the_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    counting = Throttle()
    first = counting._name("form", "198.51.100.0/24")
    counting.hit("1 per 2 hours", purpose="form", who="198.51.100.0/24")
    with pytest.raises(TooMany):
        counting.hit("1 per 2 hours", purpose="form", who="198.51.100.0/24")
    now[0] += 3601
    counting.hit("1 per 2 hours", purpose="form", who="198.51.100.0/24")
    assert counting._name("form", "198.51.100.0/24") != first


def test_two_web_processes_name_one_network_differently() -> None:
    names = {Throttle()._name("form", "198.51.100.0/24") for _ in range(2)}
    assert len(names) == 2


def test_guessing_passwords_slows_the_guesser_down_and_never_locks_the_owner_out(
    client: FlaskClient, given: Callable[..., Any]
) -> None:
    given(factories.an_organiser)

    def attempt(password: str, source: str) -> int:
        client.environ_base["REMOTE_ADDR"] = source
        data = {"email": "organiser@example.org", "password": password}
        return submit(client, "/en/organisers/sign-in", data).status_code

    for _ in range(10):
        assert attempt("wrong wrong wrong wrong", "198.51.100.1") == 422
    assert attempt("wrong wrong wrong wrong", "198.51.100.1") == 429
    assert attempt(factories.PASSWORD, "198.51.100.2") == 429, "the guesser's own network"
    assert attempt(factories.PASSWORD, "203.0.113.9") == 302, "the owner, from elsewhere"
