"""Finds campaigns and what is recorded of their cases."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import selectinload

from tracker.campaigns.models import WINS, Campaign, State, StatusChange, Subject
from tracker.campaigns.status import FREE, OVER, Kind
from tracker.core import clock
from tracker.extensions import db


def by_id(campaign_id: int, *, lock: bool = False) -> Campaign:
    """Give a campaign that is known to exist.

    ``lock`` makes organisers who write about it take turns; signing, which refers to the row
    too, is not kept waiting.
    """
    how = {"key_share": True} if lock else None
    return db.session.get_one(
        Campaign, campaign_id, with_for_update=how, populate_existing=lock
    )


def by_slug(slug: str) -> Campaign | None:
    """Give a campaign in any state."""
    return db.session.scalar(select(Campaign).where(Campaign.slug == slug))


def published(slug: str) -> Campaign | None:
    """Give a campaign whose page is shown to everybody."""
    campaign = by_slug(slug)
    return campaign if campaign is not None and campaign.is_public else None


def listed(*, most_past: int) -> list[Campaign]:
    """Give the open campaigns, and the last won and lost ones, with their subjects.

    At most so many of each that is over; those that are archived are in the archive only.
    """
    is_won = Campaign.outcome.in_(WINS)
    last = select(Campaign.id).where(Campaign.state == State.CLOSED)
    last = last.order_by(Campaign.closed_on.desc(), Campaign.slug).limit(most_past)
    return list(
        db.session.scalars(
            select(Campaign)
            .where(
                or_(
                    Campaign.state == State.LIVE,
                    Campaign.id.in_(last.where(is_won)),
                    Campaign.id.in_(last.where(or_(Campaign.outcome.is_(None), ~is_won))),
                )
            )
            .options(selectinload(Campaign.subjects))
            .order_by(Campaign.opened_on.desc(), Campaign.slug)
        )
    )


def by_ids(ids: Sequence[int]) -> list[Campaign]:
    """Give campaigns with their subjects in the order of ``ids``."""
    found = db.session.scalars(
        select(Campaign).where(Campaign.id.in_(ids)).options(selectinload(Campaign.subjects))
    )
    return sorted(found, key=lambda campaign: ids.index(campaign.id))


def without_keys() -> list[Campaign]:
    """Give the campaigns whose keys the worker has yet to make."""
    return list(db.session.scalars(select(Campaign).where(Campaign.public_key.is_(None))))


def first_change(subjects: Iterable[Subject]) -> dt.date | None:
    """Give the day the case began: the earliest recorded change."""
    ids = [subject.id for subject in subjects]
    return db.session.scalar(
        select(StatusChange.happened_on)
        .where(StatusChange.subject_id.in_(ids), StatusChange.learned_at.is_not(None))
        .order_by(StatusChange.happened_on)
        .limit(1)
    )


def begun(campaigns: Iterable[Campaign]) -> dict[int, dt.date]:
    """Give the day each case began, by campaign id."""
    rows = db.session.execute(
        select(Subject.campaign_id, StatusChange.happened_on)
        .join(StatusChange, StatusChange.subject_id == Subject.id)
        .where(
            Subject.campaign_id.in_([c.id for c in campaigns]),
            StatusChange.learned_at.is_not(None),
        )
    )
    first: dict[int, dt.date] = {}
    for campaign_id, day in rows:
        first[campaign_id] = min(day, first.get(campaign_id, day))
    return first


def days(campaign: Campaign, since: dt.date) -> int:
    """Give the days counted: a difference of dates, up to when it was over, else to today."""
    return max(0, ((over_on(campaign) or campaign.local_date(clock.now())) - since).days)


def over_on(campaign: Campaign) -> dt.date | None:
    """Give the day it was over for every subject, or the page was closed; ``None`` before."""
    subjects = campaign.subjects
    if subjects and all(s.status in OVER and s.since for s in subjects):
        return max(s.since for s in subjects if s.since)
    return campaign.closed_on


def count_free(campaign: Campaign) -> tuple[int, int] | None:
    """Give how many of several people are free, and how many there are."""
    if campaign.kind is not Kind.PERSON or len(campaign.subjects) < 2:
        return None
    return sum(s.status in FREE for s in campaign.subjects), len(campaign.subjects)


def leading_status(campaign: Campaign) -> Subject | None:
    """Give the subject whose status stands for the campaign in a list: the one worst off."""
    known = [s for s in campaign.subjects if s.status is not None]
    open_first = sorted(known, key=lambda s: (s.status in OVER, s.position))
    return open_first[0] if open_first else None


def generation(campaign_id: int) -> int:
    """Give how many alerts a campaign has approved so far, and one: read as it is now."""
    query = select(Campaign.generation).where(Campaign.id == campaign_id)
    return db.session.scalar(query) or 1
