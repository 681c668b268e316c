"""Whose slot is whose: the ids of an alert's audience, in pages of one chunk each."""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Collection, Sequence

from sqlalchemy import bindparam, delete, select

from tracker.alerts.models import CHUNK, Alert, AlertAudience
from tracker.core import clock
from tracker.extensions import db

KEPT_DAYS = 30
"""Days after an alert is over in which bounces and complaints about it still count."""
ID_BYTES = 8


_TABLE = AlertAudience.__table__
_PAGES = select(_TABLE.c.number, _TABLE.c.ids).where(
    _TABLE.c.alert_id == bindparam("alert_id"),
    _TABLE.c.number.in_(bindparam("numbers", expanding=True)),
)


def pack(ids: Sequence[int]) -> bytes:
    """Give the bytes of one page: ids in the order of their slots, 8 bytes each."""
    return struct.pack(f">{len(ids)}q", *ids)


def unpack(stored: bytes | None) -> tuple[int, ...]:
    """Give the ids of a page, not more than a chunk has slots, whatever was stored."""
    number = min(len(stored or b"") // ID_BYTES, CHUNK)
    return struct.unpack_from(f">{number}q", stored or b"")


def of_chunk(alert_id: int, number: int) -> dict[int, int]:
    """Give the slots of one chunk by subscription; none where there is no such chunk."""
    return {one: slot for slot, one in of_slots(alert_id, _slots(number)).items()}


def of_slots(alert_id: int, slots: Collection[int]) -> dict[int, int]:
    """Give the subscriptions of some slots; whoever left meanwhile is among them."""
    numbers = {slot // CHUNK for slot in slots}
    values = {"alert_id": alert_id, "numbers": list(numbers)}
    pages = {row.number: unpack(row.ids) for row in db.session.execute(_PAGES, values)}
    return {
        slot: pages[slot // CHUNK][slot % CHUNK]
        for slot in slots
        if slot % CHUNK < len(pages.get(slot // CHUNK, ()))
    }


def _slots(number: int) -> range:
    return range(number * CHUNK, (number + 1) * CHUNK)


def forget_old() -> None:
    """Delete the audiences of alerts that have been over for :data:`KEPT_DAYS`."""
    before = clock.now() - dt.timedelta(days=KEPT_DAYS)
    over = select(Alert.id).where(Alert.done_at < before)
    db.session.execute(delete(AlertAudience).where(AlertAudience.alert_id.in_(over)))
