"""Many at once: the count is exact, and nobody waits for the campaign's row."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from tests.conftest import Person, confirm, path_in, sign
from tests.support.sink import Sink
from tracker.campaigns.models import Campaign
from tracker.extensions import db
from tracker.signatures import queries


def links(sink: Sink) -> list[str]:
    return [path_in(mail.text, "/confirm/signature/") for mail in sink.mails]


def count(app: Flask, campaign: Campaign) -> int:
    with app.app_context():
        return queries.count_confirmed(campaign.id)


def test_the_count_is_exact_after_a_burst(
    app: Flask, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    countries = ("DE", "PK", "BR")
    people = [
        Person(email=f"burst{n}@example.org", country=countries[n % 3]) for n in range(24)
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda p: sign(app.test_client(), campaign.slug, p), people))
    assert {answer.status_code for answer in answers} == {200}
    work()
    with ThreadPoolExecutor(8) as pool:
        by_address = {person.email: person for person in people}
        signed = [by_address[mail.to] for mail in sink.mails]
        done = list(
            pool.map(lambda link, p: confirm(app.test_client(), link, p), links(sink), signed)
        )
    assert {answer.status_code for answer in done} == {303}
    assert count(app, campaign) == 24, "before folding"
    work()
    assert count(app, campaign) == 24, "after folding"
    with app.app_context():
        assert len(queries.by_country([campaign.id])[campaign.id]) == 3


def test_twenty_confirmations_of_one_link_count_once_and_all_succeed(
    app: Flask, client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    sign(client, campaign.slug)
    work()
    [link] = links(sink)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: confirm(app.test_client(), link), range(20)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.location for answer in answers}) == 1
    assert count(app, campaign) == 1


def test_two_mails_to_one_person_confirmed_at_once_count_once(
    app: Flask, client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    sign(client, campaign.slug)
    sign(client, campaign.slug)
    work()
    assert len(links(sink)) == 2
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda link: confirm(app.test_client(), link), links(sink)))
    assert {answer.status_code for answer in answers} == {303}
    assert count(app, campaign) == 1


def test_a_view_counts_no_signatures_and_a_confirmation_locks_no_campaign(
    app: Flask, client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    said: list[str] = []
    with app.app_context():
        engine = db.engine
    listener = lambda *args: said.append(args[2].lower())  # noqa: E731 - removed again below
    event.listen(engine, "before_cursor_execute", listener)
    try:
        sign(client, campaign.slug)
        work()
        confirm(client, links(sink)[0])
        client.get(f"/en/campaigns/{campaign.slug}")
        client.get("/en/")
    finally:
        event.remove(engine, "before_cursor_execute", listener)
    assert said
    assert not [one for one in said if "count(" in one and "from signatures" in one]
    assert not [one for one in said if one.startswith("update campaigns")]
    assert not [one for one in said if "from campaigns" in one and "for update" in one]
