"""When an alert stops by itself: too many of its mails are refused or come back (pure)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from tracker.alerts.models import PauseReason

LAST = 1000
"""Mails that are looked back on."""
LEAST = 100
"""Mails below which shares mean nothing."""
MOST_BOUNCED, MOST_REFUSED = 0.05, 0.02
"""Shares above which an alert rests: bounces at RCPT, refusals at DATA or of us."""
RELAY_FAILURES = 20
"""Failures of the mail server in a row after which alerts rest."""


class Fate(Enum):
    """What the mail server said of one mail."""

    SENT = "sent"
    BOUNCED = "bounced"
    REFUSED = "refused"


@dataclass
class Record:
    """The last mails of one alert, as one worker saw them."""

    fates: deque[Fate] = field(default_factory=lambda: deque(maxlen=LAST))

    def add(self, fate: Fate) -> None:
        """Write one mail down."""
        self.fates.append(fate)

    def verdict(self) -> PauseReason | None:
        """Give why the alert must rest, if it must."""
        number = len(self.fates)
        if number < LEAST:
            return None
        if self.fates.count(Fate.BOUNCED) > MOST_BOUNCED * number:
            return PauseReason.BOUNCES
        if self.fates.count(Fate.REFUSED) > MOST_REFUSED * number:
            return PauseReason.REFUSALS
        return None


def judge_returns(
    *, sent: int, bounced: int, refused: int, excused: int = 0
) -> PauseReason | None:
    """Give why an alert must rest for what mail servers took and later returned, if it must.

    A mail server that takes everything first refuses nothing while we look. ``excused`` of
    what came back are known to the organisers.
    """
    is_about_us = refused > bounced
    most = (MOST_REFUSED if is_about_us else MOST_BOUNCED) * sent
    if sent < LEAST or bounced + refused - excused <= most:
        return None
    return PauseReason.REFUSALS if is_about_us else PauseReason.BOUNCES
