"""Everything one mailbox has under one campaign, found by the link in its mail."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import lazy_gettext as _l

from tracker.campaigns import queries as campaigns
from tracker.campaigns.models import Campaign
from tracker.confirmations import queries as pendings
from tracker.confirmations import services as confirmations
from tracker.core import tokens
from tracker.endorsements import queries as endorsements
from tracker.endorsements import services as endorsing
from tracker.endorsements.models import Endorsement
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


def find(token: bytes, *, lock: bool = False) -> Own | None:
    """Give what belongs to the link, or ``None`` where nothing does any more.

    With ``lock`` it stays as it is until the transaction ends: nothing of this mailbox is
    confirmed, withdrawn or stopped at the same moment.
    """
    pending = pendings.by_manage(token)
    row = (
        signatures.by_manage(token)
        or subscriptions.by_manage(token)
        or endorsements.by_manage(token)
        or pending
    )
    if row is None or row.tag is None:
        return None
    campaign_id, tag = row.campaign_id, row.tag
    is_unconfirmed = pending is not None and pending.confirmed_on is None
    if lock:
        pendings.lock_mailbox(campaign_id, tag)
    return Own(
        campaigns.by_id(campaign_id),
        tag,
        is_unconfirmed,
        signatures.by_tag(campaign_id, tag, lock=lock),
        subscriptions.by_tag(campaign_id, tag, lock=lock),
        endorsements.by_tag(campaign_id, tag),
    )


def behind(text: str, *, lock: bool = False) -> Own:
    """Give what belongs to a link as it stands in the address. Raises ``LinkGone``."""
    token = tokens.from_text(text)
    found = find(token, lock=lock) if token else None
    if found is None:
        raise confirmations.LinkGone(
            _l("There is nothing under this link any more: it was deleted, or never confirmed.")
        )
    return found


def withdraw(own: Own) -> bool:
    """Take the signature back; mails go on. Give whether anything is left."""
    if own.signature is not None:
        signing.withdraw(own.signature)
    return _left(own, own.subscription is not None)


def stop_mails(own: Own) -> bool:
    """End the mails; the address is gone. Give whether anything is left."""
    subscribing.unsubscribe(own.campaign.id, own.tag)
    return _left(own, own.signature is not None)


def _left(own: Own, other: bool) -> bool:
    """Forget the tag too where nothing is left that it stands for."""
    if other or own.endorsements:
        return True
    confirmations.forget(own.campaign.id, own.tag)
    return False


def delete_everything(own: Own) -> None:
    """Delete whatever the mailbox has under this campaign."""
    if own.signature is not None:
        signing.withdraw(own.signature)
    subscribing.unsubscribe(own.campaign.id, own.tag)
    for endorsement in own.endorsements:
        endorsing.retract(endorsement)
    confirmations.forget(own.campaign.id, own.tag)
