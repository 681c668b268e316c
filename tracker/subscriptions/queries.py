"""Finds subscriptions; counts whom an alert reaches."""

from __future__ import annotations

from sqlalchemy import func, select

from tracker.core import tokens
from tracker.extensions import db, locked
from tracker.subscriptions.models import Scope, Subscription


def by_tag(campaign_id: int, tag: bytes, *, lock: bool = False) -> Subscription | None:
    """Give a mailbox's subscription to a campaign."""
    query = select(Subscription).where(
        Subscription.campaign_id == campaign_id, Subscription.tag == tag
    )
    return db.session.scalar(locked(query) if lock else query)


def id_by_tag(campaign_id: int, tag: bytes) -> int | None:
    """Give the id of a mailbox's subscription to a campaign."""
    found = by_tag(campaign_id, tag)
    return found.id if found else None


def by_unsubscribe(token: bytes) -> Subscription | None:
    """Give the subscription that an unsubscribe link ends."""
    hashed = tokens.digest(token)
    return db.session.scalar(
        select(Subscription).where(Subscription.unsubscribe_hash == hashed)
    )


def by_manage(token: bytes) -> Subscription | None:
    """Give the subscription behind the link to one's own page."""
    hashed = tokens.digest(token)
    return db.session.scalar(select(Subscription).where(Subscription.manage_hash == hashed))


def count_active(campaign_id: int, *, for_status_change: bool) -> int:
    """Give how many would be told, for the organisers' preview."""
    query = select(func.count()).where(Subscription.campaign_id == campaign_id)
    if not for_status_change:
        query = query.where(Subscription.scope == Scope.EVERY_UPDATE)
    return db.session.scalar(query) or 0
