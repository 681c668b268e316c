"""The fields and limits that forms about campaigns share."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any
from zoneinfo import available_timezones

from flask_babel import lazy_gettext as _l
from wtforms import Form, HiddenField, IntegerField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Optional, ValidationError

from tracker.campaigns.partners import is_slug
from tracker.core.forms import Clean, CountryField, too_long

LIMITS = {
    "title": 120,
    "summary": 400,
    "place": 120,
    "appeal": 6000,
    "demands": 2000,
    "letter": 4000,
    "subject.name": 120,
    "subject.about": 600,
    "target.office": 160,
    "update.headline": 160,
    "update.text": 6000,
}
"""Most characters of each text, originals and translations alike."""

_NOT_ZONES = frozenset({"Factory", "localtime"})


def line(label: Any, limit: int, *, required: Any = None, **extra: Any) -> StringField:
    """Give a field of one line; ``required`` is what is said where it is empty."""
    first = [DataRequired(required)] if required else [Optional()]
    extra.setdefault("render_kw", {"maxlength": limit, "autocomplete": "off"})
    return StringField(label, validators=[Clean(), *first, too_long(limit)], **extra)


def lines(label: Any, limit: int, *, required: Any = None, **extra: Any) -> TextAreaField:
    """Give a field of several lines; ``required`` is what is said where it is empty."""
    first = [DataRequired(required)] if required else [Optional()]
    return TextAreaField(
        label, validators=[Clean(lines=True), *first, too_long(limit)], **extra
    )


class PartnerField(HiddenField):
    """Whose site a form stands on; what no partner can be called is taken for none."""

    def __init__(self, **extra: Any) -> None:
        """Take what the page's address says, or what the form brings along."""
        super().__init__(filters=[lambda text: text if is_slug(text or "") else ""], **extra)


class Goal(IntegerField):
    """How many signatures are hoped for: digits of any script."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Take a whole number, nothing else."""
        text = (valuelist[0] if valuelist else "").strip()
        self.data = None
        if text:
            if not text.isdecimal() or len(text) > 12:
                raise ValueError(_l("Enter a whole number, without dots or commas."))
            self.data = int(text)


class Day(StringField):
    """A date that must be given, as ``<input type="date">`` sends it."""

    def __init__(self, label: Any, *, empty: Any, **extra: Any) -> None:
        """Take what is said where nothing was entered."""
        super().__init__(label, validators=[InputRequired(empty)], **extra)
        self.empty = empty

    def refuse_after(self, last: dt.date) -> None:
        """Raise where the day is missing or later than ``last``."""
        if self.data is None and not self.errors:
            raise ValidationError(self.empty)
        if self.data is not None and self.data > last:
            raise ValidationError(_l("This day is still to come."))

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return self.data.isoformat() if self.data else ""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Take year, month and day."""
        text = (valuelist[0] if valuelist else "").strip()
        self.data = None
        if not text:
            return
        try:
            found = dt.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=dt.UTC).date()
        except ValueError:
            raise ValueError(_l("Enter a date as year-month-day, like 2021-01-03.")) from None
        if found.year < 1900:
            raise ValueError(_l("Enter a date after 1900."))
        self.data = found


class CaseCountry(CountryField):
    """The country where something is, not the reader's own."""

    def pre_validate(self, form: Form) -> None:
        """Say first that one must be chosen."""
        if not self.data:
            raise ValidationError(_l("Choose the country."))
        super().pre_validate(form)


class RowCountry(CountryField):
    """A country in a row that may stay empty."""

    def pre_validate(self, form: Form) -> None:
        """Check only what was chosen."""
        if self.data:
            super().pre_validate(form)


@functools.cache
def time_zone_choices() -> list[SelectChoice]:
    """Give the time zones that the system knows."""
    return [SelectChoice(zone) for zone in sorted(available_timezones() - _NOT_ZONES)]
