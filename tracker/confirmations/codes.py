"""The six-digit code: another way to the confirm page, on the device that sent the form.

The page that answers the form carries a random key, the mail a code. The token of the link is
stored locked under both together, so that neither a copy of the database nor the mailbox alone
opens anything with the code, and so few digits are enough (DESIGN §7, Links).
"""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from typing import NamedTuple

from tracker.core import tokens
from tracker.database import random_id
from tracker.sealing import envelopes

DIGITS = 6
MOST_TRIES = 5
"""Wrong codes after which only the link leads on."""
CODE_SIZE = 160
"""Padded bytes of the token that a code unlocks."""

_IGNORED = frozenset({"Zs", "Pd", "Cf", "Cc"})
"""Kinds of characters that come along when a code is copied: blanks, dashes, marks."""


class Ticket(NamedTuple):
    """What the page that answers a form carries: in hidden fields, nowhere else."""

    row: int
    page_key: bytes


def new_ticket(row: int | None = None) -> Ticket:
    """Give what goes into a page; without a row it looks like any other and opens nothing."""
    return Ticket(row or random_id(), tokens.new_token())


def new_code() -> str:
    """Give six random digits."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def is_code(text: object) -> bool:
    """Say whether this is a code as we write it."""
    return isinstance(text, str) and len(text) == DIGITS and text.isascii() and text.isdecimal()


def spelled(text: str) -> str | None:
    """Give the code that was typed, in digits of any script, or ``None`` for something else."""
    kept = [c for c in text if unicodedata.category(c) not in _IGNORED]
    if len(kept) != DIGITS or not all(c.isdecimal() for c in kept):
        return None
    return "".join(str(unicodedata.decimal(c)) for c in kept)


def lock_token(token: bytes, *, page_key: bytes, code: str, row: tuple[int, int]) -> bytes:
    """Lock a link's token so that the page's key and the code together open it."""
    return envelopes.lock(
        _secret(page_key, code),
        {"token": tokens.to_text(token)},
        context=envelopes.context("code", *row),
        size=CODE_SIZE,
    )


def unlock_token(
    locked: bytes | None, *, page_key: bytes, code: str, row: tuple[int, int]
) -> str | None:
    """Give the token as it stands in the link, or ``None`` where key or code are not right."""
    context = envelopes.context("code", *row)
    try:
        return str(
            envelopes.unlock(_secret(page_key, code), locked or b"", context=context)["token"]
        )
    except (envelopes.CannotOpen, KeyError):
        return None


def _secret(page_key: bytes, code: str) -> bytes:
    return hmac.digest(page_key, b"code\0" + code.encode(), "sha256")
