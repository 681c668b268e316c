"""Passwords: Argon2id, and few at once, so that sign-ins cannot exhaust the memory."""

from __future__ import annotations

import functools
import secrets
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask_babel import lazy_gettext as _l

from tracker.core.errors import Refused

MIN_LENGTH = 15
"""Characters, while the password is the only factor (NIST SP 800-63B-4 §3.1.1.2)."""
MAX_LENGTH = 200

# 64 MiB, 3 passes, 1 lane: above the OWASP minimum; about 0.2 s on one core.
_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
_AT_ONCE = threading.BoundedSemaphore(2)
_WORDS = ("password", "passwort", "contraseña", "solidarity", "tracker", "qwerty", "12345678")


def hash_password(password: str) -> str:
    """Give the Argon2id hash to store."""
    with _AT_ONCE:
        return _HASHER.hash(_normal(password))


def matches(password_hash: str | None, password: str) -> bool:
    """Say whether a password is right; as slow for an unknown account as for a known one."""
    with _AT_ONCE:
        nobody = _nobody()
        try:
            # An unknown account verifies against a hash that nothing matches.
            _HASHER.verify(password_hash or nobody, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Say whether a hash was made with weaker settings than today's."""
    return _HASHER.check_needs_rehash(password_hash)


def check_password(password: str) -> None:
    """Raise :class:`~tracker.core.errors.Refused` for a password too easy to guess.

    No rules of composition: length counts (NIST SP 800-63B-4).
    """
    if len(password) < MIN_LENGTH:
        raise Refused(
            _l("Use at least %(min)d characters; a sentence is fine.", min=MIN_LENGTH)
        )
    if len(password) > MAX_LENGTH:
        raise Refused(_l("Use at most %(max)d characters.", max=MAX_LENGTH))
    folded = password.casefold()
    if len(set(folded)) < 5 or any(folded.replace(word, "") == "" for word in _WORDS):
        raise Refused(_l("This password is too easy to guess."))
    stripped = folded
    for word in _WORDS:
        stripped = stripped.replace(word, "")
    if len(stripped) < MIN_LENGTH // 2:
        raise Refused(_l("This password is too easy to guess."))


def one_time_password() -> str:
    """Give a password to print once: 100 bits in groups that can be read aloud."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4))


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


@functools.cache
def _nobody() -> str:
    """Give the hash of a password that nobody has, made when somebody first signs in."""
    return _HASHER.hash(secrets.token_hex(32))
