"""Finds updates and what changed with them."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import contains_eager, selectinload

from tracker.campaigns.models import PUBLIC, Campaign, StatusChange
from tracker.extensions import db
from tracker.updates.models import Update, UpdateState


def published(campaign_id: int) -> list[Update]:
    """Give a campaign's public timeline, newest first by when it happened."""
    return _of(campaign_id, UpdateState.PUBLISHED)


def drafts(campaign_id: int) -> list[Update]:
    """Give what is written and not yet public."""
    return _of(campaign_id, UpdateState.DRAFT)


def _of(campaign_id: int, state: UpdateState) -> list[Update]:
    return list(
        db.session.scalars(
            select(Update)
            .where(Update.campaign_id == campaign_id, Update.state == state)
            .options(selectinload(Update.changes).joinedload(StatusChange.subject))
            .order_by(
                Update.happened_on.desc(),
                Update.happened_time.desc().nulls_last(),
                Update.posted_at.desc(),
                Update.id,
            )
        )
    )


def latest(*, limit: int, campaign_id: int | None = None) -> list[Update]:
    """Give what was posted last on the public campaigns, or on one of them, newest first."""
    query = (
        select(Update)
        .join(Update.campaign)
        .where(Update.state == UpdateState.PUBLISHED, Campaign.state.in_(PUBLIC))
        .options(
            contains_eager(Update.campaign),
            selectinload(Update.changes).joinedload(StatusChange.subject),
        )
        .order_by(Update.posted_at.desc(), Update.id)
        .limit(limit)
    )
    if campaign_id is not None:
        query = query.where(Update.campaign_id == campaign_id)
    return list(db.session.scalars(query))


def by_id(campaign_id: int, update_id: int) -> Update | None:
    """Give one update of one campaign."""
    return db.session.scalar(
        select(Update).where(Update.id == update_id, Update.campaign_id == campaign_id)
    )
