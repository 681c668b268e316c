"""Supporters are told: announce an update, stop it in time, or let it go at once."""

from __future__ import annotations

import datetime as dt

from flask_babel import lazy_gettext as _l

from tracker.alerts.models import Alert, AlertState
from tracker.core import clock
from tracker.core.errors import Refused
from tracker.extensions import db
from tracker.updates.models import Update, UpdateState


def announce(update: Update, *, by_id: int | None, cancel_window: int) -> Alert:
    """Tell all subscribers of a published update, after ``cancel_window`` seconds."""
    if update.state is not UpdateState.PUBLISHED:
        raise Refused(_l("Only a published update can be told to supporters."))
    alert = Alert(
        update_id=update.id,
        campaign_id=update.campaign_id,
        approved_by_id=by_id,
        not_before=clock.now() + dt.timedelta(seconds=cancel_window),
    )
    db.session.add(alert)
    return alert


def stop(alert: Alert) -> None:
    """Send nothing; possible until the first mail is prepared. Raises ``Refused`` after."""
    if alert.state is not AlertState.WAITING:
        raise Refused(_l("This alert can no longer be stopped."))
    alert.state, alert.done_at = AlertState.STOPPED, clock.now()


def send_now(alert: Alert) -> None:
    """Give up the rest of the time in which it could be stopped."""
    if alert.state is not AlertState.WAITING:
        raise Refused(_l("This alert is on its way already."))
    alert.not_before = clock.now()
