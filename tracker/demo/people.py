"""Generated supporters: visibly so, from no real list, the same at every start."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WEIGHTS = (
    ("PK", 1900), ("GB", 1450), ("IT", 980), ("US", 940), ("CA", 900), ("BR", 610),
    ("MX", 560), ("ES", 540), ("DE", 520), ("AT", 430), ("SE", 400), ("FR", 380),
    ("IN", 330), ("BE", 260), ("AR", 240), ("CH", 210), ("NL", 190), ("ID", 180),
    ("DK", 160), ("GR", 150), ("ZA", 140), ("NG", 130), ("AU", 130), ("CO", 120),
    ("VE", 110), ("SV", 100), ("PL", 95), ("TR", 90), ("IE", 90), ("NO", 80),
    ("PT", 80), ("MY", 70), ("BD", 70), ("LK", 60), ("CL", 60), ("RS", 55),
    ("FI", 50), ("HU", 45), ("MA", 45), ("EG", 40), ("TN", 35), ("NZ", 35),
    ("JP", 30), ("KR", 30), ("NP", 28), ("SD", 25), ("BO", 22), ("CZ", 20),
    ("UY", 18), ("HN", 15),
)  # fmt: skip
"""Fifty countries and how much support comes from each; invented, like the supporters."""

_SPANISH = frozenset(["ES", "MX", "AR", "CO", "VE", "SV", "CL", "BO", "UY", "HN"])
_ARABIC = frozenset(["MA", "EG", "TN", "SD"])
_NAMES = {"en": "Supporter", "es": "Firmante", "ar": "متضامن"}

SHOWN_SHARE = 0.35
"""How many let their name be shown."""
HANDED_OVER_SHARE = 0.6
"""How many let it be handed to the target."""
ALERTS_SHARE = 0.8
"""How many want to hear what happens."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """A generated supporter, with the answers to the three questions."""

    number: int
    name: str
    address: str
    country: str
    language: str
    wants_alerts: bool
    shows_name: bool
    hands_over: bool


def people(count: int, *, prefix: str, countries: int = len(WEIGHTS)) -> Iterator[Person]:
    """Give ``count`` supporters from as many countries, mixed as they would arrive.

    Addresses begin with ``prefix`` and end in example.org, which belongs to nobody (RFC 2606).
    """
    draw = chance(prefix)
    for number, country in enumerate(mixed_countries(count, countries, draw), start=1):
        language = _language(country)
        yield Person(
            number=number,
            name=f"{_NAMES[language]} {number:05d}",
            address=f"{prefix}-{number:05d}@example.org",
            country=country,
            language=language,
            wants_alerts=draw.random() < ALERTS_SHARE,
            shows_name=draw.random() < SHOWN_SHARE,
            hands_over=draw.random() < HANDED_OVER_SHARE,
        )


def chance(seed: str) -> random.Random:
    """Give dice that fall the same way at every start."""
    return random.Random(seed)  # noqa: S311 - makes sample data, protects nothing


def mixed_countries(count: int, countries: int, draw: random.Random) -> list[str]:
    """Give a country for each supporter: every country at least once where that is possible."""
    chosen = WEIGHTS[: min(countries, count)]
    names, weights = [name for name, _ in chosen], [weight for _, weight in chosen]
    shares = _shared(count - len(names), weights)
    listed = [name for name, share in zip(names, shares, strict=True) for _ in range(share + 1)]
    draw.shuffle(listed)
    return listed


def _shared(count: int, weights: Sequence[int]) -> list[int]:
    """Share ``count`` out by weight; the largest remainders get what is left over."""
    whole = sum(weights) or 1
    exact = [count * weight / whole for weight in weights]
    shares = [int(share) for share in exact]
    order = sorted(range(len(exact)), key=lambda i: shares[i] - exact[i])
    for position in order[: count - sum(shares)]:
        shares[position] += 1
    return shares


def spread_days(
    count: int, first: dt.date, last: dt.date, *, news: Sequence[dt.date], draw: random.Random
) -> list[dt.date]:
    """Give a day for each signature: many after each piece of news, fewer as time passes."""
    span = range(max(1, (last - first).days + 1))
    days = [first + dt.timedelta(days=offset) for offset in span]
    weights = [_interest(day, news) for day in days]
    return sorted(draw.choices(days, weights, k=count))


def _interest(day: dt.date, news: Sequence[dt.date]) -> float:
    return 1 + sum(9 * 0.6 ** (day - one).days for one in news if one <= day)


def _language(country: str) -> str:
    if country in _SPANISH:
        return "es"
    return "ar" if country in _ARABIC else "en"
