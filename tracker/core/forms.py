"""The base of forms, the honeypot and the validators that several features share."""

from __future__ import annotations

import functools
import unicodedata
from typing import Any

from babel import Locale
from flask_babel import get_locale
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from markupsafe import Markup, escape
from wtforms import EmailField, Field, Form, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, StopValidation, ValidationError
from wtforms.widgets import Select, html_params

from tracker.core import addresses

_NOT_COUNTRIES = frozenset(
    ["AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"]
)


class BaseForm(FlaskForm):
    """A form behind a sign-in, with a CSRF token."""


class PublicForm(FlaskForm):
    """A form that carries no authority: guarded by its route, a honeypot and limits.

    It has no CSRF token, so that the pages it stands on can be cached and set no cookie.
    """

    class Meta(FlaskForm.Meta):
        """Switch the token off."""

        csrf = False

    # Called like something a robot likes to fill in; people never see it.
    website = StringField(_l("Leave this field empty"), validators=[Length(max=200)])

    @property
    def is_from_robot(self) -> bool:
        """Say whether the field that people cannot see was filled in."""
        return bool(self.website.data)


class Clean:
    """Refuse what no text field should carry: control characters, NUL, lone surrogates.

    ``lines`` allows line breaks, all in their Unix form.
    """

    def __init__(self, *, lines: bool = False) -> None:
        """Take whether line breaks may stay."""
        self.lines = lines

    def __call__(self, form: Form, field: Field) -> None:
        """Normalise to NFC and strip; raise where something is refused."""
        text = unicodedata.normalize("NFC", (field.data or "").replace("\r\n", "\n")).strip()
        allowed = "\n\t" if self.lines else ""
        if any(_is_control(c) and c not in allowed for c in text):
            raise ValidationError(_l("This contains characters that cannot be used here."))
        field.data = text


def _is_control(char: str) -> bool:
    # Cf holds the joiners that Persian, Urdu and emoji need; only the embedding and
    # override marks, which can make a name read backwards, are refused.
    return unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or char in _BIDI_OVERRIDES


_BIDI_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Filled(InputRequired):
    """Want something other than blanks."""

    def __call__(self, form: Form, field: Field) -> None:
        """Raise, and stop, where there is nothing."""
        if not (field.data or "").strip():
            field.errors = []
            raise StopValidation(self.message)


class MaxBytes:
    """Refuse a text whose UTF-8 is longer than its envelope has room for."""

    def __init__(self, limit: int) -> None:
        """Take the limit in bytes."""
        self.limit = limit

    def __call__(self, form: Form, field: Field) -> None:
        """Raise where the text is too long."""
        if len((field.data or "").encode("utf-8", "surrogatepass")) > self.limit:
            raise ValidationError(_l("This is too long. Please shorten it."))


class NoLinks:
    """Refuse addresses of pages: a name is not a place to advertise."""

    def __call__(self, form: Form, field: Field) -> None:
        """Raise where the text carries a link."""
        text = (field.data or "").lower()
        if "://" in text or "www." in text:
            raise ValidationError(_l("Links cannot be used here."))


class Address:
    """Turn the field into an address that can be written to, or say what is wrong."""

    def __call__(self, form: Form, field: Field) -> None:
        """Raise where it is no address."""
        try:
            field.data = addresses.deliverable(field.data or "")
        except addresses.BadAddress:
            raise ValidationError(
                _l("This is not a complete e-mail address, such as name@example.org.")
            ) from None


class AddressField(EmailField):
    """An e-mail address to write to; its data is the form SMTP takes."""

    def __init__(self, label: Any, **extra: Any) -> None:
        """Take the label; what the address is for belongs into the hint."""
        super().__init__(
            label,
            validators=[
                Filled(_l("Enter your e-mail address.")),
                Clean(),
                too_long(addresses.MAX_LENGTH),
                Address(),
            ],
            render_kw={
                "autocomplete": "email",
                "maxlength": addresses.MAX_LENGTH,
                "inputmode": "email",
            },
            **extra,
        )


def too_long(limit: int) -> Length:
    """Give the rule that a text has at most ``limit`` characters."""
    return Length(max=limit, message=_l("Use at most %(max)d characters.", max=limit))


class ListedChoice(SelectField):
    """A choice whose one message says that nothing listed was chosen."""

    def pre_validate(self, form: Form) -> None:
        """Raise in our words instead of WTForms' own."""
        if self.data not in {choice.value for choice in self.iter_choices()}:
            raise ValidationError(_l("Choose one from the list."))


class YesNo(RadioField):
    """A question that must be answered; nothing is chosen beforehand."""

    def __init__(self, label: Any, **extra: Any) -> None:
        """Take the question."""
        super().__init__(
            label,
            choices=[SelectChoice("yes", _l("Yes")), SelectChoice("no", _l("No"))],
            validators=[InputRequired(_l("Answer yes or no."))],
            validate_choice=False,
            **extra,
        )

    def pre_validate(self, form: Form) -> None:
        """Take the two answers only."""
        if self.data is not None and self.data not in {"yes", "no"}:
            raise ValidationError(_l("Answer yes or no."))

    @property
    def is_yes(self) -> bool:
        """Say whether the answer was yes."""
        return bool(self.data == "yes")


def country_names() -> dict[str, str]:
    """Give the countries by ISO 3166 code (and XK), named in the current language."""
    return _country_names(str(get_locale() or "en"))


@functools.cache
def _country_names(locale: str) -> dict[str, str]:
    return {
        code: name
        for code, name in Locale.parse(locale).territories.items()
        if len(code) == 2 and code.isalpha() and code not in _NOT_COUNTRIES
    }


def country_choices() -> list[SelectChoice]:
    """Give the countries for a select, sorted as the language's readers expect."""
    return [
        SelectChoice("", str(_l("Choose a country"))),
        *_country_choices(str(get_locale() or "en")),
    ]


@functools.cache
def _country_choices(locale: str) -> list[SelectChoice]:
    ordered = sorted(_country_names(locale).items(), key=lambda item: sort_key(item[1]))
    return [SelectChoice(code, name) for code, name in ordered]


def sort_key(name: str) -> str:
    """Give what names are sorted by: without case and accents."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(c for c in plain if not unicodedata.combining(c))


class CountrySelect(Select):
    """The 250 options written once per language: they are two thirds of a page's making."""

    def __call__(self, field: Field, **attributes: Any) -> Markup:
        """Give the select element with the present choice marked."""
        attributes = {"id": field.id, "name": field.name, **attributes}
        options = _country_options(str(get_locale() or "en"))
        chosen = f'value="{escape(field.data or "")}"'
        options = options.replace(chosen, f"selected {chosen}", 1)
        return Markup(f"<select {html_params(**attributes)}>{options}</select>")  # noqa: S704


@functools.cache
def _country_options(locale: str) -> str:
    options = [SelectChoice("", str(_l("Choose a country"))), *_country_choices(locale)]
    return "".join(
        f'<option value="{escape(one.value)}">{escape(one.label)}</option>' for one in options
    )


class CountryField(ListedChoice):
    """A country, by ISO 3166 code."""

    widget = CountrySelect()

    def __init__(self, label: Any = None, **extra: Any) -> None:
        """Offer all countries, none chosen beforehand."""
        extra.setdefault("render_kw", {"autocomplete": "country"})
        super().__init__(label, choices=country_choices, **extra)

    def pre_validate(self, form: Form) -> None:
        """Say first that one must be chosen."""
        if not self.data:
            raise ValidationError(_l("Choose your country."))
        super().pre_validate(form)
