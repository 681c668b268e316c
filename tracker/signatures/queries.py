"""Exact numbers without counting rows; the names that may be shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from sqlalchemy import func, select, union_all

from tracker.core import tokens
from tracker.extensions import db, locked
from tracker.signatures.models import CountChange, CountryTotal, DayTotal, Review, Signature


def by_country(campaign_ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """Give the exact numbers by campaign and country: totals plus what is not yet folded.

    One statement, so that it sees totals and changes at the same moment.
    """
    ids = list(campaign_ids)
    parts = union_all(
        select(
            CountryTotal.campaign_id, CountryTotal.country, CountryTotal.total.label("n")
        ).where(CountryTotal.campaign_id.in_(ids)),
        select(
            CountChange.campaign_id, CountChange.country, func.sum(CountChange.delta).label("n")
        )
        .where(CountChange.campaign_id.in_(ids))
        .group_by(CountChange.campaign_id, CountChange.country),
    ).subquery()
    rows = db.session.execute(
        select(parts.c.campaign_id, parts.c.country, func.sum(parts.c.n)).group_by(
            parts.c.campaign_id, parts.c.country
        )
    )
    found: dict[int, dict[str, int]] = {campaign_id: {} for campaign_id in ids}
    for campaign_id, country, number in rows:
        if number:
            found[campaign_id][country] = int(number)
    return found


def by_day(campaign_id: int) -> dict[dt.date, int]:
    """Give the exact numbers by day: totals plus what is not yet folded, in one statement."""
    parts = union_all(
        select(DayTotal.day, DayTotal.total.label("n")).where(
            DayTotal.campaign_id == campaign_id
        ),
        select(CountChange.day, func.sum(CountChange.delta).label("n"))
        .where(CountChange.campaign_id == campaign_id)
        .group_by(CountChange.day),
    ).subquery()
    rows = db.session.execute(
        select(parts.c.day, func.sum(parts.c.n)).group_by(parts.c.day).order_by(parts.c.day)
    )
    return {day: int(number) for day, number in rows if number}


def count_confirmed(campaign_id: int) -> int:
    """Give the exact number of confirmed signatures."""
    return sum(by_country([campaign_id])[campaign_id].values())


def shown(campaign_id: int, *, limit: int, barred: bool = False) -> list[Signature]:
    """Give the newest days' public signatures, or those whose names organisers took down."""
    return list(
        db.session.scalars(
            select(Signature)
            .where(
                Signature.campaign_id == campaign_id,
                Signature.shows_name.is_(True),
                Signature.is_barred.is_(barred),
            )
            # Ids are random, so their order within a day tells nothing. Both descend, so
            # that the index gives them in order on a day of a hundred thousand.
            .order_by(Signature.day.desc(), Signature.id.desc())
            .limit(limit)
        )
    )


def comments(campaign_id: int, review: Review, *, limit: int) -> list[Signature]:
    """Give signatures with a public comment that organisers have (not) let through."""
    return list(
        db.session.scalars(
            select(Signature)
            .where(
                Signature.campaign_id == campaign_id,
                Signature.review == review,
                Signature.is_barred.is_(False),
            )
            .order_by(Signature.day.desc(), Signature.id)
            .limit(limit)
        )
    )


def by_id(signature_id: int, *, lock: bool = False) -> Signature | None:
    """Give one signature, held until the transaction ends where ``lock`` says so."""
    return db.session.get(
        Signature, signature_id, with_for_update=lock or None, populate_existing=lock
    )


def by_tag(campaign_id: int, tag: bytes, *, lock: bool = False) -> Signature | None:
    """Give a mailbox's signature under a campaign."""
    query = select(Signature).where(Signature.campaign_id == campaign_id, Signature.tag == tag)
    return db.session.scalar(locked(query) if lock else query)


def id_by_tag(campaign_id: int, tag: bytes) -> int | None:
    """Give the id of a mailbox's signature under a campaign."""
    found = by_tag(campaign_id, tag)
    return found.id if found else None


def by_manage(token: bytes) -> Signature | None:
    """Give the signature behind the link to one's own page."""
    return db.session.scalar(
        select(Signature).where(Signature.manage_hash == tokens.digest(token))
    )
