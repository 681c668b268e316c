"""Many subscribers at once, as confirming makes them."""

from __future__ import annotations

from flask import Flask

from tracker.campaigns.models import Campaign
from tracker.core import clock, tokens
from tracker.database import random_id
from tracker.extensions import db, writing
from tracker.sealing import envelopes, tags
from tracker.sealing.keystore import Keystore
from tracker.subscriptions.models import Scope, Subscription


def subscribe(
    app: Flask, campaign_id: int, addresses: list[str], *, language: str = "en"
) -> dict[str, str]:
    """Store a subscription for each address; give the path of its unsubscribe link."""
    with app.app_context(), writing():
        campaign = db.session.get_one(Campaign, campaign_id)
        keystore = Keystore(app.config["TRACKER"].keystore)
        return {one: _subscribe(campaign, keystore, one, language) for one in addresses}


def _subscribe(campaign: Campaign, keystore: Keystore, address: str, language: str) -> str:
    keys, row = keystore.campaign(campaign.key_id or ""), random_id()
    unsubscribe = tags.link(keys.link_key, purpose="unsubscribe", row=row)
    manage = tags.link(keys.link_key, purpose="manage", row=row)
    contact = envelopes.seal(
        keys.pair.public,
        {"to": address},
        context=envelopes.context("contact", campaign.id, row),
        size=envelopes.CONTACT_SIZE,
    )
    db.session.add(
        Subscription(
            id=row,
            campaign_id=campaign.id,
            tag=tags.tag(keys.tag_key, address),
            contact=contact,
            language=language,
            scope=Scope.EVERY_UPDATE,
            manage_hash=tokens.digest(manage),
            unsubscribe_hash=tokens.digest(unsubscribe),
            consent_version="test",
            day=clock.today(),
            generation=campaign.generation,
        )
    )
    return f"/{language}/unsubscribe/{tokens.to_text(unsubscribe)}"
