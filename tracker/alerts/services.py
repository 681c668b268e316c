"""Supporters are told: announce an update, stop it, let it rest and go on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, update

from tracker.alerts import queries
from tracker.alerts.models import (
    RUNNING,
    TRIAL_KIND,
    UNFINISHED,
    Alert,
    AlertAudience,
    AlertChunk,
    AlertException,
    AlertState,
    AlertVariant,
    PauseReason,
)
from tracker.campaigns.models import Campaign
from tracker.core import clock
from tracker.core.errors import Refused
from tracker.extensions import db
from tracker.mail import services as mail
from tracker.mail.splicing import Frozen
from tracker.updates.models import Update, UpdateState


def keep_variants(update_id: int, frozen: Mapping[str, Frozen]) -> None:
    """Store the frozen mails of an update, by language, in place of earlier ones."""
    db.session.execute(delete(AlertVariant).where(AlertVariant.update_id == update_id))
    db.session.add_all(
        AlertVariant(
            update_id=update_id, language=language, frozen=one.dump(), digest=one.digest()
        )
        for language, one in frozen.items()
    )


def prepare_trial(update_id: int, frozen: Frozen, *, organiser_id: int) -> mail.SealedLetter:
    """Seal the wish for one mail to an organiser; done before the write transaction."""
    content = {
        "organiser": organiser_id,
        "update": update_id,
        "language": frozen.language,
        "digest": frozen.digest(),
    }
    return mail.seal_letter(TRIAL_KIND, content)


def try_out(draft: Update, frozen: Mapping[str, Frozen], trial: mail.SealedLetter) -> None:
    """Send a draft's mail to one organiser. Raises ``Refused`` once it is published."""
    if draft.state is not UpdateState.DRAFT:
        raise Refused(_l("This update is published already."))
    keep_variants(draft.id, frozen)
    mail.queue(trial)


def announce(
    told: Update,
    *,
    frozen: Mapping[str, Frozen],
    by_id: int | None,
    cancel_window: int,
    lifetime: int,
) -> Alert:
    """Tell all who are subscribed now of a published update, after ``cancel_window`` seconds.

    Nothing of it leaves after ``lifetime`` hours more. Takes the same time for one subscriber
    and for a million: the audience is a number, and what is sent is ``frozen``.
    """
    if told.state is not UpdateState.PUBLISHED:
        raise Refused(_l("Only a published update can be told to supporters."))
    keep_variants(told.id, frozen)
    generation = db.session.scalar(
        update(Campaign)
        .where(Campaign.id == told.campaign_id)
        .values(generation=Campaign.generation + 1)
        .returning(Campaign.generation)
    )
    moment = clock.now()
    not_before = moment + dt.timedelta(seconds=cancel_window)
    alert = Alert(
        update_id=told.id,
        campaign_id=told.campaign_id,
        approved_at=moment,
        approved_by_id=by_id,
        not_before=not_before,
        not_after=not_before + dt.timedelta(hours=lifetime),
        generation=(generation or 1) - 1,
    )
    db.session.add(alert)
    return alert


def stop(alert: Alert) -> None:
    """Send nothing more; who was told stays told. Raises ``Refused`` once it is over."""
    if alert.state not in UNFINISHED:
        raise Refused(_l("This alert can no longer be stopped."))
    end(alert, AlertState.STOPPED)


def send_now(alert: Alert) -> None:
    """Give up the rest of the time in which it could be stopped before the first mail."""
    if alert.state is not AlertState.WAITING:
        raise Refused(_l("This alert is on its way already."))
    alert.not_before = clock.now()


def pause(alert: Alert, reason: PauseReason = PauseReason.ORGANISER) -> None:
    """Let an alert rest: no mail leaves until an organiser lets it go on."""
    if alert.state not in (AlertState.WAITING, *RUNNING):
        raise Refused(_l("This alert is not on its way."))
    alert.state, alert.paused_for = AlertState.PAUSED, reason


def resume(alert: Alert) -> None:
    """Let a resting alert go on where it was. Raises ``Refused`` where it is too old."""
    if alert.state is not AlertState.PAUSED:
        raise Refused(_l("This alert is not paused."))
    moment = clock.now()
    if alert.not_after < moment:
        raise Refused(_l("This alert is too old to be sent. Write a new update."))
    alert.paused_for = None
    # Whoever lets it go on has seen what came back so far.
    alert.excused = alert.bounced + alert.refused
    if alert.active_at is None:
        alert.state, alert.not_before = AlertState.WAITING, max(moment, alert.not_before)
        return
    alert.active_at = moment
    alert.state = AlertState.EXPANDING if alert.slots is None else AlertState.SENDING


def end(alert: Alert, state: AlertState) -> None:
    """Write the exact figures down and forget who was written to."""
    queries.lock_chunks(alert.id)
    found = queries.figures(alert)
    alert.queued = found.queued
    alert.sent, alert.failed = found.sent, found.failed
    alert.skipped = found.skipped
    if state is AlertState.DONE:
        # Who left before their turn is nowhere else: their row is gone.
        alert.skipped = max(found.skipped, found.queued - found.sent - found.failed)
    alert.state, alert.paused_for, alert.done_at = state, None, clock.now()
    for table in (AlertAudience, AlertChunk, AlertException):
        db.session.execute(delete(table).where(table.alert_id == alert.id))
