"""What mail servers take first and return later: counted, and the alert rests for it too."""

from __future__ import annotations

import pytest

from tests.alerts.conftest import House, people
from tests.support import factories
from tests.support.sink import Mail
from tracker.alerts.models import Alert, AlertState, PauseReason
from tracker.alerts.receiving import receive
from tracker.alerts.stopping import judge_returns
from tracker.extensions import db, writing
from tracker.mail.models import Bounce, BounceKind
from tracker.subscriptions.models import Subscription

ORGANISER = "organiser@example.org"
GONE, POLICY = "5.1.1", "5.7.26"


@pytest.fixture
def house(house: House) -> House:
    house.configure(return_address="bounces@example.org")
    with house.app.app_context(), writing():
        factories.an_organiser(ORGANISER)
    return house


def returned(mail: Mail, status: str) -> bytes:
    """A delivery report as small as it can be."""
    return (
        f"To: <{mail.sender}>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="x"\r\n\r\n'
        "--x\r\n\r\nIt came back.\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mail.example.org\r\n\r\n"
        f"Final-Recipient: rfc822; x@example.org\r\nAction: failed\r\nStatus: {status}\r\n\r\n"
        "--x--"
    ).encode()


def complained(mail: Mail) -> bytes:
    return (
        "To: <abuse@example.org>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="x"\r\n\r\n'
        "--x\r\n\r\nA complaint.\r\n--x\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\n"
        f"Original-Mail-From: <{mail.sender}>\r\n\r\n--x--"
    ).encode()


def bring_back(house: House, mails: list[Mail], status: str) -> None:
    with house.app.app_context():
        for mail in mails:
            receive(returned(mail, status))
    house.work()


def sent_but_for_one(house: House) -> tuple[int, list[Mail]]:
    """Tell 201 people, one of whom must be tried again later: the alert is on its way."""
    house.subscribe(*people(200), "late@example.org")
    house.sink.refuse_rcpt["late@example.org"] = "450 4.2.0 later"
    alert_id = house.tell()
    house.work()
    assert house.alert(alert_id).state is AlertState.SENDING
    return alert_id, list(house.sink.mails)


def test_shares_of_what_came_back_are_judged_from_a_hundred_mails_on() -> None:
    assert judge_returns(sent=99, bounced=99, refused=0) is None
    assert judge_returns(sent=100, bounced=5, refused=0) is None
    assert judge_returns(sent=100, bounced=6, refused=0) is PauseReason.BOUNCES
    assert judge_returns(sent=100, bounced=0, refused=2) is None
    assert judge_returns(sent=100, bounced=0, refused=3) is PauseReason.REFUSALS
    assert judge_returns(sent=100, bounced=6, refused=0, excused=6) is None


@pytest.mark.parametrize(
    ("status", "fine", "reason"),
    [(GONE, 10, PauseReason.BOUNCES), (POLICY, 4, PauseReason.REFUSALS)],
)
def test_an_alert_of_which_too_much_comes_back_rests_and_its_organisers_are_told(
    house: House, status: str, fine: int, reason: PauseReason
) -> None:
    alert_id, mails = sent_but_for_one(house)
    bring_back(house, mails[:fine], status)
    assert house.alert(alert_id).state is AlertState.SENDING
    bring_back(house, mails[: fine + 1], status)
    alert = house.alert(alert_id)
    assert (alert.state, alert.paused_for) == (AlertState.PAUSED, reason)
    assert (alert.bounced + alert.refused) == fine + 1, "the same report twice counts once"
    [notice] = house.sink.to(ORGANISER)
    assert "Alert paused" in notice.subject

    house.resume(alert_id)
    bring_back(house, mails[fine + 1 : fine + 3], status)
    assert house.alert(alert_id).state is AlertState.SENDING, "organisers have decided"
    bring_back(house, mails[fine + 3 : 2 * fine + 3], status)
    assert house.alert(alert_id).state is AlertState.PAUSED, "as much again is news"


@pytest.mark.parametrize("before", [0, 1])
def test_of_an_alert_that_is_over_the_organisers_are_told_once(
    house: House, before: int
) -> None:
    house.subscribe(*people(120))
    alert_id = house.tell()
    house.work()
    mails = list(house.sink.mails)
    # Also where some had come back when an organiser let it go on.
    house.change(Alert, excused=before)
    for start in range(0, 100, 20):
        bring_back(house, mails[start : start + 20], POLICY)
    alert = house.alert(alert_id)
    assert (alert.state, alert.sent, alert.refused) == (AlertState.DONE, 120, 100)
    [notice] = house.sink.to(ORGANISER)
    assert "Alert came back" in notice.subject
    assert "much of it came back" in notice.text
    assert len(house.sink.mails) == 121


def test_what_a_worker_counted_before_it_died_is_looked_at_by_the_next(house: House) -> None:
    alert_id, mails = sent_but_for_one(house)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tracker.alerts.claims._look_at_returns", lambda _: None)
        bring_back(house, mails[:20], GONE)
    assert house.alert(alert_id).state is AlertState.SENDING
    with house.app.app_context():
        house.worker.keep_house()
    assert house.alert(alert_id).paused_for is PauseReason.BOUNCES


def test_what_is_about_us_suppresses_nobody_however_often(house: House) -> None:
    house.subscribe("sara@example.org")
    for _ in range(6):
        house.sink.clear()
        house.tell()
        house.work()
        bring_back(house, house.sink.to("sara@example.org"), POLICY)
    assert house.suppression("sara@example.org") is None
    assert [one.kind for one in house.rows(Bounce)] == [BounceKind.POLICY] * 6


def test_who_complains_and_leaves_at_once_is_counted_once(house: House) -> None:
    house.subscribe("sara@example.org")
    alert_id = house.tell()
    house.work()
    [mail] = house.sink.mails
    with house.app.app_context():
        with writing():
            db.session.query(Subscription).delete()
        for _ in range(2):
            receive(complained(mail))
    house.work()
    assert house.alert(alert_id).complained == 1
    with house.app.app_context():
        receive(returned(mail, GONE))
    house.work()
    assert house.suppression("sara@example.org") is None, "no address is left to suppress"
