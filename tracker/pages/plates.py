"""The stand-in for a portrait that nobody has: the name itself, set as on a poster."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

STEPS = (90, 105, 120, 140, 160, 185, 215, 250, 290, 335, 390, 450, 520, 600)
"""Widths of lines in hundredths of an em for which the style sheet has a size: ``fit-1`` …"""

SHORT = 3
"""Words of so many letters do not stand alone."""

_USUAL = 49
_OTHERS = {
    "I": 23,
    "M": 75,
    "W": 71,
    **dict.fromkeys("EFLTZ", 41),
    **dict.fromkeys(".,'’- ", 27),
}
"""Widths of the display face's capitals in hundredths of an em; the others are usual."""


@dataclass(frozen=True)
class Line:
    """One line of a plate; ``fit`` is the step at which it fills it, 0 the common size."""

    text: str
    fit: int


def plate(name: str) -> list[Line]:
    """Give a name line by line, each with the size at which it fills its line.

    A line is a word; short ones ("ul", "de la") keep company, or they would shout.
    """
    lines: list[str] = []
    for word in name.split():
        if lines and (len(word) <= SHORT or len(lines[-1]) <= SHORT):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return [Line(line, _fit(line)) for line in lines]


def _fit(line: str) -> int:
    if any(letter.isalpha() and not _is_latin(letter) for letter in line):
        # Joined and unknown letters have no widths here; their lines share one size.
        return 0
    plain = unicodedata.normalize("NFD", line.upper())
    letters = [letter for letter in plain if not unicodedata.combining(letter)]
    width = sum(_OTHERS.get(letter, _USUAL) for letter in letters)
    return next((fit for fit, step in enumerate(STEPS, 1) if width <= step), len(STEPS))


def _is_latin(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith("LATIN")
