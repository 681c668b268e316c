"""The curve of signatures over time as figures to draw: no words, no database (pure).

Everything is in per cent of the drawing or, for the line, in units of a box of
:data:`WIDE` by :data:`HIGH`; time runs from the right where ``is_mirrored``.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

WIDE, HIGH = 600, 200
HEADROOM = 14
"""Per cent at the top, above the highest point, where the marks have their numbers."""

MOST_POINTS = 120
MOST_ROWS = 60
MOST_MARKS = 9
APART = 9.0
"""Per cent that two numbers need between them; closer ones share one."""


@dataclass(frozen=True)
class Line:
    """A height that is marked: a round number, or the goal."""

    value: int
    y: int


@dataclass(frozen=True)
class Dot:
    """A day of the curve on which something happened."""

    x: float
    y: int


@dataclass(frozen=True)
class Label:
    """The number, or the first and last of several, above marks that lie close together."""

    x: int
    first: int
    last: int


@dataclass(frozen=True)
class Period:
    """Some days, the signatures of these, and all up to then."""

    start: dt.date
    new: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Curve:
    """All there is to draw; ``edge`` is the side at which time begins."""

    edge: int
    path: str
    lines: list[Line]
    goal: Line | None
    dots: list[Dot]
    labels: list[Label]


def totals(days: Mapping[dt.date, int], *, start: dt.date, end: dt.date) -> list[int]:
    """Give the number of signatures at the end of each day from ``start`` to ``end``."""
    span = range((end - start).days + 1)
    return list(accumulate(days.get(start + dt.timedelta(days=n), 0) for n in span))


def curve(
    heights: Sequence[int],
    *,
    marks: Sequence[int],
    goal: int | None = None,
    is_mirrored: bool = False,
) -> Curve:
    """Give the drawing of daily totals; ``marks`` are the places of days in it, in order."""
    most = max(*heights, 1)
    is_near = goal is not None and most < goal <= 1.3 * most
    top = goal if goal is not None and is_near else most
    dots = [_dot(place, heights, top, is_mirrored) for place in marks]
    lines = [Line(value, _y(value, top)) for value in round_numbers(top)]
    goal_line = Line(top, _y(top, top)) if is_near else None
    if goal_line is not None:
        lines = [line for line in lines if line.y - goal_line.y > APART]
    return Curve(
        edge=100 if is_mirrored else 0,
        path=_path(_points(heights, top), is_mirrored),
        lines=lines,
        goal=goal_line,
        dots=dots,
        labels=_labels(dots),
    )


def round_numbers(top: int) -> list[int]:
    """Give two to four round numbers up to ``top``: steps of 1, 2 or 5 with noughts."""
    rough = top / 4
    power = 10 ** math.floor(math.log10(rough)) if rough >= 1 else 1
    step = next(n * power for n in (1, 2, 5, 10) if n * power >= rough)
    return list(range(step, top + 1, step))


def _y(value: float, top: int) -> int:
    return round(HEADROOM + (100 - HEADROOM) * (1 - value / top))


def _dot(place: int, heights: Sequence[int], top: int, is_mirrored: bool) -> Dot:
    # In the middle of its day, half way between the two totals that the line joins.
    x = (place + 0.5) / len(heights) * 100
    before = heights[place - 1] if place else 0
    y = _y((before + heights[place]) / 2, top)
    return Dot(round(100 - x if is_mirrored else x, 1), y)


def _labels(dots: Sequence[Dot]) -> list[Label]:
    groups: list[list[tuple[int, float]]] = []
    for number, dot in enumerate(dots, 1):
        if groups and abs(dot.x - groups[-1][0][1]) < APART:
            groups[-1].append((number, dot.x))
        else:
            groups.append([(number, dot.x)])
    return [
        Label(round(sum(x for _, x in group) / len(group)), group[0][0], group[-1][0])
        for group in groups
    ]


def _points(heights: Sequence[int], top: int) -> list[tuple[int, int]]:
    """Give the line's points: at most :data:`MOST_POINTS` ends of days, the last among them."""
    step = -(-len(heights) // MOST_POINTS)
    places = sorted(range(len(heights) - 1, -1, -step))
    found = [(0, HIGH)]
    for place in places:
        x = round((place + 1) / len(heights) * WIDE)
        found.append((x, round(HIGH * (1 - heights[place] / top))))
    return found


def _path(points: Sequence[tuple[int, int]], is_mirrored: bool) -> str:
    """Give the outline of the area under the line; sides and foot lie outside the box.

    Steps are relative and equal ones are joined: the page counts its bytes.
    """
    sign = -1 if is_mirrored else 1
    edge = 9 * sign
    parts = [f"M{(WIDE if is_mirrored else 0) - edge} {HIGH + 9}v-9h{edge}"]
    flat = 0
    for (x, y), (next_x, next_y) in pairwise(points):
        step, rise = (next_x - x) * sign, next_y - y
        if rise == 0:
            flat += step
            continue
        if flat:
            parts.append(f"h{flat}")
            flat = 0
        parts.append(f"l{step} {rise}".replace(" -", "-"))
    if flat:
        parts.append(f"h{flat}")
    return "".join([*parts, f"h{edge}V{HIGH + 9}z"])


# --- the same as a table -------------------------------------------------------------------


def periods(days: Mapping[dt.date, int]) -> tuple[str, list[Period]]:
    """Give the table by ``day``, else ``week``, ``month`` or ``year``, and which of these.

    Periods without a signature are left out; there are at most :data:`MOST_ROWS`.
    """
    unit, found = "day", dict(sorted(days.items()))
    for coarser, start_of in _COARSER.items():
        if len(found) <= MOST_ROWS:
            break
        unit, found = coarser, {}
        for day, number in sorted(days.items()):
            found[start_of(day)] = found.get(start_of(day), 0) + number
    last = list(found.items())[-MOST_ROWS:]
    sums = accumulate((new for _, new in last), initial=sum(days.values()) - _sum(last))
    next(sums)
    return unit, [
        Period(start, new, total) for (start, new), total in zip(last, sums, strict=True)
    ]


def _sum(rows: Iterable[tuple[dt.date, int]]) -> int:
    return sum(number for _, number in rows)


_COARSER: dict[str, Callable[[dt.date], dt.date]] = {
    "week": lambda day: day - dt.timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
    "year": lambda day: day.replace(month=1, day=1),
}
