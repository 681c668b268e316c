"""Leaving is as easy as joining, and what is said about it is true."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.conftest import Person, confirm, path_in, sign
from tests.support.sink import Mail, Sink
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign
from tracker.confirmations.models import Pending
from tracker.core import clock
from tracker.extensions import db, writing
from tracker.mail.models import OutboxKey
from tracker.signatures import queries
from tracker.subscriptions.models import Subscription
from tracker.worker import Worker

SARA = "sara@example.org"


def count(app: Flask, campaign: Campaign) -> int:
    with app.app_context():
        return queries.count_confirmed(campaign.id)


def subscribed(app: Flask) -> int:
    with app.app_context():
        return len(db.session.scalars(select(Subscription.id)).all())


def unsubscribe_path(mail: Mail) -> str:
    return path_in(str(mail.message["List-Unsubscribe"]).strip("<>"), "/unsubscribe/")


@pytest.fixture
def signed(
    client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> Callable[..., Mail]:
    """Sara signs and confirms; gives her mail."""

    def run(**answers: str) -> Mail:
        sign(client, campaign.slug)
        work()
        mail = sink.to(SARA)[-1]
        confirm(client, path_in(mail.text, "/confirm/signature/"), **answers)
        return mail

    return run


def test_withdrawing_many_times_at_once_takes_one_away(
    app: Flask, campaign: Campaign, signed: Callable[..., Mail], work: Callable[[], None]
) -> None:
    mine = path_in(signed(alerts="no").text, "/my/")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: app.test_client().post(f"{mine}/withdraw"), range(6)))
    assert {answer.status_code for answer in answers} <= {303, 410}
    assert count(app, campaign) == 0
    work()
    assert count(app, campaign) == 0


def test_nothing_is_left_when_nothing_is_left(
    app: Flask, client: FlaskClient, signed: Callable[..., Mail]
) -> None:
    mine = path_in(signed(alerts="no").text, "/my/")
    assert client.post(f"{mine}/withdraw").location.endswith("/deleted")
    assert client.get(mine).status_code == 410
    with app.app_context():
        [shell] = db.session.scalars(select(Pending)).all()
        kept = {
            column.name for column in Pending.__table__.columns if getattr(shell, column.name)
        }
    assert kept == {
        *("id", "campaign_id", "kind", "language"),
        *("token_hash", "created_on", "expires_on"),
    }, "the tag is gone too"


def test_the_stop_link_of_an_already_mail_stops_mails(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    signed: Callable[..., Mail],
    work: Callable[[], None],
    sink: Sink,
) -> None:
    signed()
    sign(client, campaign.slug)
    work()
    already = sink.to(SARA)[-1]
    assert "already" in already.subject
    assert client.post(unsubscribe_path(already), data={"stop": "yes"}).status_code == 200
    assert subscribed(app) == 0
    sign(client, campaign.slug)
    work()
    assert sink.to(SARA)[-1].raw == already.raw, "the next one does not come"


def test_the_stop_link_of_a_link_mail_ends_the_subscription(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    signed: Callable[..., Mail],
    work: Callable[[], None],
    sink: Sink,
) -> None:
    signed(alerts="no")
    client.post(
        f"/en/campaigns/{campaign.slug}/subscribe",
        data={"email": SARA, "scope": "every-update"},
    )
    work()
    client.post(
        path_in(sink.to(SARA)[-1].text, "/confirm/subscription/"),
        data={"scope": "every-update"},
    )
    assert subscribed(app) == 1
    client.post(f"/en/campaigns/{campaign.slug}/my-link", data={"email": SARA})
    work()
    link = sink.to(SARA)[-1]
    assert "The link to your page" in link.subject
    client.post(unsubscribe_path(link), data={"List-Unsubscribe": "One-Click"})
    assert subscribed(app) == 0


def test_scanners_that_ask_for_the_head_of_a_stop_link_change_nothing(
    app: Flask, client: FlaskClient, signed: Callable[..., Mail]
) -> None:
    path = unsubscribe_path(signed())
    assert client.head(path).status_code == 200
    assert subscribed(app) == 1


def test_not_me_does_not_lock_a_subscriber_out_of_her_own_page(
    client: FlaskClient,
    campaign: Campaign,
    work: Callable[[], None],
    sink: Sink,
) -> None:
    client.post(
        f"/en/campaigns/{campaign.slug}/subscribe",
        data={"email": SARA, "scope": "every-update"},
    )
    work()
    client.post(
        path_in(sink.to(SARA)[-1].text, "/confirm/subscription/"),
        data={"scope": "every-update"},
    )
    sign(client, campaign.slug, Person(name="A stranger"))
    work()
    foreign = path_in(sink.to(SARA)[-1].text, "/confirm/signature/")
    client.post(foreign.replace("/confirm/", "/not-me/"))
    client.post(f"/en/campaigns/{campaign.slug}/my-link", data={"email": SARA})
    work()
    assert "The link to your page" in sink.to(SARA)[-1].subject


def test_a_paused_campaign_mails_nothing_until_it_goes_on(
    app: Flask, client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    sign(client, campaign.slug)
    with app.app_context(), writing():
        campaigns.pause(db.session.get_one(Campaign, campaign.id))
    work()
    assert sink.mails == [], "not even the title"
    with app.app_context(), writing():
        campaigns.publish(db.session.get_one(Campaign, campaign.id))
    with time_machine.travel(clock.now() + dt.timedelta(minutes=1), tick=False):
        work()
    assert len(sink.mails) == 1


def test_a_stored_form_looks_the_same_for_a_known_and_an_unknown_address(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    signed: Callable[..., Mail],
    work: Callable[[], None],
) -> None:
    signed()
    sign(client, campaign.slug)
    sign(client, campaign.slug, Person(email="new@example.org"))
    work()
    with app.app_context():
        rows = db.session.scalars(select(Pending).where(Pending.confirmed_on.is_(None))).all()
        shapes = {
            tuple(
                (column.name, len(value) if isinstance(value, bytes) else value)
                for column in Pending.__table__.columns
                if column.name not in {"id", "token_hash", "tag"}
                for value in [getattr(row, column.name)]
                if column.name not in {"manage_hash", "unsubscribe_hash"} or value is not None
            )
            for row in rows
        }
        assert len(rows) == 2
        assert len(shapes) == 1


def test_a_form_sealed_just_before_a_long_pause_of_the_worker_is_still_mailed(
    app: Flask, client: FlaskClient, campaign: Campaign, worker: Worker, sink: Sink
) -> None:
    sign(client, campaign.slug)
    later = clock.now() + dt.timedelta(hours=9)
    with time_machine.travel(later, tick=False), app.app_context():
        worker.make_keys()
        worker.keep_house()
        assert len(db.session.scalars(select(OutboxKey.id)).all()) == 2
        for _ in range(5):
            worker.turn()
    assert len(sink.to(SARA)) == 1
    with time_machine.travel(later + dt.timedelta(hours=3), tick=False), app.app_context():
        worker.keep_house()
        assert len(db.session.scalars(select(OutboxKey.id)).all()) == 1
        assert len(worker.keystore.outbox_ids()) == 1
