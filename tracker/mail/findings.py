"""What ``tracker mail doctor`` finds: one sentence each, and how bad it is."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple


class Level(enum.StrEnum):
    """How a check ended; ``UNKNOWN`` means that nothing was seen, neither good nor bad."""

    GOOD = "good"
    ADVICE = "advice"
    UNKNOWN = "unknown"
    WRONG = "wrong"


class Finding(NamedTuple):
    """One thing found; the sentence says what to do where something is to be done."""

    level: Level
    check: str
    sentence: str


def exit_status(findings: Iterable[Finding]) -> int:
    """Give 1 where something is wrong, else 3 where something stayed unknown, else 0."""
    levels = {finding.level for finding in findings}
    if Level.WRONG in levels:
        return 1
    return 3 if Level.UNKNOWN in levels else 0


def plain(text: str, *, most: int = 200) -> str:
    """Give foreign text as a terminal may be shown it: printable ASCII, not endless."""
    shown = "".join(c if c.isascii() and c.isprintable() else "?" for c in text[: most + 1])
    return shown if len(shown) <= most else f"{shown[:most]}…"
