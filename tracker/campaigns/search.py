"""Finds public campaigns by words and facts, alike on both databases."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    case,
    cast,
    column,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from tracker.campaigns import folding
from tracker.campaigns.index import FTS
from tracker.campaigns.models import (
    PUBLIC,
    WINS,
    Campaign,
    CampaignWords,
    State,
    Subject,
)
from tracker.campaigns.status import Kind, Status
from tracker.core.pagination import Page
from tracker.extensions import db

MOST_CHARACTERS, MOST_WORDS = 200, 12
"""How much of what is searched for counts."""


class Standing(enum.Enum):
    """How a campaign stands for those who look for it."""

    OPEN = "open"
    OVER = "over"
    WON = "won"
    LOST = "lost"


def search(
    words: str = "",
    *,
    country: str | None = None,
    kind: Kind | None = None,
    status: Status | None = None,
    standing: Standing | None = None,
    page: int = 1,
    size: int = 20,
) -> Page[int]:
    """Give the ids of public campaigns that have all the words, the last as a beginning.

    Those with the words in title, name or place come first, then the newest; of those that are
    over, the ones that ended last. A page behind the last one is the last one.
    """
    wanted = folding.words(words[:MOST_CHARACTERS])[:MOST_WORDS]
    if words.strip() and not wanted:
        return Page([], 1, size, 0)
    query = select(Campaign.id).where(Campaign.state.in_(PUBLIC))
    if country:
        query = query.where(Campaign.country == country)
    if kind:
        query = query.where(Campaign.kind == kind)
    if status:
        has_status = select(Subject.campaign_id).where(Subject.status == status)
        query = query.where(Campaign.id.in_(has_status))
    if standing:
        query = query.where(*_STANDING[standing])
    if wanted:
        query = query.where(_has("body", wanted))
    return _page(query.order_by(*_order(wanted, standing)), page, size)


_IS_OVER = Campaign.state.in_((State.CLOSED, State.ARCHIVED))
_STANDING: dict[Standing, tuple[ColumnElement[bool], ...]] = {
    Standing.OPEN: (Campaign.state == State.LIVE,),
    Standing.OVER: (_IS_OVER,),
    Standing.WON: (_IS_OVER, Campaign.outcome.in_(WINS)),
    Standing.LOST: (
        _IS_OVER,
        or_(Campaign.outcome.is_(None), Campaign.outcome.not_in(WINS)),
    ),
}


def _order(wanted: Sequence[str], standing: Standing | None) -> list[ColumnElement[Any]]:
    is_record = standing is not None and standing is not Standing.OPEN
    order: list[ColumnElement[Any]] = [Campaign.opened_on.desc(), Campaign.slug.asc()]
    if is_record:
        order.insert(0, Campaign.closed_on.desc().nulls_last())
    if wanted:
        order.insert(0, case((_has("heading", wanted), 0), else_=1).asc())
    return order


def _page(query: Select[int], number: int, size: int) -> Page[int]:
    plain = query.order_by(None).subquery()
    total = db.session.scalar(select(func.count()).select_from(plain)) or 0
    number = min(max(1, number), max(1, -(-total // size)))
    ids = db.session.scalars(query.limit(size).offset((number - 1) * size)).all()
    return Page(ids, number, size, total)


def _has(name: str, wanted: Sequence[str]) -> ColumnElement[bool]:
    """Give the condition that a campaign has the words: nothing but letters and digits."""
    if db.engine.dialect.name == "sqlite":
        terms = " AND ".join(f'"{word}"' for word in wanted)
        is_match = column(FTS.name).bool_op("MATCH")(f"{name} : ({terms} *)")
        return Campaign.id.in_(select(FTS.c.rowid).where(is_match))
    terms = " & ".join(f"'{word}'" for word in wanted)
    # Indexed by migration 0004, without PostgreSQL's own parser, which would take words apart
    # in its own way: they are folded and apart already.
    has = func.words_fts(getattr(CampaignWords, name))
    is_match = has.bool_op("@@")(cast(f"{terms}:*", TSQUERY))
    return Campaign.id.in_(select(CampaignWords.campaign_id).where(is_match))


def facets() -> tuple[set[str], set[Status]]:
    """Give the countries and the statuses that public campaigns have."""
    countries = select(Campaign.country).where(Campaign.state.in_(PUBLIC)).distinct()
    statuses = (
        select(Subject.status)
        .join(Campaign)
        .where(Campaign.state.in_(PUBLIC), Subject.status.is_not(None))
        .distinct()
    )
    found = db.session.scalars(statuses)
    return set(db.session.scalars(countries)), {status for status in found if status}
