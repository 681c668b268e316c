"""What people change on their own page."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import RadioField, SearchField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Optional

from tracker.campaigns.search import MOST_CHARACTERS
from tracker.confirmations.forms import ProvedAddressField
from tracker.core.forms import (
    Clean,
    MaxBytes,
    NoLinks,
    PublicForm,
    YesNo,
    too_long,
)
from tracker.core.languages import LANGUAGES
from tracker.subscriptions.forms import SCOPES


class ShownForm(PublicForm):
    """Whether a name is shown, and whether it may be handed over."""

    shows_name = YesNo(_l("May your name be shown on the campaign’s page?"))
    name = StringField(
        _l("Name to show"),
        description=_l(
            "Your name is sealed and cannot be read back, so type it again to show it."
        ),
        validators=[Optional(), Clean(), too_long(100), MaxBytes(300), NoLinks()],
        render_kw={"autocomplete": "name", "maxlength": 100},
    )
    hands_over = YesNo(_l("May your name be handed to those the demands are addressed to?"))

    def validate(self, extra_validators: object = None) -> bool:
        """Want a name where one is to be shown."""
        is_valid = bool(super().validate(extra_validators))
        if self.shows_name.is_yes and not self.name.data:
            self.name.errors = [*self.name.errors, str(_l("Enter your name."))]
            return False
        return is_valid


class MailsForm(PublicForm):
    """What is written about, and in which language."""

    scope = RadioField(
        _l("What shall we write about?"),
        choices=SCOPES,
        validators=[InputRequired(_l("Choose one."))],
    )
    language = RadioField(
        _l("In which language?"),
        choices=[SelectChoice(code, name) for code, name in LANGUAGES.items()],
        validators=[InputRequired(_l("Choose one."))],
    )


class SearchForm(FlaskForm):
    """What is looked for among the campaigns. It changes nothing, so it needs no guard."""

    class Meta(FlaskForm.Meta):
        """Switch the token off: the page can be cached, and its address passed on."""

        csrf = False

    q = SearchField(_l("Search"), render_kw={"maxlength": MOST_CHARACTERS})
    country = SelectField(_l("Country"), validate_choice=False)
    kind = SelectField(_l("What it is about"), validate_choice=False)
    status = SelectField(_l("Status"), validate_choice=False)
    standing = SelectField(_l("How it stands"), validate_choice=False)


class LinkForm(PublicForm):
    """An address to which the link to one's own page is mailed."""

    email = ProvedAddressField(_l("E-mail address"))
