"""Endorsements and comments wait for an organiser's decision."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import submit
from tests.support import factories
from tracker.campaigns.models import Campaign
from tracker.core import clock
from tracker.endorsements.models import Endorsement, EndorsementState, Level
from tracker.extensions import db
from tracker.signatures.models import Review, Signature

ENDORSEMENTS = "/en/organise/endorsements"
COMMENTS = "/en/organise/comments"


@pytest.fixture
def endorsement(campaign: Campaign, given: Callable[..., Any]) -> Endorsement:
    def made() -> Endorsement:
        one = Endorsement(
            campaign_id=campaign.id,
            organisation="Dockers’ <Union>",
            level=Level.NATIONAL,
            country="IT",
            members=4200,
            statement="We stand with Amar.",
            language="en",
            contact=b"sealed",
            day=clock.today(),
        )
        db.session.add(one)
        db.session.flush()
        return one

    stored: Endorsement = given(made)
    return stored


@pytest.fixture
def comment(campaign: Campaign, given: Callable[..., Any]) -> Signature:
    def made() -> Signature:
        one = Signature(
            campaign_id=campaign.id,
            tag=secrets.token_bytes(32),
            identity=b"sealed",
            country="DE",
            language="en",
            day=clock.today(),
            shows_name=True,
            hands_over=False,
            public_name="Sara Example",
            public_comment="Let him go.",
            review=Review.WAITING,
            manage_hash=secrets.token_bytes(32),
            consent_version="1",
        )
        db.session.add(one)
        db.session.flush()
        return one

    stored: Signature = given(made)
    return stored


def test_an_endorsement_is_shown_once_approved_and_taken_off_when_declined(
    app: Flask, signed_in: FlaskClient, endorsement: Endorsement
) -> None:
    public = "/en/campaigns/amar-fayaz"
    page = signed_in.get(ENDORSEMENTS).text
    assert "Dockers’ &lt;Union&gt;" in page
    assert "4,200 members represented" in page
    assert "We stand with Amar." not in signed_in.get(public).text
    address = f"{ENDORSEMENTS}/{endorsement.id}"
    submit(signed_in, f"{address}/approve", {}, page=ENDORSEMENTS)
    assert "We stand with Amar." in signed_in.get(public).text
    submit(signed_in, f"{address}/approve", {}, page=ENDORSEMENTS)
    assert "This endorsement is approved already." in signed_in.get(ENDORSEMENTS).text
    assert "Dockers" in signed_in.get(f"{ENDORSEMENTS}/approved").text
    submit(signed_in, f"{address}/decline", {}, page=ENDORSEMENTS)
    assert "We stand with Amar." not in signed_in.get(public).text
    assert "Dockers" in signed_in.get(f"{ENDORSEMENTS}/declined").text
    with app.app_context():
        stored = db.session.query(Endorsement).one()
        assert stored.state is EndorsementState.DECLINED


@pytest.mark.parametrize("page", ["?page=0", "?page=9", "?page=x", "?page=" + "9" * 30])
def test_a_page_that_does_not_exist_is_empty(
    signed_in: FlaskClient, endorsement: Endorsement, page: str
) -> None:
    assert signed_in.get(ENDORSEMENTS + page).status_code == 200


@pytest.mark.parametrize(("verdict", "is_shown"), [("approve", True), ("decline", False)])
def test_a_comment_is_shown_once_approved(
    signed_in: FlaskClient, comment: Signature, verdict: str, is_shown: bool
) -> None:
    public = "/en/campaigns/amar-fayaz"
    assert "1 comment waits to be read." in signed_in.get(COMMENTS).text
    assert "Let him go." not in signed_in.get(public).text
    submit(signed_in, f"{COMMENTS}/{comment.id}/{verdict}", {}, page=COMMENTS)
    assert ("Let him go." in signed_in.get(public).text) is is_shown
    assert "Nothing waits for you." in signed_in.get(COMMENTS).text


@pytest.mark.parametrize("verdict", ["approve", "decline"])
def test_what_is_sent_to_others_cannot_be_decided(
    client: FlaskClient,
    given: Callable[..., Any],
    endorsement: Endorsement,
    comment: Signature,
    verdict: str,
) -> None:
    from_elsewhere = sign_in_as_stranger(client, given)
    pages = (f"{ENDORSEMENTS}/{endorsement.id}", f"{COMMENTS}/{comment.id}")
    for address in pages:
        answer = submit(from_elsewhere, f"{address}/{verdict}", {}, page=ENDORSEMENTS)
        assert answer.status_code == 404
    assert "Dockers" not in from_elsewhere.get(ENDORSEMENTS).text
    assert "Let him go." not in from_elsewhere.get(COMMENTS).text


def sign_in_as_stranger(client: FlaskClient, given: Callable[..., Any]) -> FlaskClient:
    given(factories.an_organiser, is_admin=False)
    values = {"email": "organiser@example.org", "password": factories.PASSWORD}
    assert submit(client, "/en/organisers/sign-in", values).status_code == 302
    return client
