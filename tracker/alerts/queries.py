"""Finds alerts."""

from __future__ import annotations

from sqlalchemy import select

from tracker.alerts.models import Alert, AlertState
from tracker.campaigns.models import PUBLIC, Campaign
from tracker.core import clock
from tracker.extensions import db, locked

ACTIVE = (AlertState.EXPANDING, AlertState.SENDING)


def by_update(update_id: int, *, lock: bool = False) -> Alert | None:
    """Give the alert of an update."""
    query = select(Alert).where(Alert.update_id == update_id)
    return db.session.scalar(locked(query) if lock else query)


def of_campaign(campaign_id: int) -> dict[int, Alert]:
    """Give a campaign's alerts by update."""
    rows = db.session.scalars(select(Alert).where(Alert.campaign_id == campaign_id))
    return {alert.update_id: alert for alert in rows}


def next_to_expand(*, lock: bool = True) -> Alert | None:
    """Give an alert whose time has come and whose deliveries are not all written."""
    due = (Alert.state == AlertState.WAITING) & (Alert.not_before <= clock.now())
    query = (
        select(Alert)
        .join(Campaign, Campaign.id == Alert.campaign_id)
        .where(due | (Alert.state == AlertState.EXPANDING), Campaign.state.in_(PUBLIC))
        .order_by(Alert.not_before)
        .limit(1)
    )
    return db.session.scalar(
        query.with_for_update(of=Alert, skip_locked=True) if lock else query
    )


def sending(*, lock: bool = True) -> list[Alert]:
    """Give the alerts whose deliveries are all written and not all done."""
    query = select(Alert).where(Alert.state == AlertState.SENDING)
    return list(db.session.scalars(query.with_for_update(skip_locked=True) if lock else query))
