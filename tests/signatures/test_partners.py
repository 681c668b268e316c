"""Signatures are counted by partner, and nobody can read who came which way."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.conftest import Person, confirm, path_in
from tests.support import factories
from tests.support.sink import Sink
from tracker.campaigns import partners
from tracker.campaigns.models import Campaign, Partner
from tracker.extensions import db, writing
from tracker.sealing import envelopes
from tracker.sealing.keystore import Keystore
from tracker.signatures import queries
from tracker.signatures.models import PartnerChange, Signature
from tracker.signatures.tasks import count_partners
from tracker.worker import Worker

Work = Callable[[], None]


@pytest.fixture
def dockers(app: Flask, campaign: Campaign) -> Partner:
    return registered(app, campaign, "dockers")


def registered(app: Flask, campaign: Campaign, slug: str) -> Partner:
    with app.app_context():
        with writing():
            found = db.session.get_one(Campaign, campaign.id)
            made = partners.register(found, slug=slug, name=slug.title())
        db.session.refresh(made)
        db.session.expunge(made)
        return made


def counted(app: Flask) -> dict[str, int]:
    with app.app_context():
        return {one.slug: one.counted for one in db.session.scalars(select(Partner))}


def total(app: Flask, campaign: Campaign) -> int:
    with app.app_context():
        return queries.count_confirmed(campaign.id)


class Signer:
    """Somebody who signs on a partner's site, confirms and withdraws."""

    def __init__(self, client: FlaskClient, work: Work, sink: Sink) -> None:
        self.client, self.work, self.sink = client, work, sink

    def sign(self, email: str, partner: str) -> str:
        """Sign and confirm; give the link to one's own page."""
        person = Person(email)
        answer = self.client.post(
            "/en/embed/amar-fayaz/form",
            data={"name": "Sara", "email": email, "country": "DE", "partner": partner},
        )
        assert answer.status_code in {200, 303}
        self.work()
        mail = self.sink.to(email)[-1].text
        assert confirm(self.client, path_in(mail, "/confirm/signature/"), person).status_code
        return path_in(mail, "/my/")

    def withdraw(self, link: str) -> None:
        assert self.client.post(f"{link}/withdraw").status_code == 303


@pytest.fixture
def signer(client: FlaskClient, work: Work, sink: Sink) -> Signer:
    return Signer(client, work, sink)


def test_a_signature_counts_for_the_partner_it_came_through_and_for_no_other(
    app: Flask, campaign: Campaign, signer: Signer, work: Work, dockers: Partner
) -> None:
    registered(app, campaign, "nurses")
    for number, partner in enumerate(["dockers", "dockers", "nurses", "", "nobody", "<b>"]):
        signer.sign(f"s{number}@example.org", partner)
    work()
    assert counted(app) == {"dockers": 2, "nurses": 1}
    assert total(app, campaign) == 6


def test_who_withdraws_is_taken_off_the_partner_too_however_often_it_is_pressed(
    app: Flask, campaign: Campaign, signer: Signer, work: Work, dockers: Partner
) -> None:
    link = signer.sign("sara@example.org", "dockers")
    signer.sign("omar@example.org", "dockers")
    signer.withdraw(link)
    signer.client.post(f"{link}/withdraw")
    work()
    assert counted(app) == {"dockers": 1}
    assert total(app, campaign) == 1


def test_signing_twice_counts_once(
    app: Flask, campaign: Campaign, signer: Signer, work: Work, dockers: Partner, sink: Sink
) -> None:
    registered(app, campaign, "nurses")
    data = {"name": "Sara", "email": "sara@example.org", "country": "DE"}
    for partner in ("dockers", "nurses"):
        signer.client.post("/en/embed/amar-fayaz/form", data={**data, "partner": partner})
    work()
    links = [path_in(mail.text, "/confirm/signature/") for mail in sink.to("sara@example.org")]
    assert len(links) == 2
    for link in links:
        confirm(signer.client, link)
    work()
    assert sum(counted(app).values()) == total(app, campaign) == 1


def test_nothing_stored_tells_who_came_which_way(
    app: Flask, campaign: Campaign, signer: Signer, work: Work, dockers: Partner
) -> None:
    for number, partner in enumerate(["dockers", "", "nobody"]):
        signer.sign(f"s{number}@example.org", partner)
    with app.app_context():
        waiting = db.session.scalars(select(PartnerChange)).all()
        assert len(waiting) == 1  # the others are counted already
        stored = [one.origin for one in db.session.scalars(select(Signature))]
        origins = [*stored, *(change.origin for change in waiting)]
        assert len({len(origin or b"") for origin in origins}) == 1
        needles = (b"dockers", str(dockers.id).encode(), dockers.id.to_bytes(8, "big"))
        assert not any(needle in (origin or b"") for needle in needles for origin in origins)
        assert all(change.delta == 1 for change in waiting)
    work()
    with app.app_context():
        assert db.session.scalars(select(PartnerChange)).all() == []


def test_a_campaign_without_partners_seals_no_origin(
    app: Flask, campaign: Campaign, signer: Signer
) -> None:
    signer.sign("sara@example.org", "dockers")
    with app.app_context():
        assert db.session.scalars(select(Signature.origin)).one() is None
        assert db.session.scalars(select(PartnerChange)).all() == []


def test_removing_a_partner_breaks_nothing(
    app: Flask, campaign: Campaign, signer: Signer, work: Work, dockers: Partner
) -> None:
    link = signer.sign("sara@example.org", "dockers")
    work()
    signer.sign("omar@example.org", "dockers")
    with app.app_context(), writing():
        partners.remove(db.session.get_one(Partner, dockers.id))
    work()
    signer.withdraw(link)
    work()
    assert total(app, campaign) == 1
    again = registered(app, campaign, "dockers")
    assert again.counted == 0
    signer.sign("mara@example.org", "dockers")
    work()
    assert counted(app) == {"dockers": 1}


# --- the worker believes nothing --------------------------------------------------------------


@pytest.fixture
def change(app: Flask, campaign: Campaign) -> Callable[..., None]:
    """Write a change as a web process could that is in an intruder's hands."""

    def write(row: int, content: Any, *, context: str = "", delta: int = 1) -> None:
        context = context or envelopes.context("origin", campaign.id, row)
        origin = content
        if isinstance(content, dict):
            size = envelopes.ORIGIN_SIZE
            key = campaign.public_key or b""
            origin = envelopes.seal(key, content, context=context, size=size)
        values = {"signature_id": row, "delta": delta, "origin": origin}
        with app.app_context(), writing():
            db.session.add(PartnerChange(campaign_id=campaign.id, **values))

    return write


def test_what_does_not_open_or_names_no_partner_of_the_campaign_counts_for_nobody(
    app: Flask,
    worker: Worker,
    change: Callable[..., None],
    dockers: Partner,
    given: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = registered(app, given(factories.a_campaign, slug="another"), "elsewhere")
    rubbish: list[Any] = [b"", b"\x01rubbish", {}, {"partner": "dockers"}, {"partner": [1]}]
    rubbish += [{"partner": n} for n in (0, -1, 2**63, 2**70, 1.5, None, other.id)]
    for row, content in enumerate(rubbish, start=1):
        change(row, content)
    change(100, {"partner": dockers.id}, context="origin:1:2")
    change(101, {"partner": dockers.id})
    with app.app_context(), caplog.at_level(logging.CRITICAL):
        assert count_partners(worker.keystore) == len(rubbish) + 2
    assert counted(app) == {"dockers": 1, "elsewhere": 0}


def test_a_worker_without_the_key_leaves_it_to_another(
    app: Flask, worker: Worker, change: Callable[..., None], dockers: Partner, tmp_path: Any
) -> None:
    change(1, {"partner": dockers.id})
    with app.app_context():
        assert count_partners(Keystore(tmp_path / "other")) == 0
        assert counted(app) == {"dockers": 0}
        assert count_partners(worker.keystore) == 1
    assert counted(app) == {"dockers": 1}


def test_many_changes_are_counted_in_several_turns(
    app: Flask,
    worker: Worker,
    change: Callable[..., None],
    dockers: Partner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tracker.signatures.tasks.BATCH", 4)
    for row in range(1, 11):
        change(row, {"partner": dockers.id})
        change(row, {"partner": dockers.id}, delta=-1) if row % 5 == 0 else None
    with app.app_context():
        assert [count_partners(worker.keystore) for _ in range(4)] == [4, 4, 4, 0]
    assert counted(app) == {"dockers": 8}
