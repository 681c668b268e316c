"""Generated supporters as rows: sealed by the real functions, written many at a time."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import insert

from tracker.campaigns.models import Campaign
from tracker.confirmations.models import Kind, Pending
from tracker.confirmations.services import Opened
from tracker.core import tokens
from tracker.database import random_id
from tracker.demo.content import Story
from tracker.demo.people import Person, chance, people, spread_days
from tracker.demo.progress import Step
from tracker.extensions import db
from tracker.sealing import tags
from tracker.sealing.keystore import CampaignKeys
from tracker.signatures.models import CountryTotal, DayTotal, Signature
from tracker.signatures.services import seal_identity
from tracker.subscriptions import services as subscriptions
from tracker.subscriptions.models import Scope, Subscription

WEEKS = 8
"""Over how many weeks signatures come in where a campaign is still open."""
_BATCH = 1000


class Size(Enum):
    """How many supporters are generated; few make the first start quick, for tests."""

    FULL = "full"
    SMALL = "small"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many support one campaign, and from how many countries."""

    signatures: int
    countries: int
    subscriptions: int


def plan(story: Story, size: Size) -> Plan:
    """Give how many to generate: as many as were reported, else some dozens or hundreds."""
    draw = chance(f"{story.slug} plan")
    figures = story.facts["figures"]
    signatures = figures.get("signatures", draw.randrange(60, 700))
    countries = figures.get("countries", draw.randrange(9, 28))
    listening = 0 if story.closed else draw.randrange(24, 72)
    if size is Size.SMALL:
        signatures, listening = max(countries, signatures // 60), listening // 8
    return Plan(signatures=signatures, countries=countries, subscriptions=listening)


class Rows:
    """The rows of one campaign's supporters, sealed and ready to be written."""

    def __init__(self, campaign: Campaign, keys: CampaignKeys) -> None:
        """Take the campaign and the worker's keys, which make tags and links."""
        self.campaign, self.keys = campaign, keys
        self.signatures: list[dict[str, Any]] = []
        self.subscriptions: list[dict[str, Any]] = []

    def seal(self, story: Story, plan: Plan, *, step: Step, told: int) -> None:
        """Generate and seal; ``told`` is how many ``step`` has counted before."""
        crowd = people(plan.signatures, prefix=story.slug, countries=plan.countries)
        for person, day in zip(crowd, _days(story, plan.signatures), strict=True):
            self._add(person, day, subscribes=person.number <= plan.subscriptions)
            step.reach(told + person.number)

    def write(self) -> None:
        """Write the rows and the totals that the page reads."""
        for table, rows in ((Signature, self.signatures), (Subscription, self.subscriptions)):
            for batch in _batches(rows):
                db.session.execute(insert(table), batch)
        for total, name in ((CountryTotal, "country"), (DayTotal, "day")):
            counted = Counter(row[name] for row in self.signatures)
            db.session.execute(
                insert(total),
                [
                    {"campaign_id": self.campaign.id, name: key, "total": number}
                    for key, number in counted.items()
                ],
            )

    def _add(self, person: Person, day: dt.date, *, subscribes: bool) -> None:
        row = random_id()
        tag = tags.tag(self.keys.tag_key, person.address)
        manage = tags.link(self.keys.link_key, purpose="manage", row=row)
        shared = {
            "id": row,
            "campaign_id": self.campaign.id,
            "tag": tag,
            "language": person.language,
            "manage_hash": tokens.digest(manage),
            "consent_version": subscriptions.CONSENT_VERSION,
            "day": day,
        }
        entered = {"name": person.name, "town": "", "organisation": ""}
        self.signatures.append(
            {
                **shared,
                "identity": seal_identity(self.campaign, row, entered),
                "country": person.country,
                "shows_name": person.shows_name,
                "hands_over": person.hands_over,
                "public_name": person.name if person.shows_name else None,
            }
        )
        if subscribes:
            self._subscribe(shared, person, manage)

    def _subscribe(self, shared: dict[str, Any], person: Person, manage: bytes) -> None:
        row = shared["id"]
        stop = tags.link(self.keys.link_key, purpose="unsubscribe", row=row)
        pending = Pending(id=row, kind=Kind.SIGNATURE)
        opened = Opened(pending, {"address": person.address}, manage, stop)
        contact = subscriptions.seal_contact(self.campaign, opened)
        self.subscriptions.append(
            {
                **shared,
                "contact": contact.envelope,
                "scope": Scope.EVERY_UPDATE,
                "generation": self.campaign.generation,
                "unsubscribe_hash": tokens.digest(stop),
            }
        )


def _days(story: Story, count: int) -> list[dt.date]:
    news = [dt.date.fromisoformat(update["posted"]) for update in story.updates]
    last = story.closed or story.opened + dt.timedelta(weeks=WEEKS)
    draw = chance(f"{story.slug} days")
    return spread_days(count, story.opened, last, news=news, draw=draw)


def _batches(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), _BATCH):
        yield rows[start : start + _BATCH]
