"""What fields take, what they refuse, and that the message stands beside the field."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from wtforms import Form, StringField, TextAreaField

from tests.conftest import Person, sign
from tracker.campaigns.models import Campaign
from tracker.confirmations.models import Pending
from tracker.core import forms, languages
from tracker.extensions import db


class OneLine(Form):
    text = StringField(validators=[forms.Clean(), forms.NoLinks(), forms.MaxBytes(20)])


class ManyLines(Form):
    text = TextAreaField(validators=[forms.Clean(lines=True)])


def cleaned(form: type[Form], text: str) -> str | None:
    filled = form(data={"text": text})
    return str(filled.text.data) if filled.validate() else None


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Sara  ", "Sara"),
        ("Jose\u0301", "José"),
        ("سارة", "سارة"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d🔧", "👩\u200d🔧"),
        ("", ""),
    ],
)
def test_names_of_all_scripts_are_taken(typed: str, kept: str) -> None:
    assert cleaned(OneLine, typed) == kept


@pytest.mark.parametrize(
    "bad",
    ["\x00", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u2066"],
)
def test_characters_that_break_a_line_or_turn_it_around_are_refused(bad: str) -> None:
    assert cleaned(OneLine, f"Sa{bad}ra") is None


def test_a_comment_may_have_lines_and_nothing_worse() -> None:
    assert cleaned(ManyLines, "one\r\ntwo\nthree") == "one\ntwo\nthree"
    for bad in ("a\rb", "a\x00b", "a\u2028b", "a\u202eb"):
        assert cleaned(ManyLines, bad) is None


@pytest.mark.parametrize("link", ["http://x.org", "HTTPS://x", "see www.x.org", "ftp://x"])
def test_a_name_is_no_place_to_advertise(link: str) -> None:
    assert cleaned(OneLine, link) is None


def test_room_is_counted_in_bytes() -> None:
    assert cleaned(OneLine, "a" * 20) is not None
    assert cleaned(OneLine, "ع" * 11) is None


def test_countries_are_listed_in_the_readers_language(app: Flask) -> None:
    for code, germany in (("en", "Germany"), ("es", "Alemania"), ("ar", "ألمانيا")):
        with app.test_request_context(), languages.speaking(code):
            assert forms.country_names()["DE"] == germany
    with app.test_request_context(), languages.speaking("en"):
        listed = forms.country_choices()
        assert listed[0].value == "", "none is chosen beforehand"
        names = [choice.label for choice in listed[1:]]
        assert names.index("Åland Islands") < names.index("Zimbabwe")
        codes = {choice.value for choice in listed}
        assert len(codes) > 240
        assert not codes & {"EU", "UN", "ZZ", "XA"}


FAULTS = [
    ({"name": ""}, "name", "Enter your name."),
    ({"name": "x" * 101}, "name", "at most 100"),
    ({"name": "buy at www.example.org"}, "name", "Links cannot be used here."),
    ({"name": "a\u202eb"}, "name", "characters that cannot be used"),
    ({"email": ""}, "email", "Enter your e-mail address."),
    ({"email": "sara"}, "email", "complete e-mail address"),
    ({"email": "a@b\r\nBcc: c@example.org"}, "email", "characters that cannot be used"),
    ({"country": ""}, "country", "Choose your country."),
    ({"country": "XX"}, "country", "Choose one from the list."),
    ({"town": "x" * 61}, "town", "at most 60"),
    ({"organisation": "x" * 101}, "organisation", "at most 100"),
    ({"comment": "x" * 501}, "comment", "at most 500"),
]


@pytest.mark.parametrize(("wrong", "field", "message"), FAULTS)
def test_what_is_wrong_stands_beside_the_field_and_nothing_typed_is_lost(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    wrong: dict[str, str],
    field: str,
    message: str,
) -> None:
    typed = {"name": "Sara", "email": "sara@example.org", "country": "DE", "town": "Halle"}
    answer = client.post(f"/en/campaigns/{campaign.slug}/sign", data={**typed, **wrong})
    assert answer.status_code == 422
    found = re.search(rf'<(?:input|select|textarea)[^>]*id="{field}"[^>]*>', answer.text)
    assert found is not None
    assert 'aria-invalid="true"' in found[0]
    described = re.search(r'aria-describedby="([^"]*)"', found[0])
    assert described is not None
    beside = [
        re.search(rf'id="{one}"[^>]*>(.*?)</p>', answer.text, re.S)
        for one in described[1].split()
    ]
    assert any(one is not None and message in one[1] for one in beside)
    assert f'href="#{field}"' in answer.text, "the summary leads there"
    for name in {"name", "email", "town"} - set(wrong):
        assert f'value="{typed[name]}"' in answer.text
    with app.app_context():
        assert db.session.query(Pending).count() == 0


def test_a_robot_that_fills_the_hidden_field_gets_the_usual_answer_and_nothing_is_kept(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    usual = sign(client, campaign.slug)
    robot = client.post(
        f"/en/campaigns/{campaign.slug}/sign",
        data={"name": "R", "email": "r@example.org", "country": "DE", "website": "http://x"},
    )
    assert robot.status_code == usual.status_code
    assert len(robot.text) == len(usual.text) - len("sara") + len("r")
    with app.app_context():
        assert db.session.query(Pending).count() == 1


def test_the_longest_answers_of_every_field_fit_into_their_envelopes(
    client: FlaskClient, campaign: Campaign
) -> None:
    data = {
        "name": "ع" * 100,
        "email": f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 55}.example.org",
        "country": "DE",
        "town": "ع" * 60,
        "organisation": "ع" * 100,
        "comment": "ع" * 500,
    }
    answer = client.post(f"/ar/campaigns/{campaign.slug}/sign", data=data)
    assert answer.status_code == 200
    assert sign(client, campaign.slug, Person(comment='"\\' * 250)).status_code == 200
