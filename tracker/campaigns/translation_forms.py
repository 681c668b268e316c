"""Translating a campaign: one form for each part, with the originals beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, Field, HiddenField

from tracker.campaigns.fields import lines
from tracker.core.forms import BaseForm


class Block(NamedTuple):
    """One text to translate: where it is stored, what it is, the original, its limit."""

    name: str
    label: Any
    original: str
    limit: int


class TranslationForm(BaseForm):
    """The blocks of one section; made by :func:`translation_form`."""

    blocks: tuple[Block, ...] = ()
    seen = HiddenField()

    @property
    def rows(self) -> list[tuple[Block, Field, Field]]:
        """Give each block with its text and the box that says it still holds."""
        return [
            (one, self[f"text_{n}"], self[f"holds_{n}"]) for n, one in enumerate(self.blocks)
        ]


def translation_form(blocks: Iterable[Block]) -> type[TranslationForm]:
    """Give the form for these blocks."""
    listed = tuple(blocks)
    fields: dict[str, Any] = {"blocks": listed}
    for n, block in enumerate(listed):
        fields[f"text_{n}"] = lines(block.label, block.limit)
        fields[f"holds_{n}"] = BooleanField(_l("Checked: this translation still holds"))
    made: type[TranslationForm] = type("TranslationFormOfBlocks", (TranslationForm,), fields)
    return made
