"""Keyed hashes (HMAC-SHA-256): equal addresses are recognised, addresses are not revealed.

The keys are the worker's alone. Whoever holds a tag key and the tags can test guesses, so each
campaign has a key of its own, destroyed with the campaign.
"""

from __future__ import annotations

import hmac
from typing import TypeAlias

from tracker.core.addresses import canonical

ROW_BYTES = 8
TAG_BYTES = 32

Key: TypeAlias = bytes | hmac.HMAC
"""32 bytes, or what :func:`prepared` made of them."""


def prepared(key: bytes) -> hmac.HMAC:
    """Give a key for many hashes: each takes a quarter less time. It dies with its owner."""
    return hmac.new(key, digestmod="sha256")


def tag(key: Key, address: str) -> bytes:
    """Give the 32 bytes by which one mailbox is recognised under one key."""
    return _mac(key, b"tag\0" + canonical(address).encode())


def capped(key: Key, address: str, *, scope: str) -> bytes:
    """Give the name of a daily counter for one mailbox; ``key`` dies with the day."""
    return _mac(key, f"cap\0{scope}\0{canonical(address)}".encode())


def link(key: Key, *, purpose: str, row: int) -> bytes:
    """Give the token of a link that can do one thing for one row (DESIGN §7, Links)."""
    return _mac(key, f"link\0{purpose}\0{row}".encode())


def mail(key: Key, *, alert: int, row: int) -> bytes:
    """Give the 32 bytes that mark one mail of an alert: its return address, its Message-ID."""
    return _mac(key, b"mail\0%d\0%d" % (alert, row))


def bounce(key: Key, *, alert: int, row: int) -> bytes:
    """Give the name under which one mail's bounce is counted, once; no mail server sees it."""
    return _mac(key, b"bounce\0%d\0%d" % (alert, row))


def veil(key: Key, row: int, *, mac: bytes) -> bytes:
    """Give a row's id in 8 bytes that nobody can read who has not the key.

    The MAC over it is what makes each different, as in SIV (RFC 5297 §2.6). Mail servers see
    return addresses beside addresses; with a copy of the database they would know who is who.
    Raises ``ValueError`` for what is no id: negative, or of more than 64 bits.
    """
    if row < 0 or row.bit_length() > 8 * ROW_BYTES:
        raise ValueError("an id has 8 bytes, unsigned")
    return (row ^ _pad(key, mac)).to_bytes(ROW_BYTES, "big")


def unveil(key: Key, veiled: bytes, *, mac: bytes) -> int:
    """Give the id that :func:`veil` hid; of anything else any number below 2**64."""
    return int.from_bytes(veiled[:ROW_BYTES], "big") ^ _pad(key, mac)


def _pad(key: Key, mac: bytes) -> int:
    return int.from_bytes(_mac(key, b"row\0" + mac)[:ROW_BYTES], "big")


def _mac(key: Key, message: bytes) -> bytes:
    if isinstance(key, bytes):
        return hmac.digest(key, message, "sha256")
    made = key.copy()
    made.update(message)
    return made.digest()
