"""The mails of an update, frozen once per language: what is previewed, tested and sent."""

from __future__ import annotations

from collections.abc import Iterable

from tracker.alerts.rendering import update_values
from tracker.core.languages import LANGUAGES
from tracker.mail.rendering import Content
from tracker.mail.splicing import Frozen, freeze
from tracker.updates.models import Update

TEMPLATE = "alerts/update"


def freeze_update(update: Update, languages: Iterable[str] = LANGUAGES) -> dict[str, Frozen]:
    """Give the mail of an update in each language, the same bytes for the same texts.

    Raises :class:`~tracker.mail.splicing.NotFrozen` where a mail would not come out as written.
    """
    return {language: _frozen(update, language) for language in languages}


def _frozen(update: Update, language: str) -> Frozen:
    return freeze(
        Content(
            language=language,
            template=TEMPLATE,
            list_name=update.campaign.slug,
            values=update_values(update, language),
        )
    )
