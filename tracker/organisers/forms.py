"""Sign-in and a new password."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import EmailField, Field, PasswordField
from wtforms.validators import EqualTo, InputRequired, Length, ValidationError

from tracker.core.errors import Refused
from tracker.core.forms import BaseForm
from tracker.organisers.passwords import MAX_LENGTH, MIN_LENGTH, check_password


class SignInForm(BaseForm):
    """Address and password."""

    email = EmailField(
        _l("E-mail address"),
        validators=[InputRequired(_l("Enter your e-mail address.")), Length(max=254)],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        _l("Password"),
        validators=[InputRequired(_l("Enter your password.")), Length(max=MAX_LENGTH)],
        render_kw={"autocomplete": "current-password"},
    )


class PasswordForm(BaseForm):
    """A new password, typed twice."""

    password = PasswordField(
        _l("New password"),
        description=_l("At least %(min)d characters; a sentence is fine.", min=MIN_LENGTH),
        validators=[InputRequired(_l("Enter a new password."))],
        render_kw={"autocomplete": "new-password"},
    )
    again = PasswordField(
        _l("The same again"),
        validators=[EqualTo("password", _l("The two passwords differ."))],
        render_kw={"autocomplete": "new-password"},
    )

    def validate_password(self, field: Field) -> None:
        """Refuse what is too easy to guess."""
        try:
            check_password(str(field.data))
        except Refused as refused:
            message: Any = refused.message
            raise ValidationError(message) from None
