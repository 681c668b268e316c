"""A supporter's way: sign, confirm, be told, change, leave."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import Person, confirm, path_in, sign
from tests.support.sink import Sink
from tracker.campaigns.models import Campaign
from tracker.signatures import queries


def count(app: Flask, campaign: Campaign) -> int:
    with app.app_context():
        return queries.count_confirmed(campaign.id)


def test_signing_counts_only_once_confirmed(
    app: Flask, client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    answer = sign(client, campaign.slug)
    assert answer.status_code == 200
    assert "Look in your inbox" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    work()
    assert count(app, campaign) == 0

    [mail] = sink.to("sara@example.org")
    link = path_in(mail.text, "/confirm/signature/")
    page = client.get(link)
    assert "Sara Example" in page.text
    assert count(app, campaign) == 0, "a GET changes nothing"

    assert confirm(client, link).status_code == 303
    assert count(app, campaign) == 1
    work()
    assert count(app, campaign) == 1


def test_confirming_again_shows_success_and_counts_once(
    app: Flask, client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    sign(client, campaign.slug)
    work()
    link = path_in(sink.mails[0].text, "/confirm/signature/")
    first, second = confirm(client, link), confirm(client, link)
    assert first.location == second.location
    assert "Your signature counts" in client.get(second.location).text
    assert count(app, campaign) == 1


def test_the_same_person_again_is_told_by_mail_only(
    app: Flask, client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    sign(client, campaign.slug)
    work()
    confirm(client, path_in(sink.mails[0].text, "/confirm/signature/"))
    again = sign(client, campaign.slug, Person(email="SARA@example.org"))
    new = sign(client, campaign.slug, Person(email="other@example.org"))
    assert again.status_code == new.status_code == 200
    assert "Look in your inbox" in again.text
    assert "Look in your inbox" in new.text
    work()
    [mail] = sink.to("SARA@example.org")
    assert "already" in mail.subject
    assert "Withdraw" in client.get(path_in(mail.text, "/my/")).text
    assert count(app, campaign) == 1


def test_my_page_changes_withdraws_and_deletes(
    app: Flask, client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    sign(client, campaign.slug)
    work()
    mail = sink.mails[0]
    confirm(client, path_in(mail.text, "/confirm/signature/"), shows_name="yes")
    mine = path_in(mail.text, "/my/")
    page = f"/en/campaigns/{campaign.slug}"
    assert "Sara Example" in client.get(page).text

    client.post(f"{mine}/shown", data={"shows_name": "no", "hands_over": "no", "name": ""})
    assert "Sara Example" not in client.get(page).text
    refused = client.post(f"{mine}/shown", data={"shows_name": "yes", "hands_over": "no"})
    assert refused.status_code == 422
    client.post(
        f"{mine}/shown", data={"shows_name": "yes", "hands_over": "no", "name": "S. Example"}
    )
    assert "S. Example" in client.get(page).text

    assert client.post(f"{mine}/withdraw").status_code == 303
    assert count(app, campaign) == 0
    assert "You get no mails" not in client.get(mine).text, "mails go on until stopped"
    assert client.post(f"{mine}/delete").location.endswith("/deleted")
    assert client.get(mine).status_code == 410


def test_this_was_not_me_deletes_and_keeps_mail_away(
    app: Flask, client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    sign(client, campaign.slug)
    work()
    link = path_in(sink.mails[0].text, "/confirm/signature/")
    assert client.post(link.replace("/confirm/", "/not-me/")).status_code == 303
    assert client.get(link).status_code == 410
    sign(client, campaign.slug)
    work()
    assert len(sink.mails) == 1
    assert count(app, campaign) == 0


def test_one_address_gets_at_most_three_mails_a_day_and_campaign(
    client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    for _ in range(6):
        assert sign(client, campaign.slug).status_code == 200
    work()
    assert len(sink.mails) == 3


def test_no_text_from_a_form_is_mailed_before_confirmation(
    client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    person = Person(name="WIN CASH NOW", comment="buy at http://evil.example now")
    sign(client, campaign.slug, person)
    work()
    [mail] = sink.mails
    for text in (mail.text, mail.html, mail.subject, mail.raw.decode()):
        assert "CASH" not in text
        assert "evil" not in text


def test_language_follows_the_page_into_the_mail(
    client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    sign(client, campaign.slug, lang="ar")
    work()
    [mail] = sink.mails
    assert "/ar/confirm/signature/" in mail.text
    assert 'dir="rtl"' in mail.html


def test_a_name_of_blanks_is_no_name(client: FlaskClient, campaign: Campaign) -> None:
    answer = sign(client, campaign.slug, Person(name=" \u00a0 "))
    assert answer.status_code == 422
    assert "Enter your name." in answer.text
