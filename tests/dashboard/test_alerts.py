"""An organiser sees how far an alert is and can stop it, let it rest, let it go at once."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import submit
from tests.support import factories
from tests.support.sink import Sink
from tests.support.supporters import subscribe
from tracker.alerts import queries as alerts
from tracker.alerts.models import (
    Alert,
    AlertChunk,
    AlertException,
    AlertState,
    PauseReason,
)
from tracker.campaigns.models import Campaign
from tracker.campaigns.status import Status
from tracker.core import clock
from tracker.extensions import db, writing

PAGE = "/en/organise/campaigns/amar-fayaz"
ADDRESSES = [f"p{number}@example.org" for number in range(3)]

Announce = Callable[..., str]


@pytest.fixture
def announce(app: Flask, live: Campaign) -> Announce:
    """Publish an update that alerts, its alert as the test says; give the update's page."""

    def run(*, window: int = 600, headline: str = "Seen in court", **values: Any) -> str:
        to = values.pop("to", None)
        with app.app_context(), writing():
            campaign = db.session.get_one(Campaign, live.id)
            update = factories.an_update(campaign, alerts=True, headline=headline, to=to)
            alert = factories.an_alert(update, window=window)
            for name, value in values.items():
                setattr(alert, name, value)
            return f"{PAGE}/updates/{update.id}"

    return run


def shown(client: FlaskClient, page: str) -> str:
    """Give what a page says in its main part, as it is read."""
    text = client.get(page).text.partition("<main")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def buttons(client: FlaskClient, page: str) -> list[str]:
    """Give the last word of each address that a button of the alert's panel posts to."""
    panel = client.get(page).text.partition('panel" aria-labelledby="alert-')[2]
    return re.findall(r'action="[^"]*/([a-z-]+)"', panel.partition("</section>")[0])


def state(app: Flask, page: str) -> AlertState:
    with app.app_context():
        found = alerts.by_update(int(page.rpartition("/")[2]))
        assert found is not None
        return found.state


def test_an_alert_that_waits_says_when_it_leaves_and_can_be_stopped_or_let_go(
    signed_in: FlaskClient, announce: Announce
) -> None:
    page = announce()
    assert re.search(r"Waiting, leaves at \d\d:\d\d:\d\d UTC", shown(signed_in, page))
    assert buttons(signed_in, page) == ["stop", "send-now"]
    assert buttons(signed_in, PAGE) == ["stop", "send-now"]


def test_where_no_worker_takes_it_the_page_says_so(
    signed_in: FlaskClient, announce: Announce
) -> None:
    page = announce(window=0)
    assert "Waiting for the worker since" in shown(signed_in, page)
    assert "tell an administrator" in shown(signed_in, page)
    assert buttons(signed_in, page) == ["stop"]


def test_on_its_way_it_shows_how_many_are_told_and_can_be_paused_or_stopped(
    app: Flask, signed_in: FlaskClient, announce: Announce
) -> None:
    moment = clock.now()
    page = announce(
        state=AlertState.SENDING,
        active_at=moment,
        slots=1234,
        queued=1234,
        sent=1000,
        skipped=3,
        failed=2,
    )
    with app.app_context(), writing():
        alert = db.session.query(Alert).one()
        db.session.add(AlertException(alert_id=alert.id, slot=1, since=moment, due_at=moment))
    text = shown(signed_in, page)
    assert "On its way: 1,000 sent, 229 still to be sent" in text
    assert "To be tried again 1 " in text
    assert "Skipped 3 They left meanwhile" in text
    assert "Failed 2 The mail server refused them" in text
    assert "Came back" not in text
    assert '<progress value="1005" max="1234"' in signed_in.get(page).text
    assert buttons(signed_in, page) == ["pause-alert", "stop"]
    assert "This cannot be taken back" in text
    assert "example.org" not in text.replace("organiser@example.org", "")


def test_before_its_list_is_written_it_says_that_nobody_was_told(
    signed_in: FlaskClient, announce: Announce
) -> None:
    page = announce(state=AlertState.EXPANDING, active_at=clock.now())
    assert "Being prepared: nobody has been told yet" in shown(signed_in, page)
    assert buttons(signed_in, page) == ["pause-alert", "stop"]


def test_who_watched_it_go_reads_on_the_campaign_s_page_how_it_ended(
    signed_in: FlaskClient, announce: Announce
) -> None:
    now = clock.now()
    for hours, told in ((30, 7), (3, 8), (1, 9)):
        announce(
            headline=f"{hours} hours ago",
            state=AlertState.DONE,
            done_at=now - dt.timedelta(hours=hours),
            slots=told,
            sent=told,
        )
    panels = signed_in.get(PAGE).text.count('panel" aria-labelledby="alert-')
    assert panels == 1, "the last one only: the others are in the table"
    assert "Alert: 1 hours ago Done: 9 sent, 0 skipped, 0 failed" in shown(signed_in, PAGE)
    assert buttons(signed_in, PAGE) == []


def test_a_worker_that_fell_silent_is_noticed(
    signed_in: FlaskClient, announce: Announce
) -> None:
    long_ago = clock.now() - dt.timedelta(minutes=20)
    page = announce(state=AlertState.SENDING, active_at=long_ago, slots=10, queued=10)
    assert "the worker may be down" in shown(signed_in, page)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (PauseReason.ORGANISER, "An organiser paused it."),
        (PauseReason.BOUNCES, "the mailbox does not exist"),
        (PauseReason.REFUSALS, "taken for mail that nobody wants"),
        (PauseReason.RELAY, "The mail server could not be used, again and again."),
        (PauseReason.LATE, "Let it go on only if it is still true and still news."),
        (PauseReason.BROKEN, "The mail is no longer as it was approved"),
    ],
)
def test_a_paused_alert_says_why_and_can_go_on(
    signed_in: FlaskClient, announce: Announce, reason: PauseReason, words: str
) -> None:
    page = announce(state=AlertState.PAUSED, paused_for=reason, slots=9, queued=9, sent=4)
    assert "Paused: 4 sent, 5 still to be sent" in shown(signed_in, page)
    assert words in shown(signed_in, page)
    assert buttons(signed_in, page) == ["resume-alert", "stop"]


def test_a_newer_alert_about_the_same_person_holds_the_older_one_back_and_no_other(
    signed_in: FlaskClient, announce: Announce
) -> None:
    older = announce(to=Status.MISSING, headline="He is missing")
    rally = announce(headline="A rally")
    newer = announce(to=Status.DETAINED, headline="He is in prison")
    assert "Held back: nobody has been told yet" in shown(signed_in, older)
    assert "If that one is stopped, this one goes on by itself." in shown(signed_in, older)
    assert buttons(signed_in, older) == ["stop"]
    for other in (rally, newer):
        assert "Waiting, leaves at" in shown(signed_in, other)
    assert "Held back: nobody has been told yet" in shown(signed_in, "/en/organise/mail")
    submit(signed_in, f"{newer}/stop", {}, page=PAGE)
    assert "Waiting, leaves at" in shown(signed_in, older)


def test_while_the_page_is_hidden_an_alert_says_that_it_is_held_back(
    app: Flask, signed_in: FlaskClient, announce: Announce
) -> None:
    page = announce(state=AlertState.SENDING, active_at=clock.now(), slots=9, queued=9, sent=4)
    asked = shown(signed_in, f"{PAGE}/pause")
    assert "No alert leaves while the page is hidden." in asked
    assert "Stop for good what has not left of them" in asked
    submit(signed_in, f"{PAGE}/pause", {}, page=f"{PAGE}/pause")
    assert "Held back: 4 sent, 5 still to be sent" in shown(signed_in, page)
    assert "The page of the campaign is hidden." in shown(signed_in, page)
    submit(signed_in, f"{PAGE}/publish", {}, page=PAGE)
    assert "On its way: 4 sent" in shown(signed_in, page)


@pytest.mark.parametrize(
    ("over", "sent", "words"),
    [
        (AlertState.DONE, 7, "Done: 7 sent, 0 skipped, 0 failed"),
        (AlertState.STOPPED, 0, "Stopped: nobody was told"),
        (AlertState.STOPPED, 1, "Stopped: 1 person had been told"),
        (AlertState.SUPERSEDED, 1200, "Overtaken by newer news: 1,200 people had been told"),
        (AlertState.SUPERSEDED, 0, "Overtaken by newer news: nobody was told"),
        (AlertState.EXPIRED, 7, "Too old, dropped: 7 people had been told"),
        (AlertState.EXPIRED, 0, "Too old, dropped: nobody was told"),
    ],
)
def test_an_alert_that_is_over_says_how_it_ended_and_has_no_buttons(
    signed_in: FlaskClient, announce: Announce, over: AlertState, sent: int, words: str
) -> None:
    page = announce(state=over, done_at=clock.now(), slots=sent, queued=sent, sent=sent)
    for address in (page, PAGE, "/en/organise/mail"):
        assert words in shown(signed_in, address)
    assert buttons(signed_in, page) == []


def test_what_came_back_later_is_shown_as_figures_with_their_meaning(
    signed_in: FlaskClient, announce: Announce
) -> None:
    page = announce(
        state=AlertState.DONE,
        done_at=clock.now(),
        slots=90,
        queued=90,
        sent=90,
        bounced=4,
        complained=1,
    )
    assert "Came back 4 Sent, then returned" in shown(signed_in, page)
    assert "Called spam 1 Readers marked the mail as spam" in shown(signed_in, page)


def test_paused_on_the_way_nothing_leaves_until_it_goes_on_where_it_was(
    app: Flask,
    signed_in: FlaskClient,
    live: Campaign,
    announce: Announce,
    work: Callable[[], None],
    sink: Sink,
) -> None:
    subscribe(app, live.id, ADDRESSES)
    with app.app_context(), writing():
        # As if they had come before the alert was approved.
        db.session.get_one(Campaign, live.id).generation += 1
    page = announce()
    submit(signed_in, f"{page}/pause-alert", {}, page=page)
    assert "Paused: nobody has been told yet" in shown(signed_in, page)
    submit(signed_in, f"{page}/send-now", {}, page=page)
    work()
    assert sink.mails == []
    submit(signed_in, f"{page}/resume-alert", {}, page=page)
    submit(signed_in, f"{page}/send-now", {}, page=page)
    work()
    assert sorted(mail.to for mail in sink.mails) == ADDRESSES
    assert "Done: 3 sent, 0 skipped, 0 failed" in shown(signed_in, page)
    submit(signed_in, f"{page}/pause-alert", {}, page=PAGE)
    assert "This alert is not on its way." in shown(signed_in, PAGE)
    submit(signed_in, f"{page}/resume-alert", {}, page=PAGE)
    assert "This alert is not paused." in shown(signed_in, PAGE)


def test_stopped_on_the_way_who_was_told_is_counted_and_nobody_else_is_told(
    app: Flask, signed_in: FlaskClient, announce: Announce
) -> None:
    page = announce(state=AlertState.SENDING, active_at=clock.now(), slots=900, queued=900)
    with app.app_context(), writing():
        alert = db.session.query(Alert).one()
        db.session.add(AlertChunk(alert_id=alert.id, number=0, done=bytes(63), sent=20))
    submit(signed_in, f"{page}/stop", {}, page=page)
    assert "Stopped. Nobody else is told" in shown(signed_in, PAGE)
    assert "Stopped: 20 people had been told" in shown(signed_in, page)
    with app.app_context():
        assert db.session.query(AlertChunk).count() == 0


def test_an_alert_that_rested_too_long_is_not_sent(
    signed_in: FlaskClient, announce: Announce
) -> None:
    page = announce(
        state=AlertState.PAUSED,
        paused_for=PauseReason.LATE,
        not_after=clock.now() - dt.timedelta(hours=1),
    )
    submit(signed_in, f"{page}/resume-alert", {}, page=page)
    assert "This alert is too old to be sent. Write a new update." in shown(signed_in, PAGE)


def test_organisers_of_other_campaigns_can_do_nothing_about_an_alert(
    app: Flask, client: FlaskClient, given: Callable[..., Any], announce: Announce
) -> None:
    page = announce()
    stranger = given(factories.an_organiser, "stranger@example.org", is_admin=False)
    submit(
        client,
        "/en/organisers/sign-in",
        {"email": stranger.email, "password": factories.PASSWORD},
    )
    assert client.get(page).status_code == 404
    for act in ("stop", "send-now", "pause-alert", "resume-alert", "trial"):
        answer = submit(client, f"{page}/{act}", {}, page="/en/organise/mail")
        assert answer.status_code == 404
    assert "Seen in court" not in client.get("/en/organise/mail").text
    assert state(app, page) is AlertState.WAITING


def test_an_alert_is_reached_through_its_own_campaign_only(
    app: Flask, signed_in: FlaskClient, given: Callable[..., Any], announce: Announce
) -> None:
    page = announce()
    given(factories.a_campaign, slug="other")
    foreign = page.replace("amar-fayaz", "other")
    for act in ("stop", "pause-alert", "resume-alert", "send-now", "trial"):
        answer = submit(signed_in, f"{foreign}/{act}", {}, page=PAGE)
        assert answer.status_code == 404
    assert state(app, page) is AlertState.WAITING
