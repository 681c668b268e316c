"""The worker's side of alerts: a delivery for every subscriber, then a letter for each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, insert

from tracker.alerts import queries
from tracker.alerts.models import KIND, Alert, AlertState
from tracker.alerts.rendering import update_values
from tracker.campaigns.models import Campaign
from tracker.core import clock, tokens
from tracker.database import random_id
from tracker.extensions import db, writing
from tracker.mail import queries as mail_queries
from tracker.mail.models import Delivery, DeliveryState, Priority
from tracker.mail.rendering import Letter
from tracker.sealing import envelopes, tags
from tracker.sealing.keystore import CampaignKeys, KeyMissing, Keystore
from tracker.subscriptions import queries as subscriptions
from tracker.subscriptions.models import Subscription

log = logging.getLogger(__name__)

PAGE = 1000
"""Deliveries written in one transaction."""


def expand_next() -> bool:
    """Write one page of deliveries for one alert; ``False`` where none waits.

    A page and the cursor are one transaction: killed anywhere, it goes on where it was, and
    nobody gets two, because a subscription has one delivery per alert.
    """
    is_any = queries.next_to_expand(lock=False) is not None
    db.session.rollback()
    if not is_any:
        return False
    with writing():
        alert = queries.next_to_expand()
        if alert is None:
            return False
        ids = subscriptions.ids_after(
            alert.campaign_id,
            alert.cursor,
            for_status_change=bool(alert.update.changes),
            limit=PAGE,
        )
        alert.state = AlertState.EXPANDING if len(ids) == PAGE else AlertState.SENDING
        if ids:
            alert.cursor, alert.queued = ids[-1], alert.queued + len(ids)
            db.session.execute(insert(Delivery), [_row(alert, one) for one in ids])
    return True


def _row(alert: Alert, subscription_id: int) -> dict[str, Any]:
    moment = clock.now()
    return {
        "id": random_id(),
        "kind": KIND,
        "priority": Priority.BULK.value,
        "state": DeliveryState.QUEUED,
        "batch_id": alert.id,
        "recipient_id": subscription_id,
        "attempts": 0,
        "queued_at": moment,
        "due_at": moment,
    }


def finish_alerts() -> None:
    """Write the exact figures down and forget who was written to."""
    is_any = bool(queries.sending(lock=False))
    db.session.rollback()
    if not is_any:
        return
    with writing():
        for alert in queries.sending():
            counts = mail_queries.count_by_state(alert.id)
            alert.sent = counts.get(DeliveryState.SENT, 0)
            alert.skipped = counts.get(DeliveryState.SKIPPED, 0)
            alert.failed = counts.get(DeliveryState.REFUSED, 0) + counts.get(
                DeliveryState.GIVEN_UP, 0
            )
            if not counts.get(DeliveryState.QUEUED):
                alert.state, alert.done_at = AlertState.DONE, clock.now()
                db.session.execute(delete(Delivery).where(Delivery.batch_id == alert.id))


class Alerts:
    """Writes the letters of alerts; made by the worker, which holds the keys."""

    def __init__(self, keystore: Keystore) -> None:
        """Take the keys."""
        self.keystore = keystore

    def letters(self, rows: Sequence[Delivery]) -> dict[int, Letter | None]:
        """Give the letters of those who are still subscribed, read at this moment.

        While a campaign is paused its alerts are held.
        """
        found: dict[int, Letter | None] = {}
        active = subscriptions.by_ids([row.recipient_id or 0 for row in rows])
        values: dict[tuple[int, str], dict[str, Any]] = {}
        for row in rows:
            subscription = active.get(row.recipient_id or 0)
            alert = db.session.get(Alert, row.batch_id)
            if subscription is None or alert is None or alert.state is AlertState.STOPPED:
                found[row.id] = None
                continue
            if not alert.update.campaign.is_public:
                continue  # paused for somebody's safety: held until it goes on
            try:
                found[row.id] = self._letter(row, alert, subscription, values)
            except KeyMissing:
                continue
            except (envelopes.CannotOpen, KeyError) as error:
                log.error("delivery %s is refused: %s", row.id, type(error).__name__)
                found[row.id] = None
        return found

    def _letter(
        self,
        row: Delivery,
        alert: Alert,
        subscription: Subscription,
        values: dict[tuple[int, str], dict[str, Any]],
    ) -> Letter | None:
        campaign = alert.update.campaign
        keys = self._keys(campaign)
        address = str(self._open(keys, subscription)["to"])
        fingerprint = tags.tag(self.keystore.site_key(), address)
        if mail_queries.is_suppressed(fingerprint, on=clock.today()):
            return None
        language = subscription.language
        if (alert.id, language) not in values:
            values[alert.id, language] = update_values(alert.update, language)
        unsubscribe = tags.link(keys.link_key, purpose="unsubscribe", row=subscription.id)
        return Letter(
            to=address,
            language=language,
            template="alerts/update",
            message_id=f"{row.id:x}",
            list_name=campaign.slug,
            unsubscribe=tokens.to_text(unsubscribe),
            values=values[alert.id, language],
            is_bulk=True,
        )

    def _keys(self, campaign: Campaign) -> CampaignKeys:
        if campaign.key_id is None:
            raise KeyMissing(campaign.slug)
        return self.keystore.campaign(campaign.key_id)

    def _open(self, keys: CampaignKeys, subscription: Subscription) -> dict[str, Any]:
        context = envelopes.context("contact", subscription.campaign_id, subscription.id)
        return envelopes.open_sealed(keys.pair.private, subscription.contact, context=context)
