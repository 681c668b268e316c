"""Write and publish an update; its status changes happen with it, in one act."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from flask_babel import lazy_gettext as _l

from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign, State, StatusChange, Subject
from tracker.campaigns.status import Certainty, Status, check_move
from tracker.core import clock
from tracker.core.errors import Refused
from tracker.extensions import db
from tracker.updates.models import Update, UpdateState


class PlannedChange(NamedTuple):
    """A status change as an organiser enters it."""

    subject: Subject
    new_status: Status
    certainty: Certainty


def write(
    campaign: Campaign, *, author_id: int | None, changes: list[PlannedChange], **values: Any
) -> Update:
    """Store a draft with the changes it will make. Raises ``MoveRefused``."""
    update = Update(
        campaign_id=campaign.id, author_id=author_id, created_at=clock.now(), **values
    )
    for planned in changes:
        _check(planned)
        update.changes.append(_change(planned, update))
    db.session.add(update)
    # The id is needed at once, for the preview and for translations.
    db.session.flush()
    return update


def rewrite(update: Update, *, changes: list[PlannedChange], **values: Any) -> None:
    """Replace the contents of a draft."""
    if update.state is not UpdateState.DRAFT:
        raise Refused(_l("A published update cannot be rewritten."))
    for name, value in values.items():
        setattr(update, name, value)
    update.changes.clear()
    for planned in changes:
        _check(planned)
        update.changes.append(_change(planned, update))
    db.session.flush()


def discard(update: Update) -> None:
    """Delete a draft. Raises ``Refused`` once it is published: what was said stays said."""
    if update.state is not UpdateState.DRAFT:
        raise Refused(_l("A published update cannot be deleted."))
    db.session.delete(update)


def publish(update: Update, *, by_id: int | None, moment: dt.datetime | None = None) -> None:
    """Put an update on the page and make its status changes. Raises ``Refused``.

    Whether supporters are told is a row of its own, written in the same transaction.
    """
    if update.state is not UpdateState.DRAFT:
        raise Refused(_l("This update is published already."))
    if update.campaign.state not in {State.LIVE, State.CLOSED}:
        raise Refused(_l("Publish the campaign first."))
    moment = moment or clock.now()
    for change in update.changes:
        campaigns.record_change(change, by_id=by_id, moment=moment)
    update.state, update.posted_at = UpdateState.PUBLISHED, moment


def _check(planned: PlannedChange) -> None:
    subject = planned.subject
    check_move(
        subject.campaign.kind,
        subject.status,
        planned.new_status,
        was=subject.certainty,
        certainty=planned.certainty,
    )


def _change(planned: PlannedChange, update: Update) -> StatusChange:
    return StatusChange(
        subject=planned.subject,
        new_status=planned.new_status,
        certainty=planned.certainty,
        happened_on=update.happened_on,
        happened_time=update.happened_time,
        precision=update.precision,
        is_approximate=update.is_approximate,
    )
