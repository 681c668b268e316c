"""What an alert says: the update in one language, as plain data for the mail's templates."""

from __future__ import annotations

from typing import Any

from tracker.campaigns.translations import texts_of
from tracker.core.languages import speaking
from tracker.updates.entries import entry_of
from tracker.updates.models import Update


def update_values(update: Update, language: str) -> dict[str, Any]:
    """Give the values of ``templates/mail/alerts/update`` for readers of ``language``."""
    campaign = update.campaign
    with speaking(language):
        texts = texts_of(campaign, language).strict()
        return {
            "title": texts.text("title", campaign.title).value,
            "slug": campaign.slug,
            "entry": entry_of(update, texts),
        }
