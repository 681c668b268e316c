"""Finds organisers and who is signed in."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from tracker.core import tokens
from tracker.extensions import db
from tracker.organisers.models import CampaignRole, Organiser, SignIn


def by_id(organiser_id: int) -> Organiser:
    """Give an account that is known to exist."""
    return db.session.get_one(Organiser, organiser_id)


def by_email(email: str) -> Organiser | None:
    """Give the account with an address."""
    return db.session.scalar(select(Organiser).where(Organiser.email == email.strip().lower()))


def sign_in_of(token: bytes) -> SignIn | None:
    """Give the signed-in time behind a cookie's token, with its organiser."""
    return db.session.scalar(
        select(SignIn)
        .where(SignIn.token_hash == tokens.digest(token))
        .options(joinedload(SignIn.organiser))
    )


def campaign_ids(organiser: Organiser) -> set[int]:
    """Give the campaigns an organiser has a role on."""
    return set(
        db.session.scalars(
            select(CampaignRole.campaign_id).where(CampaignRole.organiser_id == organiser.id)
        )
    )


def may_edit(organiser: Organiser, campaign_id: int) -> bool:
    """Say whether an organiser may work on a campaign."""
    return organiser.is_admin or campaign_id in campaign_ids(organiser)


def of_campaign(campaign_id: int) -> list[Organiser]:
    """Give who works on a campaign; the administrators where nobody does."""
    active = select(Organiser).where(Organiser.deactivated_at.is_(None)).order_by(Organiser.id)
    roles = select(CampaignRole.organiser_id).where(CampaignRole.campaign_id == campaign_id)
    found = list(db.session.scalars(active.where(Organiser.id.in_(roles))))
    return found or list(db.session.scalars(active.where(Organiser.is_admin)))
