"""Reads that join features for the organisers' pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, joinedload

from tracker.alerts.models import Alert
from tracker.campaigns.models import Campaign
from tracker.endorsements.models import Endorsement, EndorsementState
from tracker.extensions import db
from tracker.mail.models import Bounce, BounceKind
from tracker.organisers import queries as organisers
from tracker.organisers.models import Organiser
from tracker.signatures.models import Review, Signature
from tracker.updates.models import Update, UpdateState


def campaigns_of(organiser: Organiser) -> list[Campaign]:
    """Give the campaigns an organiser may work on, newest first."""
    query = select(Campaign).order_by(Campaign.created_at.desc(), Campaign.slug)
    if not organiser.is_admin:
        query = query.where(Campaign.id.in_(organisers.campaign_ids(organiser)))
    return list(db.session.scalars(query))


def count_drafts(campaign_ids: Iterable[int]) -> dict[int, int]:
    """Give how many updates are written and not published, by campaign."""
    return _count(Update.campaign_id, campaign_ids, Update.state, UpdateState.DRAFT)


def count_waiting_endorsements(campaign_ids: Iterable[int]) -> dict[int, int]:
    """Give how many endorsements wait for an organiser, by campaign."""
    return _count(
        Endorsement.campaign_id, campaign_ids, Endorsement.state, EndorsementState.WAITING
    )


def count_waiting_comments(campaign_ids: Iterable[int]) -> dict[int, int]:
    """Give how many public comments wait for an organiser, by campaign."""
    return _count(Signature.campaign_id, campaign_ids, Signature.review, Review.WAITING)


def waiting_comments(campaign_ids: Iterable[int], *, limit: int) -> list[Signature]:
    """Give signatures whose public comment nobody has read yet, oldest first."""
    return list(
        db.session.scalars(
            select(Signature)
            .where(
                Signature.campaign_id.in_(list(campaign_ids)),
                Signature.review == Review.WAITING,
            )
            .order_by(Signature.day, Signature.id)
            .limit(limit)
        )
    )


def alerts_of(campaign_ids: Iterable[int], *, limit: int) -> list[Alert]:
    """Give the alerts of several campaigns with their updates, newest first."""
    return list(
        db.session.scalars(
            select(Alert)
            .where(Alert.campaign_id.in_(list(campaign_ids)))
            .options(joinedload(Alert.update).joinedload(Update.campaign))
            .order_by(Alert.not_before.desc(), Alert.id)
            .limit(limit)
        )
    )


def count_bounces(*, since: dt.date) -> dict[BounceKind, int]:
    """Give how many mails came back from a day on, by what that means."""
    rows = db.session.execute(
        select(Bounce.kind, func.count()).where(Bounce.day >= since).group_by(Bounce.kind)
    )
    return {row[0]: row[1] for row in rows}


def _count(
    campaign_id: InstrumentedAttribute[int],
    campaign_ids: Iterable[int],
    column: InstrumentedAttribute[object],
    value: object,
) -> dict[int, int]:
    rows = db.session.execute(
        select(campaign_id, func.count())
        .where(campaign_id.in_(list(campaign_ids)), column == value)
        .group_by(campaign_id)
    )
    return {row[0]: row[1] for row in rows}
