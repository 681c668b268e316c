"""Portraits of those a campaign is about, in the sizes and formats that pages show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, select

from tracker.campaigns.models import PUBLIC, Campaign, Portrait, PortraitFile, Subject
from tracker.core import images
from tracker.database import random_id
from tracker.extensions import db

SIZES = ((360, 450), (720, 900))
"""Width and height in pixels: for plain screens and for those with twice as many."""


@dataclass(frozen=True, kw_only=True)
class PortraitShown:
    """A portrait ready to be shown: a JPEG that every browser reads, and lighter formats.

    ``sources`` are pairs of media type and ``srcset``, the lightest first; ``width`` and
    ``height`` are the picture's own, so that its place is kept before it arrives.
    """

    src: str
    sources: list[tuple[str, str]]
    width: int
    height: int
    alt: str
    credit: str


def replace(subject: Subject, made: list[images.Made], *, credit: str) -> None:
    """Show a new portrait in place of the old one.

    It has a new id and so new addresses: browsers may keep what they have for ever.
    """
    remove(subject)
    portrait = Portrait(id=random_id(), subject_id=subject.id, credit=credit)
    db.session.add(portrait)
    db.session.add_all(
        PortraitFile(
            portrait_id=portrait.id,
            format=one.format,
            width=one.width,
            height=one.height,
            data=one.data,
        )
        for one in made
    )


def remove(subject: Subject) -> None:
    """Take a portrait off the page."""
    db.session.execute(delete(Portrait).where(Portrait.subject_id == subject.id))


def of(subject_ids: Iterable[int]) -> dict[int, Portrait]:
    """Give the portraits by subject id, without their pictures."""
    rows = db.session.scalars(
        select(Portrait).where(Portrait.subject_id.in_(list(subject_ids)))
    )
    return {row.subject_id: row for row in rows}


def file(portrait_id: int, *, form: str, width: int) -> bytes | None:
    """Give one picture, or ``None`` where its campaign is not shown or there is none."""
    found = db.session.execute(
        select(PortraitFile.data, Campaign.state)
        .join(Portrait, Portrait.id == PortraitFile.portrait_id)
        .join(Subject, Subject.id == Portrait.subject_id)
        .join(Campaign, Campaign.id == Subject.campaign_id)
        .where(
            PortraitFile.portrait_id == portrait_id,
            PortraitFile.format == form,
            PortraitFile.width == width,
        )
    ).first()
    return found[0] if found is not None and found[1] in PUBLIC else None
