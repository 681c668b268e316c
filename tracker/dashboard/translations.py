"""A campaign's texts in another language, block by block beside the original."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from tracker.campaigns.fields import LIMITS
from tracker.campaigns.models import Campaign
from tracker.campaigns.translation_forms import Block, TranslationForm, translation_form
from tracker.campaigns.translations import Texts, texts_of, translate
from tracker.core import guard
from tracker.core.languages import CONTENT_LANGUAGES, LANGUAGES, direction
from tracker.dashboard import access
from tracker.dashboard.blueprint import bp
from tracker.extensions import writing
from tracker.updates import queries as updates
from tracker.updates.models import Update


@dataclass(frozen=True)
class Section:
    """Blocks that are saved together."""

    key: str
    title: str
    blocks: list[Block]

    @property
    def digest(self) -> str:
        """Give a mark of the originals, to see whether they changed while one translated."""
        found = hashlib.sha256()
        for block in self.blocks:
            found.update(f"{block.name}\0{block.original}\0".encode())
        return found.hexdigest()


@dataclass(frozen=True)
class Progress:
    """How far a campaign is translated into one language."""

    language: str
    name: str
    missing: int
    outdated: int


def sections(campaign: Campaign) -> list[Section]:
    """Give every text there is to translate; empty originals are left out."""
    found = [_texts(campaign), _people(campaign)]
    listed = [*updates.drafts(campaign.id), *updates.published(campaign.id)]
    found += [section_of(update) for update in listed]
    return [section for section in found if section.blocks]


def _block(name: str, label: str, original: str, limit: str) -> list[Block]:
    return [Block(name, label, original, LIMITS[limit])] if original.strip() else []


def _texts(campaign: Campaign) -> Section:
    labels = {
        "title": _("Title"),
        "summary": _("Summary"),
        "place": _("Place"),
        "appeal": _("Appeal"),
        "demands": _("Demands"),
        "letter": _("Model letter"),
    }
    blocks = [
        block
        for name, label in labels.items()
        for block in _block(name, label, getattr(campaign, name), name)
    ]
    return Section("texts", _("Texts of the campaign"), blocks)


def _people(campaign: Campaign) -> Section:
    blocks: list[Block] = []
    for subject in campaign.subjects:
        name, about = f"subject.{subject.id}.name", f"subject.{subject.id}.about"
        blocks += _block(name, _("Name"), subject.name, "subject.name")
        blocks += _block(
            about, _("About %(name)s", name=subject.name), subject.about, "subject.about"
        )
    for target in campaign.targets:
        name = f"target.{target.id}.office"
        blocks += _block(name, _("Office"), target.office, "target.office")
    return Section("people", _("Those concerned and those addressed"), blocks)


def section_of(update: Update) -> Section:
    """Give the texts of one update."""
    prefix = f"update.{update.id}"
    blocks = _block(f"{prefix}.headline", _("Headline"), update.headline, "update.headline")
    blocks += _block(f"{prefix}.text", _("Text"), update.text, "update.text")
    return Section(f"u{update.id:x}", update.headline, blocks)


def progress(campaign: Campaign) -> list[Progress]:
    """Give how far each of the other languages is."""
    listed = sections(campaign)
    return [
        progress_of(listed, texts_of(campaign, code))
        for code in CONTENT_LANGUAGES
        if code != campaign.language
    ]


def progress_of(listed: list[Section], texts: Texts) -> Progress:
    """Give how much of some sections is missing or outdated in one language."""
    found = [texts.text(block.name, block.original) for one in listed for block in one.blocks]
    return Progress(
        texts.wanted,
        LANGUAGES[texts.wanted],
        sum(text.is_fallback for text in found),
        sum(text.is_outdated for text in found),
    )


# --- pages ---------------------------------------------------------------------------------


@bp.route("/campaigns/<slug>/translations/<language>", methods=["GET", "POST"])
@guard.csrf_guarded
def translate_campaign(slug: str, language: str) -> ResponseReturnValue:
    """Show the originals beside their translations, and store one section."""
    campaign = access.campaign_or_404(slug)
    if language not in CONTENT_LANGUAGES or language == campaign.language:
        abort(404)
    chosen = request.form.get("section") if request.method == "POST" else None
    texts = texts_of(campaign, language)
    shown = [
        (section, _form(section, texts, section.key == chosen))
        for section in sections(campaign)
    ]
    posted = [(section, form) for section, form in shown if section.key == chosen]
    for section, form in posted:
        if form.validate() and _is_current(section, form):
            with writing():
                campaign = access.campaign_or_404(slug, lock=True)
                translate(campaign, language, _changed(form, texts))
            flash(_("Saved: %(title)s", title=section.title), "good")
            here = url_for(".translate_campaign", slug=slug, language=language)
            return redirect(f"{here}#{section.key}", 303)
    page = render_template(
        "dashboard/translations/translate_campaign.html",
        campaign=access.campaign_or_404(slug),
        language=language,
        language_name=LANGUAGES[language],
        direction=direction,
        texts=texts,
        shown=shown,
    )
    return page, 422 if posted else 200


def _form(section: Section, texts: Texts, is_posted: bool) -> TranslationForm:
    made = translation_form(section.blocks)
    if is_posted:
        return made(prefix=section.key)
    data: dict[str, Any] = {"seen": section.digest}
    for n, block in enumerate(section.blocks):
        data[f"text_{n}"] = texts.blocks.get(block.name, ("", b""))[0]
    return made(formdata=None, prefix=section.key, data=data)


def _is_current(section: Section, form: TranslationForm) -> bool:
    """Say whether the originals are those the translator saw; if not, ask to compare again."""
    if form.seen.data == section.digest:
        return True
    form.form_errors.append(
        _("The original was changed while you were translating. Compare once more, then save.")
    )
    form.seen.data, form.seen.raw_data = section.digest, None
    return False


def _changed(form: TranslationForm, texts: Texts) -> dict[str, tuple[str, str]]:
    """Give what to store: what was changed, and what was said to hold still.

    A block left as it was keeps the mark of the original it was made from, so that saving
    its neighbours does not make it look checked.
    """
    return {
        block.name: (block.original, text.data or "")
        for block, text, holds in form.rows
        if holds.data or (text.data or "") != texts.blocks.get(block.name, ("", b""))[0]
    }
