"""The numbers printed on signature sheets, with a character that tells a slip of the pen.

A batch is what was printed at once. Its number is random and is stored nowhere: nothing tells
who printed sheets, or that anybody did. Organisers type it in when the sheets come back.
"""

from __future__ import annotations

import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's 32 characters: no I, L, O that look like others, no U."""

LENGTH = 12
_GROUP = 4
_MISREAD = str.maketrans("OIL", "011")
_POLYNOMIAL = 0b100101


def new_batch() -> str:
    """Give a number nobody has printed before, such as ``7KQ2-M9XA-RT4H``."""
    drawn = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH - 1))
    return _grouped(drawn + _check_character(drawn))


def normal(text: str) -> str | None:
    """Give a number as it was printed, however it was typed; ``None`` where it is none."""
    if len(text) > 4 * LENGTH:
        return None
    plain = "".join(c for c in text.upper() if not c.isspace() and c not in "-–—_.")
    plain = plain.translate(_MISREAD)
    if len(plain) != LENGTH or any(c not in ALPHABET for c in plain):
        return None
    return _grouped(plain) if _check_character(plain[:-1]) == plain[-1] else None


def is_batch(text: str) -> bool:
    """Say whether ``text`` is a number we could have printed."""
    return normal(text) is not None


def _grouped(plain: str) -> str:
    return "-".join(plain[at : at + _GROUP] for at in range(0, LENGTH, _GROUP))


def _check_character(drawn: str) -> str:
    """Give the last character: a weighted sum in the field of 32 elements.

    Every place has a weight of its own, so that one wrong character and any two that
    changed places are always found.
    """
    total = 0
    for character in drawn:
        total = _doubled(total ^ ALPHABET.index(character))
    return ALPHABET[total]


def _doubled(element: int) -> int:
    element <<= 1
    return element ^ _POLYNOMIAL if element & 32 else element
