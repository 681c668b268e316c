"""Organisations that show a campaign's form on sites of their own: register, find, count."""

from __future__ import annotations

import re

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select, update

from tracker.campaigns.models import Campaign, Partner
from tracker.core.errors import Refused
from tracker.extensions import db

MOST = 200
"""Most partners of one campaign."""

MAX_SLUG = 40

FRAME_HEIGHTS = {"form": 980, "counter": 380}
"""Pixels that frames are high on other sites where no script fits them to their content."""

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def is_slug(text: str) -> bool:
    """Say whether a partner could be called so in addresses."""
    return len(text) <= MAX_SLUG and _SLUG.fullmatch(text) is not None


def of_campaign(campaign_id: int) -> list[Partner]:
    """Give a campaign's partners, by name."""
    return list(
        db.session.scalars(
            select(Partner)
            .where(Partner.campaign_id == campaign_id)
            .order_by(func.lower(Partner.name), Partner.slug)
        )
    )


def by_id(campaign_id: int, partner_id: int) -> Partner | None:
    """Give one partner of one campaign."""
    return db.session.scalar(
        select(Partner).where(Partner.id == partner_id, Partner.campaign_id == campaign_id)
    )


def id_by_slug(campaign_id: int, slug: str) -> int | None:
    """Give the id of the partner that a frame names; ``None`` for what nobody registered."""
    if not is_slug(slug):
        return None
    return db.session.scalar(
        select(Partner.id).where(Partner.campaign_id == campaign_id, Partner.slug == slug)
    )


def has_any(campaign_id: int) -> bool:
    """Say whether signatures of a campaign are counted by partner at all."""
    found = select(Partner.id).where(Partner.campaign_id == campaign_id).limit(1)
    return db.session.scalar(found) is not None


def register(campaign: Campaign, *, slug: str, name: str) -> Partner:
    """Add a partner. Raises ``Refused``; the campaign's row is held, so that limits hold."""
    present = of_campaign(campaign.id)
    if any(partner.slug == slug for partner in present):
        raise Refused(_l("There is a partner with this short name already."))
    if len(present) >= MOST:
        raise Refused(_l("A campaign can have at most %(number)d partners.", number=MOST))
    partner = Partner(campaign_id=campaign.id, slug=slug, name=name)
    db.session.add(partner)
    # The id is needed at once, for the address of its page.
    db.session.flush()
    return partner


def remove(partner: Partner) -> None:
    """Forget a partner and its figure; the signatures stay and count for the campaign."""
    db.session.delete(partner)


def count(campaign_id: int, partner_id: int, *, more: int) -> None:
    """Add to a partner's figure; where it was removed since, nothing happens."""
    mine = (Partner.campaign_id == campaign_id, Partner.id == partner_id)
    db.session.execute(update(Partner).where(*mine).values(counted=Partner.counted + more))
