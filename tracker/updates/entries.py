"""An update as readers see it, on the page and in mails: plain data in their language."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from babel.dates import format_date, format_skeleton, format_time
from flask_babel import get_locale
from flask_babel import gettext as _

from tracker.campaigns import words
from tracker.campaigns.models import Happened, Precision, StatusChange
from tracker.campaigns.status import tone
from tracker.campaigns.translations import Text, Texts
from tracker.updates.models import Update


@dataclass(frozen=True, kw_only=True)
class ChangeEntry:
    """One status change: who, what, how sure."""

    name: Text
    label: str
    tone: str
    certainty_label: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of the timeline."""

    anchor: str
    happened_on: dt.date
    when_label: str
    iso: str
    headline: Text
    text: Text
    plain: Text
    changes: list[ChangeEntry]
    sources: list[str]
    posted_label: str


def entry_of(update: Update, texts: Texts) -> Entry:
    """Give an update in the language of ``texts``; call it while that language is spoken.

    Where a translation is outdated it tells the original: an update is news.
    """
    texts = texts.strict()
    headline = texts.text(f"update.{update.id}.headline", update.headline)
    text = texts.text(f"update.{update.id}.text", update.text)
    posted = update.campaign.local_date(update.posted_at) if update.posted_at else None
    return Entry(
        anchor=f"u{update.id:x}",
        happened_on=update.happened_on,
        when_label=when_label(update),
        iso=iso(update),
        headline=headline,
        text=text.html(),
        plain=text,
        changes=[_change(change, texts) for change in update.changes],
        sources=[line for line in update.sources.splitlines() if line.strip()],
        posted_label=_posted_label(update, posted),
    )


def _posted_label(update: Update, posted: dt.date | None) -> str:
    """Give when it was posted, where that is another day than when it happened."""
    if posted is None or posted == update.happened_on:
        return ""
    return str(_("posted on %(date)s", date=format_date(posted, "long", get_locale())))


def _change(change: StatusChange, texts: Texts) -> ChangeEntry:
    subject = change.subject
    return ChangeEntry(
        name=texts.text(f"subject.{subject.id}.name", subject.name),
        label=str(words.STATUS[change.new_status]),
        tone=tone(change.new_status).value,
        certainty_label=str(words.CERTAINTY[change.certainty]),
    )


def when_label(happened: Happened) -> str:
    """Give when it happened, no more exactly than it is known."""
    locale, day = get_locale(), happened.happened_on
    if happened.precision is Precision.YEAR:
        label = format_skeleton("y", day, locale=locale)
    elif happened.precision is Precision.MONTH:
        label = format_skeleton("yMMMM", day, locale=locale)
    else:
        label = format_date(day, "long", locale)
    if happened.happened_time and happened.precision in {Precision.MINUTE, Precision.HOUR}:
        time = format_time(happened.happened_time, "short", locale=locale)
        if happened.is_approximate:
            return str(_("%(day)s, about %(time)s local time", day=label, time=time))
        return str(_("%(day)s, %(time)s local time", day=label, time=time))
    return str(_("about %(when)s", when=label)) if happened.is_approximate else label


def iso(happened: Happened) -> str:
    """Give the machine-readable form for ``<time>``, as exact as it is known."""
    day = happened.happened_on.isoformat()
    if happened.precision is Precision.YEAR:
        return day[:4]
    if happened.precision is Precision.MONTH:
        return day[:7]
    if happened.happened_time and happened.precision in {Precision.MINUTE, Precision.HOUR}:
        return f"{day}T{happened.happened_time.isoformat('minutes')}"
    return day
