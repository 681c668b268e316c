"""The post office in figures: what waits, what came back, how the mail servers do."""

from __future__ import annotations

import dataclasses
import datetime as dt
import html
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import submit
from tests.support import factories
from tracker.alerts.models import Alert, AlertState
from tracker.campaigns.models import Campaign
from tracker.configuration.mail import Relay
from tracker.core import clock
from tracker.extensions import db, writing
from tracker.mail import relays
from tracker.mail.models import Bounce, BounceKind, RelayHealth, Suppression, SuppressionReason

PAGE = "/en/organise/mail"
RELAYS = (
    Relay(name="main", host="smtp.example.net", port=587, security="starttls", rate=50),
    Relay(
        name="spare",
        host="spare.example.net",
        port=2525,
        security="tls",
        rate=1000,
        warm_up_days=10,
    ),
)


@pytest.fixture
def two_servers(app: Flask) -> Iterator[None]:
    """Two mail servers with limits, one of them new; Google takes twenty a second."""
    before = app.config["TRACKER"]
    app.config["TRACKER"] = dataclasses.replace(
        before, relays=RELAYS, provider_limits={"google": 20.0, "other": 0.5}
    )
    yield
    app.config["TRACKER"] = before


def shown(client: FlaskClient, page: str = PAGE) -> str:
    text = client.get(page).text.partition("<main")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_on_a_quiet_day_it_says_that_there_is_nothing(signed_in: FlaskClient) -> None:
    text = shown(signed_in)
    assert "No alert has been sent yet." in text
    assert "No mail waits to be sent." in text
    assert "Nothing came back." in text
    assert "Every address may get mail." in text
    assert "Limits for kinds of mailboxes" not in text


def test_single_mails_that_wait_are_counted_by_kind(
    client: FlaskClient, signed_in: FlaskClient, campaign: Campaign
) -> None:
    form = {"email": "sara@example.org", "scope": "every-update"}
    client.post(f"/en/campaigns/{campaign.slug}/subscribe", data=form)
    assert "Confirmations and answers to forms 1" in shown(signed_in)
    assert "sara" not in signed_in.get(PAGE).text


def test_what_came_back_and_who_gets_no_more_mail_are_figures(
    app: Flask, signed_in: FlaskClient
) -> None:
    today = clock.today()
    days = [today, today, today - dt.timedelta(days=13), today - dt.timedelta(days=20)]
    with app.app_context(), writing():
        for number, day in enumerate(days):
            mark = bytes([number]) * 32
            kind = BounceKind.SOFT if number == 1 else BounceKind.HARD
            db.session.add(Bounce(source=mark, fingerprint=mark, day=day, kind=kind))
            reason = SuppressionReason.COMPLAINT if number else SuppressionReason.NOT_ME
            until = today - dt.timedelta(days=1) if number == 3 else None
            db.session.add(Suppression(fingerprint=mark, reason=reason, since=day, until=until))
    text = shown(signed_in)
    assert "For good: no such mailbox, or it refused 2 For now: full or out of reach 1" in text
    assert "Marked our mail as spam 2" in text
    assert "Never asked for our mail: somebody else entered the address 1" in text


def test_administrators_see_how_each_mail_server_does(
    app: Flask, signed_in: FlaskClient, two_servers: None
) -> None:
    with app.app_context(), writing():
        relays.report(RELAYS[0], accepted=1200, slowed=0, trouble="")
        relays.report(RELAYS[1], accepted=5, slowed=3, trouble="RCPT 421")
        db.session.get_one(RelayHealth, "spare").first_used_on -= dt.timedelta(days=8)
    text = shown(signed_in)
    assert "main smtp.example.net:587 works 50 a second 1,200 0" in text
    spare = "spare spare.example.net:2525 in trouble RCPT 421 250 a second"
    assert f"{spare} new, later 1,000 a second 5 3 never" in text
    assert "Google 20 a second" in text
    assert "All others 1,800 an hour" in text


def test_another_mail_server_of_the_same_name_begins_anew(
    app: Flask, signed_in: FlaskClient, two_servers: None
) -> None:
    old = dataclasses.replace(RELAYS[1], host="old.example.net")
    with app.app_context(), writing():
        relays.report(old, accepted=1_000_000, slowed=3, trouble="")
        db.session.get_one(RelayHealth, "spare").first_used_on -= dt.timedelta(days=200)
    new = "spare spare.example.net:2525 {} 3,516 an hour new, later 1,000 a second {} 0"
    assert new.format("not used yet", 0) in shown(signed_in)
    for accepted in (7, 14):
        with app.app_context(), writing():
            relays.report(RELAYS[1], accepted=7, slowed=0, trouble="")
        assert new.format("works", accepted) in shown(signed_in)


def test_a_mail_server_that_was_never_used_says_so(
    signed_in: FlaskClient, two_servers: None
) -> None:
    assert "main smtp.example.net:587 not used yet 50 a second 0 0 never never" in shown(
        signed_in
    )


def test_organisers_who_are_no_administrators_see_no_mail_servers(
    client: FlaskClient, given: Callable[..., Any], two_servers: None
) -> None:
    organiser = given(factories.an_organiser, is_admin=False)
    submit(
        client,
        "/en/organisers/sign-in",
        {"email": organiser.email, "password": factories.PASSWORD},
    )
    text = shown(client)
    assert "Waiting to be sent" in text
    assert "Mail servers" not in text
    assert "smtp.example.net" not in text


def test_a_limit_is_told_as_the_reason_why_sending_takes_so_long(
    app: Flask, signed_in: FlaskClient, live: Campaign, two_servers: None
) -> None:
    with app.app_context(), writing():
        relays.report(RELAYS[1], accepted=0, slowed=0, trouble="")
        campaign = db.session.get_one(Campaign, live.id)
        alert = factories.an_alert(factories.an_update(campaign, alerts=True))
        alert.state, alert.active_at = AlertState.SENDING, clock.now()
        alert.slots = alert.queued = 367_500
        page = f"/en/organise/campaigns/amar-fayaz/updates/{alert.update_id}"
    assert "At most 51 a second: about 2 hours." in shown(signed_in, page)
    with app.app_context(), writing():
        db.session.query(Alert).one().state = AlertState.DONE
    assert "At most" not in shown(signed_in, page)
