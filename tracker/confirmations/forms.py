"""The address of every public form, which asks once where it looks mistyped; and the code."""

from __future__ import annotations

import re
from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import Form, HiddenField, StringField
from wtforms.utils import unset_value
from wtforms.validators import Length, ValidationError

from tracker.confirmations import codes
from tracker.confirmations.codes import Ticket
from tracker.core import tokens
from tracker.core.forms import AddressField, Filled, PublicForm
from tracker.core.suggestions import suggested


class ProvedAddressField(AddressField):
    """An address to write to; where it looks mistyped, the form comes back and asks.

    Two more values of the form belong to it: ``…_asked``, the address that was asked about, and
    ``…_answer``, the button that was pressed. An address is asked about once.
    """

    data: Any
    asked = answer = ""

    def process(
        self, formdata: Any, data: Any = unset_value, extra_filters: Any = None
    ) -> None:
        """Read the answer beside the address."""
        super().process(formdata, data, extra_filters)
        if formdata:
            self.asked = str(formdata.get(f"{self.name}_asked", ""))
            self.answer = str(formdata.get(f"{self.name}_answer", ""))

    def post_validate(self, form: Form, validation_stopped: bool) -> None:
        """Take the suggestion where it was agreed to, and the address is still the same."""
        is_agreed = self.answer == "suggested" and self.asked == self.data
        if is_agreed and not self.errors:
            self.data = suggested(self.data) or self.data

    @property
    def suggestion(self) -> str | None:
        """Give what was probably meant, unless that was asked before."""
        if not self.data or self.errors or self.asked == self.data:
            return None
        return suggested(self.data)


class SixDigits:
    """Want six digits, in any script; blanks and dashes are ignored."""

    def __call__(self, form: Form, field: StringField) -> None:
        """Raise where it is something else."""
        code = codes.spelled(field.data or "")
        if code is None:
            raise ValidationError(_l("Enter the six digits from the mail."))
        field.data = code


class CodeForm(PublicForm):
    """The code from the mail, on the page that answered the form.

    ``pending`` and ``page_key`` never stand in an address: those end in histories and logs.
    """

    pending = HiddenField(validators=[Length(max=16)])
    page_key = HiddenField(validators=[Length(max=43)])
    code = StringField(
        _l("Code from the mail"),
        description=_l("Six digits. They work on this page only; the link works anywhere."),
        validators=[Filled(_l("Enter the six digits from the mail.")), SixDigits()],
        render_kw={
            "autocomplete": "one-time-code",
            "inputmode": "numeric",
            "maxlength": 40,
            "size": 12,
            "dir": "ltr",
        },
    )

    @property
    def ticket(self) -> Ticket:
        """Give what the page carried; nonsense fits no row and opens nothing."""
        text = self.pending.data or ""
        row = int(text, 16) if re.fullmatch("[0-7][0-9a-f]{15}", text) else 0
        return Ticket(row, tokens.from_text(self.page_key.data or "") or b"")
