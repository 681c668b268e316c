"""How often one sender may post: counted in memory under a key that dies within the hour.

No address of a machine is stored anywhere (DESIGN §4.7): the counters are named by a keyed
digest of the sender's network, and the key is forgotten every hour.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import threading
import time

from flask import request
from flask_babel import lazy_gettext as _l
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from tracker.core.errors import TooMany

KEY_LIFETIME = 3600


class Throttle:
    """Counts per process; several web processes each allow the full limit."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)
        self._key_until = time.monotonic() + KEY_LIFETIME

    def hit(self, limit: str, *, purpose: str, who: str) -> None:
        """Count one try of ``who``; raise :class:`TooMany` above ``limit`` ("9 per hour")."""
        item = parse(limit)
        name = self._name(purpose, who)
        with self._lock:
            # The storage starts a timer on a hit; two threads may start the same one.
            is_within = self._limiter.hit(item, name)
        if not is_within:
            raise self._too_many(item, name)

    def check(self, limit: str, *, purpose: str, who: str) -> None:
        """Raise :class:`TooMany` where ``limit`` is used up, without counting a try."""
        item, name = parse(limit), self._name(purpose, who)
        if not self._limiter.test(item, name):
            raise self._too_many(item, name)

    def forget(self) -> None:
        """Forget every counter and the key."""
        with self._lock:
            self._key_until = 0.0
        self._name("", "")

    def _too_many(self, item: RateLimitItem, name: str) -> TooMany:
        return TooMany(
            _l("Too many attempts from your network. Please wait a little and try again."),
            retry_after=self._seconds_left(item, name),
        )

    def _seconds_left(self, item: RateLimitItem, name: str) -> int:
        reset_at = self._limiter.get_window_stats(item, name).reset_time
        return max(1, int(reset_at - time.time()) + 1)

    def _name(self, purpose: str, who: str) -> str:
        with self._lock:
            if time.monotonic() >= self._key_until:
                self._key = secrets.token_bytes(32)
                self._key_until = time.monotonic() + KEY_LIFETIME
                self._limiter = FixedWindowRateLimiter(MemoryStorage())
            key = self._key
        return hmac.digest(key, f"{purpose}\0{who}".encode(), "sha256").hex()


throttle = Throttle()


def network() -> str:
    """Give the network the request came from: /24 for IPv4, /48 for IPv6."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return "unknown"
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    length = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network(f"{address}/{length}", strict=False))
