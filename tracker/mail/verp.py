"""Return addresses (VERP): which mail came back is told by the address it comes back to.

The local part of the return address is followed by ``+b`` and the token of one mail, or by
``+s`` and the token that unsubscribes. Lower-case base32 (RFC 4648 §6), because local parts get
lower-cased on their way; no padding. Nothing here says that a token is genuine: its MAC is made
and checked where the key is.
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import NamedTuple

MAC_BYTES = 12
VEILED_BYTES = 8
STOP_BYTES = 32
_LONGEST = 254
"""Octets in an address (RFC 5321 §4.5.3.1.3, without the angle brackets)."""

_PLACES = struct.Struct(">Q8s")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


class ReturnToken(NamedTuple):
    """One mail of an alert: the alert, its subscription veiled, and a MAC over both ids."""

    alert_id: int
    veiled: bytes
    mac: bytes


def bounce_address(return_address: str, *, alert_id: int, veiled: bytes, mac: bytes) -> str:
    """Give the sender of one mail: where it goes when it cannot be delivered.

    Raises ``ValueError`` where one of them does not fit into the token.
    """
    if len(mac) != MAC_BYTES or len(veiled) != VEILED_BYTES:
        raise ValueError(f"a MAC has {MAC_BYTES} bytes, a veiled row {VEILED_BYTES} bytes")
    try:
        token = _to_text(_PLACES.pack(alert_id, veiled) + mac)
    except struct.error as error:
        raise ValueError("an alert has 8 bytes, unsigned") from error
    local, _, domain = return_address.rpartition("@")
    return f"{local}+b{token}@{domain}"


def bounce_token(local_extension: str) -> ReturnToken | None:
    """Give the token after ``+b``, or ``None`` for anything not spelled as we spell it."""
    found = _from_text(local_extension, size=_PLACES.size + MAC_BYTES)
    if found is None:
        return None
    alert_id, veiled = _PLACES.unpack_from(found)
    if alert_id >> 63:  # none of ours has it, and no database holds it
        return None
    return ReturnToken(alert_id, veiled, mac=found[_PLACES.size :])


def stop_extension(token: bytes) -> str:
    """Give the 52 characters after ``+s`` for the token of an unsubscribe link.

    Raises ``ValueError`` for a token of another size.
    """
    if len(token) != STOP_BYTES:
        raise ValueError(f"an unsubscribe token has {STOP_BYTES} bytes")
    return _to_text(token)


def stop_token(local_extension: str) -> bytes | None:
    """Give the token after ``+s``, or ``None`` for anything not spelled as we spell it."""
    return _from_text(local_extension, size=STOP_BYTES)


def addressed(raw_address: str, return_address: str) -> ReturnToken | bytes | None:
    """Give what an address of ours carries: a bounce token, an unsubscribe token or nothing.

    Upper and lower case are the same, angle brackets around the address are allowed.
    """
    address = raw_address.strip()
    if address.startswith("<") and address.endswith(">"):
        address = address[1:-1]
    # Other scripts have letters that become ASCII when lower-cased.
    if not address.isascii() or len(address) > _LONGEST:
        return None
    local, _, domain = address.lower().rpartition("@")
    our_local, _, our_domain = return_address.lower().rpartition("@")
    name, _, extension = local.partition("+")
    if not our_local or (name, domain) != (our_local, our_domain):
        return None
    if extension.startswith("b"):
        return bounce_token(extension[1:])
    if extension.startswith("s"):
        return stop_token(extension[1:])
    return None


def _to_text(value: bytes) -> str:
    # Ten bits at a time, half the time of the standard library's: done twice for each mail.
    length = (len(value) * 8 + 4) // 5
    bits = (length + 1) // 2 * 10
    number = int.from_bytes(value, "big") << (bits - len(value) * 8)
    return "".join([_PAIRS[number >> at & 1023] for at in range(bits - 10, -1, -10)])[:length]


def _from_text(text: str, *, size: int) -> bytes | None:
    """Give ``size`` bytes from their one spelling: lower case, no padding, no spare bits."""
    if len(text) != (size * 8 + 4) // 5:
        return None
    try:
        found = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        return None
    return found if _to_text(found) == text else None
