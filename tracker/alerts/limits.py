"""What no limit lets go now stays in hand: limits of mail servers, and of kinds of mailbox."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping

from tracker.alerts.batches import Batch
from tracker.alerts.mailings import Recipient
from tracker.mail import rates, relays
from tracker.mail.pipeline import Pool
from tracker.settings import Settings

Picked = list[tuple[Batch, Recipient]]
"""Mails about to be sent, each with the batch it belongs to."""

ASK_SECONDS = 0.1
"""A limit that is used up is not asked again for so long: each time is a transaction."""


class Limits:
    """The limits as one worker meets them; what they count is in the database."""

    def __init__(self, settings: Settings, pools: Mapping[str, Pool]) -> None:
        """Take what is limited; a mail server without a limit needs no allowance."""
        self.settings, self.pools = settings, pools
        self._exhausted: dict[str, float] = {}
        self._full_until = 0.0
        for pool in pools.values():
            pool.allowance = 0 if pool.relay.rate else None

    def is_full(self) -> bool:
        """Say whether the mail servers' limits were used up a moment ago."""
        return time.monotonic() < self._full_until

    def allowed(self, picked: Picked) -> Picked:
        """Leave out what may not go at this moment. Call inside ``writing()``.

        Mails to a kind of mailbox whose limit is used up are moved to ``held``.
        """
        if not picked:
            return []
        chosen: Picked = []
        room = self._room(len(picked))
        if room < len(picked):
            self._full_until = time.monotonic() + ASK_SECONDS
        asking = picked[:room]
        granted = self._granted(recipient.provider for _, recipient in asking)
        if not granted:
            return asking
        for batch, recipient in asking:
            provider = recipient.provider
            if not granted.get(provider, 1):
                batch.todo.remove(recipient)
                batch.held.setdefault(provider, []).append(recipient)
                continue
            if provider in granted:
                granted[provider] -= 1
            chosen.append((batch, recipient))
        return chosen

    def _granted(self, providers: Iterable[str]) -> dict[str, int]:
        """Give how many mails may leave to each kind of mailbox that has a limit."""
        wanted = Counter(providers)
        # Sorted, as everybody locks their rows in one order.
        limited = sorted(wanted.keys() & self.settings.provider_limits.keys())
        return {one: self._take_from_provider(one, wanted[one]) for one in limited}

    def _take_from_provider(self, provider: str, wanted: int) -> int:
        rate = self.settings.provider_limits[provider]
        granted = rates.take(f"provider:{provider}", rate=rate, most=wanted)
        if granted < wanted:
            self._exhausted[provider] = time.monotonic() + max(1.0, 1 / rate)
        return granted

    def has_room(self) -> bool:
        """Say whether no kind of mailbox has used up its limit a moment ago."""
        return all(until <= time.monotonic() for until in self._exhausted.values())

    def _room(self, wanted: int) -> int:
        """Give how many mails the mail servers' own limits let go now."""
        room, is_unlimited = 0, False
        for pool in self.pools.values():
            is_usable = pool.closed_until <= time.monotonic()
            if pool.allowance is None:
                is_unlimited |= is_usable
                continue
            if pool.allowance < wanted and is_usable:
                pool.allowance += self._take_from_relay(pool, wanted - pool.allowance)
            room += pool.allowance
        return wanted if is_unlimited else room

    def _take_from_relay(self, pool: Pool, wanted: int) -> int:
        relay = pool.relay
        rate = relays.todays_rate(relay)
        return rates.take(f"relay:{relay.name}", rate=rate, most=wanted)
