"""Letters to those who must answer, and a motion for a meeting, in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from flask_babel import gettext as _

from tracker.campaigns.models import Campaign, Target
from tracker.campaigns.translations import Text, Texts
from tracker.core.templating import country, external_url

LONGEST_LINK = 1900
"""Characters of a ``mailto:`` link; some systems pass no more than about 2,000 to a program."""


@dataclass(frozen=True, kw_only=True)
class Addressee:
    """One of those who must answer, and how to write to them.

    ``carries_letter`` is false where the letter is too long for the link.
    """

    office: Text
    name: str | None
    country: str
    country_name: str
    email: str | None
    post_address: str | None
    mailto: str | None
    carries_letter: bool


@dataclass(frozen=True, kw_only=True)
class Motion:
    """A model motion: what a meeting notes, demands and resolves."""

    title: str
    opening: str
    notes: list[Text]
    demands_opening: str
    demands: list[Text]
    resolves_opening: str
    resolves: list[str]
    closing: list[str]

    def plain(self) -> str:
        """Give it as a text, to be put into any document."""
        parts = [
            self.title,
            self.opening,
            *map(str, self.notes),
            *_listed(self.demands_opening, self.demands),
            *_listed(self.resolves_opening, self.resolves),
            *self.closing,
        ]
        return "\n\n".join(parts) + "\n"


def _listed(opening: str, items: Iterable[Text] | Iterable[str]) -> list[str]:
    lines = [f"{number}. {item}" for number, item in enumerate(items, 1)]
    return [opening, "\n".join(lines)] if lines else []


def letter_of(campaign: Campaign, texts: Texts) -> Text:
    """Give the model letter as plain text."""
    found = texts.text("letter", campaign.letter)
    return Text(plain(str(found)), found.lang, found.dir, found.is_fallback, found.is_outdated)


def addressees(campaign: Campaign, texts: Texts, *, of_country: str | None) -> list[Addressee]:
    """Give the targets: the reader's country first, then the case's, then all others."""
    subject = str(texts.text("title", campaign.title))
    letter = str(letter_of(campaign, texts))
    order = [code for code in (of_country, campaign.country) if code]
    ranked = sorted(
        campaign.targets,
        key=lambda one: order.index(one.country) if one.country in order else len(order),
    )
    return [_addressee(target, texts, subject=subject, letter=letter) for target in ranked]


def _addressee(target: Target, texts: Texts, *, subject: str, letter: str) -> Addressee:
    link, carries = mailto(target.email, subject, letter) if target.email else (None, False)
    return Addressee(
        office=texts.text(f"target.{target.id}.office", target.office),
        name=target.name,
        country=target.country,
        country_name=country(target.country),
        email=target.email,
        post_address=target.post_address,
        mailto=link,
        carries_letter=carries,
    )


def mailto(address: str, subject: str, body: str) -> tuple[str, bool]:
    """Give the link that begins a mail (RFC 6068), and whether it carries the body.

    A body that makes it longer than :data:`LONGEST_LINK` is left out, never cut off.
    """
    link = f"mailto:{quote(address, safe='@!$*+-._~')}?subject={quote(subject, safe='')}"
    lines = "\r\n".join(body.splitlines())
    whole = f"{link}&body={quote(lines, safe='')}"
    return (whole, True) if body and len(whole) <= LONGEST_LINK else (link, False)


def plain(markdown: str) -> str:
    """Give a text without the signs of our Markdown subset."""
    text = re.sub(r"\[([^\]\n]*)\]\(([^)\s]*)\)", r"\1 (\2)", markdown)
    text = re.sub(r"(?m)^(?:#{1,6}|>)[ \t]+", "", text)
    text = re.sub(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1", r"\2", text)
    text = re.sub(r"(?<![\w*])([*_])(?=\S)([^*_\n]+?)(?<=\S)\1(?![\w*])", r"\2", text)
    return text.strip()


def motion_of(campaign: Campaign, texts: Texts) -> Motion:
    """Give a motion made of the campaign's title, summary and demands."""
    title = str(texts.text("title", campaign.title))
    offices = [
        str(texts.text(f"target.{one.id}.office", one.office)) for one in campaign.targets
    ]
    page = external_url("pages.campaign", slug=campaign.slug)
    endorse = external_url("endorsements.offer", slug=campaign.slug)
    sheet = external_url("sheets.sheet", slug=campaign.slug)
    resolves = [
        _(
            "to endorse the campaign “%(title)s” and say so here: %(url)s",
            title=title,
            url=endorse,
        ),
        _("to tell all members of it and ask them to sign: %(url)s", url=page),
        _("to collect signatures on paper where we work and meet: %(url)s", url=sheet),
    ]
    if offices:
        addressed = _("; ").join(offices)
        resolves.insert(1, _("to write in this sense to: %(offices)s", offices=addressed))
    return Motion(
        title=_("Motion: %(title)s", title=title),
        opening=_("This meeting of ____________________ notes:"),
        notes=[texts.text("summary", campaign.summary)],
        demands_opening=_("This meeting demands:"),
        demands=texts.lines("demands", campaign.demands),
        resolves_opening=_("This meeting resolves:"),
        resolves=[str(one) for one in resolves],
        closing=[
            _("Moved by: ____________________"),
            _("Seconded by: ____________________"),
            _("Place and date: ____________________"),
        ],
    )
