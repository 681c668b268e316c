"""Search over all public campaigns, and the record of those that are over."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import format_date, ngettext
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.datastructures import MultiDict
from wtforms.fields.choices import SelectChoice

from tracker.campaigns import queries as campaigns
from tracker.campaigns import words
from tracker.campaigns.models import Campaign
from tracker.campaigns.search import MOST_CHARACTERS, Standing, facets, search
from tracker.campaigns.status import Kind, Status
from tracker.core import http
from tracker.core.forms import country_names, sort_key
from tracker.core.templating import number
from tracker.endorsements import queries as endorsements
from tracker.pages.forms import SearchForm
from tracker.pages.showing import Card, cards_of
from tracker.signatures import queries as signatures

bp = Blueprint("archive", __name__)

SIZE = 20
"""Campaigns on one page."""

STANDING: dict[Standing, Any] = {
    Standing.OPEN: _l("Open"),
    Standing.OVER: _l("Won or closed"),
    Standing.WON: _l("Won"),
    Standing.LOST: _l("Closed without a win"),
}

Word = TypeVar("Word", bound=enum.Enum)


@dataclass(frozen=True, kw_only=True)
class Record:
    """What stays of a campaign that is over."""

    outcome_label: str
    period: str
    signatures: int
    countries: int
    organisations: int
    members: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """A campaign in the list; ``record`` is ``None`` while it is open."""

    card: Card
    record: Record | None


@bp.get("/<lang:lang>/campaigns/")
@http.cacheable(30)
def listing() -> ResponseReturnValue:
    """Show the public campaigns that are looked for, with what they came to."""
    countries, statuses = facets()
    choices = _choices(countries, statuses)
    asked = _asked(request.args, choices)
    page = search(
        asked.get("q", ""),
        country=asked.get("country"),
        kind=_word(Kind, asked.get("kind")),
        status=_word(Status, asked.get("status")),
        standing=_word(Standing, asked.get("standing")),
        page=request.args.get("page", default=1, type=int),
        size=SIZE,
    )
    filters = [choices[name][asked[name]] for name in choices if name in asked]
    return render_template(
        "pages/archive.html",
        form=_form(asked, choices),
        page=page,
        found=_found(campaigns.by_ids(page.items)),
        asked=asked,
        title=_title(asked.get("q", ""), filters),
        query=urlencode(asked) + "&" if asked else "",
    )


# --- what is asked for ---------------------------------------------------------------------


def _choices(countries: set[str], statuses: set[Status]) -> dict[str, dict[str, str]]:
    """Give what can be chosen, by field: only what leads to something."""
    names = sorted(
        ((code, name) for code, name in country_names().items() if code in countries),
        key=lambda item: sort_key(item[1]),
    )
    return {
        "country": dict(names),
        "kind": {kind.value: str(label) for kind, label in words.KIND.items()},
        "status": {
            status.value: str(label)
            for status, label in words.STATUS.items()
            if status in statuses
        },
        "standing": {standing.value: str(label) for standing, label in STANDING.items()},
    }


def _asked(args: Mapping[str, str], choices: dict[str, dict[str, str]]) -> dict[str, str]:
    """Give what is asked for; a choice that there is not is no choice."""
    text = args.get("q", "").strip()[:MOST_CHARACTERS]
    chosen = {name: args.get(name, "") for name in choices}
    asked = {name: value for name, value in chosen.items() if value in choices[name]}
    return {"q": text, **asked} if text else asked


def _form(asked: dict[str, str], choices: dict[str, dict[str, str]]) -> SearchForm:
    form = SearchForm(formdata=MultiDict(asked))
    for name, labels in choices.items():
        form[name].choices = [
            SelectChoice("", _("All")),
            *(SelectChoice(value, label) for value, label in labels.items()),
        ]
    return form


def _word(enumeration: type[Word], value: str | None) -> Word | None:
    return enumeration(value) if value else None


def _title(text: str, filters: list[str]) -> str:
    quoted = [str(_("“%(text)s”", text=text[:60]))] if text else []
    return " – ".join([str(_("Campaigns")), *quoted, *filters])


# --- what is found -------------------------------------------------------------------------


def _found(listed: list[Campaign]) -> list[Found]:
    ids = [campaign.id for campaign in listed]
    counts = signatures.by_country(ids)
    backing = endorsements.totals(ids)
    return [
        Found(card=card, record=_record(one, counts[one.id], backing.get(one.id, (0, 0))))
        for one, card in zip(listed, cards_of(listed, counts), strict=True)
    ]


def _record(
    campaign: Campaign, by_country: dict[str, int], backing: tuple[int, int]
) -> Record | None:
    if campaign.closed_on is None or campaign.outcome is None:
        return None
    return Record(
        outcome_label=str(words.OUTCOME[campaign.outcome]),
        period=_period(campaign.opened_on, campaign.closed_on),
        signatures=sum(by_country.values()),
        countries=len(by_country),
        organisations=backing[0],
        members=backing[1],
    )


def _period(first: dt.date, last: dt.date) -> str:
    days = max(0, (last - first).days)
    return str(
        ngettext(
            "%(first)s to %(last)s: %(number)s day",
            "%(first)s to %(last)s: %(number)s days",
            days,
            first=format_date(first, "long"),
            last=format_date(last, "long"),
            number=number(days),
        )
    )
