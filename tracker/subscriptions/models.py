"""Consent to hear about one campaign."""

from __future__ import annotations

import datetime as dt
import enum

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tracker.database import UNORDERED, Model, Words, random_id


class Scope(enum.Enum):
    """What a subscriber wants to hear."""

    EVERY_UPDATE = "every-update"
    STATUS_CHANGES = "status-changes"


class Subscription(Model):
    """Somebody agreed to get alerts; the address is sealed to the campaign's key.

    One per campaign and mailbox, settled by the tag. Unsubscribing deletes the row.

    ``generation`` is how many alerts had been approved when it came: it hears of later ones
    only.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        UniqueConstraint("campaign_id", "tag"),
        # All that is asked when an alert's audience is written down, page by page.
        Index("ix_subscriptions_audience", "campaign_id", "id", "generation", "scope"),
        UNORDERED,
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    tag: Mapped[bytes] = mapped_column(LargeBinary)
    contact: Mapped[bytes] = mapped_column(LargeBinary)
    language: Mapped[str] = mapped_column(String(12))
    scope: Mapped[Scope] = mapped_column(Words(Scope), default=Scope.EVERY_UPDATE)
    manage_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    unsubscribe_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    consent_version: Mapped[str] = mapped_column(String(16))
    day: Mapped[dt.date]
    generation: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
