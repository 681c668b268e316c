"""Finds what waits for its confirmation."""

from __future__ import annotations

from sqlalchemy import exists, select

from tracker.confirmations.models import Pending
from tracker.core import tokens
from tracker.extensions import db


def by_unsubscribe(token: bytes) -> Pending | None:
    """Give the row whose mails an unsubscribe link stops."""
    hashed = tokens.digest(token)
    query = select(Pending).where(Pending.unsubscribe_hash == hashed)
    return db.session.scalar(query.execution_options(populate_existing=True))


def by_manage(token: bytes) -> Pending | None:
    """Give the row behind the link to one's own page, confirmed or not."""
    return db.session.scalar(select(Pending).where(Pending.manage_hash == tokens.digest(token)))


def lock_mailbox(campaign_id: int, tag: bytes) -> None:
    """Wait for whatever one mailbox is just confirming under a campaign, and hold it off."""
    mine = select(Pending.id).where(Pending.campaign_id == campaign_id, Pending.tag == tag)
    db.session.execute(mine.order_by(Pending.id).with_for_update())


def was_refused(campaign_id: int, tag: bytes) -> bool:
    """Say whether this mailbox told us that it did not ask for a campaign's mails."""
    refused = exists().where(
        Pending.campaign_id == campaign_id, Pending.tag == tag, Pending.refused_on.is_not(None)
    )
    return bool(db.session.scalar(select(refused)))
