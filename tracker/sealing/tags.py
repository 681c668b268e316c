"""Keyed hashes (HMAC-SHA-256): equal addresses are recognised, addresses are not revealed.

The keys are the worker's alone. Whoever holds a tag key and the tags can test guesses, so each
campaign has a key of its own, destroyed with the campaign.
"""

from __future__ import annotations

import hmac

from tracker.core.addresses import canonical


def tag(key: bytes, address: str) -> bytes:
    """Give the 32 bytes by which one mailbox is recognised under one key."""
    return hmac.digest(key, b"tag\0" + canonical(address).encode(), "sha256")


def capped(key: bytes, address: str, *, scope: str) -> bytes:
    """Give the name of a daily counter for one mailbox; ``key`` dies with the day."""
    return hmac.digest(key, f"cap\0{scope}\0{canonical(address)}".encode(), "sha256")


def link(key: bytes, *, purpose: str, row: int) -> bytes:
    """Give the token of a link that can do one thing for one row (DESIGN §7, Links)."""
    return hmac.digest(key, f"link\0{purpose}\0{row}".encode(), "sha256")


def mail(key: bytes, *, alert: int, slot: int) -> bytes:
    """Give the 32 bytes that mark one mail of an alert: its return address, its Message-ID."""
    return hmac.digest(key, b"mail\0%d\0%d" % (alert, slot), "sha256")
