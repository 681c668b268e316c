"""Everything one mailbox has under one campaign, found by the link in its mail."""

from __future__ import annotations

from dataclasses import dataclass

from tracker.campaigns.models import Campaign
from tracker.confirmations import queries as pendings
from tracker.confirmations import services as confirmations
from tracker.endorsements import queries as endorsements
from tracker.endorsements import services as endorsing
from tracker.endorsements.models import Endorsement
from tracker.extensions import db
from tracker.signatures import queries as signatures
from tracker.signatures import services as signing
from tracker.signatures.models import Signature
from tracker.subscriptions import queries as subscriptions
from tracker.subscriptions import services as subscribing
from tracker.subscriptions.models import Subscription


@dataclass(frozen=True)
class Own:
    """What is found; ``tag`` stands for the mailbox."""

    campaign: Campaign
    tag: bytes
    is_unconfirmed: bool
    signature: Signature | None
    subscription: Subscription | None
    endorsements: list[Endorsement]

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is left."""
        return not (self.signature or self.subscription or self.endorsements)


def find(token: bytes) -> Own | None:
    """Give what belongs to the link, or ``None`` where nothing does any more."""
    pending = pendings.by_manage(token)
    row = (
        signatures.by_manage(token)
        or subscriptions.by_manage(token)
        or endorsements.by_manage(token)
        or pending
    )
    if row is None or row.tag is None:
        return None
    return Own(
        db.session.get_one(Campaign, row.campaign_id),
        row.tag,
        pending is not None and pending.confirmed_on is None,
        signatures.by_tag(row.campaign_id, row.tag),
        subscriptions.by_tag(row.campaign_id, row.tag),
        endorsements.by_tag(row.campaign_id, row.tag),
    )


def withdraw(own: Own) -> None:
    """Take the signature back; mails go on unless they are stopped too."""
    if own.signature is not None:
        signing.withdraw(own.signature)


def stop_mails(own: Own) -> None:
    """End the mails; the address is gone."""
    subscribing.unsubscribe(own.campaign.id, own.tag)


def delete_everything(own: Own) -> None:
    """Delete whatever the mailbox has under this campaign."""
    withdraw(own)
    stop_mails(own)
    for endorsement in own.endorsements:
        endorsing.retract(endorsement)
    confirmations.forget(own.campaign.id, own.tag)
