"""One row for each update that is told to all."""

from __future__ import annotations

import datetime as dt
import enum

from sqlalchemy import ForeignKey, Integer
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tracker.database import Model, Words, random_id
from tracker.updates.models import Update

KIND = "alert"
"""Kind of the deliveries that tell an update."""


class AlertState(enum.Enum):
    """How far an alert has come."""

    WAITING = "waiting"
    STOPPED = "stopped"
    EXPANDING = "expanding"
    SENDING = "sending"
    DONE = "done"


class Alert(Model):
    """An update on its way to everybody who agreed to hear of it.

    It waits until ``not_before`` and can be stopped up to then. ``cursor`` is the last
    subscription that has a delivery; the counters are exact once it is done.
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
    not_before: Mapped[dt.datetime]
    approved_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("organisers.id", ondelete="SET NULL")
    )
    cursor: Mapped[int] = mapped_column(default=0)
    queued: Mapped[int] = mapped_column(Integer, default=0)
    sent: Mapped[int] = mapped_column(Integer, default=0)
    skipped: Mapped[int] = mapped_column(Integer, default=0)
    failed: Mapped[int] = mapped_column(Integer, default=0)
    done_at: Mapped[dt.datetime | None]

    update: Mapped[Update] = relationship()
