"""Whose slot is whose: the ids of an alert's audience, in pages of one chunk each."""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence

from sqlalchemy import bindparam, select

from tracker.alerts.models import CHUNK, AlertAudience
from tracker.database import AS_BYTES
from tracker.extensions import db

ID_BYTES = 8
MOST_SLOTS = 2**31
"""What an INTEGER of every database holds."""


_TABLE = AlertAudience.__table__
_PAGES = (
    select(_TABLE.c.number, _TABLE.c.ids)
    .where(
        _TABLE.c.alert_id == bindparam("alert_id"),
        _TABLE.c.number.in_(bindparam("numbers", expanding=True)),
    )
    .execution_options(**AS_BYTES)
)


def pack(ids: Sequence[int]) -> bytes:
    """Give the bytes of one page: ids in the order of their slots, 8 bytes each."""
    return struct.pack(f">{len(ids)}q", *ids)


def unpack(stored: object) -> tuple[int, ...]:
    """Give the ids of a page, not more than a chunk has slots, whatever was stored."""
    if not isinstance(stored, bytes):
        return ()
    return struct.unpack_from(f">{min(len(stored) // ID_BYTES, CHUNK)}q", stored)


def of_chunk(alert_id: int, number: int) -> dict[int, int]:
    """Give the slots of one chunk by subscription; none where there is no such chunk."""
    if not _is_slot(number) or not _is_slot(number * CHUNK):
        return {}
    ids = _pages(alert_id, {number}).get(number, ())
    return {one: number * CHUNK + place for place, one in enumerate(ids)}


def of_slots(alert_id: int, slots: Collection[int]) -> dict[int, int]:
    """Give the subscriptions of some slots; whoever left meanwhile is among them."""
    wanted = [slot for slot in slots if _is_slot(slot)]
    pages = _pages(alert_id, {slot // CHUNK for slot in wanted})
    return {
        slot: pages[slot // CHUNK][slot % CHUNK]
        for slot in wanted
        if slot % CHUNK < len(pages.get(slot // CHUNK, ()))
    }


def _is_slot(number: object) -> bool:
    """Say whether something read can be a slot: SQLite stores whatever it is given."""
    return isinstance(number, int) and 0 <= number < MOST_SLOTS


def _pages(alert_id: int, numbers: Collection[int]) -> dict[int, tuple[int, ...]]:
    values = {"alert_id": alert_id, "numbers": list(numbers)}
    return {row.number: unpack(row.ids) for row in db.session.execute(_PAGES, values)}
