"""What the drawings on a campaign's page show, in the reader's language."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from babel.dates import format_skeleton
from flask_babel import format_date, get_locale, ngettext
from flask_babel import gettext as _

from tracker.campaigns.models import Campaign
from tracker.core import clock, languages
from tracker.core.templating import number
from tracker.pages import growth
from tracker.pages.countries import CountriesShown, countries_shown
from tracker.pages.showing import CampaignShown
from tracker.signatures import queries as signatures
from tracker.updates.entries import ChangeEntry, Entry

WORTH_DRAWING = 10
"""Signatures below which there is nothing to see yet."""

QUIET_DAYS = 30
"""Days without anything that are drawn in any case."""

Row = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What changed on one day: an item of the list below the curve."""

    anchor: str
    when_label: str
    changes: list[tuple[str, list[ChangeEntry]]]


@dataclass(frozen=True, kw_only=True)
class GrowthShown:
    """The curve with its words; ``rows`` is the same as a table."""

    curve: growth.Curve
    summary: str
    first_label: str
    last_label: str
    marks: list[Mark]
    heads: Row
    rows: list[Row]


@dataclass(frozen=True, kw_only=True)
class Charts:
    """The drawings of one campaign; each is ``None`` where it would show nothing."""

    growth: GrowthShown | None
    countries: CountriesShown | None


class _Change(NamedTuple):
    """What an update changed."""

    day: dt.date
    anchor: str
    when_label: str
    changes: tuple[ChangeEntry, ...]


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """All that the drawings follow from, so that they are made once for all who look."""

    campaign_id: int
    language: str
    opened_on: dt.date
    today: dt.date
    closed_on: dt.date | None
    goal: int | None
    by_country: frozenset[tuple[str, int]]
    changes: tuple[_Change, ...]


def charts_of(campaign: Campaign, shown: CampaignShown) -> Charts:
    """Give the drawings of a campaign whose page is ``shown``."""
    entries = [entry for entry in shown.timeline if entry.changes]
    return _charts(
        _Facts(
            campaign_id=campaign.id,
            language=languages.current(),
            opened_on=campaign.opened_on,
            today=campaign.local_date(clock.now()),
            closed_on=campaign.closed_on,
            goal=shown.goal if shown.is_open else None,
            by_country=frozenset(shown.by_country.items()),
            changes=tuple(_change(entry) for entry in entries),
        )
    )


def _change(entry: Entry) -> _Change:
    return _Change(entry.happened_on, entry.anchor, entry.when_label, tuple(entry.changes))


@lru_cache(maxsize=256)
def _charts(facts: _Facts) -> Charts:
    is_mirrored = languages.direction(facts.language) == "rtl"
    by_country = dict(facts.by_country)
    if sum(by_country.values()) < WORTH_DRAWING:
        return Charts(growth=None, countries=None)
    return Charts(
        growth=_growth(facts, is_mirrored),
        countries=countries_shown(by_country, is_mirrored=is_mirrored),
    )


def _growth(facts: _Facts, is_mirrored: bool) -> GrowthShown | None:
    days = signatures.by_day(facts.campaign_id)
    if not days:
        return None
    start = min(facts.opened_on, *days)
    end = _end(facts, start, max(days))
    if start == end:
        return None
    heights = growth.totals(days, start=start, end=end)
    marked = _marked(facts, start, end)
    unit, periods = growth.periods(days)
    first, last = format_date(start, "long"), format_date(end, "long")
    return GrowthShown(
        curve=growth.curve(
            heights,
            marks=[(day - start).days for day in marked],
            goal=facts.goal,
            is_mirrored=is_mirrored,
        ),
        summary=_summary(days, first, last),
        first_label=first,
        last_label=last,
        marks=list(marked.values()),
        heads=_heads(unit),
        rows=[_row(unit, period) for period in periods],
    )


def _end(facts: _Facts, start: dt.date, last_signed: dt.date) -> dt.date:
    """Give the last day drawn: today or the closing, but no long time without anything.

    A line that stays level for longer than it ever rose would push all there is to see into
    a corner.
    """
    end = max(facts.closed_on or facts.today, last_signed)
    last = max([last_signed, *(one.day for one in facts.changes if one.day <= end)])
    is_quiet = (end - last).days > max((last - start).days, QUIET_DAYS)
    return last if is_quiet else end


def _marked(facts: _Facts, start: dt.date, end: dt.date) -> dict[dt.date, Mark]:
    """Give the last changes by the day they stand at, oldest first.

    What happened before the campaign began stands at its beginning, the last of it only.
    """
    by_day: dict[dt.date, list[_Change]] = {}
    for change in sorted(facts.changes, key=lambda one: (one.day, one.anchor)):
        by_day.setdefault(change.day, []).append(change)
    before = [day for day in by_day if day < start][-1:]
    within = [day for day in by_day if start <= day <= end]
    marks: dict[dt.date, Mark] = {}
    for day in [*before, *within][-growth.MOST_MARKS :]:
        first = by_day[day][0]
        changes = [entry for one in by_day[day] for entry in one.changes]
        # Two at the beginning share its day; the later one is what counts from there on.
        marks[max(day, start)] = Mark(
            anchor=first.anchor, when_label=first.when_label, changes=_by_status(changes)
        )
    return marks


def _by_status(changes: list[ChangeEntry]) -> list[tuple[str, list[ChangeEntry]]]:
    found: dict[str, list[ChangeEntry]] = {}
    for change in changes:
        found.setdefault(change.label, []).append(change)
    return list(found.items())


def _summary(days: Mapping[dt.date, int], first: str, last: str) -> str:
    total = sum(days.values())
    best = max(days, key=lambda day: (days[day], day))
    told = ngettext(
        "From %(first)s to %(last)s: %(total)s signature.",
        "From %(first)s to %(last)s: %(total)s signatures.",
        total,
        first=first,
        last=last,
        total=number(total),
    )
    most = _(
        "Most on one day: %(number)s, on %(day)s.",
        number=number(days[best]),
        day=format_date(best, "long"),
    )
    return f"{told} {most}"


def _heads(unit: str) -> Row:
    units = {"day": _("Day"), "week": _("Week from"), "month": _("Month"), "year": _("Year")}
    return units[unit], _("New"), _("In all")


def _row(unit: str, period: growth.Period) -> Row:
    if unit in {"day", "week"}:
        label = format_date(period.start, "long")
    else:
        skeleton = "yMMMM" if unit == "month" else "y"
        label = format_skeleton(skeleton, period.start, locale=get_locale())
    return label, number(period.new), number(period.total)
