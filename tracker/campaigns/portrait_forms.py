"""What organisers send to show somebody's face."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from wtforms import Field
from wtforms.validators import ValidationError

from tracker.campaigns.fields import line
from tracker.core import images
from tracker.core.forms import BaseForm


class PortraitForm(BaseForm):
    """A picture, and who made it."""

    picture = FileField(
        _l("Picture"),
        description=_l(
            "JPEG, PNG or WebP, at most 5 megabytes. It is cropped upright, four to five, and "
            "everything else in the file is dropped: place, time, camera."
        ),
        render_kw={"accept": "image/jpeg,image/png,image/webp"},
    )
    credit = line(
        _l("Whose picture it is"),
        160,
        description=_l("Shown below it: who made it, and by what right it is shown here."),
    )

    def validate_picture(self, field: Field) -> None:
        """Want a file, not larger than what is taken."""
        if not field.data:
            raise ValidationError(_l("Choose a file."))
        data = field.data.read(images.MAX_BYTES + 1)
        if len(data) > images.MAX_BYTES:
            raise ValidationError(_l("The file is too large. Use one of at most 5 megabytes."))
        self.file = data
