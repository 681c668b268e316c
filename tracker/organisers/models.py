"""Accounts, sign-ins and roles."""

from __future__ import annotations

import datetime as dt
import enum

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tracker.database import Model, Words, random_id


class Organiser(Model):
    """A person with an account; an administrator may work on every campaign."""

    __tablename__ = "organisers"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    password_hash: Mapped[str] = mapped_column(String(255))
    must_change_password: Mapped[bool] = mapped_column(default=True)
    is_admin: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[dt.datetime]
    deactivated_at: Mapped[dt.datetime | None]


class SignIn(Model):
    """One signed-in browser; the cookie holds a token, this row its hash."""

    __tablename__ = "sign_ins"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    organiser_id: Mapped[int] = mapped_column(
        ForeignKey("organisers.id", ondelete="CASCADE"), index=True
    )
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[dt.datetime]
    seen_at: Mapped[dt.datetime]

    organiser: Mapped[Organiser] = relationship()


class Role(enum.Enum):
    """What an organiser may do on one campaign."""

    OWNER = "owner"
    EDITOR = "editor"


class CampaignRole(Model):
    """An organiser's role on one campaign."""

    __tablename__ = "campaign_roles"
    __table_args__ = (UniqueConstraint("organiser_id", "campaign_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    organiser_id: Mapped[int] = mapped_column(ForeignKey("organisers.id", ondelete="CASCADE"))
    campaign_id: Mapped[int] = mapped_column(
        ForeignKey("campaigns.id", ondelete="CASCADE"), index=True
    )
    role: Mapped[Role] = mapped_column(Words(Role))
