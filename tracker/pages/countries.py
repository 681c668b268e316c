"""Support by country: who may be named, and the bars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import gettext as _
from flask_babel import ngettext

from tracker.core.forms import country_names, sort_key
from tracker.core.templating import number

LEAST = 5
"""Signatures below which a country is never shown alone."""

MOST_BARS = 12


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A country, its signatures, and these in per cent of the longest bar.

    Countries that are told together have no bar: it would dwarf all others.
    """

    name: str
    value: int
    x: int
    width: int


@dataclass(frozen=True, kw_only=True)
class CountriesShown:
    """Support by country; ``rows`` names all countries where the bars leave some out."""

    bars: list[Bar]
    rows: list[tuple[str, str]]


def fold_small(by_country: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Give the countries that may be named with their numbers, and those folded into one.

    A country below :data:`LEAST` is folded. Together the folded ones must be two countries
    and :data:`LEAST` signatures at least, or the next smallest are folded too – all of one
    size at once, so that nothing but numbers decides. Otherwise the total, which is shown,
    would tell what was left out.
    """
    limit = LEAST
    while True:
        named = {code: n for code, n in by_country.items() if n >= limit}
        folded = {code: n for code, n in by_country.items() if n < limit}
        is_hidden = len(folded) > 1 and sum(folded.values()) >= LEAST
        if not folded or not named or is_hidden:
            return named, folded
        limit = min(named.values()) + 1


def countries_shown(
    by_country: Mapping[str, int], *, is_mirrored: bool
) -> CountriesShown | None:
    """Give support by country, most first; ``None`` where there is nothing to compare."""
    named, folded = fold_small(by_country)
    names = country_names()
    ordered = sorted(
        ((names.get(code, code), n) for code, n in named.items()),
        key=lambda row: (-row[1], sort_key(row[0])),
    )
    if not ordered or len(ordered) + bool(folded) < 2:
        return None
    # One that would be left out alone takes no more room than saying so.
    split = len(ordered) if len(ordered) <= MOST_BARS + 1 else MOST_BARS
    rest = ordered[split:]
    together: list[tuple[str, int]] = []
    if rest:
        label = ngettext(
            "%(number)s more country",
            "%(number)s more countries",
            len(rest),
            number=number(len(rest)),
        )
        together.append((str(label), sum(n for _name, n in rest)))
    elsewhere = [(str(_("Elsewhere")), sum(folded.values()))] if folded else []
    most = ordered[0][1]
    widths = {name: max(1, round(n / most * 100)) for name, n in ordered[:split]}
    shown = [*ordered[:split], *together, *elsewhere]
    bars = [_bar(name, n, widths.get(name, 0), is_mirrored) for name, n in shown]
    rows = [(name, number(n)) for name, n in [*ordered, *elsewhere]]
    return CountriesShown(bars=bars, rows=rows if rest else [])


def _bar(name: str, value: int, width: int, is_mirrored: bool) -> Bar:
    return Bar(name=name, value=value, x=100 - width if is_mirrored else 0, width=width)
