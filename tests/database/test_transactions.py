"""Writers take turns, readers cannot write, and a failure leaves nothing behind."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, create_engine, event, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from tests.conftest import confirm, path_in, sign
from tests.support import factories
from tests.support.sink import Sink
from tracker.campaigns.models import Campaign
from tracker.core import clock
from tracker.database import AWAY, engine_options, name_of
from tracker.extensions import db, writing
from tracker.organisers.models import Organiser
from tracker.side_lock import DatabaseBusy, FairConnection, SideLock
from tracker.signatures.models import Signature
from tracker.signatures.queries import count_confirmed


@contextmanager
def threads(count: int, task: Callable[[], None]) -> Iterator[list[BaseException]]:
    """Run ``task`` side by side; gives what went wrong."""
    wrong: list[BaseException] = []

    def run() -> None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - told to the test
            wrong.append(error)

    started = [threading.Thread(target=run) for _ in range(count)]
    for one in started:
        one.start()
    yield wrong
    for one in started:
        one.join(60)
        assert not one.is_alive()


def is_sqlite(app: Flask) -> bool:
    return app.config["TRACKER"].database_url.startswith("sqlite")


def only_sqlite(app: Flask) -> str:
    """Give the path of the side lock; skip where there is none."""
    if not is_sqlite(app):
        pytest.skip("PostgreSQL needs no side lock")
    return f"{app.config['TRACKER'].database_url.removeprefix('sqlite:///')}.lock"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a writer give up after 0.3 seconds instead of ten."""
    monkeypatch.setattr(SideLock.acquire, "__defaults__", (0.3,))


def rename(campaign: Campaign, title: str) -> None:
    with writing():
        db.session.get_one(Campaign, campaign.id).title = title


# --- several at once --------------------------------------------------------------------------


def test_no_update_is_lost_when_four_count_at_once(app: Flask, campaign: Campaign) -> None:
    def count() -> None:
        with app.app_context():
            for _ in range(60):
                with writing():
                    row = db.session.get_one(Campaign, campaign.id, with_for_update=True)
                    row.goal += 1

    with threads(4, count) as wrong:
        pass
    assert wrong == []
    with app.app_context():
        assert db.session.get_one(Campaign, campaign.id).goal == campaign.goal + 240


def test_a_second_writer_waits_for_the_first_and_then_goes_on(
    app: Flask, campaign: Campaign
) -> None:
    entered, order = threading.Event(), []

    def second() -> None:
        assert entered.wait(5)
        with app.app_context(), writing():
            row = db.session.get_one(Campaign, campaign.id, with_for_update=True)
            order.append("second")
            row.title += " second"

    with threads(1, second) as wrong, app.app_context(), writing():
        row = db.session.get_one(Campaign, campaign.id, with_for_update=True)
        entered.set()
        time.sleep(0.3)
        row.title += " first"
        order.append("first")
    assert wrong == []
    assert order == ["first", "second"]
    with app.app_context():
        title = db.session.get_one(Campaign, campaign.id).title
    assert title == f"{campaign.title} first second"


def test_a_reader_does_not_wait_for_a_writer(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    seen: list[float] = []

    def read() -> None:
        started = time.monotonic()
        assert client.get(f"/en/campaigns/{campaign.slug}").status_code == 200
        seen.append(time.monotonic() - started)

    with app.app_context(), writing():
        db.session.get_one(Campaign, campaign.id).title = "Changed"
        db.session.flush()
        with threads(1, read) as wrong:
            pass
    assert wrong == []
    assert seen[0] < 5


# --- reading is not writing -------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_page_that_is_only_read_may_not_begin_to_write(app: Flask, method: str) -> None:
    refused = pytest.raises(RuntimeError, match=f"a {method} may not write")
    with app.test_request_context(method=method), refused, writing():
        pytest.fail("it was let in")


def test_the_database_itself_refuses_a_write_outside_of_writing(
    app: Flask, campaign: Campaign
) -> None:
    with app.app_context():
        db.session.get_one(Campaign, campaign.id).title = "Changed"
        with pytest.raises(DBAPIError, match=r"(?i)read.?only"):
            db.session.commit()
        db.session.rollback()
        with pytest.raises(DBAPIError, match=r"(?i)read.?only"):
            db.session.execute(text("DELETE FROM campaigns"))
        db.session.rollback()
        assert db.session.get_one(Campaign, campaign.id).title == campaign.title


def test_a_connection_that_has_just_written_refuses_the_next_write_outside_of_writing(
    app: Flask, campaign: Campaign
) -> None:
    with app.app_context():
        for title in ("One", "Two"):
            with writing():
                db.session.get_one(Campaign, campaign.id).title = title
            with pytest.raises(DBAPIError, match=r"(?i)read.?only"):
                db.session.execute(text("DELETE FROM campaigns"))
            db.session.rollback()
            assert db.session.get_one(Campaign, campaign.id).title == title


def test_what_was_read_before_writing_is_read_again(app: Flask, campaign: Campaign) -> None:
    with app.app_context():
        row = db.session.get_one(Campaign, campaign.id)
        assert row.title == campaign.title

        def other() -> None:
            with app.app_context():
                rename(campaign, "Changed meanwhile")

        with threads(1, other) as wrong:
            pass
        assert wrong == []
        with writing():
            assert db.session.get_one(Campaign, campaign.id).title == "Changed meanwhile"


# --- waiting has an end -----------------------------------------------------------------------


def test_who_waits_too_long_for_a_turn_gets_a_page_that_says_so(
    app: Flask, client: FlaskClient, campaign: Campaign, impatient: None
) -> None:
    lock = SideLock(only_sqlite(app))
    held = lock.acquire(5)
    try:
        answer = sign(client, campaign.slug)
        page = client.get(f"/en/campaigns/{campaign.slug}")
    finally:
        lock.release(held)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "please try again" in answer.text
    assert page.status_code == 200, "reading goes on"
    assert sign(client, campaign.slug).status_code == 200


def test_a_waiter_that_gave_up_does_not_keep_the_turn_it_gets_later(
    app: Flask, campaign: Campaign, impatient: None
) -> None:
    lock = SideLock(only_sqlite(app))
    held = lock.acquire(5)
    with app.app_context():
        for _ in range(3):
            with pytest.raises(DatabaseBusy), writing():
                db.session.execute(select(Campaign))
    lock.release(held)
    deadline = time.monotonic() + 5
    while any(one.name == "side-lock" for one in threading.enumerate()):
        assert time.monotonic() < deadline, "the waiters are still there"
        time.sleep(0.01)
    with app.app_context():
        rename(campaign, "After")
        assert db.session.get_one(Campaign, campaign.id).title == "After"


def test_a_stranger_who_holds_the_file_itself_makes_nobody_keep_the_turn(
    app: Flask, client: FlaskClient, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = only_sqlite(app).removesuffix(".lock")
    with app.app_context():
        db.engine.dispose()
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    begin = FairConnection.take_turn

    def hurried(self: FairConnection) -> None:
        self.execute("PRAGMA busy_timeout=100")
        begin(self)

    with monkeypatch.context() as patched:
        patched.setattr(FairConnection, "take_turn", hurried)
        assert sign(client, campaign.slug).status_code == 503
    stranger.rollback()
    stranger.close()
    with app.app_context():
        db.engine.dispose()
    assert sign(client, campaign.slug).status_code == 200


def test_writers_of_other_processes_take_turns_in_the_order_they_came(tmp_path: Path) -> None:
    lock, order = SideLock(str(tmp_path / "lock")), []
    first = lock.acquire()
    waiting: list[threading.Thread] = []
    for number in range(5):

        def wait(number: int = number) -> None:
            held = lock.acquire(5)
            order.append(number)
            lock.release(held)

        waiting.append(threading.Thread(target=wait))
        waiting[-1].start()
        time.sleep(0.05)
    lock.release(first)
    for one in waiting:
        one.join(5)
    assert order == [0, 1, 2, 3, 4]


# --- after a failure --------------------------------------------------------------------------


def change_and_fail(campaign: Campaign) -> None:
    db.session.get_one(Campaign, campaign.id).title = "Half"
    db.session.flush()
    raise ZeroDivisionError


def test_after_a_write_that_failed_the_next_one_works(
    app: Flask, campaign: Campaign, impatient: None
) -> None:
    with app.app_context():
        for _ in range(3):
            with pytest.raises(IntegrityError), writing():
                factories.a_campaign()
        with pytest.raises(ZeroDivisionError), writing():
            change_and_fail(campaign)
        assert db.session.get_one(Campaign, campaign.id).title == campaign.title
        rename(campaign, "Whole")

    def other() -> None:
        with app.app_context():
            rename(campaign, "From elsewhere")

    with threads(1, other) as wrong:
        pass
    assert wrong == []


def refer_to_nothing() -> None:
    """Break a rule that SQLite checks at the commit only."""
    connection = db.session.connection()
    connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
    connection.exec_driver_sql(
        "INSERT INTO day_totals (campaign_id, day, total) VALUES (5, '2026-01-01', 1)"
    )


def test_a_commit_that_fails_keeps_neither_the_change_nor_the_turn(
    app: Flask, campaign: Campaign, impatient: None
) -> None:
    only_sqlite(app)
    with app.app_context():
        with pytest.raises(IntegrityError), writing():
            refer_to_nothing()
        assert db.session.scalar(text("SELECT count(*) FROM day_totals")) == 0
        db.session.rollback()
        rename(campaign, "After")
        assert db.session.get_one(Campaign, campaign.id).title == "After"


def test_a_full_disk_is_told_as_such_and_nothing_is_half_stored(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    only_sqlite(app)

    def full(connection: Connection) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        raise OperationalError("COMMIT", {}, error)

    with app.app_context():
        event.listen(db.engine, "commit", full)
        try:
            answer = sign(client, campaign.slug)
        finally:
            event.remove(db.engine, "commit", full)
    assert answer.status_code == 503
    assert client.get(f"/en/campaigns/{campaign.slug}").status_code == 200
    assert sign(client, campaign.slug).status_code == 200


def test_a_database_server_whose_machine_has_vanished_is_noticed_within_a_minute(
    app: Flask,
) -> None:
    if is_sqlite(app):
        pytest.skip("SQLite has no server to lose")
    with app.app_context(), db.engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        used = raw.info.get_parameters()
    assert int(used["tcp_user_timeout"]) <= 60_000
    silent = int(used["keepalives_interval"]) * int(used["keepalives_count"])
    assert int(used["keepalives_idle"]) + silent <= 60
    given = engine_options("postgresql://db.example.org/tracker?tcp_user_timeout=5000")
    assert "tcp_user_timeout" not in given["connect_args"], "what an operator says counts"


def test_an_error_is_named_by_the_code_of_the_database_and_quotes_nothing(app: Flask) -> None:
    with app.app_context(), pytest.raises(DBAPIError) as caught:
        db.session.execute(text("SELECT 'person@example.org' FROM what_is_not_there"))
    expected = "OperationalError, SQLITE_ERROR" if is_sqlite(app) else "ProgrammingError, 42P01"
    assert name_of(caught.value) == expected
    assert name_of(DatabaseBusy("person@example.org")) == "DatabaseBusy"


def test_a_signature_that_the_database_refuses_is_not_told_as_counted_and_not_lost(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    work: Callable[[], None],
    sink: Sink,
) -> None:
    sign(client, campaign.slug)
    work()
    link = path_in(sink.mails[0].text, "/confirm/signature/")

    def spoil(_mapper: Any, _connection: Connection, signature: Any) -> None:
        signature.manage_hash = None

    event.listen(Signature, "before_insert", spoil)
    try:
        answer = confirm(client, link)
    finally:
        event.remove(Signature, "before_insert", spoil)
    assert answer.status_code >= 500
    assert confirm(client, link).status_code == 303
    with app.app_context():
        assert count_confirmed(campaign.id) == 1


def test_an_address_never_appears_in_what_the_database_complains_about(
    app: Flask, given: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    given(factories.an_organiser, "sara.secret@example.org")
    with app.app_context(), pytest.raises(IntegrityError) as told, writing():
        db.session.add(
            Organiser(
                email="sara.secret@example.org",
                name="Sara Secret",
                password_hash="hash-of-sara",
                created_at=clock.now(),
            )
        )
    # PostgreSQL names the value in its own words; ours must not repeat the parameters.
    ours = str(told.value) if is_sqlite(app) else str(told.value).split("DETAIL:")[0]
    ours += str(told.value).rpartition("[SQL:")[2]
    for secret in ("sara.secret", "Sara Secret", "hash-of-sara"):
        assert secret not in ours
        assert secret not in caplog.text
    assert "parameters hidden" in str(told.value)


def test_a_moment_without_a_time_zone_is_refused(app: Flask, campaign: Campaign) -> None:
    moment = clock.now()
    with app.app_context():
        with pytest.raises(Exception, match="needs a time zone"), writing():
            db.session.get_one(Campaign, campaign.id).created_at = moment.replace(tzinfo=None)
        with writing():
            db.session.get_one(Campaign, campaign.id).created_at = moment
        assert db.session.get_one(Campaign, campaign.id).created_at == moment


def cut_off(app: Flask) -> None:
    """End every connection to the database from outside, as a restart of PostgreSQL does."""
    server = create_engine(app.config["TRACKER"].database_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    server.dispose()


def test_a_page_does_not_notice_that_the_database_was_started_anew(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_sqlite(app):
        pytest.skip("SQLite has no server to lose")
    client = app.test_client()
    assert client.get("/en/").status_code == 200
    cut_off(app)
    monkeypatch.setattr("tracker.database.IDLE_SECONDS", 0)
    assert client.get("/en/").status_code == 200


def test_work_that_was_cut_off_goes_on_with_the_next_try(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_sqlite(app):
        pytest.skip("SQLite has no server to lose")
    monkeypatch.setattr("tracker.database.IDLE_SECONDS", 3600)
    with app.app_context():
        db.session.get_one(Campaign, campaign.id)
        db.session.rollback()
        cut_off(app)
        with pytest.raises(AWAY):
            db.session.get_one(Campaign, campaign.id, populate_existing=True)
        db.session.rollback()
        assert db.session.get_one(Campaign, campaign.id).slug == "amar-fayaz"
