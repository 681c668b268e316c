"""Organisers show a face, and take it off again."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from tests.conftest import submit
from tracker.campaigns import services
from tracker.campaigns.models import Campaign, Portrait, PortraitFile, Subject
from tracker.extensions import db, writing


def photo(colour: str = "grey", size: tuple[int, int] = (800, 1000)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def address(app: Flask, campaign: Campaign) -> str:
    with app.app_context():
        subject_id = db.session.scalars(select(Subject.id)).one()
    return f"/en/organise/campaigns/{campaign.slug}/portraits/{subject_id}"


def send(client: FlaskClient, address: str, data: bytes, credit: str = "") -> TestResponse:
    fields: dict[str, Any] = {"picture": (io.BytesIO(data), "a.jpg"), "credit": credit}
    return submit(client, address, fields, content_type="multipart/form-data")


def shown(client: FlaskClient, campaign: Campaign) -> list[str]:
    page = client.get(f"/en/campaigns/{campaign.slug}").text
    return re.findall(r"/portraits/[^ \"]+", page)


def count(app: Flask, table: type[Any]) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(table)) or 0


def test_a_portrait_is_shown_in_light_formats_with_its_name_and_credit(
    signed_in: FlaskClient, campaign: Campaign, address: str
) -> None:
    assert send(signed_in, address, photo(), "Family archive").status_code == 303
    page = signed_in.get(f"/en/campaigns/{campaign.slug}").text
    assert 'alt="Portrait of Amar Fayaz"' in page
    assert "Family archive" in page
    addresses = shown(signed_in, campaign)
    assert len(addresses) >= 5
    for one in set(addresses):
        answer = signed_in.get(one)
        assert answer.status_code == 200
        assert answer.mimetype == f"image/{one.rpartition('.')[2]}"
        assert len(answer.data) <= 60_000
        assert "Set-Cookie" not in answer.headers


def test_a_new_portrait_takes_the_place_of_the_old_one_under_a_new_address(
    app: Flask, signed_in: FlaskClient, campaign: Campaign, address: str
) -> None:
    send(signed_in, address, photo())
    before = shown(signed_in, campaign)
    send(signed_in, address, photo("white"))
    assert not set(before) & set(shown(signed_in, campaign))
    assert signed_in.get(before[0]).status_code == 404
    assert (count(app, Portrait), count(app, PortraitFile)) == (1, 5)


def test_a_deleted_portrait_is_gone_from_page_and_database(
    app: Flask, signed_in: FlaskClient, campaign: Campaign, address: str
) -> None:
    send(signed_in, address, photo())
    submit(signed_in, f"{address}/remove", {}, page=address)
    assert shown(signed_in, campaign) == []
    assert count(app, PortraitFile) == 0


def test_a_campaign_paused_for_safety_takes_its_faces_with_it(
    app: Flask, signed_in: FlaskClient, campaign: Campaign, address: str
) -> None:
    send(signed_in, address, photo())
    face = shown(signed_in, campaign)[0]
    with app.app_context(), writing():
        services.pause(db.session.get_one(Campaign, campaign.id))
    assert signed_in.get(face).status_code == 404


@pytest.mark.parametrize("data", [b"", b"no picture", photo(size=(100, 100))])
def test_what_is_no_usable_picture_is_refused_beside_the_field(
    signed_in: FlaskClient, address: str, data: bytes
) -> None:
    answer = send(signed_in, address, data, "My credit")
    assert answer.status_code == 422
    assert "picture-error" in answer.text
    assert "My credit" in answer.text


def test_a_file_far_too_large_is_refused_before_it_is_read(
    signed_in: FlaskClient, address: str
) -> None:
    # As bare bytes: the test client leaves the temporary file of a large form open.
    kind = "multipart/form-data; boundary=edge"
    assert signed_in.post(address, data=b"-" * 6_000_000, content_type=kind).status_code == 413


def test_no_other_page_takes_files(signed_in: FlaskClient, campaign: Campaign) -> None:
    fields: dict[str, Any] = {"name": (io.BytesIO(b"x"), "a.jpg")}
    answer = signed_in.post(f"/en/campaigns/{campaign.slug}/sign", data=fields)
    assert answer.status_code == 400
