"""The worker judges what came back: believed only with a MAC of its own making.

Whoever can write into the mailbox can claim anything; only who was sent a mail knows its return
address, and can do no more with it than stop mail to themselves. (Who writes the database as
well can seal another address into their own row, and have mail to that one stopped.)
"""

from __future__ import annotations

import datetime as dt
import hmac
import logging
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select, update

from tracker.alerts.models import Alert
from tracker.campaigns.models import Campaign
from tracker.core import clock
from tracker.database import AWAY
from tracker.extensions import db, writing
from tracker.mail import services as mail
from tracker.mail.bounces import ReportKind
from tracker.mail.models import ReturnClaim
from tracker.mail.verdicts import Verdict, judge_report
from tracker.mail.verp import MAC_BYTES
from tracker.sealing import envelopes, tags
from tracker.sealing.keystore import CampaignKeys, KeyMissing, Keystore
from tracker.subscriptions.models import Subscription

log = logging.getLogger(__name__)

BATCH = 50
"""Most claims looked at in one turn."""
KEPT_DAYS = 7
"""Days that a claim waits for a worker that holds the keys."""


class Known(NamedTuple):
    """Whose mail came back: the row, the keyed hash of the address, the name of the mail."""

    subscription_id: int
    fingerprint: bytes
    source: bytes


def judge_claims(keystore: Keystore) -> int:
    """Judge claims and give how many were settled; those of missing keys are left."""
    # At random: those that wait for another worker's keys must not stand before all others.
    query = select(ReturnClaim.id).order_by(func.random()).limit(BATCH)
    ids = list(db.session.scalars(query))
    db.session.rollback()
    return sum(_judge(one, keystore) for one in ids)


def _judge(claim_id: int, keystore: Keystore) -> int:
    try:
        claim = db.session.get(ReturnClaim, claim_id)
        # Envelopes are opened before the transaction that writes.
        known = _known(claim, keystore) if claim else None
        if claim is None or (isinstance(known, KeyMissing) and claim.day >= _oldest()):
            return 0
        values = (claim.kind, claim.status, claim.alert_id)
        with writing():
            return _settle(claim_id, *values, known if isinstance(known, Known) else None)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - one bad claim must not stop all others
        log.error("claim %s is dropped: %s", claim_id, type(error).__name__)
        with writing():
            db.session.execute(delete(ReturnClaim).where(ReturnClaim.id == claim_id))
        return 1
    finally:
        db.session.rollback()


def _oldest() -> dt.date:
    return clock.today() - dt.timedelta(days=KEPT_DAYS)


def _known(claim: ReturnClaim, keystore: Keystore) -> Known | KeyMissing | None:
    """Give whose mail came back, or nothing where the claim is not to be believed."""
    alert = db.session.get(Alert, claim.alert_id)
    campaign = db.session.get(Campaign, alert.campaign_id) if alert else None
    if alert is None or campaign is None:
        return None
    try:
        keys = keystore.campaign(campaign.key_id or "")
    except KeyMissing as missing:
        return missing
    row_id = tags.unveil(keys.link_key, claim.veiled, mac=claim.mac)
    expected = tags.mail(keys.link_key, alert=alert.id, row=row_id)[:MAC_BYTES]
    if not hmac.compare_digest(expected, claim.mac):
        log.warning("a claim about alert %s is not believed", alert.id)
        return None
    row = db.session.get(Subscription, row_id)
    if row is None:
        return None
    source = tags.bounce(keys.link_key, alert=alert.id, row=row.id)
    return _opened(row, keys, keystore, source=source)


def _opened(
    row: Subscription, keys: CampaignKeys, keystore: Keystore, *, source: bytes
) -> Known | None:
    context = envelopes.context("contact", row.campaign_id, row.id)
    try:
        content = envelopes.open_sealed(keys.pair.private, row.contact, context=context)
        fingerprint = tags.tag(keystore.site_key(), str(content["to"]))
        return Known(row.id, fingerprint, source)
    except (envelopes.CannotOpen, KeyError):
        log.error("subscription %s does not open", row.id)
        return None


def _settle(
    claim_id: int, kind: ReportKind, status: str, alert_id: int, known: Known | None
) -> int:
    """Take one claim away and do what follows from it; 0 where another worker was first."""
    taken: Any = db.session.execute(delete(ReturnClaim).where(ReturnClaim.id == claim_id))
    if not taken.rowcount or known is None:
        return int(taken.rowcount)
    if kind is ReportKind.COMPLAINT:
        if mail.suppress_complaining(known.fingerprint):
            _count(alert_id, "complained")
    elif kind is ReportKind.UNSUBSCRIBE:
        db.session.execute(delete(Subscription).where(Subscription.id == known.subscription_id))
    else:
        _bounced(kind, status, alert_id, known)
    return 1


def _bounced(kind: ReportKind, status: str, alert_id: int, known: Known) -> None:
    verdict = judge_report(kind.value, status)
    if verdict in {None, Verdict.REFUSED}:
        # Not final, or about us (5.7.x): nothing is wrong with the mailbox.
        return
    is_new = mail.record_bounce(
        known.fingerprint,
        source=known.source,
        is_hard=verdict in {Verdict.BAD_ADDRESS, Verdict.BOUNCED},
        suppresses=verdict is Verdict.BAD_ADDRESS,
    )
    if is_new:
        _count(alert_id, "bounced")


def _count(alert_id: int, figure: str) -> None:
    column = getattr(Alert, figure)
    db.session.execute(update(Alert).where(Alert.id == alert_id).values({figure: column + 1}))
