"""Who is told: who was subscribed at approval and still is when the turn comes."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, event

from tests.alerts.conftest import House, people
from tests.support.sink import Mail
from tracker.alerts import expanding
from tracker.alerts.audiences import unpack
from tracker.alerts.models import Alert, AlertAudience, AlertChunk, AlertState
from tracker.campaigns.status import Status
from tracker.core import clock
from tracker.extensions import db, writing
from tracker.mail import services as mail
from tracker.mail.models import SuppressionReason
from tracker.sealing import tags
from tracker.subscriptions.models import Scope, Subscription

SARA = "sara@example.org"


def when(house: House, number: int, act: Callable[[], Any]) -> None:
    """Do something while the mail server has so many mails and hears of the next."""

    class Watched(list[Mail]):
        def append(self, mail: Mail) -> None:
            super().append(mail)
            if len(self) == number:
                act()

    house.patch.setattr(house.sink, "mails", Watched())


def small_windows(house: House, size: int = 5) -> None:
    house.patch.setattr("tracker.alerts.windows.WINDOW", size)
    house.patch.setattr("tracker.alerts.sending.FEW_WAITING", 1)


def test_approving_asks_the_database_the_same_for_few_and_for_many(house: House) -> None:
    def statements() -> tuple[int, int]:
        asked: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            asked.append(statement)

        with house.app.app_context():
            event.listen(db.engine, "before_cursor_execute", note)
        try:
            alert_id = house.tell(window=600)
        finally:
            with house.app.app_context():
                event.remove(db.engine, "before_cursor_execute", note)
        assert not house.rows(AlertAudience), "nobody is written down yet"
        house.stop(alert_id)
        return len(asked), max(map(len, asked))

    statements()
    house.subscribe(*people(3))
    few = statements()
    house.subscribe(*people(200, "more"))
    assert statements() == few, "the audience is a number, whatever it is"


def test_who_leaves_in_the_middle_gets_nothing_beyond_the_window_in_hand(
    house: House,
) -> None:
    house.subscribe(*people(60))
    small_windows(house)

    def leave() -> None:
        with house.app.app_context(), writing():
            db.session.execute(delete(Subscription))

    when(house, 10, leave)
    alert_id = house.tell()
    house.work()
    assert 10 <= len(house.sink.mails) <= 25
    alert = house.alert(alert_id)
    assert (alert.state, alert.queued) == (AlertState.DONE, 60)
    assert alert.sent == len(house.sink.mails)
    assert alert.sent + alert.skipped == 60


def test_one_click_ends_the_mails_of_an_alert_under_way(
    house: House, client: FlaskClient
) -> None:
    links = house.subscribe(SARA, *people(3))
    house.tell(window=600)
    alert = house.tell()
    assert client.post(links[SARA], data={"List-Unsubscribe": "One-Click"}).status_code == 200
    house.work()
    assert SARA not in house.told()
    assert house.alert(alert).queued == 3, "who left before it began is not counted"


def test_who_complains_before_their_turn_is_skipped(house: House) -> None:
    house.subscribe(SARA, *people(20))
    small_windows(house)
    fingerprint = tags.tag(house.worker.keystore.site_key(), SARA)

    def complain() -> None:
        with house.app.app_context(), writing():
            mail.suppress(fingerprint, SuppressionReason.COMPLAINT, until=None)

    with house.app.app_context():
        house.worker.turn()
    complain()
    alert_id = house.tell()
    house.work()
    assert SARA not in house.told()
    assert house.figures(alert_id)[:3] == (21, 20, 1)


def test_a_suppression_that_is_over_stops_nothing(house: House) -> None:
    house.subscribe(SARA)
    fingerprint = tags.tag(house.worker.keystore.site_key(), SARA)
    with house.app.app_context(), writing():
        yesterday = clock.today().replace(year=clock.today().year - 1)
        mail.suppress(fingerprint, SuppressionReason.BOUNCE, until=yesterday)
    house.tell()
    house.work()
    assert house.told() == {SARA: 1}


@pytest.mark.parametrize("wish", ["language", "fewer", "more"])
def test_a_wish_changed_before_the_turn_counts(house: House, wish: str) -> None:
    house.subscribe(SARA)
    if wish == "more":
        house.change(Subscription, scope=Scope.STATUS_CHANGES)
        house.subscribe("omar@example.org")
    alert_id = house.tell()
    with house.app.app_context():
        house.worker.make_keys()
        while house.alert(alert_id).slots is None:
            expanding.expand_next()
    if wish == "language":
        house.change(Subscription, language="ar")
    else:
        scope = Scope.EVERY_UPDATE if wish == "more" else Scope.STATUS_CHANGES
        house.change(Subscription, scope=scope)
    house.work()
    figures = house.figures(alert_id)
    assert figures.queued == figures.sent + figures.skipped
    if wish == "fewer":
        assert not house.told()
        return
    assert house.told()[SARA] == 1
    if wish == "language":
        assert 'dir="rtl"' in house.sink.mails[0].html


def test_status_changes_are_told_to_all_and_other_updates_to_those_who_want_them(
    house: House,
) -> None:
    house.subscribe(*people(3))
    house.change(Subscription, scope=Scope.STATUS_CHANGES)
    house.subscribe(SARA)
    house.tell()
    house.work()
    assert house.told() == {SARA: 1}
    house.tell(to=Status.DETAINED)
    house.work()
    assert house.told() == {SARA: 2, **dict.fromkeys(people(3), 1)}


def test_who_confirms_after_approval_hears_of_the_next_only(house: House) -> None:
    house.subscribe(SARA)
    first = house.tell(window=1)
    house.subscribe("late@example.org")
    house.change(Alert, not_before=clock.now())
    house.work()
    assert house.told() == {SARA: 1}
    assert house.alert(first).queued == 1
    house.tell()
    house.work()
    assert house.told() == {SARA: 2, "late@example.org": 1}


def test_slots_tell_no_order_of_signing(house: House) -> None:
    for one in people(40):
        house.subscribe(one)
    alert_id = house.tell()
    house.expand(alert_id)
    [page] = house.rows(AlertAudience)
    ids = unpack(page.ids)
    assert list(ids) == sorted(row.id for row in house.rows(Subscription))
    came = _in_order_of_coming(house)
    assert [came[row] for row in ids] != people(40)
    house.work()
    assert house.told() == dict.fromkeys(people(40), 1)
    assert house.has_forgotten(), "whose slot was whose"


def test_the_order_in_which_mails_leave_tells_nobodys_row(house: House) -> None:
    house.cut(chunk=20)
    [relay] = house.app.config["TRACKER"].relays
    house.configure(relays=(dataclasses.replace(relay, connections=1),))
    house.subscribe(*people(80))
    by_id = _in_order_of_coming(house, 80)
    order = [by_id[row] for row in sorted(by_id)]
    for _ in range(3):
        house.sink.clear()
        house.tell()
        house.work()
        told = [mail.to for mail in house.sink.mails]
        assert sorted(told) == sorted(order)
        for at in range(0, 80, 20):
            ranks = [order.index(address) for address in told[at : at + 20]]
            assert ranks != sorted(ranks)


def _in_order_of_coming(house: House, number: int = 40) -> dict[int, str]:
    """Give whose row is which, from the envelope as the worker opens it."""
    keys = house.worker.keystore.campaign(house.campaign.key_id or "")
    found = {}
    for row in house.rows(Subscription):
        for address in people(number):
            if row.tag == tags.tag(keys.tag_key, address):
                found[row.id] = address
    return found


def test_more_people_than_a_chunk_holds_and_pages_are_all_told_once(house: House) -> None:
    house.cut(chunk=20, pages=2)
    house.subscribe(*people(90))
    alert_id = house.tell()
    house.work()
    assert house.told() == dict.fromkeys(people(90), 1)
    assert house.figures(alert_id)[:3] == (90, 90, 0)
    assert house.has_forgotten()


def test_who_leaves_while_the_audience_is_written_moves_nobody(house: House) -> None:
    house.cut(chunk=10, pages=1)
    house.subscribe(*people(35))
    alert_id = house.tell(to=Status.DETAINED)
    house.expand(alert_id, steps=2)
    ids = sorted(row.id for row in house.rows(Subscription))
    with house.app.app_context(), writing():
        gone = [ids[4], ids[14]]
        db.session.execute(delete(Subscription).where(Subscription.id.in_(gone)))
    house.expand(alert_id)
    assert _written(house) == [one for one in ids if one != ids[14]]
    house.work()
    assert len(house.told()) == 33
    assert max(house.told().values()) == 1
    assert house.figures(alert_id)[:3] == (34, 33, 1)


def _written(house: House) -> list[int]:
    """Give the ids of all pages, which are numbered without a gap."""
    pages = sorted(house.rows(AlertAudience), key=lambda page: page.number)
    assert [page.number for page in pages] == list(range(len(pages)))
    return [one for page in pages for one in unpack(page.ids)]


def test_an_audience_half_written_goes_on_after_a_crash(house: House) -> None:
    house.cut(chunk=10, pages=1)
    house.subscribe(*people(35))
    alert_id = house.tell()
    house.expand(alert_id, steps=3)
    assert house.alert(alert_id).state is AlertState.EXPANDING
    assert not house.rows(AlertChunk), "nothing leaves before all are written down"
    assert house.figures(alert_id).queued == 0, "no figure is better than a wrong one"
    house.die()
    house.expand(alert_id)
    assert _written(house) == sorted(row.id for row in house.rows(Subscription))
    house.work()
    assert house.told() == dict.fromkeys(people(35), 1)


@pytest.mark.parametrize("number", [19, 20, 21, 40])
def test_a_full_last_page_is_no_other_than_any(house: House, number: int) -> None:
    house.cut(chunk=10, pages=2)
    house.subscribe(*people(number))
    alert_id = house.tell()
    house.expand(alert_id)
    assert _written(house) == sorted(row.id for row in house.rows(Subscription))
    house.work()
    assert house.figures(alert_id)[:3] == (number, number, 0)


def test_an_alert_rests_and_goes_on_in_the_middle_of_its_audience(house: House) -> None:
    house.cut(chunk=10, pages=1)
    house.subscribe(*people(40))
    alert_id = house.tell()
    house.expand(alert_id, steps=3)
    house.pause(alert_id)
    house.work()
    assert not house.told()
    assert house.figures(alert_id).queued == 0
    house.resume(alert_id)
    house.work()
    assert house.told() == dict.fromkeys(people(40), 1)
    assert house.figures(alert_id)[:3] == (40, 40, 0)


def test_an_alert_stopped_in_the_middle_of_its_audience_keeps_nobody(house: House) -> None:
    house.cut(chunk=10, pages=1)
    house.subscribe(*people(40))
    alert_id = house.tell()
    house.expand(alert_id, steps=3)
    house.stop(alert_id)
    house.work()
    assert not house.told()
    assert house.has_forgotten()
    assert house.figures(alert_id)[:3] == (0, 0, 0)


def test_several_workers_write_one_audience_together(house: House) -> None:
    house.cut(chunk=5, pages=1)
    house.subscribe(*people(100))
    alert_id = house.tell()

    def labour() -> None:
        with house.app.app_context():
            while db.session.get_one(Alert, alert_id, populate_existing=True).slots is None:
                db.session.rollback()
                expanding.expand_next()
            db.session.rollback()

    workers = [threading.Thread(target=labour) for _ in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(60)
    assert house.alert(alert_id).paused_for is None
    assert house.alert(alert_id).queued == 100
    assert _written(house) == sorted(row.id for row in house.rows(Subscription))
    house.work()
    assert house.told() == dict.fromkeys(people(100), 1)


def test_an_alert_to_nobody_is_done(house: House) -> None:
    alert_id = house.tell()
    house.work()
    assert house.alert(alert_id).state is AlertState.DONE
    assert house.figures(alert_id)[:3] == (0, 0, 0)
