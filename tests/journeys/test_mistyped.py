"""A slip in the address: asked about once, before anything is written, and nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.journeys.test_oracle import FORMS
from tests.support.sink import Sink
from tracker.campaigns.models import Campaign
from tracker.confirmations.models import Pending
from tracker.extensions import db
from tracker.mail.models import Delivery

TYPED, MEANT = "sara@gmial.com", "sara@gmail.com"
INBOX = "Look in your inbox"

Post = Callable[..., TestResponse]


@pytest.fixture(params=FORMS)
def post(request: pytest.FixtureRequest, client: FlaskClient, campaign: Campaign) -> Post:
    """Send one of the four forms."""

    def run(email: str, **more: str) -> TestResponse:
        data = {**FORMS[request.param], "email": email, **more}
        return client.post(f"/en/campaigns/{campaign.slug}/{request.param}", data=data)

    return run


def waiting(app: Flask) -> int:
    with app.app_context():
        return db.session.query(Pending).count() + db.session.query(Delivery).count()


def test_it_is_asked_and_nothing_is_written_or_lost(app: Flask, post: Post) -> None:
    answer = post(TYPED, website="")
    assert answer.status_code == 200
    assert f'Did you mean <bdi dir="ltr">{MEANT}</bdi>?' in answer.text
    assert INBOX not in answer.text
    assert "error-summary" not in answer.text, "nothing is wrong"
    assert f'value="{TYPED}"' in answer.text
    assert waiting(app) == 0


def test_the_suggestion_is_taken_at_one_press(
    post: Post, work: Callable[[], None], sink: Sink
) -> None:
    answer = post(TYPED, email_asked=TYPED, email_answer="suggested")
    assert INBOX in answer.text
    assert MEANT in answer.text
    assert TYPED not in answer.text
    work()
    assert sink.to(TYPED) == []
    assert {mail.to for mail in sink.mails} <= {MEANT}


@pytest.mark.parametrize("pressed", [{"email_answer": "typed"}, {}])
def test_what_was_typed_is_kept_at_one_press_of_either_button(
    post: Post, pressed: dict[str, str]
) -> None:
    answer = post(TYPED, email_asked=TYPED, **pressed)
    assert INBOX in answer.text
    assert TYPED in answer.text


def test_an_address_changed_by_hand_is_looked_at_afresh(app: Flask, post: Post) -> None:
    again = post("sara@hotmial.com", email_asked=TYPED, email_answer="suggested")
    assert "sara@hotmail.com</bdi>?" in again.text
    assert waiting(app) == 0
    assert INBOX in post("sara@example.org", email_asked=TYPED, email_answer="typed").text


def test_other_errors_come_first(post: Post, app: Flask) -> None:
    answer = post("nobody", email_asked="nobody", email_answer="suggested")
    assert answer.status_code == 422
    assert "not a complete e-mail" in answer.text
    assert "Did you mean" not in answer.text


@pytest.mark.parametrize(
    "asked", ["", "x" * 5000, "<script>alert(1)</script>", "\u202e", "sara@gmail.com"]
)
def test_nonsense_beside_the_address_does_no_harm(post: Post, asked: str) -> None:
    answer = post(TYPED, email_asked=asked, email_answer=asked)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "Did you mean" in answer.text


def test_the_form_comes_back_filled_in(client: FlaskClient, campaign: Campaign) -> None:
    data = {**FORMS["sign"], "email": TYPED, "town": "Halle", "comment": "Free him & all"}
    page = client.post(f"/en/campaigns/{campaign.slug}/sign", data=data).text
    for kept in ('value="Somebody"', 'value="Halle"', "Free him &amp; all</textarea>"):
        assert kept in page
    assert re.search(r'<option selected value="DE">', page)


def test_an_address_cannot_write_into_the_question(
    client: FlaskClient, campaign: Campaign
) -> None:
    data = {**FORMS["sign"], "email": "a'&b@gmial.com"}
    page = client.post(f"/en/campaigns/{campaign.slug}/sign", data=data).text
    assert "a&#39;&amp;b@gmail.com" in page
