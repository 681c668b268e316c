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

from tracker.alerts import notices, queries
from tracker.alerts.models import RUNNING, Alert, AlertState, PauseReason
from tracker.alerts.stopping import judge_returns
from tracker.campaigns.models import Campaign
from tracker.core import clock
from tracker.database import AWAY
from tracker.extensions import db, writing
from tracker.mail import services as mail
from tracker.mail.bounces import ReportKind
from tracker.mail.models import BounceKind, ReturnClaim
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
LOOKED_BACK = dt.timedelta(days=14)
"""Age of alerts of which something may still come back."""

_LOOKED_AT = (*RUNNING, AlertState.DONE)


class Known(NamedTuple):
    """Whose mail came back: the row, the keyed hash of the address, the name of the mail.

    Of a row that is gone, and its address with it, there is the name only.
    """

    subscription_id: int
    fingerprint: bytes | None
    source: bytes


def judge_claims(keystore: Keystore) -> int:
    """Judge claims and give how many were settled; those of missing keys are left."""
    # At random: those that wait for another worker's keys must not stand before all others.
    query = select(ReturnClaim.id).order_by(func.random()).limit(BATCH)
    ids = list(db.session.scalars(query))
    db.session.rollback()
    alerts: set[int] = set()
    settled = sum(_judge(one, keystore, counted=alerts) for one in ids)
    for alert_id in alerts:
        _look_at_returns(alert_id)
    return settled


def look_at_returns() -> None:
    """Look again at what came back of each alert: a worker may have died before it did."""
    query = select(Alert.id).where(
        Alert.state.in_(_LOOKED_AT),
        Alert.approved_at > clock.now() - LOOKED_BACK,
        ~Alert.is_warned,
        Alert.bounced + Alert.refused > Alert.excused,
    )
    ids = list(db.session.scalars(query))
    db.session.rollback()
    for alert_id in ids:
        _look_at_returns(alert_id)


def _judge(claim_id: int, keystore: Keystore, *, counted: set[int]) -> int:
    try:
        claim = db.session.get(ReturnClaim, claim_id)
        # Envelopes are opened before the transaction that writes.
        known = _known(claim, keystore) if claim else None
        if claim is None or (isinstance(known, KeyMissing) and claim.day >= _oldest()):
            return 0
        values = (claim.kind, claim.status, claim.alert_id)
        known = known if isinstance(known, Known) else None
        if known is not None:
            counted.add(claim.alert_id)
        with writing():
            return _settle(claim_id, *values, known)
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
    source = tags.bounce(keys.link_key, alert=alert.id, row=row_id)
    row = db.session.get(Subscription, row_id)
    return Known(row_id, _fingerprint(row, keys, keystore) if row else None, source)


def _fingerprint(row: Subscription, keys: CampaignKeys, keystore: Keystore) -> bytes | None:
    context = envelopes.context("contact", row.campaign_id, row.id)
    try:
        content = envelopes.open_sealed(keys.pair.private, row.contact, context=context)
        return tags.tag(keystore.site_key(), str(content["to"]))
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
        _complained(alert_id, known)
    elif kind is ReportKind.UNSUBSCRIBE:
        db.session.execute(delete(Subscription).where(Subscription.id == known.subscription_id))
    else:
        _bounced(kind, status, alert_id, known)
    return 1


def _complained(alert_id: int, known: Known) -> None:
    if known.fingerprint is not None:
        is_new = mail.suppress_complaining(known.fingerprint)
    else:
        # Some programs unsubscribe and complain at once: no address is left to suppress.
        is_new = mail.record_bounce(
            known.source, source=known.source, kind=BounceKind.COMPLAINT
        )
    if is_new:
        _count(alert_id, "complained")


_KINDS = {
    Verdict.LATER: BounceKind.SOFT,
    Verdict.BAD_ADDRESS: BounceKind.HARD,
    Verdict.BOUNCED: BounceKind.HARD,
    Verdict.REFUSED: BounceKind.POLICY,
}


def _bounced(kind: ReportKind, status: str, alert_id: int, known: Known) -> None:
    verdict = judge_report(kind.value, status)
    if verdict is None:  # not final
        return
    is_new = mail.record_bounce(
        known.source if known.fingerprint is None else known.fingerprint,
        source=known.source,
        kind=_KINDS[verdict],
        suppresses=verdict is Verdict.BAD_ADDRESS and known.fingerprint is not None,
    )
    if is_new:
        _count(alert_id, "refused" if verdict is Verdict.REFUSED else "bounced")


def _look_at_returns(alert_id: int) -> None:
    """Let an alert rest of which too much came back, and tell its organisers.

    Of one that is over they are told once. What others think is seen only here where our
    mail server takes everything first.
    """
    try:
        is_too_much = _reason_to_rest(queries.by_id(alert_id)) is not None
        db.session.rollback()
        if not is_too_much:
            return
        with writing():
            alert = queries.by_id_locked(alert_id)
            reason = _reason_to_rest(alert)
            if alert is None or reason is None:
                return
            if alert.state in RUNNING:
                notices.let_rest(alert, reason)
            elif not alert.is_warned:
                alert.is_warned = True
                notices.tell_organisers(alert)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - one bad alert must not stop all others
        log.error("alert %s cannot be judged: %s", alert_id, type(error).__name__)
        db.session.rollback()


def _reason_to_rest(alert: Alert | None) -> PauseReason | None:
    if alert is None or alert.state not in _LOOKED_AT:
        return None
    return judge_returns(
        sent=queries.figures(alert).sent,
        bounced=alert.bounced,
        refused=alert.refused,
        excused=alert.excused,
    )


def _count(alert_id: int, figure: str) -> None:
    column = getattr(Alert, figure)
    db.session.execute(update(Alert).where(Alert.id == alert_id).values({figure: column + 1}))
