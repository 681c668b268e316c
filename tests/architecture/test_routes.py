"""Every route there is: guarded, changing nothing when read, never broken."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import Rule

from tests.conftest import Person, confirm, path_in, sign
from tests.support import factories
from tests.support.sink import Sink
from tracker.campaigns import partners, portraits
from tracker.campaigns.models import Campaign
from tracker.campaigns.status import Status
from tracker.core import clock, guard, images, tokens
from tracker.endorsements.models import Endorsement, EndorsementState
from tracker.extensions import SAFE_METHODS, db, writing
from tracker.organisers.models import SignIn
from tracker.signatures.models import Signature
from tracker.updates import services as updates
from tracker.updates.models import Update, UpdateState

PUBLIC = {
    "confirmations.check_inbox",
    "confirmations.refuse",
    "embeds.sign",
    "endorsements.confirm",
    "endorsements.offer",
    "pages.change_mails",
    "pages.change_shown",
    "pages.delete_everything",
    "pages.request_link",
    "pages.stop_mails",
    "pages.withdraw",
    "signatures.confirm",
    "signatures.sign",
    "subscriptions.confirm",
    "subscriptions.subscribe",
}
"""Routes that take a form without a token: they carry no authority but what is in the link."""

MAIL = {"subscriptions.unsubscribe"}
"""Routes that a mail program may post to from anywhere (RFC 8058)."""


def changing(app: Flask) -> Iterator[Rule]:
    return (rule for rule in app.url_map.iter_rules() if (rule.methods or set()) - SAFE_METHODS)


# --- declared guards --------------------------------------------------------------------------


def test_every_route_that_changes_something_declares_one_guard_and_the_open_ones_are_known(
    app: Flask,
) -> None:
    by_guard: dict[str | None, set[str]] = {}
    for rule in changing(app):
        by_guard.setdefault(guard.guard_of(app, rule.endpoint), set()).add(rule.endpoint)
    assert set(by_guard) == guard.GUARDS
    assert by_guard["public"] == PUBLIC
    assert by_guard["mail"] == MAIL
    assert by_guard["csrf"] >= {"organisers.sign_in", "organisers.sign_out"}


def test_every_page_of_the_organisers_is_behind_the_token_and_the_sign_in(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        is_theirs = rule.endpoint.startswith("dashboard.") or "/organise" in rule.rule
        if is_theirs and rule in list(changing(app)):
            assert guard.guard_of(app, rule.endpoint) == "csrf", rule.endpoint


def test_every_address_begins_with_the_language(app: Flask) -> None:
    without = {
        rule.endpoint for rule in app.url_map.iter_rules() if "lang" not in rule.arguments
    }
    assert without == {
        "embeds.oembed",
        "embeds.script",
        "feeds.count",
        "pages.healthz",
        "pages.robots",
        "pages.root",
        "pictures.portrait",
        "sharing.qr_png",
        "sharing.qr_svg",
        "sharing.short",
        "static",
    }


# --- a world in which every page has something to show ----------------------------------------


@pytest.fixture
def world(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    given: Callable[..., Any],
    work: Callable[[], None],
    sink: Sink,
) -> dict[str, list[Any]]:
    """Values for every argument that a route takes."""
    sign(client, campaign.slug, Person(comment="Free him"))
    sign(client, campaign.slug, Person(email="pending@example.org"))
    work()
    confirmed, pending = (
        sink.to("sara@example.org")[0].text,
        sink.to("pending@example.org")[0].text,
    )
    confirm(
        client,
        path_in(confirmed, "/confirm/signature/"),
        Person(comment="Free him"),
        shows_name="yes",
    )
    links = [
        path_in(text, part).rpartition("/")[2]
        for text in (confirmed, pending)
        for part in ("/confirm/", "/my/", "/unsubscribe/")
    ]
    given(factories.a_campaign, slug="a-draft")
    with app.app_context(), writing():
        found = db.session.get_one(Campaign, campaign.id)
        told = factories.an_update(found, to=Status.MISSING, alerts=True)
        factories.an_alert(told, window=600)
        change = updates.PlannedChange(found.subjects[0], Status.RELEASED, _sure(told))
        draft = updates.write(
            found,
            author_id=None,
            changes=[change],
            headline="Free",
            text="He is free.",
            happened_on=clock.today(),
        )
        endorsement = Endorsement(
            campaign_id=campaign.id,
            state=EndorsementState.WAITING,
            organisation="A union",
            level=_level(),
            country="DE",
            statement="With him",
            language="en",
            day=clock.today(),
        )
        db.session.add(endorsement)
        db.session.flush()
        partner = partners.register(found, slug="dockers", name="Dockers")
        face = images.Made("avif", 360, 450, b"a picture")
        portraits.replace(found.subjects[0], [face], credit="")
        [portrait] = portraits.of([found.subjects[0].id]).values()
        signature = db.session.scalars(select(Signature.id)).one()
        return {
            "lang": ["en", "ar"],
            "slug": [campaign.slug, "a-draft"],
            "token": [*links, tokens.to_text(bytes(32)), "x"],
            "kind": ["signature", "subscription", "endorsement"],
            "update_id": [draft.id, told.id],
            "subject_id": [found.subjects[0].id],
            "endorsement_id": [endorsement.id],
            "signature_id": [signature],
            "state": ["approved", "declined"],
            "language": ["es"],
            "partner_id": [partner.id],
            "portrait_id": [portrait.id, 1],
            "width": [360, 9],
            "form": ["avif"],
            "filename": ["site.css"],
        }


def _sure(update: Update) -> Any:
    return update.changes[0].certainty


def _level() -> Any:
    return next(iter(Endorsement.__table__.c.level.type.enum_class))  # type: ignore[attr-defined]


def paths(app: Flask, rule: Rule, world: dict[str, list[Any]]) -> Iterator[str]:
    """Give the addresses of a route, for every value of its arguments."""
    names = sorted(rule.arguments)
    unknown = set(names) - set(world)
    assert not unknown, f"{rule.endpoint}: give the test a value for {unknown}"
    adapter = app.url_map.bind("127.0.0.1:8000")
    for values in itertools.product(*(world[name] for name in names)):
        yield adapter.build(rule.endpoint, dict(zip(names, values, strict=True)))


def everything(app: Flask) -> dict[str, list[Any]]:
    """Give all rows of all tables, but when an organiser was last seen."""
    with app.app_context(), db.engine.connect() as connection:
        return {
            table.name: sorted(
                repr(connection_row)
                for connection_row in connection.execute(
                    select(*(c for c in table.columns if c is not SignIn.__table__.c.seen_at))
                )
            )
            for table in db.metadata.sorted_tables
        }


@pytest.fixture(params=["signed out", "signed in"])
def browser(request: pytest.FixtureRequest, app: Flask) -> Iterator[FlaskClient]:
    """Somebody who looks at everything, two minutes later."""
    browser: FlaskClient = app.test_client()
    if request.param == "signed in":
        browser = request.getfixturevalue("signed_in")
    with time_machine.travel(clock.now() + dt.timedelta(minutes=2)):
        yield browser


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_any_page_changes_nothing_and_never_fails(
    app: Flask, world: dict[str, list[Any]], browser: FlaskClient, method: str
) -> None:
    before, wrong = everything(app), []
    for rule in app.url_map.iter_rules():
        for path in paths(app, rule, world):
            with browser.open(path, method=method) as answer:
                if answer.status_code >= 500:
                    wrong.append(f"{path}: {answer.status}")
    assert wrong == []
    assert everything(app) == before


def test_every_page_of_the_organisers_opens_for_an_administrator_and_for_nobody_else(
    app: Flask, world: dict[str, list[Any]], signed_in: FlaskClient
) -> None:
    closed, open_ = [], []
    stranger = app.test_client()
    one = {name: values[:1] for name, values in world.items()}
    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith("dashboard.") or "GET" not in (rule.methods or set()):
            continue
        [path] = paths(app, rule, one)
        if signed_in.get(path, follow_redirects=True).status_code != 200:
            closed.append(path)
        answer = stranger.get(path)
        if answer.status_code != 302 or "/organisers/sign-in" not in answer.location:
            open_.append(path)
    assert (closed, open_) == ([], [])


ATTACKS = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]


def test_no_other_sites_page_can_change_anything_for_somebody_who_is_signed_in(
    app: Flask, world: dict[str, list[Any]], signed_in: FlaskClient
) -> None:
    before, wrong = everything(app), []
    for rule in changing(app):
        if rule.endpoint in MAIL:
            continue
        for path, headers in itertools.product(paths(app, rule, world), ATTACKS):
            answer = signed_in.post(path, data={"stop": "yes"}, headers=headers)
            if not 400 <= answer.status_code < 500:
                wrong.append(f"{path}: {answer.status}")
    assert wrong == []
    assert everything(app) == before


def test_an_empty_form_changes_nothing_where_a_form_is_asked_for(
    app: Flask, world: dict[str, list[Any]], client: FlaskClient
) -> None:
    asking = {"signatures.sign", "signatures.confirm", "subscriptions.subscribe"}
    asking |= {"embeds.sign", "endorsements.offer", "pages.change_shown", "pages.request_link"}
    asking |= {"confirmations.check_inbox"}
    before = everything(app)
    for rule in changing(app):
        if rule.endpoint in asking | MAIL:
            for path in paths(app, rule, world):
                assert client.post(path, data={}).status_code in {303, 400, 404, 410, 422}, path
    assert everything(app) == before


def test_a_draft_is_seen_by_nobody_and_takes_nothing(
    app: Flask, world: dict[str, list[Any]], client: FlaskClient
) -> None:
    before = everything(app)
    for page in ("", "/sign", "/subscribe", "/endorse", "/my-link", "/check-inbox"):
        assert client.get(f"/en/campaigns/a-draft{page}").status_code == 404
        assert client.post(f"/en/campaigns/a-draft{page}", data={}).status_code in {404, 405}
    assert "a-draft" not in client.get("/en/").text
    assert everything(app) == before
    with app.app_context():
        drafts = db.session.query(Update).filter_by(state=UpdateState.DRAFT).all()
        assert [one.headline for one in drafts] == ["Free"]
    assert "He is free." not in client.get("/en/campaigns/amar-fayaz").text
