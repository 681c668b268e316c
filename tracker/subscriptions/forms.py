"""Subscribing without signing."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import RadioField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

from tracker.confirmations.forms import ProvedAddressField
from tracker.core.forms import PublicForm
from tracker.subscriptions.models import Scope

SCOPES = [
    SelectChoice(Scope.EVERY_UPDATE.value, _l("Every update")),
    SelectChoice(Scope.STATUS_CHANGES.value, _l("Only when somebody’s situation changes")),
]


class SubscribeForm(PublicForm):
    """An address and what one wants to hear."""

    email = ProvedAddressField(_l("E-mail address"))
    scope = RadioField(
        _l("What shall we write about?"),
        choices=SCOPES,
        default=Scope.EVERY_UPDATE.value,
        validators=[InputRequired(_l("Choose one."))],
    )


class ConfirmSubscriptionForm(PublicForm):
    """The choice once more; pressing the button is the consent."""

    scope = RadioField(
        _l("What shall we write about?"),
        choices=SCOPES,
        validators=[InputRequired(_l("Choose one."))],
    )
