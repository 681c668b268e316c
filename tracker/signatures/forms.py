"""What a signatory fills in, and what is asked at the confirmation."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import StringField, TextAreaField
from wtforms.validators import Optional

from tracker.campaigns.fields import PartnerField
from tracker.confirmations.forms import ProvedAddressField
from tracker.core.forms import (
    Clean,
    CountryField,
    Filled,
    MaxBytes,
    NoLinks,
    PublicForm,
    YesNo,
    too_long,
)


class SignForm(PublicForm):
    """The form on the campaign's page."""

    name = StringField(
        _l("Your name"),
        validators=[
            Filled(_l("Enter your name.")),
            Clean(),
            too_long(100),
            MaxBytes(300),
            NoLinks(),
        ],
        render_kw={"autocomplete": "name", "maxlength": 100},
    )
    email = ProvedAddressField(_l("E-mail address"))
    country = CountryField(_l("Country"))
    town = StringField(
        _l("Town"),
        validators=[Optional(), Clean(), too_long(60), MaxBytes(180), NoLinks()],
        render_kw={"autocomplete": "address-level2", "maxlength": 60},
    )
    organisation = StringField(
        _l("Organisation"),
        validators=[Optional(), Clean(), too_long(100), MaxBytes(300), NoLinks()],
        render_kw={"autocomplete": "organization", "maxlength": 100},
    )
    comment = TextAreaField(
        _l("Comment"),
        description=_l(
            "Shown only if you agree to show your name, after the organisers have read it."
        ),
        validators=[Optional(), Clean(lines=True), too_long(500), MaxBytes(1800)],
        render_kw={"maxlength": 500},
    )

    partner = PartnerField()

    @property
    def entered(self) -> dict[str, str]:
        """Give what was entered, ready to be sealed."""
        names = ("name", "country", "town", "organisation", "comment", "partner")
        return {name: self[name].data or "" for name in names if name in self}


class ConfirmForm(SignForm):
    """What was entered, to be corrected but for the address, and three questions."""

    email = None  # type: ignore[assignment]  # how WTForms drops an inherited field
    partner = None  # type: ignore[assignment]

    alerts = YesNo(_l("Shall we write to you when something happens?"))
    shows_name = YesNo(_l("May your name be shown on the campaign’s page?"))
    hands_over = YesNo(_l("May your name be handed to those the demands are addressed to?"))
