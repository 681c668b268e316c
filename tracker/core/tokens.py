"""Random tokens for links: 256 bits, shown once, stored as a hash only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets

TOKEN_BYTES = 32


def new_token() -> bytes:
    """Give 32 random bytes."""
    return secrets.token_bytes(TOKEN_BYTES)


def to_text(token: bytes) -> str:
    """Give the form that stands in a link: 43 characters of base64url (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode("ascii")


def from_text(text: str) -> bytes | None:
    """Give the token a link carries, or ``None`` for anything that is not one."""
    if len(text) != 43 or not text.isascii():
        return None
    try:
        token = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # One spelling per token: the last character carries two bits that mean nothing.
    return token if to_text(token) == text else None


def digest(token: bytes) -> bytes:
    """Give the SHA-256 under which a token is stored and found again."""
    return hashlib.sha256(token).digest()
