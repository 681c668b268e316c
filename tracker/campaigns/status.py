"""The statuses of each kind of case, and the moves between them."""

from __future__ import annotations

import datetime as dt
import enum

from tracker.core.errors import Refused


def _l(message: str) -> str:
    """Mark a message for translation; it is translated where it is shown."""
    return message


class Kind(enum.Enum):
    """What a campaign is about."""

    PERSON = "person"
    JUSTICE = "justice"
    DISPUTE = "dispute"
    ORGANISATION = "organisation"
    CALL = "call"


class Status(enum.Enum):
    """Where a subject stands."""

    MISSING = "missing"
    HELD_INCOMMUNICADO = "held-incommunicado"
    DETAINED = "detained"
    CHARGED = "charged"
    ON_TRIAL = "on-trial"
    SENTENCED = "sentenced"
    TRANSFERRED = "transferred"
    ILL_TREATED = "ill-treated"
    BAILED = "bailed"
    RELEASED = "released"
    KILLED = "killed"
    IN_DISPUTE = "in-dispute"
    ON_STRIKE = "on-strike"
    LOCKED_OUT = "locked-out"
    OCCUPIED = "occupied"
    SETTLED = "settled"
    THREATENED = "threatened"
    RAIDED = "raided"
    BANNED = "banned"
    RESTORED = "restored"
    OPEN = "open"
    WON = "won"
    LOST = "lost"
    ENDED = "ended"


class Certainty(enum.Enum):
    """How sure we are of a status."""

    REPORTED = "reported"
    CONFIRMED = "confirmed"


class Tone(enum.Enum):
    """How a status is shown: somebody is in danger, it is open, it is good, somebody died."""

    BAD = "bad"
    OPEN = "open"
    GOOD = "good"
    GRAVE = "grave"


class MoveRefused(Refused):
    """A subject cannot go from one status to the other."""


_HELD = frozenset(
    {
        Status.MISSING,
        Status.HELD_INCOMMUNICADO,
        Status.DETAINED,
        Status.CHARGED,
        Status.ON_TRIAL,
        Status.SENTENCED,
        Status.TRANSFERRED,
        Status.ILL_TREATED,
    }
)
_PERSON = _HELD | {Status.BAILED, Status.RELEASED, Status.KILLED}
_DISPUTE = frozenset(
    {
        Status.IN_DISPUTE,
        Status.ON_STRIKE,
        Status.LOCKED_OUT,
        Status.OCCUPIED,
        Status.SETTLED,
        Status.WON,
        Status.LOST,
    }
)
_ORGANISATION = frozenset({Status.THREATENED, Status.RAIDED, Status.BANNED, Status.RESTORED})
_CALL = frozenset({Status.OPEN, Status.WON, Status.LOST, Status.ENDED})

STATUSES: dict[Kind, frozenset[Status]] = {
    Kind.PERSON: _PERSON,
    Kind.JUSTICE: _PERSON,
    Kind.DISPUTE: _DISPUTE,
    Kind.ORGANISATION: _ORGANISATION,
    Kind.CALL: _CALL,
}
"""Which statuses a subject of each kind of case can have."""

FREE = frozenset({Status.RELEASED})
"""Statuses counted as free in "3 of 9 free"; bail is not freedom."""

OVER = frozenset(
    {
        Status.RELEASED,
        Status.SETTLED,
        Status.WON,
        Status.LOST,
        Status.RESTORED,
        Status.ENDED,
    }
)
"""Statuses at which the days stop being counted. A death does not stop them."""

VERIFIED_FOR = 14
"""Days for which a verification holds while somebody's case is open."""


def days_unverified(
    status: Status | None, verified_on: dt.date | None, *, today: dt.date
) -> int | None:
    """Give the days since the last verification once they are too many, else ``None``.

    What is over, and a death, needs no further look; ``today`` is the date where it happens.
    """
    if status is None or verified_on is None or status in OVER or status is Status.KILLED:
        return None
    days = (today - verified_on).days
    return days if days > VERIFIED_FOR else None


# Somebody released can be taken again, but cannot be moved or tried in freedom's place.
_FROM_RELEASED = frozenset(
    {
        Status.MISSING,
        Status.HELD_INCOMMUNICADO,
        Status.DETAINED,
        Status.CHARGED,
        Status.ON_TRIAL,
        Status.SENTENCED,
        Status.KILLED,
    }
)


def moves(kind: Kind, old: Status | None) -> frozenset[Status]:
    """Give the statuses that a subject may go to from ``old``."""
    possible = STATUSES[kind]
    if old is Status.KILLED:
        return frozenset()
    if old is Status.RELEASED:
        return possible & _FROM_RELEASED
    return possible - {old} if old else possible


def check_move(
    kind: Kind,
    old: Status | None,
    new: Status,
    *,
    was: Certainty | None = None,
    certainty: Certainty = Certainty.CONFIRMED,
) -> None:
    """Raise :class:`MoveRefused` unless a subject may go from ``old`` to ``new``.

    A reported status may be confirmed; otherwise the same status again is no change.
    """
    if new is old and was is Certainty.REPORTED and certainty is Certainty.CONFIRMED:
        return
    if new not in moves(kind, old):
        raise MoveRefused(_l("This status cannot follow the one that is recorded now."))


def tone(status: Status | None) -> Tone:
    """Give how a status is shown."""
    if status is None or status in {Status.OPEN, Status.ENDED, Status.BAILED}:
        return Tone.OPEN
    if status is Status.KILLED:
        return Tone.GRAVE
    good = {Status.RELEASED, Status.SETTLED, Status.WON, Status.RESTORED}
    return Tone.GOOD if status in good else Tone.BAD
