"""One row for each update that is told to all, and what sending it to millions needs.

An alert is sent as a *broadcast*: frozen mails, one per language; chunks of 500 slots, each
with a bitmap of those done; and a row of its own only for whoever could not be reached at
once. No table says who was written to once it is over.
"""

from __future__ import annotations

import datetime as dt
import enum

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, SmallInteger, String, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tracker.database import UNORDERED, Model, Words, random_id
from tracker.updates.models import Update

NOTICE_KIND = "notice"
"""Kind of the deliveries that tell organisers about an alert that rests."""
TRIAL_KIND = "trial"
"""Kind of the deliveries that show an alert to one organiser before it is approved."""

CHUNK = 500
"""Slots in one chunk; its bitmap has 63 bytes."""


class AlertState(enum.Enum):
    """How far an alert has come."""

    WAITING = "waiting"
    EXPANDING = "expanding"
    SENDING = "sending"
    PAUSED = "paused"
    DONE = "done"
    STOPPED = "stopped"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


RUNNING = (AlertState.EXPANDING, AlertState.SENDING)
"""States in which mails leave."""
UNFINISHED = (AlertState.WAITING, *RUNNING, AlertState.PAUSED)
"""States from which something can still be sent."""


class PauseReason(enum.Enum):
    """Why an alert rests until an organiser lets it go on."""

    ORGANISER = "organiser"
    BOUNCES = "bounces"
    REFUSALS = "refusals"
    RELAY = "relay"
    LATE = "late"
    BROKEN = "broken"


class Alert(Model):
    """An update on its way to everybody who agreed to hear of it.

    It waits until ``not_before`` and can be stopped at any time; nothing of it leaves after
    ``not_after``, so that a restored backup does not tell old news. Its audience are the
    campaign's subscriptions up to ``generation``. ``slots`` is how many its chunks have, empty
    until everybody has one; up to then ``cursor`` is the last one that has. The counters are
    exact once it is over. Of the mails sent, ``bounced``, ``refused`` (not wanted from us) and
    ``complained`` came back later; organisers know already of ``excused`` of the first two,
    and ``is_warned`` says that they were told after its end.
    ``active_at`` is when a worker last looked after it.
    """

    __tablename__ = "alerts"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    update_id: Mapped[int] = mapped_column(
        ForeignKey("updates.id", ondelete="CASCADE"), unique=True
    )
    campaign_id: Mapped[int] = mapped_column(
        ForeignKey("campaigns.id", ondelete="CASCADE"), index=True
    )
    state: Mapped[AlertState] = mapped_column(
        Words(AlertState), default=AlertState.WAITING, index=True
    )
    paused_for: Mapped[PauseReason | None] = mapped_column(Words(PauseReason))
    approved_at: Mapped[dt.datetime]
    approved_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("organisers.id", ondelete="SET NULL")
    )
    not_before: Mapped[dt.datetime]
    not_after: Mapped[dt.datetime]
    active_at: Mapped[dt.datetime | None]
    done_at: Mapped[dt.datetime | None]
    generation: Mapped[int] = mapped_column(Integer)
    cursor: Mapped[int] = mapped_column(default=0)
    slots: Mapped[int | None] = mapped_column(Integer)
    queued: Mapped[int] = mapped_column(Integer, default=0)
    sent: Mapped[int] = mapped_column(Integer, default=0)
    skipped: Mapped[int] = mapped_column(Integer, default=0)
    failed: Mapped[int] = mapped_column(Integer, default=0)
    bounced: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    refused: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    complained: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    excused: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    is_warned: Mapped[bool] = mapped_column(default=False, server_default=false())

    update: Mapped[Update] = relationship()


class AlertVariant(Model):
    """The mail of one update in one language, as bytes with slots: previewed, tested, sent.

    ``digest`` is the SHA-256 of ``frozen``, in hex. The web process writes it, so the worker
    takes it as hostile.
    """

    __tablename__ = "alert_variants"

    update_id: Mapped[int] = mapped_column(
        ForeignKey("updates.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    language: Mapped[str] = mapped_column(String(12), primary_key=True)
    frozen: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[str] = mapped_column(String(64))


class AlertAudience(Model):
    """Whose slots are those of one chunk: ids of subscriptions, 8 bytes each, in their order.

    Deleted with the chunks when the alert is over: who left since shall be named nowhere.
    """

    __tablename__ = "alert_audiences"

    alert_id: Mapped[int] = mapped_column(
        ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    ids: Mapped[bytes] = mapped_column(LargeBinary)


class AlertChunk(Model):
    """Up to :data:`CHUNK` slots of one alert: leased whole, marked slot by slot.

    A bit is set once nothing more is to be done for its slot here: sent, skipped, or written
    down as an exception. ``is_held`` says that the rest waits for a limit of its kind of
    mailbox; which one is not written down.
    """

    __tablename__ = "alert_chunks"
    __table_args__ = (Index("ix_alert_chunks_alert_id_is_done", "alert_id", "is_done"),)

    alert_id: Mapped[int] = mapped_column(
        ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    done: Mapped[bytes] = mapped_column(LargeBinary)
    is_done: Mapped[bool] = mapped_column(default=False)
    is_held: Mapped[bool] = mapped_column(default=False)
    lease_owner: Mapped[str | None] = mapped_column(String(80))
    lease_until: Mapped[dt.datetime | None]
    sent: Mapped[int] = mapped_column(SmallInteger, default=0)
    skipped: Mapped[int] = mapped_column(SmallInteger, default=0)


class ExceptionState(enum.Enum):
    """What became of a mail that was not simply taken."""

    DEFERRED = "deferred"
    BOUNCED = "bounced"
    REFUSED = "refused"
    GIVEN_UP = "given-up"


class AlertException(Model):
    """One mail of an alert that the mail server did not take at once; also the retry queue.

    Deleted with the chunks when the alert is over.
    """

    __tablename__ = "alert_exceptions"
    __table_args__ = (
        Index("ix_alert_exceptions_due", "state", "due_at"),
        UNORDERED,
    )

    alert_id: Mapped[int] = mapped_column(
        ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    slot: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    state: Mapped[ExceptionState] = mapped_column(
        Words(ExceptionState), default=ExceptionState.DEFERRED
    )
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    code: Mapped[int] = mapped_column(SmallInteger, default=0)
    enhanced: Mapped[str] = mapped_column(String(12), default="")
    since: Mapped[dt.datetime]
    due_at: Mapped[dt.datetime]
    lease_owner: Mapped[str | None] = mapped_column(String(80))
