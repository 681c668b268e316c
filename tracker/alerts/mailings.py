"""What a worker needs to write one alert's mails: keys, frozen texts, links; made once.

What the web process wrote is hostile here: frozen mails are checked before the first is used.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from tracker.alerts import queries
from tracker.alerts.models import Alert
from tracker.alerts.stopping import Record
from tracker.campaigns.models import Campaign
from tracker.core import tokens
from tracker.database import AWAY
from tracker.extensions import db
from tracker.mail.pipeline import Parcel
from tracker.mail.providers import provider_of
from tracker.mail.splicing import Frozen, NotFrozen, Slots
from tracker.mail.verp import MAC_BYTES, bounce_address, stop_extension
from tracker.sealing import envelopes, tags
from tracker.sealing.keystore import CampaignKeys, KeyMissing, Keystore
from tracker.settings import Settings

log = logging.getLogger(__name__)

MOST_KEPT = 16
"""Alerts whose frozen mails are kept in memory."""
APART_SECONDS = 30.0
"""How long an alert is left alone that this worker cannot send."""


@dataclass(slots=True, eq=False)
class Recipient:
    """One subscription of an alert's audience; its address is opened right before sending."""

    slot: int
    subscription_id: int
    contact: bytes
    language: str
    attempts: int = 0
    address: str = ""
    fingerprint: bytes = b""
    provider: str = "other"
    parcel: Parcel | None = None
    """The mail, once it was made: kept with how often a connection gave it back."""


@dataclass
class Mailing:
    """One alert, ready to be written to anybody of its audience."""

    alert_id: int
    campaign_id: int
    generation: int
    tells_everybody: bool
    """Also those who want status changes only."""
    keys: CampaignKeys
    site_key: bytes
    variants: Mapping[str, Frozen]
    language: str
    settings: Settings
    record: Record = field(default_factory=Record)

    def __post_init__(self) -> None:
        """Prepare what does not differ from mail to mail."""
        self._open: Callable[..., dict[str, Any]] = envelopes.opener(self.keys.pair)
        self._site_key = tags.prepared(self.site_key)
        self._link_key = tags.prepared(self.keys.link_key)

    def open(self, recipient: Recipient) -> None:
        """Find out the address. Raises ``CannotOpen`` or ``KeyError``."""
        context = envelopes.context("contact", self.campaign_id, recipient.subscription_id)
        address = str(self._open(recipient.contact, context=context)["to"])
        recipient.fingerprint = tags.tag(self._site_key, address)
        recipient.provider = provider_of(address)
        # Last: who has an address has a fingerprint, too.
        recipient.address, recipient.contact = address, b""

    def parcel(self, recipient: Recipient, *, key: object, date: str) -> Parcel:
        """Give one recipient's mail, to be spliced. Raises ``ValueError`` for a bad address."""
        stop = tags.link(self._link_key, purpose="unsubscribe", row=recipient.subscription_id)
        mark = self.mark(recipient.subscription_id)
        returns = self.settings.return_address
        frozen = self.variants.get(recipient.language) or self.variants[self.language]
        body = frozen.fill(
            Slots(
                to=recipient.address,
                message_id=mark[MAC_BYTES : MAC_BYTES + 16].hex(),
                date=date,
                stop=tokens.to_text(stop),
                stop_by_mail=stop_extension(stop) if returns else "",
            )
        )
        sender = self.settings.mail_from or ""
        if returns:
            mac = mark[:MAC_BYTES]
            veiled = tags.veil(self._link_key, recipient.subscription_id, mac=mac)
            sender = bounce_address(returns, alert_id=self.alert_id, veiled=veiled, mac=mac)
        return Parcel(key, sender, recipient.address, body)

    def mark(self, row: int) -> bytes:
        """Give 32 bytes that nobody else can make: for return address and Message-ID."""
        return tags.mail(self._link_key, alert=self.alert_id, row=row)


def mailing(alert: Alert, keystore: Keystore, settings: Settings) -> Mailing:
    """Give what is needed to send an alert.

    Raises :class:`KeyMissing` where another worker holds the keys, and
    :class:`~tracker.mail.splicing.NotFrozen` where its mails are not what they should be.
    """
    campaign = db.session.get_one(Campaign, alert.campaign_id)
    if campaign.key_id is None:
        raise KeyMissing(campaign.slug)
    found = queries.variants(alert.update_id)
    if not found:
        raise NotFrozen("there is none")
    language = campaign.language if campaign.language in found else next(iter(found))
    return Mailing(
        alert_id=alert.id,
        campaign_id=campaign.id,
        generation=alert.generation,
        tells_everybody=bool(alert.update.changes),
        keys=keystore.campaign(campaign.key_id),
        site_key=keystore.site_key(),
        variants=found,
        language=language,
        settings=settings,
    )


class Mailings:
    """The mailings of one worker, kept while their alerts run."""

    def __init__(self, keystore: Keystore, settings: Settings) -> None:
        """Take the keys."""
        self.keystore, self.settings = keystore, settings
        self.broken: set[int] = set()
        """Alerts found to be damaged, for whoever lets them rest."""
        self._kept: dict[int, Mailing] = {}
        self._apart: dict[int, float] = {}

    def apart(self) -> set[int]:
        """Give the alerts that this worker found a moment ago it cannot send."""
        now = time.monotonic()
        return {alert_id for alert_id, until in self._apart.items() if until > now}

    def find(self, alert_id: int) -> Mailing | None:
        """Give what is needed to send an alert, or ``None`` where this worker cannot."""
        found = self._kept.get(alert_id)
        if found is not None:
            return found
        try:
            found = self._made(db.session.get_one(Alert, alert_id))
        except KeyMissing:
            self._apart[alert_id] = time.monotonic() + APART_SECONDS
            return None
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - one bad alert must not stop all others
            log.error("alert %s cannot be sent: %s", alert_id, type(error).__name__)
            self._apart[alert_id] = time.monotonic() + APART_SECONDS
            self.broken.add(alert_id)
            return None
        while len(self._kept) >= MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[alert_id] = found
        return found

    def forget(self, alert_id: int) -> None:
        """Begin anew with an alert: once it goes on, what was before no longer counts."""
        self._kept.pop(alert_id, None)

    def _made(self, alert: Alert) -> Mailing:
        if not db.session.scalar(select(queries.is_frozen(alert.update_id))):
            # It was under way when a new release came: frozen in a moment.
            raise KeyMissing("its mails")
        return mailing(alert, self.keystore, self.settings)
