"""The campaign and what it is about; originals here, translations block by block."""

from __future__ import annotations

import datetime as dt
import enum
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Date,
    ForeignKey,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    Time,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tracker.campaigns.status import Certainty, Kind, Status
from tracker.database import Model, Words, random_id


class State(enum.Enum):
    """Where the page of a campaign stands."""

    DRAFT = "draft"
    LIVE = "live"
    PAUSED = "paused"
    CLOSED = "closed"
    ARCHIVED = "archived"


PUBLIC = (State.LIVE, State.CLOSED, State.ARCHIVED)
"""States in which everybody sees the page; a paused one is hidden for safety."""


class Outcome(enum.Enum):
    """How a closed campaign ended."""

    WON = "won"
    PARTLY_WON = "partly-won"
    LOST = "lost"
    ENDED = "ended"


WINS = (Outcome.WON, Outcome.PARTLY_WON)
"""Outcomes that are listed as won."""


class Precision(enum.Enum):
    """How exactly a time is known."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


class Campaign(Model):
    """A public call to act on one case.

    ``place`` to ``letter`` are the original texts, in ``language``; ``demands`` are one a line.
    ``key_id`` and ``public_key`` are written by the worker; before that nothing can be signed.
    ``generation`` counts the alerts approved so far: who subscribes carries the present one,
    and an alert is for everybody up to its own.
    """

    __tablename__ = "campaigns"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    kind: Mapped[Kind] = mapped_column(Words(Kind))
    state: Mapped[State] = mapped_column(Words(State), default=State.DRAFT, index=True)
    outcome: Mapped[Outcome | None] = mapped_column(Words(Outcome))
    country: Mapped[str] = mapped_column(String(2))
    time_zone: Mapped[str] = mapped_column(String(64))
    language: Mapped[str] = mapped_column(String(12))
    place: Mapped[str] = mapped_column(String(120), default="")
    title: Mapped[str] = mapped_column(String(120))
    summary: Mapped[str] = mapped_column(String(400))
    appeal: Mapped[str] = mapped_column(Text)
    demands: Mapped[str] = mapped_column(Text)
    letter: Mapped[str] = mapped_column(Text, default="")
    goal: Mapped[int]
    opened_on: Mapped[dt.date]
    closed_on: Mapped[dt.date | None]
    created_at: Mapped[dt.datetime]
    published_at: Mapped[dt.datetime | None]
    key_id: Mapped[str | None] = mapped_column(String(32), unique=True)
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    generation: Mapped[int] = mapped_column(Integer, default=1, server_default="1")

    subjects: Mapped[list[Subject]] = relationship(
        back_populates="campaign", order_by="Subject.position", cascade="all, delete-orphan"
    )
    targets: Mapped[list[Target]] = relationship(
        back_populates="campaign", order_by="Target.position", cascade="all, delete-orphan"
    )

    @property
    def accepts_support(self) -> bool:
        """Say whether it can be signed, endorsed and subscribed to now."""
        return self.state is State.LIVE and self.public_key is not None

    @property
    def is_public(self) -> bool:
        """Say whether the page is shown to everybody."""
        return self.state in PUBLIC

    def local_date(self, moment: dt.datetime) -> dt.date:
        """Give the date of a moment where the case happens."""
        return moment.astimezone(ZoneInfo(self.time_zone)).date()


class Happened:
    """When something happened, in the case's own time zone, as exactly as it is known."""

    happened_on: Mapped[dt.date] = mapped_column(Date)
    happened_time: Mapped[dt.time | None] = mapped_column(Time)
    precision: Mapped[Precision] = mapped_column(Words(Precision), default=Precision.DAY)
    is_approximate: Mapped[bool] = mapped_column(default=False)


class Subject(Model):
    """One person, workforce, organisation or community the case is about."""

    __tablename__ = "subjects"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    campaign_id: Mapped[int] = mapped_column(
        ForeignKey("campaigns.id", ondelete="CASCADE"), index=True
    )
    position: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str] = mapped_column(String(120))
    about: Mapped[str] = mapped_column(String(1000), default="")
    status: Mapped[Status | None] = mapped_column(Words(Status))
    certainty: Mapped[Certainty | None] = mapped_column(Words(Certainty))
    since: Mapped[dt.date | None]
    verified_on: Mapped[dt.date | None]

    campaign: Mapped[Campaign] = relationship(back_populates="subjects")


class Portrait(Model):
    """The picture of one subject; ``credit`` names who made it and lets us show it."""

    __tablename__ = "portraits"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    subject_id: Mapped[int] = mapped_column(
        ForeignKey("subjects.id", ondelete="CASCADE"), unique=True
    )
    credit: Mapped[str] = mapped_column(String(160), default="")


class PortraitFile(Model):
    """A portrait in one format and size; in the database, where every web process finds it."""

    __tablename__ = "portrait_files"

    portrait_id: Mapped[int] = mapped_column(
        ForeignKey("portraits.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    format: Mapped[str] = mapped_column(String(8), primary_key=True)
    width: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    height: Mapped[int] = mapped_column(SmallInteger)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class Target(Model):
    """Whom the demand is addressed to."""

    __tablename__ = "targets"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    campaign_id: Mapped[int] = mapped_column(
        ForeignKey("campaigns.id", ondelete="CASCADE"), index=True
    )
    position: Mapped[int] = mapped_column(SmallInteger)
    office: Mapped[str] = mapped_column(String(160))
    name: Mapped[str | None] = mapped_column(String(120))
    country: Mapped[str] = mapped_column(String(2))
    email: Mapped[str | None] = mapped_column(String(254))
    post_address: Mapped[str | None] = mapped_column(String(400))

    campaign: Mapped[Campaign] = relationship(back_populates="targets")


class Partner(Model):
    """An organisation that shows the campaign's form on a site of its own.

    ``counted`` is how many signatures came that way and still stand; only the worker writes it.
    Who came which way is readable nowhere.
    """

    __tablename__ = "partners"
    __table_args__ = (UniqueConstraint("campaign_id", "slug"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    slug: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(120))
    counted: Mapped[int] = mapped_column(Integer, default=0)


class StatusChange(Happened, Model):
    """One recorded move of a subject; it belongs to the update that tells of it."""

    __tablename__ = "status_changes"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    subject_id: Mapped[int] = mapped_column(
        ForeignKey("subjects.id", ondelete="CASCADE"), index=True
    )
    update_id: Mapped[int] = mapped_column(
        ForeignKey("updates.id", ondelete="CASCADE"), index=True
    )
    old_status: Mapped[Status | None] = mapped_column(Words(Status))
    new_status: Mapped[Status] = mapped_column(Words(Status))
    certainty: Mapped[Certainty] = mapped_column(Words(Certainty))
    learned_at: Mapped[dt.datetime | None]
    source: Mapped[str] = mapped_column(String(400), default="")
    changed_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("organisers.id", ondelete="SET NULL")
    )

    subject: Mapped[Subject] = relationship()


class Translation(Model):
    """One block of a campaign's texts in another language.

    ``source_hash`` is the SHA-256 of the original it was made from, so that a block knows when
    it is outdated. Blocks are named ``title``, ``subject.<id>.about``, ``update.<id>.text`` …
    """

    __tablename__ = "translations"
    __table_args__ = (UniqueConstraint("campaign_id", "language", "block"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    language: Mapped[str] = mapped_column(String(12))
    block: Mapped[str] = mapped_column(String(80))
    text: Mapped[str] = mapped_column(Text)
    source_hash: Mapped[bytes] = mapped_column(LargeBinary)


class CampaignWords(Model):
    """The words by which a campaign is found, in all its languages, as ``folding`` spells them.

    ``heading`` repeats those of titles, names and places. ``edition`` says by which rules it
    was made. Each database has a full-text index of its own kind on it (migration 0004).
    """

    __tablename__ = "campaign_words"

    campaign_id: Mapped[int] = mapped_column(
        ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    heading: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    edition: Mapped[str] = mapped_column(String(80))
