"""The worker folds counted rows into totals, so that pages stay quick."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from sqlalchemy import delete, select, tuple_

from tracker.campaigns import partners
from tracker.campaigns.models import Campaign
from tracker.extensions import db, insert, writing
from tracker.sealing import envelopes
from tracker.sealing.keystore import CampaignKeys, KeyMissing, Keystore
from tracker.signatures.models import CountChange, CountryTotal, DayTotal, PartnerChange

log = logging.getLogger(__name__)

BATCH = 1000
"""Most rows folded in one transaction."""


def fold_counts() -> int:
    """Fold up to :data:`BATCH` rows, deleted by exact id, and give how many."""
    is_any = db.session.scalar(select(CountChange.id).limit(1)) is not None
    db.session.rollback()
    if not is_any:
        return 0
    with writing():
        rows = db.session.execute(
            select(
                CountChange.id,
                CountChange.campaign_id,
                CountChange.day,
                CountChange.country,
                CountChange.delta,
            )
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        ).all()
        if not rows:
            return 0
        countries: Counter[tuple[Any, ...]] = Counter()
        days: Counter[tuple[Any, ...]] = Counter()
        for row in rows:
            countries[row.campaign_id, row.country] += row.delta
            days[row.campaign_id, row.day] += row.delta
        _add(CountryTotal, "country", countries)
        _add(DayTotal, "day", days)
        ids = [row.id for row in rows]
        db.session.execute(delete(CountChange).where(CountChange.id.in_(ids)))
    return len(rows)


def _add(table: type[CountryTotal] | type[DayTotal], part: str, sums: Counter[Any]) -> None:
    # In one order everywhere, so that two workers cannot wait for each other's rows.
    for (campaign_id, key), delta in sorted(sums.items()):
        statement = insert(table).values(campaign_id=campaign_id, **{part: key}, total=delta)
        db.session.execute(
            statement.on_conflict_do_update(
                index_elements=["campaign_id", part],
                set_={"total": table.total + statement.excluded.total},
            )
        )


# --- by partner ------------------------------------------------------------------------------


def count_partners(keystore: Keystore) -> int:
    """Open through which partner's site signatures came, and add them up; give how many.

    The envelopes are opened here and nowhere else: a copy of the database holds the figures,
    not who came which way. Campaigns whose key this worker lacks are left for another.
    """
    waiting = db.session.scalars(
        select(Campaign).where(Campaign.id.in_(select(PartnerChange.campaign_id)))
    ).all()
    keys_of = {campaign.id: campaign.key_id or "" for campaign in waiting}
    done = 0
    for campaign_id, key_id in keys_of.items():
        try:
            keys = keystore.campaign(key_id)
        except KeyMissing:
            continue
        done += _count_partners(campaign_id, keys)
    db.session.rollback()
    return done


def _count_partners(campaign_id: int, keys: CampaignKeys) -> int:
    rows = db.session.execute(
        select(PartnerChange.signature_id, PartnerChange.delta, PartnerChange.origin)
        .where(PartnerChange.campaign_id == campaign_id)
        .limit(BATCH)
    ).all()
    # Opened before the transaction that writes: a thousand take a while.
    found = {
        (signature_id, delta): _opened(origin, campaign_id, signature_id, keys=keys)
        for signature_id, delta, origin in rows
    }
    with writing():
        taken = _taken(list(found))
        sums: Counter[int] = Counter()
        for signature_id, delta in taken:
            partner_id = found[signature_id, delta]
            if partner_id is not None:
                sums[partner_id] += delta
        # In one order everywhere, so that two workers cannot wait for each other's rows.
        for counted, more in sorted(sums.items()):
            partners.count(campaign_id, counted, more=more)
    return len(taken)


def _taken(keys: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Delete changes by their keys; give those that no other worker has taken."""
    key = tuple_(PartnerChange.signature_id, PartnerChange.delta)
    rows = db.session.execute(
        select(PartnerChange.signature_id, PartnerChange.delta)
        .where(key.in_(keys))
        .with_for_update(skip_locked=True)
    )
    taken = [(signature_id, delta) for signature_id, delta in rows]
    db.session.execute(delete(PartnerChange).where(key.in_(taken)))
    return taken


def _opened(
    origin: bytes, campaign_id: int, signature_id: int, *, keys: CampaignKeys
) -> int | None:
    """Give the partner an envelope names; web pages write them, so nothing is believed."""
    context = envelopes.context("origin", campaign_id, signature_id)
    try:
        found = envelopes.open_sealed(keys.pair.private, origin, context=context)
    except envelopes.CannotOpen:
        log.error("the origin of a signature does not open; it counts for no partner")
        return None
    partner_id = found.get("partner")
    return partner_id if isinstance(partner_id, int) and 0 < partner_id < 2**63 else None
