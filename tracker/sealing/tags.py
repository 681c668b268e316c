"""Keyed hashes (HMAC-SHA-256): equal addresses are recognised, addresses are not revealed.

The keys are the worker's alone. Whoever holds a tag key and the tags can test guesses, so each
campaign has a key of its own, destroyed with the campaign.
"""

from __future__ import annotations

import hmac

from tracker.core.addresses import canonical

ROW_BYTES = 8
TAG_BYTES = 32


def tag(key: bytes, address: str) -> bytes:
    """Give the 32 bytes by which one mailbox is recognised under one key."""
    return hmac.digest(key, b"tag\0" + canonical(address).encode(), "sha256")


def capped(key: bytes, address: str, *, scope: str) -> bytes:
    """Give the name of a daily counter for one mailbox; ``key`` dies with the day."""
    return hmac.digest(key, f"cap\0{scope}\0{canonical(address)}".encode(), "sha256")


def link(key: bytes, *, purpose: str, row: int) -> bytes:
    """Give the token of a link that can do one thing for one row (DESIGN §7, Links)."""
    return hmac.digest(key, f"link\0{purpose}\0{row}".encode(), "sha256")


def mail(key: bytes, *, alert: int, row: int) -> bytes:
    """Give the 32 bytes that mark one mail of an alert: its return address, its Message-ID."""
    return hmac.digest(key, b"mail\0%d\0%d" % (alert, row), "sha256")


def bounce(key: bytes, *, alert: int, row: int) -> bytes:
    """Give the name under which one mail's bounce is counted, once; no mail server sees it."""
    return hmac.digest(key, b"bounce\0%d\0%d" % (alert, row), "sha256")


def veil(key: bytes, row: int, *, mac: bytes) -> bytes:
    """Give a row's id in 8 bytes that nobody can read who has not the key.

    The MAC over it is what makes each different, as in SIV (RFC 5297 §2.6). Mail servers see
    return addresses beside addresses; with a copy of the database they would know who is who.
    Raises ``ValueError`` for what is no id: negative, or of more than 64 bits.
    """
    if row < 0 or row.bit_length() > 8 * ROW_BYTES:
        raise ValueError("an id has 8 bytes, unsigned")
    return (row ^ _pad(key, mac)).to_bytes(ROW_BYTES, "big")


def unveil(key: bytes, veiled: bytes, *, mac: bytes) -> int:
    """Give the id that :func:`veil` hid; of anything else any number below 2**64."""
    return int.from_bytes(veiled[:ROW_BYTES], "big") ^ _pad(key, mac)


def _pad(key: bytes, mac: bytes) -> int:
    return int.from_bytes(hmac.digest(key, b"row\0" + mac, "sha256")[:ROW_BYTES], "big")
