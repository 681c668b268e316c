"""The worker looks after alerts: finishes them, lets old ones expire, notices lost time."""

from __future__ import annotations

import datetime as dt
import logging

from sqlalchemy import exists, select

from tracker.alerts import notices, queries, services
from tracker.alerts.models import (
    RUNNING,
    UNFINISHED,
    Alert,
    AlertChunk,
    AlertException,
    AlertState,
    ExceptionState,
    PauseReason,
)
from tracker.campaigns.models import Campaign
from tracker.core import clock
from tracker.database import AWAY
from tracker.extensions import db, writing
from tracker.sealing.keystore import Keystore

log = logging.getLogger(__name__)

HEARTBEAT = dt.timedelta(seconds=60)
"""How often an alert on its way is marked as looked after."""


def look_after(keystore: Keystore) -> int:
    """Do what is due for each unfinished alert, each in a transaction of its own.

    One whose campaign's keys are not here is not looked after by this worker: it cannot send
    it, and organisers must hear of it where no other can.
    """
    # Ids alone: a row that cannot be read must not hide all others.
    ids = list(db.session.scalars(select(Alert.id).where(Alert.state.in_(UNFINISHED))))
    return sum(_look_after(alert_id, keystore) for alert_id in ids)


def _look_after(alert_id: int, keystore: Keystore) -> bool:
    try:
        seen = queries.by_id(alert_id)
        is_due = seen is not None and _is_due(seen, keystore)
        db.session.rollback()
        if not is_due:
            return False
        with writing():
            alert = queries.by_id_locked(alert_id)
            if alert is not None:
                _care_for(alert, keystore)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - one bad alert must not stop all others
        log.error("alert %s cannot be looked after: %s", alert_id, type(error).__name__)
        db.session.rollback()
        return False
    return True


def _is_due(alert: Alert, keystore: Keystore) -> bool:
    moment = clock.now()
    if alert.not_after < moment:
        return True
    if alert.state not in RUNNING:
        return False
    is_seen = alert.active_at is not None and moment - alert.active_at < HEARTBEAT
    is_unseen = not is_seen and alert.id in queries.may_run([alert.id])
    if is_unseen and (_is_late(alert) or _can_be_sent(alert, keystore)):
        return True
    return _is_finished(alert)


def _care_for(alert: Alert, keystore: Keystore) -> None:
    moment = clock.now()
    if alert.state not in UNFINISHED:
        return
    if alert.not_after < moment:
        # Also one that rests: it cannot be resumed, and keeps who was written to.
        is_untold = alert.slots is None or queries.figures(alert).left > 0
        services.end(alert, AlertState.EXPIRED)
        if is_untold:
            notices.tell_organisers(alert)
    elif alert.state not in RUNNING:
        return
    elif _is_finished(alert):
        services.end(alert, AlertState.DONE)
    elif alert.id in queries.may_run([alert.id]):
        if _is_late(alert):
            notices.let_rest(alert, PauseReason.LATE)
        elif _can_be_sent(alert, keystore):
            alert.active_at = moment


def _is_late(alert: Alert) -> bool:
    if alert.active_at is None or clock.now() - alert.active_at <= queries.LATE:
        return False
    # Those to be tried again are meant to lie still; they do not make an alert late.
    return _has_begun_chunks(alert)


def _can_be_sent(alert: Alert, keystore: Keystore) -> bool:
    campaign = db.session.get_one(Campaign, alert.campaign_id)
    return campaign.key_id is not None and keystore.has_campaign(campaign.key_id)


def _has_begun_chunks(alert: Alert) -> bool:
    return alert.state is AlertState.EXPANDING or queries.has_open_chunks(alert.id)


def _is_finished(alert: Alert) -> bool:
    """Say whether every chunk is done and nothing waits to be tried again."""
    if alert.state is not AlertState.SENDING:
        return False
    is_deferred = exists().where(
        AlertException.alert_id == alert.id, AlertException.state == ExceptionState.DEFERRED
    )
    is_open = exists().where(AlertChunk.alert_id == alert.id, ~AlertChunk.is_done)
    return not db.session.scalar(select(is_deferred | is_open))
