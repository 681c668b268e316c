"""An update is told to everybody who agreed to hear, in their language, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import Person, confirm, path_in, sign
from tests.support import factories
from tests.support.sink import Sink
from tracker.alerts import queries as alerts
from tracker.alerts import services as alerting
from tracker.alerts.models import Alert, AlertChunk, AlertException, AlertState
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign
from tracker.campaigns.status import Status
from tracker.campaigns.translations import translate
from tracker.extensions import db, writing
from tracker.updates.models import Update


@pytest.fixture
def signed_by(
    client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> Callable[..., str]:
    """Somebody signs and confirms; gives the mail's text."""

    def run(email: str, lang: str = "en", **answers: str) -> str:
        sign(client, campaign.slug, Person(email=email), lang=lang)
        work()
        text = sink.to(email)[-1].text
        confirm(client, path_in(text, "/confirm/signature/"), **answers)
        return text

    return run


@pytest.fixture
def announce(app: Flask, campaign: Campaign) -> Callable[..., Update]:
    """Organisers publish an update that alerts."""

    def run(
        window: int = 0, translations: dict[str, Any] | None = None, **values: Any
    ) -> Update:
        with app.app_context():
            with writing():
                merged = db.session.get_one(Campaign, campaign.id)
                update = factories.an_update(merged, alerts=True, **values)
                for language, blocks in (translations or {}).items():
                    texts = {
                        f"update.{update.id}.{name}": text for name, text in blocks.items()
                    }
                    translate(merged, language, texts)
                factories.an_alert(update, window=window)
            db.session.refresh(update)
            db.session.expunge(update)
            return update

    return run


def state_of(app: Flask, update: Update) -> Alert:
    with app.app_context():
        alert = alerts.by_update(update.id)
        assert alert is not None
        db.session.expunge(alert)
        return alert


def test_everybody_who_agreed_is_told_once_in_their_language(
    app: Flask,
    campaign: Campaign,
    signed_by: Callable[..., str],
    announce: Callable[..., Update],
    work: Callable[[], None],
    sink: Sink,
) -> None:
    signed_by("english@example.org")
    signed_by("arabic@example.org", lang="ar")
    signed_by("silent@example.org", alerts="no")
    sink.clear()
    update = announce(
        to=Status.RELEASED,
        headline="Amar is free",
        translations={"ar": {"headline": ("Amar is free", "عمار حر")}},
    )
    work()
    told = sorted(mail.to for mail in sink.mails)
    assert told == ["arabic@example.org", "english@example.org"]
    assert sink.to("english@example.org")[0].subject == "Amar is free – Free Amar Fayaz"
    [arabic] = sink.to("arabic@example.org")
    assert arabic.subject.startswith("عمار حر")
    assert 'dir="rtl"' in arabic.html
    assert 'lang="en"' in arabic.html, "what is not translated is shown as what it is"
    alert = state_of(app, update)
    assert (alert.state, alert.sent, alert.queued) == (AlertState.DONE, 2, 2)
    with app.app_context():
        for table in (AlertChunk, AlertException):
            assert db.session.query(table).count() == 0, "nobody's name stays beside the alert"


def test_one_click_in_the_mail_ends_the_mails(
    client: FlaskClient,
    signed_by: Callable[..., str],
    announce: Callable[..., Update],
    work: Callable[[], None],
    sink: Sink,
) -> None:
    signed_by("sara@example.org")
    sink.clear()
    announce()
    work()
    [mail] = sink.mails
    header = str(mail.message["List-Unsubscribe"])
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = path_in(header.strip("<>"), "/unsubscribe/")
    assert "button" in client.get(path).text
    for _ in range(2):
        answer = client.post(path, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200, "twice, no redirect"
        assert "Set-Cookie" not in answer.headers
    assert client.post(path, data={"anything": "else"}).status_code == 400
    announce(headline="Second")
    work()
    assert len(sink.mails) == 1


def test_alert_mails_cannot_do_more_than_unsubscribe(
    signed_by: Callable[..., str],
    announce: Callable[..., Update],
    work: Callable[[], None],
    sink: Sink,
) -> None:
    signed_by("sara@example.org")
    sink.clear()
    announce()
    work()
    [mail] = sink.mails
    assert "/my/" not in mail.text + mail.html, "alerts get forwarded"


def test_an_alert_can_be_stopped_inside_its_window(
    app: Flask,
    signed_by: Callable[..., str],
    announce: Callable[..., Update],
    work: Callable[[], None],
    sink: Sink,
) -> None:
    signed_by("sara@example.org")
    sink.clear()
    update = announce(window=600)
    work()
    assert sink.mails == []
    with app.app_context(), writing():
        alert = alerts.by_update(update.id)
        assert alert is not None
        alerting.stop(alert)
    work()
    assert sink.mails == []
    assert state_of(app, update).state is AlertState.STOPPED


def test_who_wants_status_changes_only_hears_nothing_else(
    client: FlaskClient,
    campaign: Campaign,
    announce: Callable[..., Update],
    work: Callable[[], None],
    sink: Sink,
) -> None:
    page = f"/en/campaigns/{campaign.slug}/subscribe"
    client.post(page, data={"email": "news@example.org", "scope": "status-changes"})
    work()
    link = path_in(sink.mails[0].text, "/confirm/subscription/")
    assert "news@example.org" in client.get(link).text
    client.post(link, data={"scope": "status-changes"})
    sink.clear()
    announce(headline="A rally")
    work()
    assert sink.mails == []
    announce(headline="Found in prison", to=Status.DETAINED)
    work()
    assert len(sink.mails) == 1
    assert sink.mails[0].subject.startswith("Found in prison")


def test_the_campaign_page_shows_status_days_and_timeline(
    client: FlaskClient, announce: Callable[..., Update]
) -> None:
    announce(headline="Taken at night", to=Status.MISSING)
    page = client.get("/en/campaigns/amar-fayaz").text
    assert "missing" in page
    assert "Taken at night" in page
    assert "<strong>3</strong>" in page, "days since, in large figures"


def test_a_paused_campaign_holds_its_alerts_until_it_goes_on(
    app: Flask,
    campaign: Campaign,
    signed_by: Callable[..., str],
    announce: Callable[..., Update],
    work: Callable[[], None],
    sink: Sink,
) -> None:
    signed_by("sara@example.org")
    sink.clear()
    announce()
    with app.app_context(), writing():
        campaigns.pause(db.session.get_one(Campaign, campaign.id))
    work()
    assert sink.mails == []
    with app.app_context(), writing():
        campaigns.publish(db.session.get_one(Campaign, campaign.id))
    work()
    assert len(sink.mails) == 1


def test_an_outdated_translation_is_never_told_as_news(
    app: Flask,
    campaign: Campaign,
    signed_by: Callable[..., str],
    announce: Callable[..., Update],
    work: Callable[[], None],
    sink: Sink,
) -> None:
    signed_by("spanish@example.org", lang="es")
    sink.clear()
    announce(
        headline="The report of his release is false",
        translations={"es": {"headline": ("He is free", "Está libre")}},
    )
    work()
    [mail] = sink.mails
    assert mail.subject.startswith("The report of his release is false")
    assert "Está libre" not in mail.text + mail.html
    page = app.test_client().get(f"/es/campaigns/{campaign.slug}").text
    assert "Está libre" not in page
