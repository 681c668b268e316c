"""Subscribers by the thousand: stored as confirming stores them, but in bulk."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from flask import Flask
from sqlalchemy import insert

from tests.support import factories
from tracker.alerts.models import Alert
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign
from tracker.core import clock, tokens
from tracker.database import random_id
from tracker.extensions import db, writing
from tracker.mail import services as mail
from tracker.mail.models import SuppressionReason
from tracker.sealing import envelopes, tags
from tracker.sealing.keystore import CampaignKeys, Keystore
from tracker.subscriptions.models import Scope, Subscription
from tracker.worker import Worker

PAGE = 5_000
"""Rows in one transaction."""


@dataclass
class Crowd:
    """The subscribers of one campaign: addresses by row, and who must not be written to."""

    site: Flask
    campaign_id: int
    keys: CampaignKeys
    addresses: dict[int, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    suppressed: set[str] = field(default_factory=set)

    @property
    def owed(self) -> set[str]:
        """Give who is to be told."""
        return set(self.addresses.values()) - self.gone - self.suppressed

    def leave(self, addresses: Iterable[str]) -> None:
        """Unsubscribe some, each with one click as a mailbox provider does it."""
        rows = {address: row for row, address in self.addresses.items()}
        client = self.site.test_client()
        for address in addresses:
            token = tags.link(self.keys.link_key, purpose="unsubscribe", row=rows[address])
            path = f"/en/unsubscribe/{tokens.to_text(token)}"
            answer = client.post(path, data={"List-Unsubscribe": "One-Click"})
            assert answer.status_code == 200, answer.status
            self.gone.add(address)

    def suppress(self, addresses: Iterable[str]) -> None:
        """Let some complain, so that they get no mail of anybody any more."""
        with self.site.app_context():
            key = Keystore(self.site.config["TRACKER"].keystore).site_key()
            with writing():
                for address in addresses:
                    reason = SuppressionReason.COMPLAINT
                    mail.suppress(tags.tag(key, address), reason, until=None)
                    self.suppressed.add(address)

    def tell(self, **values: Any) -> int:
        """Publish an update that is told to all; give its alert."""
        with self.site.app_context(), writing():
            campaign = db.session.get_one(Campaign, self.campaign_id)
            update = factories.an_update(campaign, alerts=True, **values)
            alert: Alert = factories.an_alert(update)
            return alert.id


def gather(
    site: Flask, number: int, *, is_sealed: bool = True, slug: str = "amar-fayaz"
) -> Crowd:
    """Publish a campaign and subscribe ``number`` people.

    Without ``is_sealed`` nobody can open their addresses: enough where nothing is sent.
    """
    with site.app_context():
        with writing():
            campaign_id = factories.a_campaign(slug=slug).id
        Worker(site).make_keys()
        with writing():
            campaigns.publish(db.session.get_one(Campaign, campaign_id))
        campaign = db.session.get_one(Campaign, campaign_id)
        generation, key_id = campaign.generation, campaign.key_id or ""
        keys = Keystore(site.config["TRACKER"].keystore).campaign(key_id)
        crowd = Crowd(site, campaign_id, keys)
        rows = _rows(crowd, number, generation) if is_sealed else _dummies(crowd, number)
        while page := list(islice(rows, PAGE)):
            with writing():
                db.session.execute(insert(Subscription), page)
    return crowd


def _rows(crowd: Crowd, number: int, generation: int) -> Iterator[dict[str, Any]]:
    for one in range(number):
        row, address = random_id(), f"person{one}@example.org"
        crowd.addresses[row] = address
        stop = tags.link(crowd.keys.link_key, purpose="unsubscribe", row=row)
        yield {
            **_common(crowd, row, generation),
            "tag": tags.tag(crowd.keys.tag_key, address),
            "contact": envelopes.seal(
                crowd.keys.pair.public,
                {"to": address},
                context=envelopes.context("contact", crowd.campaign_id, row),
                size=envelopes.CONTACT_SIZE,
            ),
            "unsubscribe_hash": tokens.digest(stop),
        }


def _dummies(crowd: Crowd, number: int) -> Iterator[dict[str, Any]]:
    sealed = envelopes.seal(
        crowd.keys.pair.public, {"to": ""}, context="", size=envelopes.CONTACT_SIZE
    )
    for _ in range(number):
        yield {
            **_common(crowd, random_id(), 1),
            "tag": secrets.token_bytes(32),
            "contact": sealed,
            "unsubscribe_hash": secrets.token_bytes(32),
        }


def _common(crowd: Crowd, row: int, generation: int) -> dict[str, Any]:
    return {
        "id": row,
        "campaign_id": crowd.campaign_id,
        "language": "en",
        "scope": Scope.EVERY_UPDATE,
        "manage_hash": secrets.token_bytes(32),
        "consent_version": "test",
        "day": clock.today(),
        "generation": generation,
    }
