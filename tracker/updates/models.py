"""Dated posts on a campaign."""

from __future__ import annotations

import datetime as dt
import enum

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tracker.campaigns.models import Campaign, Happened, StatusChange
from tracker.database import Model, Words, random_id


class UpdateState(enum.Enum):
    """Whether everybody can read it."""

    DRAFT = "draft"
    PUBLISHED = "published"


class Update(Happened, Model):
    """What is known: a headline, a text, sources, and the status changes that come with it.

    Texts are in the campaign's own language; ``sources`` are one a line.
    """

    __tablename__ = "updates"
    __table_args__ = (Index("ix_updates_campaign_id_state", "campaign_id", "state"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    author_id: Mapped[int | None] = mapped_column(
        ForeignKey("organisers.id", ondelete="SET NULL")
    )
    state: Mapped[UpdateState] = mapped_column(Words(UpdateState), default=UpdateState.DRAFT)
    headline: Mapped[str] = mapped_column(String(160))
    text: Mapped[str] = mapped_column(Text)
    sources: Mapped[str] = mapped_column(Text, default="")
    alerts: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[dt.datetime]
    posted_at: Mapped[dt.datetime | None]

    campaign: Mapped[Campaign] = relationship()
    changes: Mapped[list[StatusChange]] = relationship(cascade="all, delete-orphan")
