"""Keeps the words by which campaigns are found, in the transaction that changes a text.

No service has to remember: whatever is flushed of a campaign, its subjects or its translations
has the campaign's words written anew before the commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from babel import Locale
from flask import Flask
from sqlalchemy import column, delete, event, insert, select, table
from sqlalchemy.orm import Session, UOWTransaction

from tracker.campaigns import folding
from tracker.campaigns.models import Campaign, CampaignWords, Subject, Translation
from tracker.core.languages import LANGUAGES
from tracker.extensions import db, writing

EDITION = " ".join(["1", *LANGUAGES])
"""The rules by which words are written; rows of another edition are renewed by the worker."""

HEADING = ("title", "place")
BODY = ("summary", "appeal", "demands")
"""The texts of a campaign that are searched; its model letter and its news are not."""

BATCH = 20
"""Most campaigns whose words are renewed in one transaction."""

FTS = table("campaign_words_fts", *map(column, ("rowid", "heading", "body")))
"""SQLite's full-text index; rows of campaigns that are gone are found by nobody."""

_ORDER = table(FTS.name, column(FTS.name))
"""The column, named like the table, through which FTS5 takes orders."""

_CHANGED = "campaigns_with_new_words"


def renew(*, everything: bool = False) -> int:
    """Write the words of campaigns that have none, or old ones, and give of how many."""
    waiting = _all() if everything else _stale()
    db.session.rollback()
    for start in range(0, len(waiting), BATCH):
        with writing():
            for campaign_id in waiting[start : start + BATCH]:
                _write(campaign_id)
    return len(waiting)


def tidy() -> None:
    """Really overwrite words that were taken off, and drop those of campaigns that are gone.

    SQLite's index keeps old words until its parts are merged: somebody renamed for safety
    would stay in every backup. Nothing happens where it is merged already.
    """
    if db.engine.dialect.name != "sqlite":
        return
    with writing():
        gone = FTS.c.rowid.not_in(select(Campaign.id))
        db.session.execute(delete(FTS).where(gone))
        db.session.execute(insert(_ORDER).values({FTS.name: "optimize"}))


def _all() -> list[int]:
    return list(db.session.scalars(select(Campaign.id)))


def _stale() -> list[int]:
    return list(
        db.session.scalars(
            select(Campaign.id)
            .outerjoin(CampaignWords)
            .where(CampaignWords.edition.is_distinct_from(EDITION))
        )
    )


def _write(campaign_id: int) -> None:
    # Locked, so that of two who change it at once the later one sees the texts of both.
    lock = {"key_share": True}
    campaign = db.session.get(
        Campaign, campaign_id, with_for_update=lock, populate_existing=True
    )
    if campaign is None:
        return
    heading, body = _words_of(campaign)
    db.session.merge(
        CampaignWords(campaign_id=campaign_id, heading=heading, body=body, edition=EDITION)
    )
    if db.engine.dialect.name == "sqlite":
        # PostgreSQL's index is one on the row itself.
        db.session.execute(delete(FTS).where(FTS.c.rowid == campaign_id))
        db.session.execute(insert(FTS).values(rowid=campaign_id, heading=heading, body=body))


def _words_of(campaign: Campaign) -> tuple[str, str]:
    translated: defaultdict[str, list[str]] = defaultdict(list)
    for block, text in db.session.execute(
        select(Translation.block, Translation.text).where(
            Translation.campaign_id == campaign.id
        )
    ):
        translated[block].append(text)
    heading = [*_country(campaign.country), *_names(campaign, translated)]
    for block in HEADING:
        heading += [getattr(campaign, block), *translated[block]]
    body = list(heading)
    for block in BODY:
        body += [getattr(campaign, block), *translated[block]]
    return _joined(heading), _joined(body)


def _names(campaign: Campaign, translated: dict[str, list[str]]) -> Iterator[str]:
    for subject in db.session.scalars(
        select(Subject).where(Subject.campaign_id == campaign.id)
    ):
        yield subject.name
        yield from translated.get(f"subject.{subject.id}.name", ())


def _country(code: str) -> Iterator[str]:
    for language in LANGUAGES:
        yield str(Locale.parse(language).territories.get(code, code))


def _joined(texts: list[str]) -> str:
    # Each word once: it is only asked whether a campaign has it.
    return " ".join(sorted({word for text in texts for word in folding.words(text)}))


# --- what is flushed -----------------------------------------------------------------------


def init_app(_app: Flask) -> None:
    """Listen to what is flushed and committed."""
    event.listen(db.session, "after_flush", _note)
    event.listen(db.session, "before_commit", _keep)
    event.listen(db.session, "after_rollback", _forget)


def _note(session: Session, _context: UOWTransaction) -> None:
    noted = session.info.setdefault(_CHANGED, set())
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, Campaign):
            noted.add(row.id)
        elif isinstance(row, (Subject, Translation)):
            noted.add(row.campaign_id)


def _keep(session: Session) -> None:
    session.flush()
    for campaign_id in session.info.pop(_CHANGED, ()):
        _write(campaign_id)


def _forget(session: Session) -> None:
    session.info.pop(_CHANGED, None)
