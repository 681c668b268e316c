"""Whatever stands in the database: one alert may break, all others are told."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import Any

import pytest
from nacl.public import PublicKey, SealedBox
from sqlalchemy import select, text

from tests.alerts.conftest import House, announce, people
from tests.support import factories
from tests.support.supporters import subscribe
from tracker.alerts.audiences import pack
from tracker.alerts.models import (
    Alert,
    AlertAudience,
    AlertChunk,
    AlertException,
    AlertState,
    AlertVariant,
    PauseReason,
)
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign
from tracker.core import clock
from tracker.database import write_mode
from tracker.extensions import db, writing
from tracker.mail.bounces import ReportKind
from tracker.mail.models import ReturnClaim
from tracker.sealing import envelopes, tags
from tracker.subscriptions.models import Subscription

ORGANISER = "organiser@example.org"
SARA = "sara@example.org"
DEFERRED_NOWHERE = (
    "INSERT INTO alert_exceptions (alert_id, slot, state, attempts, code, enhanced, since,"
    " due_at) VALUES (:alert, 'x', 'deferred', 0, 0, '', '2026-01-01 00:00:00.000000',"
    " '2026-01-01 00:00:00.000000')"
)
DEFERRED_AT_NO_TIME = (
    "INSERT INTO alert_exceptions (alert_id, slot, state, attempts, code, enhanced, since,"
    " due_at) VALUES (:alert, 0, 'deferred', 0, 0, '', '0', '0')"
)


@pytest.fixture
def other(house: House) -> int:
    """An alert of another campaign; gives its id."""
    with house.app.app_context():
        with writing():
            factories.an_organiser(ORGANISER)
            made = factories.a_campaign(slug="free-bano-khan", title="Free Bano Khan")
        house.worker.make_keys()
        with writing():
            campaigns.publish(db.session.get_one(Campaign, made.id))
        campaign_id = made.id
    subscribe(house.app, campaign_id, ["other@example.org"])
    with house.app.app_context(), writing():
        told = factories.an_update(db.session.get_one(Campaign, campaign_id), alerts=True)
        return announce(told).id


def let_it_begin(house: House, alert_id: int) -> None:
    """Go on to where the chunks are written and nothing is sent."""
    bulk = house.worker._bulk
    house.patch.setattr(house.worker, "_bulk", lambda: 0)
    with house.app.app_context():
        for _ in range(8):
            house.worker.turn()
    house.patch.setattr(house.worker, "_bulk", bulk)
    assert house.alert(alert_id).state is AlertState.SENDING


def write_into(house: House, table: type[Any], alert_id: int, **values: Any) -> None:
    """Change what belongs to one alert, as an intruder could."""
    with house.app.app_context(), writing():
        assert db.session.query(table).filter_by(alert_id=alert_id).update(values) == 1


def at_last(house: House, alert_id: int) -> Alert:
    """Let it begin before all others, and see that the other campaign's people are told."""
    with house.app.app_context(), writing():
        alert = db.session.get_one(Alert, alert_id)
        alert.not_before = alert.approved_at - dt.timedelta(minutes=1)
    house.work_until(lambda: house.told()["other@example.org"] == 1)
    house.work()
    return house.alert(alert_id)


def forge(house: House, alert_id: int, old: bytes, new: bytes) -> None:
    with house.app.app_context(), writing():
        update_id = db.session.get_one(Alert, alert_id).update_id
        for row in db.session.query(AlertVariant).filter_by(update_id=update_id):
            assert old in row.frozen
            row.frozen = row.frozen.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb"\r\nTo: ", rb"\r\nBcc: evil@example.org\r\nTo: "),
        (rb"\r\n.", rb"\n."),
        (b"{", b"[" * 50_000),
        (b'"version"', b'"aversion"'),
    ],
    ids=["one more recipient", "a bare line feed", "deeply nested", "another shape"],
)
def test_a_forged_mail_is_never_sent_and_the_organisers_are_told(
    house: House, other: int, old: bytes, new: bytes
) -> None:
    house.subscribe(*people(3))
    alert_id = house.tell()
    try:
        forge(house, alert_id, old, new)
    except AssertionError:
        forge(house, alert_id, rb"\r\n", rb"\n")
    alert = at_last(house, alert_id)
    assert (alert.state, alert.paused_for) == (AlertState.PAUSED, PauseReason.BROKEN)
    assert house.told() == {ORGANISER: 1, "other@example.org": 1}


def test_addresses_that_are_none_are_refused_and_all_others_told(
    house: House, other: int
) -> None:
    hostile = ["two@example.org,three@example.org", "a b@example.org", "x", "ü@example.org"]
    hostile += [
        "a@example.org\r\nRCPT TO:<b@example.org>",
        "<a@example.org>",
        "a" * 300 + "@b.c",
    ]
    house.subscribe(*people(3))
    _seal(house, [{"to": one} for one in hostile] + [{"to": None}, {"to": {}}, {}])
    house.patch.setattr("tracker.alerts.stopping.LEAST", 1000)
    alert_id = house.tell()
    alert = at_last(house, alert_id)
    assert alert.state is AlertState.DONE
    assert (alert.queued, alert.sent, alert.failed) == (13, 3, 10)
    assert set(house.told()) == {*people(3), "other@example.org"}


def _seal(house: House, contents: list[dict[str, Any]]) -> None:
    """Store subscriptions whose envelopes hold whatever an intruder put in."""
    house.subscribe(*people(len(contents), "forged"))
    keys = house.worker.keystore.campaign(house.campaign.key_id or "")
    known = {row.id for row in house.rows(Subscription)}
    with house.app.app_context(), writing():
        found = db.session.query(Subscription).filter(
            Subscription.id.in_(known), Subscription.campaign_id == house.campaign.id
        )
        rows = sorted(found, key=lambda row: row.id)
        forged = [row for row in rows if _address(house, row).startswith("forged")]
        for row, content in zip(forged, contents, strict=True):
            context = envelopes.context("contact", house.campaign.id, row.id)
            row.contact = envelopes.seal(
                keys.pair.public, content, context=context, size=envelopes.CONTACT_SIZE * 4
            )


def _address(house: House, row: Subscription) -> str:
    keys = house.worker.keystore.campaign(house.campaign.key_id or "")
    context = envelopes.context("contact", house.campaign.id, row.id)
    return str(envelopes.open_sealed(keys.pair.private, row.contact, context=context)["to"])


def test_envelopes_that_belong_elsewhere_or_are_none_are_refused(
    house: House, other: int
) -> None:
    house.subscribe(*people(5))
    key = PublicKey(house.worker.keystore.campaign(house.campaign.key_id or "").pair.public)
    nested = envelopes.VERSION + SealedBox(key).encrypt(b"[" * 100_000)
    with house.app.app_context(), writing():
        rows = list(db.session.query(Subscription).filter_by(campaign_id=house.campaign.id))
        rows[0].contact, rows[1].contact = rows[1].contact, rows[0].contact
        rows[2].contact, rows[3].contact = b"", nested
        kept = _address(house, rows[4])
    house.patch.setattr("tracker.alerts.stopping.LEAST", 1000)
    alert = at_last(house, house.tell())
    assert set(house.told()) == {kept, "other@example.org"}
    assert (alert.state, alert.sent, alert.failed) == (AlertState.DONE, 1, 4)


def test_a_worker_without_the_campaigns_key_leaves_it_alone_and_sends_the_others(
    house: House, other: int
) -> None:
    house.cut(chunk=2)
    house.subscribe(*people(7))
    alert_id = house.tell()
    keys = house.app.config["TRACKER"].keystore
    hidden = keys / "hidden"
    [file] = list(keys.rglob(f"*{house.campaign.key_id}*"))
    shutil.move(file, hidden)
    house.die()
    alert = at_last(house, alert_id)
    assert alert.state is AlertState.SENDING
    assert all(row.lease_owner is None for row in house.rows(AlertChunk))
    shutil.move(hidden, file)
    house.die()
    house.work()
    assert house.alert(alert_id).state is AlertState.DONE
    assert set(house.told()) == {*people(7), "other@example.org"}


@pytest.mark.parametrize("bits", [b"", b"\x00", b"\x00" * 9000])
def test_a_bitmap_of_another_length_loses_nobody(house: House, other: int, bits: bytes) -> None:
    house.subscribe(*people(3))
    alert_id = house.tell()
    let_it_begin(house, alert_id)
    house.change(AlertChunk, done=bits)
    alert = at_last(house, alert_id)
    assert alert.state is AlertState.DONE
    assert set(house.told()) == {*people(3), "other@example.org"}


@pytest.mark.parametrize("column", ["sent", "skipped"])
def test_counters_at_their_end_stop_no_other_alert(
    house: House, other: int, column: str
) -> None:
    house.subscribe(*people(3))
    alert_id = house.tell()
    let_it_begin(house, alert_id)
    with house.app.app_context(), writing():
        chunks = db.session.query(AlertChunk).filter_by(alert_id=alert_id)
        assert chunks.update({column: 32_767}) == 1
    at_last(house, alert_id)
    assert house.alert(other).state is AlertState.DONE


def test_slots_that_no_table_can_hold_stop_no_other_alert(house: House, other: int) -> None:
    house.subscribe(*people(3))
    alert_id = house.tell()
    let_it_begin(house, alert_id)
    for table in (AlertAudience, AlertChunk):
        write_into(house, table, alert_id, number=2**31 - 1)
    at_last(house, alert_id)
    assert house.alert(other).state is AlertState.DONE


@pytest.mark.parametrize("ids", [b"", b"\x00" * 7, b"\xff" * 9000])
def test_an_audience_that_is_none_tells_nobody_and_stops_no_other_alert(
    house: House, other: int, ids: bytes
) -> None:
    house.subscribe(*people(3))
    alert_id = house.tell()
    let_it_begin(house, alert_id)
    write_into(house, AlertAudience, alert_id, ids=ids)
    alert = at_last(house, alert_id)
    assert alert.state is AlertState.DONE
    assert set(house.told()) == {"other@example.org"}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE alert_audiences SET ids = 'text' WHERE alert_id = :alert",
        "UPDATE alert_audiences SET ids = 5 WHERE alert_id = :alert",
        "UPDATE alert_audiences SET number = 4611686018427387904 WHERE alert_id = :alert",
        "UPDATE alert_chunks SET number = 4611686018427387904 WHERE alert_id = :alert",
        "UPDATE alert_chunks SET number = 'x' WHERE alert_id = :alert",
        "UPDATE alert_chunks SET done = 'x' WHERE alert_id = :alert",
        "UPDATE alert_chunks SET done = 7 WHERE alert_id = :alert",
        DEFERRED_NOWHERE,
        DEFERRED_AT_NO_TIME,
    ],
)
def test_what_only_sqlite_would_store_stops_no_other_alert(
    house: House, other: int, change: str
) -> None:
    if not house.app.config["TRACKER"].database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL refuses what has another type")
    house.patch.setattr("tracker.worker.POLL_SECONDS", 0.01)
    house.subscribe(*people(3))
    house.sink.refuse_rcpt["other@example.org"] = "450 later"
    alert_id = house.tell()
    let_it_begin(house, alert_id)
    with house.app.app_context(), writing():
        db.session.execute(text(change), {"alert": alert_id})
        # Its own too, so that something is to be written down for it.
        db.session.query(Subscription).filter_by(campaign_id=house.campaign.id).update(
            {"contact": b"x"}
        )
    house.work_until(lambda: any(row.alert_id == other for row in _deferred(house)))
    house.sink.refuse_rcpt.clear()
    with house.app.app_context(), writing():
        early = clock.now() - dt.timedelta(hours=1)
        db.session.query(AlertException).filter_by(alert_id=other).update({"due_at": early})
    house.work_until(lambda: house.alert(other).state is AlertState.DONE)
    assert house.told()["other@example.org"] == 1


def _deferred(house: House) -> list[Any]:
    with house.app.app_context():
        query = select(AlertException.alert_id).where(AlertException.slot >= 0)
        return list(db.session.execute(query))


def test_a_subscription_of_a_negative_id_stops_nobody(house: House) -> None:
    house.configure(return_address="back@example.org")
    house.subscribe(*people(3))
    alert_id = house.tell()
    let_it_begin(house, alert_id)
    context = envelopes.context("contact", house.campaign.id, -5)
    sealed = envelopes.seal(
        house.campaign.public_key or b"",
        {"to": SARA},
        context=context,
        size=envelopes.CONTACT_SIZE,
    )
    first, *others = sorted(row.id for row in house.rows(Subscription))
    with house.app.app_context(), writing():
        db.session.query(Subscription).filter_by(id=first).update({"id": -5, "contact": sealed})
    write_into(house, AlertAudience, alert_id, ids=pack([-5, *others]))
    house.work()
    alert = house.alert(alert_id)
    assert (alert.state, alert.sent, alert.failed) == (AlertState.DONE, 2, 1)
    assert SARA not in house.told()


def test_a_deferred_mail_tried_a_negative_number_of_times_stops_no_other_alert(
    house: House, other: int
) -> None:
    house.patch.setattr("tracker.worker.POLL_SECONDS", 0.01)
    house.subscribe(SARA)
    house.sink.refuse_rcpt[SARA] = "450 later"
    alert_id = house.tell()
    house.work_until(lambda: bool(house.rows(AlertException)))
    house.change(AlertException, attempts=-100, due_at=clock.now() - dt.timedelta(hours=1))
    house.work_until(lambda: house.alert(alert_id).paused_for is PauseReason.BROKEN)
    house.work_until(lambda: house.alert(other).state is AlertState.DONE)
    assert house.told()["other@example.org"] == 1


def test_an_audience_that_names_people_of_another_campaign_tells_none_of_them(
    house: House, other: int
) -> None:
    house.subscribe(*people(3))
    alert_id = house.tell()
    let_it_begin(house, alert_id)
    rows = house.rows(Subscription)
    strangers = [one.id for one in rows if one.campaign_id != house.campaign.id]
    ours = [one.id for one in rows if one.campaign_id == house.campaign.id]
    write_into(house, AlertAudience, alert_id, ids=pack([*strangers, *ours]))
    at_last(house, alert_id)
    assert house.told() == dict.fromkeys([*people(3), "other@example.org"], 1)


def test_a_chunk_that_is_nowhere_is_done_at_once(house: House, other: int) -> None:
    house.subscribe(*people(3))
    alert_id = house.tell()
    let_it_begin(house, alert_id)
    with house.app.app_context(), writing():
        for number in (-5, 2**31 - 1):
            db.session.add(AlertChunk(alert_id=alert_id, number=number, done=b"x"))
    assert at_last(house, alert_id).state is AlertState.DONE


def test_a_claim_that_makes_no_sense_stops_no_other(house: House) -> None:
    house.subscribe("sara@example.org")
    alert_id = house.tell()
    house.work()
    with house.app.app_context(), writing():
        mailing = house.worker.sender.mailings.find(alert_id)  # type: ignore[union-attr]
        assert mailing is not None
        [row] = db.session.scalars(select(Subscription.id))
        mac = mailing.mark(row)[:12]
        veiled = tags.veil(mailing.keys.link_key, row, mac=mac)
        good = {
            "kind": ReportKind.COMPLAINT,
            "status": "",
            "day": clock.today(),
            "veiled": veiled,
        }
        for number in range(60):
            forged = {**good, "mac": bytes([number]) * 12, "alert_id": alert_id}
            db.session.add(ReturnClaim(**forged))
        db.session.add(ReturnClaim(**good, alert_id=alert_id, mac=mac))
        db.session.flush()
        db.session.execute(
            text("UPDATE return_claims SET kind = 'x' WHERE mac = :mac"), {"mac": bytes(12)}
        )
    house.work()
    assert house.rows(ReturnClaim) == []
    assert house.alert(alert_id).complained == 1


def test_a_deferred_mail_of_no_known_time_stops_no_other_alert(
    house: House, other: int
) -> None:
    if house.app.config["TRACKER"].database_url.startswith("postgresql"):
        pytest.skip("PostgreSQL takes nothing but a time")
    house.subscribe("sara@example.org")
    alert_id = house.tell()
    let_it_begin(house, alert_id)
    with house.app.app_context(), writing():
        db.session.execute(
            text(
                "INSERT INTO alert_exceptions (alert_id, slot, state, attempts, code, enhanced,"
                " since, due_at) VALUES (:alert, 0, 'deferred', 0, 0, '', 'x', '2026-01-01')"
            ),
            {"alert": alert_id},
        )
    house.work_until(lambda: house.alert(other).state is AlertState.DONE)
    assert house.told()["other@example.org"] == 1


def test_a_word_that_this_release_does_not_know_stops_no_other_alert(
    house: House, other: int
) -> None:
    """Workers of two releases may run side by side; or the row is damaged."""
    house.patch.setattr("tracker.worker.POLL_SECONDS", 0.01)
    resting, waiting, sending = (house.tell(headline=f"{n}") for n in range(3))
    words = {resting: "paused", waiting: "waiting", sending: "sending"}
    with house.app.app_context(), write_mode(), db.engine.begin() as connection:
        for alert_id, state in words.items():
            connection.exec_driver_sql(
                f"UPDATE alerts SET paused_for = 'new', state = '{state}' WHERE id = {alert_id}"
            )
    house.work_until(lambda: house.alert(other).state is AlertState.DONE)
    assert house.told()["other@example.org"] == 1
    house.work_until(lambda: house.alert(waiting).paused_for is PauseReason.BROKEN)


def test_a_text_that_is_none_stops_no_other_alert(house: House, other: int) -> None:
    """SQLite stores it, and what it raises looks as if the database were away."""
    if house.app.config["TRACKER"].database_url.startswith("postgresql"):
        pytest.skip("PostgreSQL refuses it")
    house.subscribe(*people(3))
    alert_id = house.tell()
    let_it_begin(house, alert_id)
    change = "UPDATE subscriptions SET language = CAST(x'ff41' AS TEXT) WHERE campaign_id = :id"
    with house.app.app_context(), writing():
        db.session.execute(text(change), {"id": house.campaign.id})
        early = clock.now() - dt.timedelta(minutes=5)
        db.session.get_one(Alert, alert_id).not_before = early
    house.work_until(lambda: house.alert(other).state is AlertState.DONE)
    assert house.told()["other@example.org"] == 1
    at_last(house, alert_id)
    assert house.told() == dict.fromkeys([*people(3), "other@example.org"], 1)
