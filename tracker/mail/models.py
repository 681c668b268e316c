"""Deliveries that wait, the keys they are sealed to, and who gets no more mail."""

from __future__ import annotations

import datetime as dt
import enum

from sqlalchemy import Index, LargeBinary, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tracker.database import UNORDERED, Model, Words, random_id


class OutboxKey(Model):
    """A public key to which single mails are sealed; the worker holds the private half."""

    __tablename__ = "outbox_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[dt.datetime]


class DeliveryState(enum.Enum):
    """Where one message to one address stands."""

    QUEUED = "queued"
    SENT = "sent"
    SKIPPED = "skipped"
    REFUSED = "refused"
    GIVEN_UP = "given-up"


class Priority(enum.IntEnum):
    """Who goes first: somebody waiting for one mail, before a mail to all."""

    SINGLE = 0
    BULK = 1


class Delivery(Model):
    """One message to one address.

    A single mail carries its content in an envelope that only the worker opens, and the row is
    deleted once the mail server has taken it. A bulk mail names a batch and a recipient; who
    that is stands in the recipient's own row, read again right before sending.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("batch_id", "recipient_id"),
        Index("ix_deliveries_due", "state", "priority", "due_at"),
        Index("ix_deliveries_batch_id_state", "batch_id", "state"),
        UNORDERED,
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    kind: Mapped[str] = mapped_column(String(32))
    priority: Mapped[int] = mapped_column(SmallInteger, default=Priority.SINGLE.value)
    state: Mapped[DeliveryState] = mapped_column(
        Words(DeliveryState), default=DeliveryState.QUEUED
    )
    envelope: Mapped[bytes | None] = mapped_column(LargeBinary)
    outbox_key_id: Mapped[str | None] = mapped_column(String(32), index=True)
    batch_id: Mapped[int | None]
    recipient_id: Mapped[int | None]
    verdict: Mapped[str | None] = mapped_column(String(32))
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    queued_at: Mapped[dt.datetime]
    due_at: Mapped[dt.datetime]
    lease_owner: Mapped[str | None] = mapped_column(String(80))
    lease_until: Mapped[dt.datetime | None]


class SuppressionReason(enum.Enum):
    """Why an address gets no more mail."""

    COMPLAINT = "complaint"
    BOUNCE = "bounce"
    NOT_ME = "not-me"
    OPERATOR = "operator"


class Suppression(Model):
    """An address that gets no more mail, known by a keyed hash only."""

    __tablename__ = "suppressions"
    __table_args__ = (UNORDERED,)

    fingerprint: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    reason: Mapped[SuppressionReason] = mapped_column(Words(SuppressionReason))
    since: Mapped[dt.date]
    until: Mapped[dt.date | None]


class MailCap(Model):
    """How many single mails one address got today, under a name that dies with the day."""

    __tablename__ = "mail_caps"
    __table_args__ = (UNORDERED,)

    name: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    day: Mapped[dt.date] = mapped_column(index=True)
    count: Mapped[int] = mapped_column(SmallInteger)
