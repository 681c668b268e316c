"""A campaign's texts in the reader's language, block by block, honest about what is missing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup
from sqlalchemy import select

from tracker.campaigns.models import Campaign, Translation
from tracker.core.languages import direction
from tracker.core.templating import markdown
from tracker.extensions import db


@dataclass(frozen=True)
class Text:
    """A text and the language it is really in."""

    value: Any
    lang: str
    dir: str
    is_fallback: bool = False
    is_outdated: bool = False

    def __str__(self) -> str:
        """Give the bare text."""
        return str(self.value)

    def html(self) -> Text:
        """Give the same text as HTML made from Markdown."""
        return replace(self, value=Markup(markdown(str(self.value))))  # noqa: S704 - cleaned


class Texts:
    """The texts of one campaign for readers of one language."""

    def __init__(
        self, original: str, wanted: str, blocks: Mapping[str, tuple[str, bytes]]
    ) -> None:
        """Take the original's language, the wanted one and the translated blocks."""
        self.original, self.wanted, self.blocks = original, wanted, blocks
        self.is_strict = False

    def strict(self) -> Texts:
        """Give the same texts, but the original wherever a translation is outdated.

        For news: "released", corrected since, must not go on being told in other languages.
        """
        same = Texts(self.original, self.wanted, self.blocks)
        same.is_strict = True
        return same

    def text(self, block: str, original: str) -> Text:
        """Give a block translated, or the original marked as a fallback."""
        if self.wanted == self.original or not original:
            return Text(original, self.wanted, direction(self.wanted))
        found = self.blocks.get(block)
        if found is None:
            return Text(original, self.original, direction(self.original), is_fallback=True)
        text, source = found
        is_outdated = source != source_hash(original)
        if is_outdated and self.is_strict:
            return Text(original, self.original, direction(self.original), is_fallback=True)
        return Text(text, self.wanted, direction(self.wanted), is_outdated=is_outdated)

    def lines(self, block: str, original: str) -> list[Text]:
        """Give a block of one item a line."""
        whole = self.text(block, original)
        return [replace(whole, value=line) for line in str(whole).splitlines() if line.strip()]


def source_hash(original: str) -> bytes:
    """Give the hash by which a translation knows the original it was made from."""
    return hashlib.sha256(original.encode()).digest()


def texts_of(campaign: Campaign, language: str) -> Texts:
    """Give the texts of one campaign."""
    return texts_of_all([campaign], language)[campaign.id]


def texts_of_all(campaigns: Iterable[Campaign], language: str) -> dict[int, Texts]:
    """Give the texts of several campaigns, by id, in one query."""
    listed = list(campaigns)
    rows = db.session.execute(
        select(
            Translation.campaign_id,
            Translation.block,
            Translation.text,
            Translation.source_hash,
        ).where(
            Translation.campaign_id.in_([c.id for c in listed if c.language != language]),
            Translation.language == language,
        )
    )
    blocks: dict[int, dict[str, tuple[str, bytes]]] = {c.id: {} for c in listed}
    for campaign_id, block, text, source in rows:
        blocks[campaign_id][block] = (text, source)
    return {c.id: Texts(c.language, language, blocks[c.id]) for c in listed}


def translate(campaign: Campaign, language: str, blocks: Mapping[str, tuple[str, str]]) -> None:
    """Store translated blocks: name to (original, translation); empty ones are removed."""
    stored = {
        row.block: row
        for row in db.session.scalars(
            select(Translation).where(
                Translation.campaign_id == campaign.id, Translation.language == language
            )
        )
    }
    for block, (original, text) in blocks.items():
        row = stored.get(block)
        if not text.strip():
            if row is not None:
                db.session.delete(row)
            continue
        if row is None:
            row = Translation(campaign_id=campaign.id, language=language, block=block)
            db.session.add(row)
        row.text, row.source_hash = text.strip(), source_hash(original)
