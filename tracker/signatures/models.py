"""Signatures, and the counters that keep every page from counting them."""

from __future__ import annotations

import datetime as dt
import enum

from sqlalchemy import (
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from tracker.database import UNORDERED, Model, Words, random_id


class Review(enum.Enum):
    """Whether organisers have let a public comment through."""

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"


class Signature(Model):
    """One confirmed name under one campaign.

    ``identity`` (name, town, organisation) is sealed to the campaign's key; the readable
    columns hold only what the signatory chose to show. The day is kept, not the time.
    """

    __tablename__ = "signatures"
    __table_args__ = (
        UniqueConstraint("campaign_id", "tag"),
        Index("ix_signatures_shown", "campaign_id", "shows_name", "is_barred", "day", "id"),
        Index("ix_signatures_review", "campaign_id", "review"),
        UNORDERED,
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    tag: Mapped[bytes] = mapped_column(LargeBinary)
    identity: Mapped[bytes] = mapped_column(LargeBinary)
    comment: Mapped[bytes | None] = mapped_column(LargeBinary)
    country: Mapped[str] = mapped_column(String(2))
    language: Mapped[str] = mapped_column(String(12))
    day: Mapped[dt.date]
    shows_name: Mapped[bool]
    hands_over: Mapped[bool]
    public_name: Mapped[str | None] = mapped_column(String(120))
    public_comment: Mapped[str | None] = mapped_column(String(600))
    is_barred: Mapped[bool] = mapped_column(default=False)
    review: Mapped[Review | None] = mapped_column(Words(Review))
    manage_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    consent_version: Mapped[str] = mapped_column(String(16))
    # Through which partner's site it came, sealed: none of them looks different from any other.
    origin: Mapped[bytes | None] = mapped_column(LargeBinary)


class PartnerChange(Model):
    """One signature more or less, of which only the worker can see which partner it came by.

    ``origin`` is the signature's own envelope, bound to ``signature_id``; that row may be gone.
    """

    __tablename__ = "partner_changes"
    __table_args__ = (UNORDERED,)

    signature_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    delta: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    campaign_id: Mapped[int] = mapped_column(
        ForeignKey("campaigns.id", ondelete="CASCADE"), index=True
    )
    origin: Mapped[bytes] = mapped_column(LargeBinary)


class CountChange(Model):
    """One signature more or less, not yet folded into the totals."""

    __tablename__ = "count_changes"
    __table_args__ = (
        Index("ix_count_changes_sum", "campaign_id", "country", "delta"),
        UNORDERED,
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    day: Mapped[dt.date]
    country: Mapped[str] = mapped_column(String(2))
    delta: Mapped[int] = mapped_column(SmallInteger)


class CountryTotal(Model):
    """Signatures of one campaign from one country, as far as folded."""

    __tablename__ = "country_totals"

    campaign_id: Mapped[int] = mapped_column(
        ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    country: Mapped[str] = mapped_column(String(2), primary_key=True)
    total: Mapped[int] = mapped_column(Integer)


class DayTotal(Model):
    """Signatures of one campaign on one day, as far as folded."""

    __tablename__ = "day_totals"

    campaign_id: Mapped[int] = mapped_column(
        ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    day: Mapped[dt.date] = mapped_column(primary_key=True)
    total: Mapped[int] = mapped_column(Integer)
