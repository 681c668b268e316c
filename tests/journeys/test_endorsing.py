"""An organisation's way: offer, prove by mail, wait, be shown, take it back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import path_in
from tests.support.sink import Sink
from tracker.campaigns.models import Campaign
from tracker.endorsements import queries, services
from tracker.endorsements.models import EndorsementState
from tracker.extensions import writing
from tracker.organisers.models import Organiser

OFFER = {
    "organisation": "Dockers’ Union",
    "level": "national",
    "country": "GB",
    "members": "50000",
    "statement": "An injury to one.",
    "contact": "The secretary",
    "email": "union@example.org",
}


@pytest.fixture
def offered(
    client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> dict[str, str]:
    """Offered and mailed; gives the links of the mail."""
    answer = client.post(f"/en/campaigns/{campaign.slug}/endorse", data=OFFER)
    assert answer.status_code == 200
    work()
    text = sink.to("union@example.org")[0].text
    assert "Dockers" not in text
    return {"confirm": path_in(text, "/confirm/"), "mine": path_in(text, "/my/")}


def test_it_is_shown_only_after_confirmation_and_approval(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    offered: dict[str, str],
    given: Callable[..., Organiser],
) -> None:
    page = f"/en/campaigns/{campaign.slug}"
    assert "Dockers" in client.get(offered["confirm"]).text
    kept = {name: OFFER[name] for name in ("organisation", "level", "country", "members")}
    answer = client.post(offered["confirm"], data={**kept, "alerts": "no"})
    assert answer.status_code == 303
    assert "The organisers will look" in client.get(answer.location).text
    assert "Dockers" not in client.get(page).text
    with app.app_context(), writing():
        [waiting] = queries.in_state([campaign.id], EndorsementState.WAITING)
        services.approve(waiting, by_id=None)  # type: ignore[arg-type]  # nobody in particular
    shown = client.get(page).text
    assert "Dockers’ Union" in shown
    assert "50,000" in shown
    assert "union@example.org" not in shown
    client.post(f"{offered['mine']}/delete")
    assert "Dockers" not in client.get(page).text


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("members", "many", "whole number"),
        ("members", "0", "between 1 and"),
        ("level", "galactic", "Choose one"),
        ("country", "", "Choose your country"),
        ("organisation", "", "Enter the name"),
        ("organisation", "x" * 161, "at most 160"),
        ("email", "nobody", "not a complete e-mail"),
    ],
)
def test_a_wrong_field_says_what_is_wrong_and_loses_nothing(
    client: FlaskClient, campaign: Campaign, field: str, value: str, message: str
) -> None:
    answer = client.post(f"/en/campaigns/{campaign.slug}/endorse", data={**OFFER, field: value})
    assert answer.status_code == 422
    assert message in answer.text
    assert "An injury to one." in answer.text


def test_the_longest_contact_can_be_confirmed(
    client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    long = f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 55}.org"
    offer = {**OFFER, "email": long, "contact": '"' * 60}
    assert client.post(f"/en/campaigns/{campaign.slug}/endorse", data=offer).status_code == 200
    work()
    kept = {name: OFFER[name] for name in ("organisation", "level", "country", "members")}
    link = path_in(sink.to(long)[0].text, "/confirm/")
    assert client.post(link, data={**kept, "alerts": "yes"}).status_code == 303
