"""One relay as a worker sees it: how many connections, how many mails, and when none."""

from __future__ import annotations

import logging
import time
from typing import Generic, TypeVar

from tracker.configuration.mail import Relay
from tracker.mail.opening import Opening
from tracker.mail.parcels import Line, Parcel

log = logging.getLogger(__name__)

C = TypeVar("C")
"""A connection. The pool counts them only, so that it need not know what they are."""

PAUSES = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds a relay in trouble is left alone, growing with its consecutive failures."""
MOST_BREAKS = 3
"""Connections lost without one mail accepted between, after which the relay is left alone."""
MOST_DEFERRED = 20
"""Mails wanted later in a row, after which it must be the relay."""
STEP_UP = 100
"""Accepted mails after which a slowed relay gets one connection more."""
YIELD_SECONDS = 3.0
"""How long a relay's only connection is left to somebody else."""
CEILING_SECONDS = 300.0
"""How long one connection of a relay is left to somebody else."""
MOST_GIVEN_UP = 3
"""Connections given up one after the other; did that not help, they were not in the way."""
FRUITLESS_SECONDS = 10.0
"""The same of having left the relay alone altogether."""
ROUND_SECONDS = 1.0
"""Connections begun within so long are of one round, and judged together."""
SILENT_SECONDS = 1.5
"""A server that greets nobody for so long may have no connection left for us."""
MOST_OPENING = 8
"""Connections of one relay being opened at the same time."""


class Pool(Generic[C]):
    """One relay as this worker sees it: its connections, its health, how much it takes.

    ``trouble`` is the last one in a few words without any address, empty when well;
    ``closed_until`` a moment of ``time.monotonic()``; ``slowed`` how often it asked for less.
    """

    def __init__(self, relay: Relay) -> None:
        """Begin with full trust, and with no allowance where the relay has a rate."""
        self.relay = relay
        self.allowance: int | None = 0 if relay.rate else None
        """How many parcels it may still begin; the caller refills it. None is no limit."""
        self.concurrency = relay.connections
        self.longest_slow_pause = PAUSES[-1]
        """Seconds a relay that wants less is left alone at most."""
        self.longest_shut_pause = PAUSES[-1]
        """Seconds a relay that takes no connection is left alone at most."""
        self.hands_back = False
        """Whether mails that a busy relay wants later are handed to the caller, each to wait by
        itself; else the relay is left alone and they wait in line."""
        self.shut_out = 0
        """How often it would not take a connection."""
        self.failures = 0
        self.trouble = ""
        self.closed_until = 0.0
        self.slowed = 0
        self.is_pipelining = True
        self.channels: set[C] = set()
        self.free: list[C] = []
        """Those of ``channels`` that could begin a parcel."""
        self.openings: set[Opening] = set()
        self.chained = 0
        """How many parcels have begun behind another one on the same connection."""
        self.proven: set[bool] = set()
        """Which groups of commands have worked here: with the end of a mail or without."""
        self._breaks = self._deferred = self._accepted = 0
        self._refusals = 0
        self._open_after = 0.0
        self._ceiling, self._ceiling_until = relay.connections, 0.0
        self._given_up = 0
        self._yields_until = self._away_since = self._keeps_until = 0.0
        self._quickest: float | None = None

    @property
    def wants(self) -> int:
        """Give how many parcels it could begin if allowed, also behind the mails under way."""
        if not self.is_open():
            return 0
        busy = len(self.channels) - len(self.free)
        taken = self.chained if self.is_pipelining and not self.failures else busy
        return max(0, self._limit() - taken)

    def is_open(self) -> bool:
        """Say whether it may be used now: it is not left alone, and can be reached."""
        if time.monotonic() < self.closed_until:
            return False
        return bool(self.channels) or len(self.openings) < MOST_OPENING

    def _limit(self) -> int:
        # After a trouble one mail must get through before the others follow.
        return min(1, self.most_open) if self.failures else self.most_open

    @property
    def most_open(self) -> int:
        """Give how many connections it may have at this moment."""
        return 0 if time.monotonic() < self._yields_until else self.concurrency

    def may_begin(self) -> bool:
        """Say whether a free connection may begin a parcel."""
        busy = len(self.channels) - len(self.free)
        return self.allowance != 0 and busy < self._limit() and self.is_open()

    def may_chain(self) -> bool:
        """Say whether a parcel may begin behind one that is under way."""
        is_settled = not self.failures and len(self.channels) <= self.most_open
        return self.allowance != 0 and is_settled and self.is_open()

    def lacks(self, waiting: int) -> int:
        """Give how many connections to open for so many waiting parcels."""
        if not waiting or self.allowance == 0 or not self.is_open():
            return 0
        if time.monotonic() < self._open_after:
            return 0
        busy = len(self.channels) - len(self.free)
        useful = waiting if self.allowance is None else min(waiting, self.allowance)
        lacking = min(self._limit(), busy + useful) - len(self.channels) - len(self.openings)
        return max(0, min(lacking, MOST_OPENING - len(self.openings)))

    def add(self, channel: C, *, took: float) -> None:
        """Count a connection that took so many seconds to open: new ones are taken again."""
        self.channels.add(channel)
        self._refusals = 0
        self._quickest = took if self._quickest is None else min(self._quickest, took)

    def take(self, line: Line) -> Parcel:
        """Take the next parcel of ``line``, out of the allowance."""
        if self.allowance is not None:
            self.allowance -= 1
        return line.take()

    # --- health ------------------------------------------------------------------------------

    def accept(self) -> None:
        """Note a mail taken: whatever was wrong is over."""
        self._breaks = self._deferred = 0
        self._accepted += 1
        if self._accepted % STEP_UP == 0 and self.concurrency < self._most():
            self.concurrency += 1
        if self.trouble and time.monotonic() >= self.closed_until:
            self.failures, self.trouble = 0, ""

    def _most(self) -> int:
        is_limited = time.monotonic() < self._ceiling_until
        return self._ceiling if is_limited else self.relay.connections

    def make_room(self) -> None:
        """Use one connection less, for some minutes: somebody else needs it.

        The only one is left to them for some seconds. A relay may refuse them for other
        reasons: once enough was given up, the rest is kept for some minutes.
        """
        now = time.monotonic()
        if now < self._keeps_until:
            return
        if now >= self._ceiling_until:
            self._given_up = 0
        is_away = not self.channels and now < self._yields_until
        if not is_away:
            self._away_since = now
        if self._given_up == MOST_GIVEN_UP or now - self._away_since > FRUITLESS_SECONDS:
            self._given_up, self._keeps_until = 0, now + CEILING_SECONDS
        elif len(self.channels) > 1:
            self._given_up += 1
            self._ceiling = len(self.channels) - 1
            self._ceiling_until = now + CEILING_SECONDS
            self.concurrency = min(self.concurrency, self._ceiling)
        elif self.channels or is_away:
            self._yields_until = now + YIELD_SECONDS

    def slow_down(self, trouble: str) -> None:
        """Use half the connections after a pause; many at the same moment count once."""
        self.slowed += 1
        if self.fail(trouble, most=self.longest_slow_pause):
            self.concurrency = max(1, self.concurrency // 2)

    def fail(self, trouble: str, *, most: float = PAUSES[-1]) -> bool:
        """Leave the relay alone for a while, ``most`` seconds at most.

        False where that had been decided already.
        """
        self.trouble = trouble
        now = time.monotonic()
        if now < self.closed_until:
            return False
        pause = min(most, PAUSES[min(self.failures, len(PAUSES) - 1)])
        self.failures += 1
        self.closed_until = now + pause
        self._breaks = self._deferred = 0
        # Who asks every other second is not to fill the log for as long as the trouble lasts.
        if self.failures <= len(PAUSES) or pause >= PAUSES[-1]:
            log.warning("relay %s: %s; left alone for %g s", self.relay.name, trouble, pause)
        return True

    def fail_to_open(self, trouble: str) -> None:
        """Leave the relay alone; where others are open, only open no more for a while.

        Many servers take fewer connections than are configured, and work well with those.
        """
        self.trouble = trouble
        self.shut_out += 1
        now = time.monotonic()
        if now >= self._open_after:  # the first of its round
            pause = PAUSES[min(self._refusals, len(PAUSES) - 1)]
            self._open_after = now + min(pause, self.longest_shut_pause)
            self._refusals += 1
        # How many it takes is known once the last of its round has an answer; one that hangs
        # for longer is not waited for.
        left = [opening for opening in list(self.openings) if opening.is_wanted]
        if any(now - opening.begun_at < ROUND_SECONDS for opening in left):
            return
        if self.channels:
            most = len(self.channels) + len(left)
            self.concurrency = max(1, min(self.concurrency, most))
        else:
            self.fail(trouble, most=self.longest_shut_pause)

    def notice_silence(self) -> None:
        """Count a server that greets nobody as one that would not take a connection."""
        if self.channels:
            return
        now = time.monotonic()
        # Some are slow to greet, or far away.
        silent = max(SILENT_SECONDS, 2 * (self._quickest or 0.0))
        for opening in list(self.openings):
            if not opening.is_noticed and now - opening.begun_at > silent:
                opening.is_noticed = True
                self.shut_out += 1

    def lose(self, trouble: str) -> None:
        """Note a broken connection; one alone may happen, several mean the relay."""
        self.trouble = trouble
        self._breaks += 1
        if self.failures or self._breaks >= MOST_BREAKS:
            self.proven.clear()  # another server may have taken its place
            self.fail(trouble)

    def defer(self, trouble: str) -> None:
        """Note a mail wanted later; many in a row mean the relay."""
        self._deferred += 1
        if self._deferred >= MOST_DEFERRED:
            self._deferred = 0
            self.slow_down(trouble)

    def stop_pipelining(self, trouble: str) -> None:
        """Go step by step from now on, whatever the server offers."""
        if self.is_pipelining:
            self.is_pipelining = False
            log.warning("relay %s: no pipelining any more: %s", self.relay.name, trouble)
