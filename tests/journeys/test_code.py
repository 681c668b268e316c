"""The code in the mail instead of the link: on the same page only, five tries, no oracle."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from tests.conftest import SIGNER, Person, confirm, path_in, sign
from tests.journeys.test_oracle import statements
from tests.support.sink import Mail, Sink
from tracker.campaigns.models import Campaign
from tracker.confirmations.models import Pending
from tracker.core import clock
from tracker.extensions import db
from tracker.signatures import queries

Work = Callable[[], None]
PAGE = "/en/campaigns/amar-fayaz/check-inbox"
OVER = "was wrong five times"


def hidden(page: TestResponse) -> dict[str, str]:
    """Give what the page carries for the code."""
    found = {
        name: re.search(rf'name="{name}"[^>]*value="([^"]+)"', page.text)
        for name in ("pending", "page_key")
    }
    assert all(found.values()), page.text
    return {name: one[1] for name, one in found.items() if one}


def code_in(mail: Mail) -> str:
    found = re.search(r"^(\d{6})\s*$", mail.text, re.M)
    assert found, mail.text
    return found[1]


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def enter(client: FlaskClient, ticket: dict[str, str], code: str, **extra: Any) -> TestResponse:
    return client.post(PAGE, data={**ticket, "code": code}, **extra)


@pytest.fixture
def signed(
    client: FlaskClient, campaign: Campaign, work: Work, sink: Sink
) -> tuple[dict[str, str], Mail]:
    """Sara has signed and got the mail; gives her page's secrets and the mail."""
    page = sign(client, campaign.slug)
    work()
    return hidden(page), sink.to(SIGNER.email)[-1]


def count(app: Flask, campaign: Campaign) -> int:
    with app.app_context():
        return queries.count_confirmed(campaign.id)


def test_the_right_code_leads_where_the_link_leads(
    app: Flask, client: FlaskClient, campaign: Campaign, signed: tuple[dict[str, str], Mail]
) -> None:
    ticket, mail = signed
    answer = enter(client, ticket, code_in(mail))
    assert answer.status_code == 303
    assert answer.location == path_in(mail.text, "/confirm/signature/")
    assert "Sara Example" in client.get(answer.location).text
    assert count(app, campaign) == 0, "the button is still to be pressed"
    confirm(client, answer.location)
    assert count(app, campaign) == 1


@pytest.mark.parametrize(
    ("page", "data", "leads_to"),
    [
        ("subscribe", {"scope": "every-update"}, "/confirm/subscription/"),
        (
            "endorse",
            {"organisation": "A union", "level": "city", "country": "DE", "contact": "S"},
            "/confirm/endorsement/",
        ),
    ],
)
def test_subscribers_and_endorsers_have_a_code_too(
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    sink: Sink,
    page: str,
    data: dict[str, str],
    leads_to: str,
) -> None:
    form = {**data, "email": "sara@example.org"}
    answer = client.post(f"/ar/campaigns/{campaign.slug}/{page}", data=form)
    work()
    mail = sink.to("sara@example.org")[0]
    assert code_in(mail)[:3] in mail.html
    led = enter(client, hidden(answer), code_in(mail))
    assert leads_to in led.location
    assert client.get(led.location).status_code == 200


@pytest.mark.parametrize("digits", ["٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹"])
def test_arabic_and_urdu_digits_with_blanks_are_taken(
    client: FlaskClient, signed: tuple[dict[str, str], Mail], digits: str
) -> None:
    ticket, mail = signed
    typed = code_in(mail).translate(str.maketrans("0123456789", digits))
    assert enter(client, ticket, f" {typed[:3]} {typed[3:]}").status_code == 303


def test_a_wrong_code_says_so_and_after_five_only_the_link_is_left(
    app: Flask, client: FlaskClient, signed: tuple[dict[str, str], Mail]
) -> None:
    ticket, mail = signed
    for left in ("4 more times", "3 more times", "2 more times", "1 more time"):
        answer = enter(client, ticket, wrong(code_in(mail)))
        assert answer.status_code == 422
        assert left in answer.text
        assert 'id="code-error"' in answer.text
        assert hidden(answer) == ticket, "and can be tried again"
    assert OVER not in answer.text
    last = enter(client, ticket, wrong(code_in(mail)))
    assert last.status_code == 422
    assert OVER in last.text
    assert 'name="code"' not in last.text
    with app.app_context():
        assert db.session.scalars(select(Pending.code_locked)).one() is None
    right = enter(client, ticket, code_in(mail))
    assert OVER in right.text, "even the right one comes too late"
    link = path_in(mail.text, "/confirm/signature/")
    assert "Sara Example" in client.get(link).text, "the link is still good"


def test_something_that_is_no_code_costs_no_try(
    app: Flask, client: FlaskClient, signed: tuple[dict[str, str], Mail]
) -> None:
    ticket, mail = signed
    for typed in ("", "12345", "sixsix", "1" * 5000, "\u202e12345"):
        answer = enter(client, ticket, typed)
        assert answer.status_code == 422
        assert "Enter the six digits" in answer.text
        assert hidden(answer) == ticket
    assert enter(client, ticket, code_in(mail)).status_code == 303


def test_the_code_is_worth_nothing_on_another_device(
    client: FlaskClient, campaign: Campaign, signed: tuple[dict[str, str], Mail]
) -> None:
    ticket, mail = signed
    other = hidden(sign(client, campaign.slug, Person(email="eve@example.org")))
    for foreign in (
        {**ticket, "page_key": other["page_key"]},
        {**other, "page_key": ticket["page_key"]},
        {**ticket, "page_key": ""},
        {**ticket, "page_key": "x" * 43},
    ):
        answer = enter(client, foreign, code_in(mail))
        assert answer.status_code == 422
        assert "/confirm/" not in answer.text


@pytest.mark.parametrize(
    "pending",
    ["", "0" * 16, "f" * 16, "7" + "f" * 15, "x" * 16, "1" * 17, "-000000000000001", "٠" * 16],
)
def test_a_page_that_is_made_up_opens_nothing(
    client: FlaskClient, signed: tuple[dict[str, str], Mail], pending: str
) -> None:
    ticket, mail = signed
    answer = enter(client, {**ticket, "pending": pending}, code_in(mail))
    assert answer.status_code in {410, 422}
    assert answer.headers["Cache-Control"] == "no-store"


def test_twenty_wrong_codes_at_once_are_five_tries(
    app: Flask, client: FlaskClient, signed: tuple[dict[str, str], Mail]
) -> None:
    ticket, mail = signed
    guesses = [wrong(code_in(mail))] * 20
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda one: enter(app.test_client(), ticket, one), guesses))
    assert {answer.status_code for answer in answers} == {422}
    left = sorted(re.findall(r"(\d) more time", " ".join(a.text for a in answers)))
    assert set(left) == {"1", "2", "3", "4"}
    assert sum(OVER in answer.text for answer in answers) == 16
    with app.app_context():
        pending = db.session.scalars(select(Pending)).one()
        assert (pending.code_tries, pending.code_locked) == (5, None)


def test_the_right_code_many_times_at_once_always_leads_on(
    app: Flask, client: FlaskClient, signed: tuple[dict[str, str], Mail]
) -> None:
    ticket, mail = signed
    with ThreadPoolExecutor(8) as pool:
        codes = [code_in(mail)] * 8
        answers = list(pool.map(lambda one: enter(app.test_client(), ticket, one), codes))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.location for answer in answers}) == 1


def test_a_code_used_after_the_link_leads_to_ones_own_page_like_the_link(
    client: FlaskClient, signed: tuple[dict[str, str], Mail]
) -> None:
    ticket, mail = signed
    link = path_in(mail.text, "/confirm/signature/")
    done = confirm(client, link)
    led = enter(client, ticket, code_in(mail))
    assert led.location == link
    assert client.get(link).location == done.location


def test_after_a_week_page_and_code_say_what_the_link_says(
    client: FlaskClient, signed: tuple[dict[str, str], Mail]
) -> None:
    ticket, mail = signed
    with time_machine.travel(clock.now() + dt.timedelta(days=8), tick=False):
        by_link = client.get(path_in(mail.text, "/confirm/signature/"))
        by_code = enter(client, ticket, code_in(mail))
    assert by_link.status_code == by_code.status_code == 410
    assert "This link is no longer valid" in by_code.text


def test_a_second_form_has_a_code_of_its_own_and_the_first_one_keeps_its(
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    sink: Sink,
    signed: tuple[dict[str, str], Mail],
) -> None:
    ticket, first = signed
    page = sign(client, campaign.slug)
    work()
    second = sink.to(SIGNER.email)[-1]
    assert enter(client, hidden(page), code_in(second)).status_code == 303
    assert enter(client, ticket, code_in(first)).status_code == 303


def test_codes_are_limited_by_network_and_the_page_comes_back(
    client: FlaskClient, signed: tuple[dict[str, str], Mail]
) -> None:
    ticket, mail = signed
    source = {"environ_overrides": {"REMOTE_ADDR": "198.51.100.9"}}
    for _ in range(60):
        enter(client, ticket, wrong(code_in(mail)), **source)
    answer = enter(client, ticket, wrong(code_in(mail)), **source)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert hidden(answer) == ticket


def test_a_mail_that_says_already_carries_no_code(
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    sink: Sink,
    signed: tuple[dict[str, str], Mail],
) -> None:
    confirm(client, path_in(signed[1].text, "/confirm/signature/"))
    sign(client, campaign.slug)
    work()
    already = sink.to(SIGNER.email)[-1]
    assert "already" in already.subject
    assert not re.search(r"\b\d{6}\b|\b\d{3} \d{3}\b", already.text)
    assert 'class="code"' not in already.html


# --- what a stranger learns who typed somebody else's address --------------------------------

FATES = ("unconfirmed", "confirmed", "refused", "unsubscribed", "deleted", "known")


@pytest.fixture
def fates(
    client: FlaskClient, campaign: Campaign, work: Work, sink: Sink
) -> dict[str, dict[str, str]]:
    """The pages of forms whose mails met every fate there is."""
    pages = {}
    for fate in FATES:
        address = f"{fate:x<12}@example.org"
        if fate == "known":
            sign(client, campaign.slug, Person(email=address))
            work()
            confirm(client, path_in(sink.to(address)[-1].text, "/confirm/"))
        pages[fate] = hidden(sign(client, campaign.slug, Person(email=address)))
        work()
        text = sink.to(address)[-1].text
        if fate in {"confirmed", "deleted"}:
            confirm(client, path_in(text, "/confirm/"))
        if fate == "deleted":
            client.post(f"{path_in(text, '/my/')}/delete")
        if fate == "refused":
            client.post(path_in(text, "/confirm/").replace("/confirm/", "/not-me/"))
        if fate == "unsubscribed":
            client.post(path_in(text, "/unsubscribe/"), data={"stop": "yes"})
    return pages


def test_a_guess_tells_a_stranger_nothing_of_what_became_of_the_mail(
    app: Flask, client: FlaskClient, fates: dict[str, dict[str, str]]
) -> None:
    for guess in ("000000", "000001", "000002", "000003", "000004", "000005"):
        seen, asked = {}, {}
        for fate, ticket in fates.items():
            with statements(app) as noted:
                answer = enter(client, ticket, guess)
            text = answer.text
            for secret in ticket.values():
                text = text.replace(secret, "secret")
            seen[fate] = (answer.status_code, len(answer.data), text)
            asked[fate] = noted
        for fate in fates:
            assert seen[fate] == seen["unconfirmed"], (guess, fate)
            assert asked[fate] == asked["unconfirmed"], (guess, fate)


def test_the_page_stands_in_no_address_and_is_kept_by_nobody(
    client: FlaskClient, campaign: Campaign
) -> None:
    page = sign(client, campaign.slug)
    assert page.headers["Cache-Control"] == "no-store"
    assert "Location" not in page.headers
    ticket = hidden(page)
    for address in re.findall(r'(?:href|action|src)="([^"]*)"', page.text):
        assert not any(secret in address for secret in ticket.values())
    public = client.get(PAGE)
    assert public.headers["Cache-Control"].startswith("public")
    assert "page_key" not in public.text
