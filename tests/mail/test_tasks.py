"""The outbox: nobody is forgotten, nobody is pestered, and one bad mail stops no other."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from nacl.public import PublicKey, SealedBox
from sqlalchemy import text

from tests.conftest import Person, sign
from tests.support import factories
from tests.support.doorman import doorman
from tests.support.sink import Sink, free_port, running_sink
from tests.support.supporters import subscribe
from tracker.alerts.models import Alert
from tracker.campaigns.models import Campaign
from tracker.confirmations.models import Kind, Pending
from tracker.confirmations.services import LETTER_KIND
from tracker.core import clock, tokens
from tracker.extensions import db, writing
from tracker.mail import outbox, tasks
from tracker.mail import services as mail
from tracker.mail.models import Delivery, OutboxKey, RelayHealth
from tracker.sealing import envelopes
from tracker.sealing.keystore import Keystore
from tracker.side_lock import DatabaseBusy
from tracker.worker import Worker

SARA = "sara@example.org"
Work = Callable[[], None]


@pytest.fixture
def announce(app: Flask, campaign: Campaign) -> Callable[..., int]:
    """Organisers publish an update that alerts at once; gives the id of its alert."""

    def run() -> int:
        with app.app_context(), writing():
            found = db.session.get_one(Campaign, campaign.id)
            update = factories.an_update(found, alerts=True)
            return factories.an_alert(update).id

    return run


def waiting(app: Flask) -> list[Delivery]:
    with app.app_context():
        rows = list(db.session.query(Delivery))
        db.session.expunge_all()
        return rows


def alert_of(app: Flask, alert_id: int) -> Alert:
    with app.app_context():
        alert = db.session.get_one(Alert, alert_id)
        db.session.expunge(alert)
        return alert


def people(count: int, name: str = "person") -> list[str]:
    return [f"{name}{number}@example.org" for number in range(count)]


@pytest.fixture
def travel() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(dt.datetime.now(dt.UTC), tick=True) as traveller:
        yield traveller


@pytest.fixture
def relays_at(
    app: Flask, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Let the mail servers be at other ports from now on."""

    def move(*ports: int) -> None:
        settings = app.config["TRACKER"]
        moved = tuple(
            dataclasses.replace(settings.relays[0], name=f"relay-{port}", port=port)
            for port in ports
        )
        settings = dataclasses.replace(settings, relays=moved)
        monkeypatch.setitem(app.config, "TRACKER", settings)
        with app.app_context():
            worker.close()

    return move


def wait_no_longer(worker: Worker) -> None:
    """Let the pause be over in which a mail server that failed is left alone."""
    for pool in worker.office.open().pools.values():
        pool.closed_until = pool._open_after = 0.0


def work_until(app: Flask, worker: Worker, is_over: Callable[[], bool]) -> None:
    """Let the worker go on, whether it has something to do or not."""
    deadline = tasks.time.monotonic() + 30
    with app.app_context():
        while not is_over():
            db.session.rollback()
            assert tasks.time.monotonic() < deadline
            worker.turn()


# --- what the server answers ------------------------------------------------------------------


def test_a_mail_refused_for_now_is_tried_again_in_growing_steps_and_given_up_after_three_days(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    sink: Sink,
    travel: time_machine.Traveller,
) -> None:
    started = clock.now()
    sign(client, campaign.slug)
    sink.refuse_rcpt[SARA] = "450 4.2.1 come back later"
    steps = []
    work()
    while rows := waiting(app):
        [row] = rows
        steps.append((row.due_at - clock.now()).total_seconds() / 60)
        assert row.attempts == len(steps)
        travel.move_to(row.due_at + dt.timedelta(seconds=1))
        work()
    for step, minutes in zip(steps, (5, 15, 45, 120, 360, 720, 1440), strict=False):
        assert 0.8 * minutes - 0.1 <= step <= 1.2 * minutes + 0.1
    assert 6 <= len(steps) <= 9
    days = (clock.now() - started) / dt.timedelta(days=1)
    assert 1.5 < days <= 3
    sink.refuse_rcpt.clear()
    travel.shift(dt.timedelta(days=1))
    work()
    assert sink.mails == []


def test_waiting_times_are_spread_so_that_not_all_come_back_at_once(
    app: Flask, client: FlaskClient, campaign: Campaign, work: Work, sink: Sink
) -> None:
    addresses = people(12)
    for address in addresses:
        sink.refuse_rcpt[address] = "451 greylisted"
        sign(client, campaign.slug, Person(email=address))
    work()
    minutes = [(row.due_at - clock.now()).total_seconds() / 60 for row in waiting(app)]
    assert len(minutes) == 12
    assert max(minutes) - min(minutes) > 0.3


def test_a_greylisted_mail_arrives_at_the_second_try(
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    sink: Sink,
    travel: time_machine.Traveller,
) -> None:
    sign(client, campaign.slug)
    sink.refuse_data[SARA] = "451 4.2.0 greylisted"
    work()
    sink.refuse_data.clear()
    travel.shift(dt.timedelta(minutes=3))
    work()
    assert sink.mails == [], "not before its time"
    travel.shift(dt.timedelta(minutes=4))
    work()
    assert len(sink.to(SARA)) == 1


@pytest.mark.parametrize("stage", ["refuse_rcpt", "refuse_data"])
@pytest.mark.parametrize(
    "answer", ["454 Throttling failure: maximum sending rate exceeded", "451 4.7.1 slower"]
)
def test_a_server_that_wants_less_gets_the_mail_seconds_later_and_no_try_is_counted(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    sink: Sink,
    travel: time_machine.Traveller,
    stage: str,
    answer: str,
) -> None:
    getattr(sink, stage)[SARA] = answer
    sign(client, campaign.slug)
    work()
    [row] = waiting(app)
    assert row.attempts == 0
    assert 0 < (row.due_at - clock.now()).total_seconds() <= outbox.BUSY_SECONDS[0]
    sign(client, campaign.slug, Person(email="omar@example.org"))
    work()
    assert len(sink.to("omar@example.org")) == 1, "nobody else waits for it"
    for _ in range(8):
        travel.shift(dt.timedelta(seconds=61))
        work()
    [row] = waiting(app)
    assert row.attempts == 1, "after some rounds it counts as refused for now"
    getattr(sink, stage).clear()
    travel.shift(dt.timedelta(minutes=7))
    work()
    assert len(sink.to(SARA)) == 1
    assert waiting(app) == []


class Counting(dict[str, str]):
    """Refusals, and how often they were said."""

    said = 0

    def __getitem__(self, address: str) -> str:
        self.said += 1
        return super().__getitem__(address)


def test_thirty_mails_at_which_the_server_hangs_up_do_not_hold_up_the_next_one(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    worker: Worker,
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusals = Counting(dict.fromkeys(people(30), "421 4.7.0 try again later"))
    monkeypatch.setattr(sink, "refuse_rcpt", refusals)
    for address in people(30):
        sign(client, campaign.slug, Person(email=address))
    with app.app_context():
        for _ in range(3):
            worker.turn()
    sign(client, campaign.slug)
    work_until(app, worker, lambda: len(sink.to(SARA)) == 1)
    assert refusals.said <= 32, "each of them once, and none a second time before it"


def test_what_is_in_hand_when_the_database_goes_away_is_not_sent_unasked(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    worker: Worker,
    work: Work,
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for address in people(10):
        sign(client, campaign.slug, Person(email=address))

    def away(_: int) -> None:
        raise DatabaseBusy

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "mark", away)
        patched.setattr("tracker.worker.POLL_SECONDS", 0.01)
        with app.app_context():
            for _ in range(6):
                worker.turn()
    assert len(sink.mails) <= 2, "what was inside SMTP, and what left behind it"
    work()
    assert sorted(one.to for one in sink.mails) == sorted(people(10))


@pytest.mark.parametrize("jump", [-600, 600])
def test_a_clock_that_is_set_while_a_mail_is_inside_sends_it_once(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    worker: Worker,
    sink: Sink,
    travel: time_machine.Traveller,
    jump: int,
) -> None:
    sink.thinks[SARA] = 2.0
    sign(client, campaign.slug)
    with app.app_context():
        while not worker.office.open().inside:
            worker.turn()
    travel.shift(dt.timedelta(seconds=jump))
    work_until(app, worker, lambda: not db.session.query(Delivery.id).all())
    assert len(sink.to(SARA)) == 1


@pytest.mark.parametrize(
    "answer", ["503 bad sequence of commands", "530 5.7.0 Authentication required"]
)
def test_what_a_server_says_of_the_session_costs_nobody_the_mail(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    worker: Worker,
    work: Work,
    sink: Sink,
    answer: str,
) -> None:
    for address in people(3):
        sink.refuse_rcpt[address] = answer
        sign(client, campaign.slug, Person(email=address))
    work()
    assert len(waiting(app)) == 3
    sink.refuse_rcpt.clear()

    def are_told() -> bool:
        wait_no_longer(worker)
        return {one.to for one in sink.mails} == set(people(3))

    work_until(app, worker, are_told)


def test_a_server_that_thinks_long_about_the_whole_mail_gets_it_once(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    worker: Worker,
    sink: Sink,
    relays_at: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = app.config["TRACKER"]
    relay = dataclasses.replace(settings.relays[0], timeout=1)
    changed = dataclasses.replace(settings, relays=(relay,), lease_seconds=2)
    monkeypatch.setitem(app.config, "TRACKER", changed)
    sink.thinks[SARA] = 3.0
    sign(client, campaign.slug)
    sign(client, campaign.slug, Person(email="omar@example.org"))
    written: list[str] = []
    render = tasks.render

    def counted(letter: Any) -> bytes:
        written.append(letter.to)
        return render(letter)

    monkeypatch.setattr(tasks, "render", counted)
    started = tasks.time.monotonic()
    other = Worker(app)

    def is_over() -> bool:
        # A second worker must not take over what the first has inside the server.
        other.turn()
        return not db.session.query(Delivery.id).all()

    work_until(app, worker, is_over)
    with app.app_context():
        other.close()
    assert tasks.time.monotonic() - started >= 3
    assert sorted(one.to for one in sink.mails) == ["omar@example.org", SARA]
    assert len(written) <= 5, "nothing is prepared again and again for a server that thinks"


@pytest.mark.parametrize("stage", ["refuse_rcpt", "refuse_data"])
def test_a_mail_refused_for_ever_is_never_tried_again(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    sink: Sink,
    travel: time_machine.Traveller,
    stage: str,
) -> None:
    sign(client, campaign.slug)
    getattr(sink, stage)[SARA] = "550 5.1.1 no such person"
    work()
    assert waiting(app) == []
    getattr(sink, stage).clear()
    travel.shift(dt.timedelta(days=2))
    work()
    assert sink.mails == []


@pytest.mark.parametrize("count", [1, 30])
def test_a_server_that_wants_nothing_from_us_costs_nobody_the_mail(
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    sink: Sink,
    travel: time_machine.Traveller,
    count: int,
) -> None:
    for address in people(count):
        sink.refuse_rcpt[address] = "554 5.7.1 relay access denied"
        sign(client, campaign.slug, Person(email=address))
    work()
    sink.refuse_rcpt.clear()
    travel.shift(dt.timedelta(minutes=7))
    work()
    assert {one.to for one in sink.mails} == set(people(count))


def test_a_server_that_refuses_one_after_the_other_is_set_up_wrongly_and_asked_again(
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    sink: Sink,
    travel: time_machine.Traveller,
) -> None:
    for address in people(30):
        sink.refuse_rcpt[address] = "550 not here"
        sign(client, campaign.slug, Person(email=address))
    work()
    sink.refuse_rcpt.clear()
    travel.shift(dt.timedelta(minutes=7))
    work()
    assert len(sink.mails) == 30 - tasks.REFUSED_IN_ROW


# --- the server fails -------------------------------------------------------------------------


def test_while_the_mail_server_is_down_nothing_is_lost_and_no_try_is_counted(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    worker: Worker,
    work: Work,
    sink: Sink,
    relays_at: Callable[..., None],
) -> None:
    addresses = people(3)
    for address in addresses:
        sign(client, campaign.slug, Person(email=address))
    relays_at(free_port())
    for _ in range(3):
        with app.app_context():
            wait_no_longer(worker)
        work()
    rows = waiting(app)
    assert len(rows) == 3
    assert {(row.attempts, row.lease_owner, row.lease_until) for row in rows} == {
        (0, None, None)
    }
    relays_at(sink.port)
    work()
    assert sorted(mail.to for mail in sink.mails) == sorted(addresses)


def test_a_server_that_failed_is_left_alone_for_longer_and_longer(
    app: Flask, client: FlaskClient, campaign: Campaign, worker: Worker, relays_at: Any
) -> None:
    sign(client, campaign.slug)
    relays_at(free_port())
    pauses = []
    with app.app_context():
        for _ in range(6):
            before = tasks.time.monotonic()
            wait_no_longer(worker)
            worker._singles()
            [pool] = worker.office.open().pools.values()
            pauses.append(round(pool.closed_until - before))
            assert worker._singles() == 0
    assert pauses == [1, 2, 5, 15, 60, 60]


def test_a_mail_that_was_taken_but_not_acknowledged_comes_again_under_the_same_id(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    sink: Sink,
    travel: time_machine.Traveller,
) -> None:
    sink.drop_after_data.add(SARA)
    sign(client, campaign.slug)
    work()
    assert [row.attempts for row in waiting(app)] == [1], "it may have arrived: not at once"
    travel.shift(dt.timedelta(minutes=7))
    work()
    first, second = sink.to(SARA)
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert waiting(app) == []


def test_a_second_mail_server_takes_the_single_mails_while_the_first_is_down(
    client: FlaskClient,
    campaign: Campaign,
    worker: Worker,
    work: Work,
    sink: Sink,
    relays_at: Callable[..., None],
) -> None:
    with running_sink() as second:
        relays_at(free_port(), second.port)
        for address in people(3):
            sign(client, campaign.slug, Person(email=address))
        work()
        work()
        assert {one.to for one in second.mails} == set(people(3)), "at once"
        assert sink.mails == []


class Always(set[str]):
    """A set that forgets nothing."""

    def discard(self, _: str) -> None:
        """Keep it."""


def test_a_mail_at_which_the_server_always_hangs_up_does_not_stop_the_others(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    worker: Worker,
    work: Work,
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sink, "drop_after_data", Always(["poison@example.org"]))
    for address in ["poison@example.org", *people(4)]:
        sign(client, campaign.slug, Person(email=address))
    for _ in range(4):
        with app.app_context():
            wait_no_longer(worker)
        work()
    for address in people(4):
        assert len(sink.to(address)) == 1


# --- bad rows ---------------------------------------------------------------------------------

HOSTILE: dict[str, dict[str, Any]] = {
    "nothing in it": {},
    "no address": {"to": None},
    "a number for an address": {"to": 5},
    "two addresses": {"to": "a@example.org, b@example.org"},
    "a header in the address": {"to": "a@example.org\r\nBcc: b@example.org"},
    "an address that is not ASCII": {"to": "ü@example.org"},
    "a campaign that no database can hold": {"campaign": 2**70},
    "a campaign that is none": {"campaign": -1},
    "a pending row that no database can hold": {"pending": 2**70},
    "a token that is none": {"token": "zz"},
    "a text with NUL": {"to": "a\x00@example.org"},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_whatever_an_intruder_puts_into_the_outbox_the_others_get_their_mail(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    sink: Sink,
    change: dict[str, Any],
) -> None:
    good = {"to": SARA, "token": "00" * 32, "pending": 1, "campaign": campaign.id}
    with app.app_context(), writing():
        forged = {} if not change else {**good, **_pending(app, campaign), **change}
        mail.queue(mail.seal_letter(LETTER_KIND, forged))
    sign(client, campaign.slug)
    sign(client, campaign.slug, Person(email="other@example.org"))
    work()
    assert len(sink.to(SARA)) == 1
    assert len(sink.to("other@example.org")) == 1
    assert {one.to for one in sink.mails} == {SARA, "other@example.org"}


def _pending(app: Flask, campaign: Campaign) -> dict[str, Any]:
    """Store a pending row that fits, so that the worker goes all the way to the mail."""
    token = bytes(32)
    row = Pending(
        campaign_id=campaign.id,
        kind=Kind.SIGNATURE,
        language="en",
        token_hash=tokens.digest(token),
        payload=b"x",
        created_on=clock.today(),
        expires_on=clock.today() + dt.timedelta(days=7),
    )
    db.session.add(row)
    db.session.flush()
    return {"pending": row.id, "token": token.hex()}


def test_a_row_that_is_no_envelope_is_dropped_and_the_others_get_their_mail(
    app: Flask, client: FlaskClient, campaign: Campaign, work: Work, sink: Sink
) -> None:
    with app.app_context(), writing():
        for size in range(5):
            letter = mail.seal_letter(LETTER_KIND, {})
            broken = [
                b"",
                b"\x01",
                letter.envelope[:-1],
                b"\x02" + letter.envelope,
                b"x" * 9000,
            ]
            mail.queue(letter._replace(envelope=broken[size]))
        key = mail.queries.newest_outbox_key()
        assert key is not None
        nested = SealedBox(PublicKey(key.public_key)).encrypt(b"[" * 100_000)
        letter = mail.seal_letter(LETTER_KIND, {})
        mail.queue(letter._replace(envelope=envelopes.VERSION + nested))
    sign(client, campaign.slug)
    work()
    assert [one.to for one in sink.mails] == [SARA]
    assert waiting(app) == []


def test_where_the_keystore_has_lost_the_newest_key_new_mail_leaves_a_minute_later(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    worker: Worker,
    sink: Sink,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for path in worker.keystore.folder.glob("outbox-*.key"):
        path.unlink()
    with app.app_context():
        restored = Worker(app)

    def work() -> None:
        with app.app_context():
            while restored.turn():
                pass

    sign(client, campaign.slug)
    work()
    assert len(restored.keystore.outbox_ids()) == 0, "its file may still be on the way"
    assert "is not in the keystore" in caplog.text, "who runs it can see why nothing leaves"
    with time_machine.travel(clock.now() + dt.timedelta(minutes=2)):
        work()
        sign(client, campaign.slug, Person(email="ali@example.org"))
        work()
    with app.app_context():
        restored.close()
    assert [one.to for one in sink.mails] == ["ali@example.org"]
    assert len(waiting(app)) == 1, "the key may come back"


def test_workers_that_cannot_read_each_others_keys_do_not_make_new_ones_all_the_time(
    app: Flask, client: FlaskClient, campaign: Campaign, worker: Worker, tmp_path: Path
) -> None:
    with app.app_context():
        stranger = Worker(app)
        stranger.keystore = Keystore(tmp_path / "other-keys")
        begun = clock.now()
        for minutes in range(2, 22, 2):
            with time_machine.travel(begun + dt.timedelta(minutes=minutes)):
                for one in (stranger, worker):
                    one.make_keys()
        assert 2 <= db.session.query(OutboxKey).count() <= 6


def test_while_a_keys_row_cannot_be_written_no_more_than_one_key_is_made(
    app: Flask, campaign: Campaign, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def busy() -> Iterator[None]:
        yield
        raise DatabaseBusy

    before = worker.keystore.outbox_ids()
    with app.app_context(), time_machine.travel(clock.now() + dt.timedelta(hours=2)):
        with monkeypatch.context() as patch:
            patch.setattr("tracker.worker.writing", busy)
            for _ in range(3):
                with pytest.raises(DatabaseBusy):
                    worker.make_keys()
                db.session.rollback()
        assert worker.make_keys() == 1
        assert worker.make_keys() == 0
    assert len(worker.keystore.outbox_ids() - before) == 1


UNREADABLE = {
    "queued at the end of time": "queued_at = '9999-12-31 00:00:00'",
    "queued at no time": "queued_at = 'x'",
    "queued after all time": "queued_at = 'infinity'",
    "tried a negative number of times": "attempts = -100, envelope = ''",
    "a key that is no text": "outbox_key_id = CAST(x'ff41' AS TEXT)",
    "due after all time": "due_at = 'infinity'",
}


@pytest.mark.parametrize("change", UNREADABLE.values(), ids=UNREADABLE)
def test_a_row_that_cannot_be_read_does_not_stand_before_all_others(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    worker: Worker,
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    is_sqlite = app.config["TRACKER"].database_url.startswith("sqlite")
    if not is_sqlite and ("'x'" in change or "x'ff" in change):
        pytest.skip("PostgreSQL refuses what has another type")
    with app.app_context():
        worker.make_keys()
        with writing():
            mail.queue(mail.seal_letter(LETTER_KIND, {}))
        with writing():
            early = clock.now() - dt.timedelta(hours=1)
            db.session.query(Delivery).update({"due_at": early, "outbox_key_id": "00"})
            db.session.execute(text(f"UPDATE deliveries SET {change}"))
    sign(client, campaign.slug)
    monkeypatch.setattr("tracker.mail.tasks.WINDOW", 2)
    work()
    assert len(sink.to(SARA)) == 1


@pytest.mark.parametrize("column", ["lease_until", "due_at"])
def test_a_mail_leased_or_queued_by_a_clock_that_was_ahead_does_not_wait_for_it(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    sink: Sink,
    column: str,
) -> None:
    sign(client, campaign.slug)
    with app.app_context(), writing():
        ahead = clock.now() + dt.timedelta(days=3)
        db.session.query(Delivery).update({column: ahead, "lease_owner": "gone"})
    work()
    assert len(sink.to(SARA)) == 1


def test_two_envelopes_swapped_between_rows_reach_nobody(
    app: Flask, client: FlaskClient, campaign: Campaign, work: Work, sink: Sink
) -> None:
    for address in (SARA, "other@example.org"):
        sign(client, campaign.slug, Person(email=address))
    with app.app_context(), writing():
        one, two = db.session.query(Delivery)
        one.envelope, two.envelope = two.envelope, one.envelope
    work()
    assert sink.mails == []


def test_a_template_that_fails_for_one_person_does_not_stop_the_others(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    render = tasks.render

    def failing(letter: Any) -> bytes:
        if letter.to == "person1@example.org":
            raise KeyError("name")
        return render(letter)

    monkeypatch.setattr(tasks, "render", failing)
    for address in people(3):
        sign(client, campaign.slug, Person(email=address))
    work()
    assert {one.to for one in sink.mails} == {"person0@example.org", "person2@example.org"}
    [left] = waiting(app)
    assert left.attempts == 1, "it is tried again later, when the template is mended"


def test_a_worker_that_lacks_the_key_leaves_the_mail_to_one_that_has_it(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    sink: Sink,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    travel: time_machine.Traveller,
) -> None:
    sign(client, campaign.slug)
    with monkeypatch.context() as patched:
        elsewhere = dataclasses.replace(app.config["TRACKER"], keystore=tmp_path / "keys")
        patched.setitem(app.config, "TRACKER", elsewhere)
        stranger = Worker(app)
        with app.app_context():
            stranger.turn()
            stranger.office.close()
    assert sink.mails == []
    travel.shift(dt.timedelta(seconds=outbox.OTHER_WORKER_SECONDS + 1))
    work()
    assert [one.to for one in sink.mails] == [SARA]


# --- beside an alert -----------------------------------------------------------------------


def test_somebody_who_signs_during_an_alert_does_not_wait_for_its_end(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    worker: Worker,
    announce: Callable[[], int],
    work: Work,
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tracker.alerts.sending.TURN_SECONDS", 0.05)
    monkeypatch.setattr("tracker.alerts.windows.WINDOW", 10)
    subscribe(app, campaign.id, people(200))
    alert = announce()
    with app.app_context():
        while not sink.mails:
            worker.turn()
    assert len(sink.mails) < 150
    sign(client, campaign.slug)
    work()
    order = [one.to for one in sink.mails]
    assert len(order) == 201
    assert len(order) - order.index(SARA) > 25
    assert alert_of(app, alert).sent == 200


@dataclasses.dataclass
class Beside:
    """How a single mail went while an alert had all connections."""

    before: int
    after: int
    """Mails of the alert that had left when it was asked for, and when it arrived."""
    seconds: float


@pytest.fixture
def sign_beside_an_alert(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    worker: Worker,
    announce: Callable[[], int],
    sink: Sink,
    relays_at: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Beside]:
    """Sign once an alert has all ``most`` connections of a server, whose mails take a while."""
    monkeypatch.setattr("tracker.worker.POLL_SECONDS", 0.05)

    def run(*, count: int, thinks: float, after: int, **door_is: Any) -> Beside:
        everybody = people(count)
        subscribe(app, campaign.id, everybody)
        sink.thinks = dict.fromkeys(everybody, thinks)
        with doorman(sink.port, **door_is) as door:
            relays_at(door.port)
            announce()
            # The first that is turned away is one of the alert's own.
            work_until(
                app, worker, lambda: len(sink.mails) >= after and door.inside == door.most
            )
            before, begun = len(sink.mails), tasks.time.monotonic()
            sign(client, campaign.slug)
            work_until(app, worker, lambda: bool(sink.to(SARA)))
            found = Beside(before, len(sink.mails), tasks.time.monotonic() - begun)
            with app.app_context():
                worker.close()
        assert len(sink.to(SARA)) == 1
        return found

    return run


@pytest.mark.parametrize("most", [1, 2, 3])
def test_where_alerts_have_all_connections_a_single_mail_gets_one(
    sign_beside_an_alert: Callable[..., Beside], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("tracker.alerts.windows.WINDOW", 10)
    found = sign_beside_an_alert(count=900, thinks=0.02, after=30, most=most)
    assert found.after < 800, "long before the alert was over"


def test_a_server_that_greets_nobody_more_is_one_whose_connections_alerts_have(
    sign_beside_an_alert: Callable[..., Beside], app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Postfix at its process limit: whoever comes then waits without a greeting."""
    monkeypatch.setattr("tracker.mail.pool.SILENT_SECONDS", 0.3)
    found = sign_beside_an_alert(count=900, thinks=0.05, after=30, most=3, is_silent=True)
    # The other way is to wait until the connection is given up as silent.
    assert found.seconds < app.config["TRACKER"].relays[0].timeout


def test_a_slow_server_that_takes_one_connection_takes_the_single_mail_next(
    sign_beside_an_alert: Callable[..., Beside], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.mail.pool.YIELD_SECONDS", 0.6)
    monkeypatch.setattr("tracker.mail.tasks.ASK_AGAIN_SECONDS", 0.4)
    found = sign_beside_an_alert(count=100, thinks=1.5, after=2, most=1)
    assert found.after - found.before <= 5


def test_a_single_mail_shows_that_its_server_is_well_and_begins_no_warm_up(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tracker.mail.relays.REPORT_SECONDS", 0.0)
    sign(client, campaign.slug)
    work()
    with app.app_context():
        health = db.session.query(RelayHealth).one()
        assert health.well_at is not None
        assert health.accepted == 0
