"""The backing of organisations and public figures."""

from __future__ import annotations

import datetime as dt
import enum

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from tracker.database import UNORDERED, Model, Words, random_id


class Level(enum.Enum):
    """How far an endorsing body reaches."""

    BRANCH = "branch"
    CITY = "city"
    NATIONAL = "national"
    INTERNATIONAL = "international"


class EndorsementState(enum.Enum):
    """Where an endorsement stands once its address is proved."""

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"


class Endorsement(Model):
    """An organisation's backing: public words, shown once approved; a sealed contact."""

    __tablename__ = "endorsements"
    __table_args__ = (
        Index("ix_endorsements_campaign_id_state", "campaign_id", "state"),
        Index("ix_endorsements_campaign_id_tag", "campaign_id", "tag"),
        UNORDERED,
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    state: Mapped[EndorsementState] = mapped_column(
        Words(EndorsementState), default=EndorsementState.WAITING
    )
    organisation: Mapped[str] = mapped_column(String(160))
    level: Mapped[Level] = mapped_column(Words(Level))
    country: Mapped[str] = mapped_column(String(2))
    members: Mapped[int | None] = mapped_column(Integer)
    statement: Mapped[str] = mapped_column(String(1000), default="")
    language: Mapped[str] = mapped_column(String(12))
    tag: Mapped[bytes | None] = mapped_column(LargeBinary)
    contact: Mapped[bytes | None] = mapped_column(LargeBinary)
    manage_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    day: Mapped[dt.date]
    decided_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("organisers.id", ondelete="SET NULL")
    )
