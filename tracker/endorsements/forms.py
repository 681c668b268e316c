"""Offering the backing of an organisation."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import IntegerField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, NumberRange, Optional
from wtforms.widgets import TextInput

from tracker.confirmations.forms import ProvedAddressField
from tracker.core.forms import (
    Clean,
    CountryField,
    Filled,
    ListedChoice,
    MaxBytes,
    NoLinks,
    PublicForm,
    YesNo,
    too_long,
)
from tracker.endorsements.models import Level

MAX_MEMBERS = 500_000_000
"""More members than any body in the world has."""

LEVELS: dict[Level, Any] = {
    Level.BRANCH: _l("Branch or workplace"),
    Level.CITY: _l("City or region"),
    Level.NATIONAL: _l("National"),
    Level.INTERNATIONAL: _l("International"),
}


class WholeNumber(IntegerField):
    """A whole number; anything else is told in our words."""

    widget = TextInput()

    def process_formdata(self, valuelist: list[str]) -> None:
        """Take digits of any script, nothing else."""
        text = (valuelist[0] if valuelist else "").strip()
        self.data = None
        if not text:
            return
        if not text.isdecimal() or len(text) > 12:
            raise ValueError(_l("Enter a whole number, without dots or commas."))
        self.data = int(text)


class ParticularsForm(PublicForm):
    """What the page will show; shared by the offer and its confirmation."""

    organisation = StringField(
        _l("Organisation"),
        validators=[
            Filled(_l("Enter the name of the organisation.")),
            Clean(),
            too_long(160),
            MaxBytes(480),
            NoLinks(),
        ],
        render_kw={"autocomplete": "organization", "maxlength": 160},
    )
    level = ListedChoice(
        _l("Level"),
        choices=[
            SelectChoice("", _l("Choose a level")),
            *(SelectChoice(level.value, word) for level, word in LEVELS.items()),
        ],
        validators=[InputRequired(_l("Choose a level."))],
    )
    country = CountryField(_l("Country"))
    members = WholeNumber(
        _l("Members represented"),
        validators=[
            Optional(),
            NumberRange(1, MAX_MEMBERS, _l("Enter a number between 1 and 500 million.")),
        ],
        render_kw={"inputmode": "numeric", "maxlength": 12},
    )
    statement = TextAreaField(
        _l("Statement"),
        description=_l("Shown with your organisation’s name."),
        validators=[Optional(), Clean(lines=True), too_long(1000), MaxBytes(3000)],
        render_kw={"maxlength": 1000},
    )

    @property
    def entered(self) -> dict[str, Any]:
        """Give what was entered, ready to be sealed."""
        names = ("organisation", "level", "country", "members", "statement")
        return {name: self[name].data for name in names}


class OfferForm(ParticularsForm):
    """The offer: what is shown, and a contact that never is."""

    contact = StringField(
        _l("Your name"),
        description=_l("For the organisers only; kept sealed."),
        validators=[
            Filled(_l("Enter your name.")),
            Clean(),
            too_long(60),
            MaxBytes(120),
            NoLinks(),
        ],
        render_kw={"autocomplete": "name", "maxlength": 60},
    )
    email = ProvedAddressField(_l("E-mail address of the organisation"))


class ConfirmEndorsementForm(ParticularsForm):
    """What was entered, and one question."""

    alerts = YesNo(_l("Shall we write to you when something happens?"))
