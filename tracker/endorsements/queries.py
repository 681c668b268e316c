"""Finds endorsements: shown ones, waiting ones, one mailbox's own."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select

from tracker.core import tokens
from tracker.endorsements.models import Endorsement, EndorsementState
from tracker.extensions import db


def approved(campaign_id: int) -> list[Endorsement]:
    """Give what the page shows, largest first within the names."""
    return list(
        db.session.scalars(
            select(Endorsement)
            .where(
                Endorsement.campaign_id == campaign_id,
                Endorsement.state == EndorsementState.APPROVED,
            )
            .order_by(func.coalesce(Endorsement.members, 0).desc(), Endorsement.organisation)
        )
    )


def totals(campaign_ids: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Give how many organisations endorse each campaign, and their members in all."""
    rows = db.session.execute(
        select(
            Endorsement.campaign_id,
            func.count(),
            func.coalesce(func.sum(Endorsement.members), 0),
        )
        .where(
            Endorsement.campaign_id.in_(list(campaign_ids)),
            Endorsement.state == EndorsementState.APPROVED,
        )
        .group_by(Endorsement.campaign_id)
    )
    return {row[0]: (row[1], int(row[2] or 0)) for row in rows}


def in_state(campaign_ids: Iterable[int], state: EndorsementState) -> list[Endorsement]:
    """Give the endorsements of several campaigns in one state, oldest first."""
    return list(
        db.session.scalars(
            select(Endorsement)
            .where(Endorsement.campaign_id.in_(list(campaign_ids)), Endorsement.state == state)
            .order_by(Endorsement.day, Endorsement.id)
        )
    )


def by_id(endorsement_id: int, *, lock: bool = False) -> Endorsement | None:
    """Give one endorsement, held until the transaction ends where ``lock`` says so."""
    return db.session.get(
        Endorsement, endorsement_id, with_for_update=lock or None, populate_existing=lock
    )


def by_tag(campaign_id: int, tag: bytes) -> list[Endorsement]:
    """Give what one mailbox has endorsed under a campaign."""
    return list(
        db.session.scalars(
            select(Endorsement)
            .where(Endorsement.campaign_id == campaign_id, Endorsement.tag == tag)
            .order_by(Endorsement.organisation)
        )
    )


def id_by_tag(campaign_id: int, tag: bytes) -> int | None:
    """Give the id of one endorsement of a mailbox."""
    found = by_tag(campaign_id, tag)
    return found[0].id if found else None


def by_manage(token: bytes) -> Endorsement | None:
    """Give the endorsement behind the link to one's own page."""
    return db.session.scalar(
        select(Endorsement).where(Endorsement.manage_hash == tokens.digest(token))
    )
