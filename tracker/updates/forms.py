"""What organisers fill in to tell what happened."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, NamedTuple

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, Field, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Optional, ValidationError

from tracker.campaigns import words
from tracker.campaigns.fields import LIMITS, Day
from tracker.campaigns.models import Precision
from tracker.campaigns.status import Certainty, Kind, Status, moves
from tracker.core.forms import BaseForm, Clean, ListedChoice, YesNo, too_long

MAX_SOURCES = 12

PRECISIONS: dict[Precision, Any] = {
    Precision.MINUTE: _l("to the minute"),
    Precision.HOUR: _l("to the hour"),
    Precision.DAY: _l("to the day"),
    Precision.MONTH: _l("to the month"),
    Precision.YEAR: _l("to the year"),
}
_WITH_TIME = frozenset({Precision.MINUTE.value, Precision.HOUR.value})


class SubjectNow(NamedTuple):
    """A subject and where it stands, for the choice of what comes next."""

    id: int
    name: str
    kind: Kind
    status: Status | None
    certainty: Certainty | None


class Planned(NamedTuple):
    """A status change as entered."""

    subject_id: int
    new_status: Status
    certainty: Certainty


class TimeOfDay(StringField):
    """Hours and minutes; ``data`` is a time or ``None``."""

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return self.data.isoformat("minutes") if self.data else ""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Take 24 hours."""
        text = (valuelist[0] if valuelist else "").strip()
        self.data = None
        if text:
            try:
                self.data = dt.datetime.strptime(text, "%H:%M").replace(tzinfo=dt.UTC).time()
            except ValueError:
                raise ValueError(_l("Enter a time as hours:minutes, like 01:30.")) from None


class UpdateForm(BaseForm):
    """A post; made with a row for each subject by :func:`update_form`."""

    subjects: tuple[SubjectNow, ...] = ()
    today = dt.date.max

    headline = StringField(
        _l("Headline"),
        validators=[
            Clean(),
            DataRequired(_l("Enter a headline.")),
            too_long(LIMITS["update.headline"]),
        ],
        render_kw={"maxlength": LIMITS["update.headline"], "autocomplete": "off"},
    )
    text = TextAreaField(
        _l("Text"),
        description=_l(
            "What is known. An empty line starts a paragraph; **bold**, *italic*, lists and "
            "links as in Markdown."
        ),
        validators=[
            Clean(lines=True),
            DataRequired(_l("Enter the text.")),
            too_long(LIMITS["update.text"]),
        ],
    )
    happened_on = Day(
        _l("Day it happened"),
        description=_l("Where the case is. For a month or a year, any day in it."),
        empty=_l("Enter the day it happened."),
    )
    happened_time = TimeOfDay(_l("Local time"), validators=[Optional()])
    precision = ListedChoice(
        _l("Known"),
        choices=[SelectChoice(precision.value, word) for precision, word in PRECISIONS.items()],
        default=Precision.DAY.value,
    )
    is_approximate = BooleanField(_l("Say “about”: it is not certain when"))
    sources = TextAreaField(
        _l("Sources"),
        description=_l("One a line: a public address (https://…) or a name. They are shown."),
        validators=[Clean(lines=True), Optional(), too_long(2000)],
    )
    alerts = YesNo(
        _l("Shall supporters be told by mail?"),
        description=_l("Nothing is sent before you have seen the preview."),
    )

    @property
    def rows(self) -> list[tuple[SubjectNow, Field, Field]]:
        """Give each subject with the fields of its change."""
        return [
            (one, self[f"status_{one.id:x}"], self[f"certainty_{one.id:x}"])
            for one in self.subjects
        ]

    @property
    def planned(self) -> list[Planned]:
        """Give the status changes entered."""
        return [
            Planned(one.id, Status(status.data), Certainty(sure.data or "confirmed"))
            for one, status, sure in self.rows
            if status.data
        ]

    @property
    def values(self) -> dict[str, Any]:
        """Give the update's own values."""
        return {
            "headline": self.headline.data,
            "text": self.text.data,
            "sources": self.sources.data or "",
            "happened_on": self.happened_on.data,
            "happened_time": self.happened_time.data,
            "precision": Precision(self.precision.data),
            "is_approximate": bool(self.is_approximate.data),
            "alerts": self.alerts.is_yes,
        }

    def validate(self, extra_validators: object = None) -> bool:
        """Check that each status change says how sure it is."""
        is_valid = bool(super().validate(extra_validators))
        for one, status, sure in self.rows:
            message = _what_is_wrong(one, status.data, sure.data)
            if message:
                sure.errors = [*sure.errors, str(message)]
        return is_valid and not self.errors

    def validate_happened_on(self, field: Field) -> None:
        """Refuse days to come: an update tells what happened."""
        field.refuse_after(self.today)

    def validate_precision(self, field: Field) -> None:
        """Want time and precision to agree."""
        if field.data in _WITH_TIME and not self.happened_time.data:
            raise ValidationError(_l("Enter the local time, or choose “to the day”."))
        if field.data not in _WITH_TIME and self.happened_time.data:
            raise ValidationError(_l("With a time, choose “to the minute” or “to the hour”."))

    def validate_sources(self, field: Field) -> None:
        """Keep the list short enough to be read."""
        if sum(bool(line.strip()) for line in (field.data or "").splitlines()) > MAX_SOURCES:
            raise ValidationError(_l("Use at most %(max)d sources.", max=MAX_SOURCES))


def _what_is_wrong(one: SubjectNow, status: str | None, sure: str | None) -> Any:
    if sure and not status:
        return _l("Choose the new status, too, or leave both empty.")
    if status and one.status is not None and status == one.status.value:
        is_confirmed = sure in {"", None, Certainty.CONFIRMED.value}
        return None if is_confirmed else _l("It is reported already. Choose “confirmed”.")
    if status and not sure:
        return _l("Say how sure it is: reported or confirmed.")
    return None


def update_form(subjects: Iterable[SubjectNow], *, today: dt.date) -> type[UpdateForm]:
    """Give the form with the moves that are open to each subject."""
    listed = tuple(subjects)
    fields: dict[str, Any] = {"subjects": listed, "today": today}
    for one in listed:
        fields[f"status_{one.id:x}"] = ListedChoice(
            _l("New status of %(name)s", name=one.name),
            choices=_status_choices(one),
            default="",
        )
        fields[f"certainty_{one.id:x}"] = ListedChoice(
            _l("How sure, for %(name)s", name=one.name),
            choices=[
                SelectChoice("", _l("How sure?")),
                *(
                    SelectChoice(certainty.value, word)
                    for certainty, word in words.CERTAINTY.items()
                ),
            ],
            default="",
        )
    made: type[UpdateForm] = type("UpdateFormOfSubjects", (UpdateForm,), fields)
    return made


def _status_choices(one: SubjectNow) -> list[SelectChoice]:
    possible = moves(one.kind, one.status)
    choices = [SelectChoice("", _l("No change"))]
    if one.status is not None and one.certainty is Certainty.REPORTED:
        label = _l("%(status)s – now confirmed", status=words.STATUS[one.status])
        choices.append(SelectChoice(one.status.value, label))
    listed = [status for status in Status if status in possible]
    return choices + [SelectChoice(status.value, words.STATUS[status]) for status in listed]
