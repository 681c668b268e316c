"""All design tokens and components on one page, for those who work on the look.

In debug mode only: what it shows is made up.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, current_app, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.datastructures import MultiDict

from tracker.campaigns import portraits, words
from tracker.campaigns.status import Certainty, Status, tone
from tracker.campaigns.translations import Text
from tracker.core import languages
from tracker.core.pagination import Page
from tracker.core.templating import country, external_url
from tracker.pages import countries, plates, sharing
from tracker.pages.forms import ShownForm
from tracker.pages.showing import Card, Stamp, SubjectShown
from tracker.signatures.forms import SignForm

bp = Blueprint("showcase", __name__)

COLOURS = ("paper", "ink", "muted", "line", "wash", "red", "slab", "on-slab", "over", "on-over")
SIZES = tuple(f"size-{step}" for step in range(1, 9))
SPACES = (*(f"space-{step}" for step in range(1, 7)), "gutter")

STATUSES = (
    (Status.MISSING, Certainty.REPORTED),
    (Status.ON_STRIKE, Certainty.CONFIRMED),
    (Status.RELEASED, Certainty.CONFIRMED),
    (Status.KILLED, Certainty.CONFIRMED),
)
"""One status of each tone."""

NAMES = (
    ("en", "Amar Fayaz"),
    ("en", "Zain ul Abidin"),
    ("tr", "Işıl Çiğdem Öztürk"),
    ("ar", "عمار فياز"),
    ("ur", "محمد امین"),
)
"""Names in several scripts, in whichever language the page is."""


@bp.get("/<lang:lang>/components")
def components() -> ResponseReturnValue:
    """Show everything with sample data, in the page's language and direction."""
    if not current_app.debug:
        abort(404)
    form = SignForm(formdata=MultiDict({"email": "nobody"}))
    form.validate()
    return render_template(
        "pages/components.html",
        colours=COLOURS,
        sizes=SIZES,
        spaces=SPACES,
        stamps=[_stamp(*one) for one in STATUSES],
        subjects=[_subject(place, *one) for place, one in enumerate(NAMES)],
        card=_card(),
        page=Page(items=[], number=2, size=10, total=42),
        form=form,
        shown=ShownForm(formdata=None),
        bars=_bars(),
        qr=sharing.qr_markup(external_url("pages.home")),
    )


def _stamp(status: Status, certainty: Certainty) -> Stamp:
    return Stamp(
        label=str(words.STATUS[status]),
        tone=tone(status).value,
        certainty_label=str(words.CERTAINTY[certainty]),
    )


def _text(value: str, lang: str) -> Text:
    is_foreign = lang != languages.current()
    return Text(value, lang, languages.direction(lang), is_fallback=is_foreign)


def _subject(place: int, lang: str, name: str) -> SubjectShown:
    status, certainty = STATUSES[place % len(STATUSES)]
    return SubjectShown(
        anchor=f"person-{place + 1}",
        name=_text(name, lang),
        about=_text("", lang),
        stamp=_stamp(status, certainty),
        portrait=_portrait(name) if place == 1 else None,
        plate=plates.plate(name),
        has_face=True,
        since_label=_("since %(date)s", date="2026"),
        verified_label=_("last verified %(date)s", date="2026"),
        unverified=23 if place == 0 else None,
    )


def _portrait(name: str) -> portraits.PortraitShown:
    width, height = portraits.SIZES[0]
    return portraits.PortraitShown(
        src=url_for("static", filename="icon.svg"),
        sources=[],
        width=width,
        height=height,
        alt=_("Portrait of %(name)s", name=name),
        credit="",
    )


def _card() -> Card:
    facts: dict[str, Any] = {"title": "Free Amar Fayaz", "summary": "Abducted at night."}
    return Card(
        slug="amar-fayaz",
        **{name: _text(value, "en") for name, value in facts.items()},
        place=_text("Jamshoro", "en"),
        country_name=country("PK"),
        sum_words=None,
        stamp=_stamp(*STATUSES[0]),
        days=1380,
        days_label=str(ngettext("day missing", "days missing", 1380)),
        count=12_282,
        goal=15_000,
        outcome_label=None,
    )


def _bars() -> countries.CountriesShown:
    values = {"PK": 38, "GB": 29, "IT": 12}
    return countries.CountriesShown(
        bars=[
            countries.Bar(name=country(code), value=value, x=0, width=value * 100 // 38)
            for code, value in values.items()
        ],
        rows=[],
    )
