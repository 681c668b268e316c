"""An organiser writes a campaign, publishes, pauses and closes it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import submit
from tests.support import factories
from tracker.campaigns import queries
from tracker.campaigns.models import Campaign, Outcome, State, Subject
from tracker.campaigns.status import Status
from tracker.core import clock
from tracker.extensions import db
from tracker.organisers import queries as organisers
from tracker.organisers.models import Organiser
from tracker.worker import Worker

ROOM = "/en/organise/campaigns"
PAGE = f"{ROOM}/free-amar-fayaz"

FILLED = {
    "title": "Free Amar Fayaz",
    "kind": "person",
    "country": "PK",
    "place": "Jamshoro",
    "time_zone": "Asia/Karachi",
    "language": "en",
    "goal": "1000",
    "slug": "",
    "summary": "Abducted at night.",
    "appeal": "He was **abducted**.",
    "demands": "Release him\nSay where he is",
    "letter": "",
    "subjects_shown": "3",
    "targets_shown": "2",
    "subject_1_name": "Amar Fayaz",
    "subject_1_about": "A student.",
    "target_1_office": "Prime Minister",
    "target_1_country": "PK",
    "target_1_email": "pm@example.org",
}


def stored(app: Flask, slug: str) -> Campaign | None:
    with app.app_context():
        campaign = queries.by_slug(slug)
        if campaign is not None:
            _ = campaign.subjects, campaign.targets
            db.session.expunge_all()
        return campaign


def found(app: Flask, slug: str) -> Campaign:
    campaign = stored(app, slug)
    assert campaign is not None
    return campaign


def begin(client: FlaskClient, **values: str) -> Any:
    return submit(client, f"{ROOM}/new", {**FILLED, **values})


def act(client: FlaskClient, address: str, **values: str) -> str:
    """Press a button on the campaign's page and read what comes after."""
    answer = submit(client, address, values, page=PAGE)
    assert answer.status_code == 303, answer.text
    return client.get(answer.location).text


def test_from_a_draft_to_a_public_page(
    app: Flask, client: FlaskClient, signed_in: FlaskClient, worker: Worker
) -> None:
    answer = begin(signed_in)
    assert (answer.status_code, answer.location) == (303, PAGE)
    campaign = found(app, "free-amar-fayaz")
    assert campaign.state is State.DRAFT
    assert [subject.name for subject in campaign.subjects] == ["Amar Fayaz"]
    assert campaign.targets[0].email == "pm@example.org"
    with app.app_context():
        owner = db.session.query(Organiser).one()
        assert campaign.id in organisers.campaign_ids(owner)
    assert client.get("/en/campaigns/free-amar-fayaz").status_code == 404

    assert "keys of this campaign are being made. Try again" in act(
        signed_in, f"{PAGE}/publish"
    )
    assert found(app, "free-amar-fayaz").state is State.DRAFT
    with app.app_context():
        worker.make_keys()
    assert "The page is public now." in act(signed_in, f"{PAGE}/publish")
    assert client.get("/en/campaigns/free-amar-fayaz").status_code == 200

    act(signed_in, f"{PAGE}/pause")
    assert found(app, "free-amar-fayaz").state is State.PAUSED
    act(signed_in, f"{PAGE}/publish")
    today = clock.today().isoformat()
    page = act(signed_in, f"{PAGE}/close", outcome="won", closed_on=today)
    assert "The campaign is closed." in page
    closed = found(app, "free-amar-fayaz")
    assert (closed.state, closed.outcome) == (State.CLOSED, Outcome.WON)


def test_asking_for_more_rows_keeps_what_was_typed_and_stores_nothing(
    app: Flask, signed_in: FlaskClient
) -> None:
    answer = begin(signed_in, more="subjects", title="A title in the making", goal="many")
    assert answer.status_code == 200
    assert 'name="subject_8_name"' in answer.text
    assert 'value="A title in the making"' in answer.text
    assert 'value="many"' in answer.text
    assert 'value="Amar Fayaz"' in answer.text
    assert "error-summary" not in answer.text
    assert stored(app, "a-title-in-the-making") is None


def test_rows_are_bounded(signed_in: FlaskClient) -> None:
    answer = begin(signed_in, more="subjects", subjects_shown="9" * 20, targets_shown="-7")
    assert 'name="subject_20_name"' in answer.text
    assert 'name="subject_21_name"' not in answer.text
    assert 'name="target_1_office"' in answer.text


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("title", "  ", "Enter a title."),
        ("title", "x" * 121, "Use at most 120 characters."),
        ("kind", "", "Choose the kind of case."),
        ("country", "", "Choose the country."),
        ("country", "XX", "Choose one from the list."),
        ("time_zone", "Mars/Base", "Choose one from the list."),
        ("language", "tlh", "Choose one from the list."),
        ("goal", "1.000", "Enter a whole number, without dots or commas."),
        ("goal", "0", "Enter a number between 1 and 10 million."),
        ("slug", "Not This", "Use small letters a–z, digits and single hyphens only."),
        ("slug", "new", "This address is taken by the site itself."),
        ("summary", "", "Enter a summary."),
        ("appeal", "x" * 6001, "Use at most 6000 characters."),
        ("demands", "x\n" * 13, "Use at most 12 demands."),
        ("subject_1_name", "", "Enter the name, or leave the whole row empty."),
        ("subject_2_name", "Amar Fayaz", "This name stands here twice."),
        ("target_1_office", "", "Enter the office, or leave the whole row empty."),
        ("target_1_country", "", "Choose the country."),
        ("target_1_email", "nowhere", "This is not a complete e-mail address"),
        ("target_2_office", "Prime Minister", "This office stands here twice."),
    ],
)
def test_each_mistake_is_told_beside_its_field(
    app: Flask, signed_in: FlaskClient, name: str, value: str, message: str
) -> None:
    answer = begin(signed_in, **{name: value})
    assert answer.status_code == 422
    assert message in answer.text
    assert f'href="#{name}"' in answer.text
    assert 'value="Jamshoro"' in answer.text
    assert stored(app, "free-amar-fayaz") is None


def test_an_address_that_is_taken_is_refused_clearly(signed_in: FlaskClient) -> None:
    begin(signed_in)
    answer = begin(signed_in)
    assert answer.status_code == 422
    assert "Another campaign has the address “free-amar-fayaz”." in answer.text


def test_a_title_without_latin_letters_needs_an_address(signed_in: FlaskClient) -> None:
    answer = begin(signed_in, title="الحرية لعمار")
    assert answer.status_code == 422
    assert "No address can be made from this title." in answer.text


def test_long_texts_in_any_script_fit(app: Flask, signed_in: FlaskClient) -> None:
    values = {"title": "حرية", "slug": "free", "appeal": "ح" * 6000, "letter": "ح" * 4000}
    answer = submit(
        signed_in, f"{ROOM}/new", {**FILLED, **values}, content_type="multipart/form-data"
    )
    assert answer.status_code == 303
    assert len(found(app, "free").appeal) == 6000


def test_the_largest_form_is_below_the_limit_of_fields(
    app: Flask, signed_in: FlaskClient
) -> None:
    values = {**FILLED, "subjects_shown": "20", "targets_shown": "8"}
    for n in range(1, 21):
        values |= {f"subject_{n}_name": f"Person {n}", f"subject_{n}_about": "x"}
    for n in range(1, 9):
        values |= {f"target_{n}_office": f"Office {n}", f"target_{n}_country": "PK"}
        values |= {f"target_{n}_{part}": "" for part in ("name", "email", "post_address")}
    answer = submit(signed_in, f"{ROOM}/new", values, content_type="multipart/form-data")
    assert answer.status_code == 303
    assert len(found(app, "free-amar-fayaz").subjects) == 20
    assert signed_in.get(f"{PAGE}/updates/new").status_code == 200


def test_editing_a_published_campaign_keeps_its_address_and_its_people(
    app: Flask, signed_in: FlaskClient, live: Campaign, given: Callable[..., Any]
) -> None:
    given(factories.an_update, live, to=Status.MISSING)
    before = found(app, "amar-fayaz").subjects[0]
    edit = f"{ROOM}/amar-fayaz/edit"
    page = signed_in.get(edit).text
    assert 'name="slug"' not in page
    values = {**FILLED, "subject_ids": f"{before.id:x}", "subject_1_name": "Amar Fayaz Junejo"}
    values |= {"slug": "elsewhere", "kind": "call", "title": "Bring Amar back"}
    assert submit(signed_in, edit, values).status_code == 303
    after = found(app, "amar-fayaz")
    assert after.title == "Bring Amar back"
    assert after.kind.value == "person"
    assert [(one.id, one.name) for one in after.subjects] == [(before.id, "Amar Fayaz Junejo")]
    assert after.subjects[0].status is Status.MISSING

    answer = submit(signed_in, edit, {**values, "subject_1_name": "", "subject_1_about": ""})
    assert answer.status_code == 422
    assert "Somebody whose status is recorded cannot be removed." in answer.text


def test_a_day_to_come_does_not_close(
    app: Flask, signed_in: FlaskClient, campaign: Campaign
) -> None:
    tomorrow = (clock.today() + dt.timedelta(days=2)).isoformat()
    address = f"{ROOM}/amar-fayaz/close"
    for outcome, day, message in (
        ("won", tomorrow, "This day is still to come."),
        ("won", "", "Enter the day it ended."),
        ("won", "x", "Enter a date as year-month-day"),
        ("", clock.today().isoformat(), "Choose the outcome."),
    ):
        answer = submit(signed_in, address, {"outcome": outcome, "closed_on": day})
        assert answer.status_code == 422
        assert message in answer.text
    assert found(app, "amar-fayaz").state is State.LIVE


def test_a_status_is_verified_today(
    app: Flask, signed_in: FlaskClient, live: Campaign, given: Callable[..., Any]
) -> None:
    address = f"{ROOM}/amar-fayaz/subjects/{live.subjects[0].id}/verify"
    page = f"{ROOM}/amar-fayaz"
    assert submit(signed_in, address, {}, page=page).status_code == 303
    assert "There is no status to verify yet." in signed_in.get(page).text
    given(factories.an_update, live, to=Status.MISSING)
    with app.app_context():
        subject = db.session.query(Subject).one()
        subject_id = subject.id
    submit(signed_in, f"{page}/subjects/{subject_id}/verify", {}, page=page)
    subject = found(app, "amar-fayaz").subjects[0]
    assert subject.verified_on == live.local_date(clock.now())
