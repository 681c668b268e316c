"""Deliveries that wait, mail servers, what came back, and who gets no more mail."""

from __future__ import annotations

import datetime as dt
import enum

from sqlalchemy import Float, Integer, LargeBinary, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from tracker.database import UNORDERED, Model, Words, random_id
from tracker.mail.bounces import ReportKind


class OutboxKey(Model):
    """A public key to which single mails are sealed; the worker holds the private half."""

    __tablename__ = "outbox_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[dt.datetime]


class Delivery(Model):
    """One single mail to one address: a confirmation, a link, a word to an organiser.

    Its content is in an envelope that only the worker opens; the row is deleted once the mail
    server has taken it. Mails to all are no rows: see ``tracker.alerts.models``.
    """

    __tablename__ = "deliveries"
    __table_args__ = (UNORDERED,)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    kind: Mapped[str] = mapped_column(String(32))
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    outbox_key_id: Mapped[str] = mapped_column(String(32), index=True)
    verdict: Mapped[str | None] = mapped_column(String(32))
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    queued_at: Mapped[dt.datetime]
    due_at: Mapped[dt.datetime] = mapped_column(index=True)
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


class RelayHealth(Model):
    """How one mail server does, seen by all workers; with another ``host`` all begins anew."""

    __tablename__ = "relay_health"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    host: Mapped[str] = mapped_column(String(260), server_default="")
    first_used_on: Mapped[dt.date]
    accepted: Mapped[int] = mapped_column(default=0)
    slowed: Mapped[int] = mapped_column(Integer, default=0)
    trouble: Mapped[str] = mapped_column(String(64), default="")
    trouble_at: Mapped[dt.datetime | None]
    well_at: Mapped[dt.datetime | None]


class RateBucket(Model):
    """When the next mail of one limit is due, as seconds since 1970 (GCRA)."""

    __tablename__ = "rate_buckets"

    name: Mapped[str] = mapped_column(String(48), primary_key=True)
    tat: Mapped[float] = mapped_column(Float)


class ReturnClaim(Model):
    """A bounce or complaint as it was received, not yet believed.

    Whoever receives it holds no key; the worker unveils whose mail it was,
    compares ``mac``, and deletes the claim.
    """

    __tablename__ = "return_claims"
    __table_args__ = (UNORDERED,)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    kind: Mapped[ReportKind] = mapped_column(Words(ReportKind))
    status: Mapped[str] = mapped_column(String(12))
    alert_id: Mapped[int]
    veiled: Mapped[bytes] = mapped_column(LargeBinary)
    mac: Mapped[bytes] = mapped_column(LargeBinary)
    day: Mapped[dt.date]


class BounceKind(enum.Enum):
    """What a mail that came back says of the address, or of us."""

    HARD = "hard"
    SOFT = "soft"
    POLICY = "policy"
    """Not wanted from us (5.7.x): nothing is wrong with the mailbox."""
    COMPLAINT = "complaint"
    """Of somebody whose row, and so whose address, is gone; others are suppressed."""


class Bounce(Model):
    """One mail of one address that came back, known by a keyed hash only; kept for some weeks.

    ``source`` is a digest of the mail it answers, so that each mail counts once; it stands for
    ``fingerprint`` too where the address was deleted meanwhile.
    """

    __tablename__ = "bounces"
    __table_args__ = (UNORDERED,)

    source: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary, index=True)
    day: Mapped[dt.date] = mapped_column(index=True)
    kind: Mapped[BounceKind] = mapped_column(Words(BounceKind), server_default="hard")
