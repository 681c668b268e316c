"""What organisers enter of a partner."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from tracker.campaigns.fields import line
from tracker.campaigns.partners import MAX_SLUG, is_slug
from tracker.campaigns.services import slug_of
from tracker.core.forms import BaseForm


class PartnerForm(BaseForm):
    """An organisation that shows the campaign on its own site."""

    name = line(_l("Name of the organisation"), 120, required=_l("Enter its name."))
    slug = line(
        _l("Short name in addresses"),
        MAX_SLUG,
        description=_l(
            "Small letters a–z, digits and hyphens. Left empty, it is made from the name."
        ),
    )

    def validate(self, extra_validators: object = None) -> bool:
        """Make the short name where it was left empty, then take only what it may be."""
        is_valid = bool(super().validate(extra_validators))
        self.slug.data = self.slug.data or slug_of(self.name.data or "")[:MAX_SLUG].strip("-")
        if is_valid and not is_slug(self.slug.data):
            self.slug.errors = [
                str(_l("Use small letters a–z, digits and single hyphens only."))
            ]
            return False
        return is_valid
