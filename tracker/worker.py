"""The worker process: holds the private keys, sends mail, keeps house. It listens nowhere.

It looks at the tables itself, several times a second: what must happen is a row, and a worker
that starts finds it. Wake-ups only make it look sooner. Any number of workers may run.
"""

from __future__ import annotations

import datetime as dt
import gc
import logging
import os
import resource
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

from flask import Flask
from sqlalchemy import delete, select

from tracker.alerts import claims, expanding
from tracker.alerts import queries as alert_queries
from tracker.alerts import tasks as alerts
from tracker.alerts.models import NOTICE_KIND, TRIAL_KIND
from tracker.alerts.notices import Notices
from tracker.alerts.sending import Sender
from tracker.campaigns import index
from tracker.campaigns import queries as campaigns
from tracker.campaigns.models import Campaign
from tracker.confirmations import services as confirmations
from tracker.confirmations.models import Kind
from tracker.confirmations.tasks import Confirmations
from tracker.core import clock, wakeups
from tracker.database import AWAY, name_of
from tracker.endorsements import queries as endorsements
from tracker.extensions import db, writing
from tracker.mail import queries as mail_queries
from tracker.mail import services as mail
from tracker.mail.models import Delivery, OutboxKey
from tracker.mail.queries import OUTBOX_KEY_LIFETIME
from tracker.mail.tasks import Office, Source, deliver_due
from tracker.organisers import services as organisers
from tracker.sealing.keystore import Keystore
from tracker.signatures import queries as signatures
from tracker.signatures.tasks import count_partners, fold_counts
from tracker.subscriptions import queries as subscriptions

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""Longest time a row waits for an idle worker to see it."""
HOUSEKEEPING_SECONDS = 60.0
LEAST_HOUSEKEEPING_SECONDS = 30.0
"""No wake-up makes a worker keep house sooner than so long after the last time."""
EXPAND_SECONDS = 0.5
"""How long alerts that begin are prepared before somebody's single mail gets its turn."""
CARE_SECONDS = 1.0
"""How often alerts are looked after: finished, expired, found late."""
OUTBOX_KEY_FOUND = dt.timedelta(minutes=1)
"""A key that is not in the keystore after so long is lost, and mail needs another one."""
OUTBOX_KEY_SPACING = dt.timedelta(minutes=10)
"""A worker that cannot read what another one makes makes keys of its own this often at most."""
OUTBOX_KEY_GRACE = dt.timedelta(hours=2)
"""A key stays this long after the next one was made, for pages that were just sealing."""


class Worker:
    """One worker: its keys, its post office, its turns."""

    def __init__(self, app: Flask) -> None:
        """Open the keystore; make what is missing."""
        self.app = app
        self.stopping = threading.Event()
        self.bell = wakeups.Bell(app.config["TRACKER"])
        self.keystore = Keystore(app.config["TRACKER"].keystore)
        owner = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
        self.office = Office(owner, self._sources())
        self.sender: Sender | None = None
        self._key_ids: dict[int, str] = {}
        """Of campaigns, and of the outbox (0), whose keys may be made and have no row yet."""
        self._cared_at = self._kept_house_at = 0.0

    def _sources(self) -> dict[str, Source]:
        opener = Confirmations(
            self.keystore,
            {
                Kind.SIGNATURE: signatures.id_by_tag,
                Kind.SUBSCRIPTION: subscriptions.id_by_tag,
                Kind.ENDORSEMENT: _never,
            },
            pages=[signatures.id_by_tag, subscriptions.id_by_tag, endorsements.id_by_tag],
            subscribed=subscriptions.id_by_tag,
        )
        notices = Notices(self.keystore)
        return {
            confirmations.LETTER_KIND: opener.letters,
            confirmations.LINK_KIND: opener.link_letters,
            NOTICE_KIND: notices.letters,
            TRIAL_KIND: notices.letters,
        }

    def run(self) -> None:
        """Work until told to stop; what is being sent is finished first."""
        with self.app.app_context():
            log.info("ready")
            self.bell.start()
            while not self.stopping.is_set():
                if not self.turn():
                    self._heed(self.bell.wait(POLL_SECONDS))
            self.close()
            self.bell.stop()

    def close(self) -> None:
        """Finish what is inside SMTP, give everything else back, hang up."""
        if self.sender is not None:
            _guarded(self.sender.close)
            self.sender = None
        _guarded(self.office.close)

    def stop(self) -> None:
        """End :meth:`run` after the mail in hand; may be called from a signal's handler."""
        self.stopping.set()
        self.bell.ring(wakeups.LOOK)

    def _heed(self, rung: set[str]) -> None:
        """Let the next turn keep house if that rang; it looks at all the rest anyway."""
        since = time.monotonic() - self._kept_house_at
        if wakeups.KEEP_HOUSE in rung and since >= LEAST_HOUSEKEEPING_SECONDS:
            self._kept_house_at -= HOUSEKEEPING_SECONDS

    def turn(self) -> int:
        """Do one round and give how much there was to do; no error ends the worker."""
        done = 0
        for task in (
            self.make_keys,
            self._singles,
            self._look_after,
            _expand,
            self._singles,
            self._bulk,
            fold_counts,
            self._count_partners,
            self._judge_claims,
            self._keep_house,
        ):
            if self.stopping.is_set():
                break
            done += _guarded(task)
        return done

    def _singles(self) -> int:
        is_alone = self.sender is None or not self.sender.batches
        done = deliver_due(self.office, stop=self.stopping.is_set, is_alone=is_alone)
        shut_out = self.office.shut_out()
        if self.sender is not None:
            self.sender.make_room(shut_out)
        return done

    def _bulk(self) -> int:
        if self.sender is None:
            if not alert_queries.is_any_running():
                return 0
            self.sender = Sender(self.office.owner, self.keystore, self.app.config["TRACKER"])
        return self.sender.turn(stop=self.stopping.is_set)

    def _count_partners(self) -> int:
        return count_partners(self.keystore)

    def _judge_claims(self) -> int:
        return claims.judge_claims(self.keystore)

    def _look_after(self) -> int:
        """Look after the alerts, but not after every window of a long one."""
        is_sending = self.sender is not None and bool(self.sender.batches)
        if is_sending and time.monotonic() - self._cared_at < CARE_SECONDS:
            return 0
        self._cared_at = time.monotonic()
        return alerts.look_after(self.keystore)

    # --- keys ------------------------------------------------------------------------------

    def make_keys(self) -> int:
        """Make the keys of new campaigns and of the outbox: keystore first, then the row."""
        made = 0
        if self._needs_outbox_key():
            self._make_outbox_key()
            made += 1
        else:
            self._key_ids.pop(0, None)  # its row is there: the answer got lost
        for campaign in campaigns.without_keys():
            self._make_campaign_key(campaign.id)
            made += 1
        db.session.rollback()
        return made

    def _needs_outbox_key(self) -> bool:
        newest = mail_queries.newest_outbox_key()
        age = clock.now() - newest.created_at if newest else OUTBOX_KEY_LIFETIME
        if newest is None or age >= OUTBOX_KEY_LIFETIME:
            return True
        if abs(age) < OUTBOX_KEY_FOUND or self.keystore.has_outbox(newest.id):
            return False
        # A keystore came back from a backup, or is not the one of the other workers.
        mine = mail_queries.outbox_keys(since=clock.now() - OUTBOX_KEY_SPACING)
        if any(self.keystore.has_outbox(key_id) for key_id in mine):
            return False
        log.warning("the key for new mail is not in the keystore; another one is made")
        return True

    def _make_outbox_key(self) -> None:
        key_id = self._key_id(0)
        public = self.keystore.make_outbox(key_id)
        with writing():
            db.session.add(OutboxKey(id=key_id, public_key=public, created_at=clock.now()))
        del self._key_ids[0]

    def _make_campaign_key(self, campaign_id: int) -> None:
        key_id = self._key_id(campaign_id)
        public = self.keystore.make_campaign(key_id)
        with writing():
            campaign = db.session.get(
                Campaign, campaign_id, with_for_update=True, populate_existing=True
            )
            if campaign is not None and campaign.public_key is None:
                campaign.key_id, campaign.public_key = key_id, public
        del self._key_ids[campaign_id]

    def _key_id(self, owner: int) -> str:
        # The same one again where the row could not be written: else each try leaves a file.
        return self._key_ids.setdefault(owner, secrets.token_hex(8))

    # --- house -----------------------------------------------------------------------------

    def _keep_house(self) -> int:
        if time.monotonic() - self._kept_house_at < HOUSEKEEPING_SECONDS:
            return 0
        self._kept_house_at = time.monotonic()
        self.keep_house()
        index.tidy()
        return index.renew()

    def keep_house(self) -> None:
        """Delete what is over: pending rows, sign-ins, caps of yesterday, old outbox keys.

        Look again at what came back of alerts.
        """
        today = clock.today()
        with writing():
            confirmations.forget_expired()
            organisers.forget_expired_sign_ins()
            mail.forget_caps_before(today)
            mail.forget_bounces()
        self.keystore.destroy_days_before(today)
        self._destroy_outbox_keys()
        claims.look_at_returns()

    def _destroy_outbox_keys(self) -> None:
        """Destroy old keys that no waiting mail needs: the row, then the private half."""
        with writing():
            rows = list(db.session.scalars(select(OutboxKey).order_by(OutboxKey.created_at)))
            # Grace begins when the next key was made: up to then pages sealed to this one.
            old = [row for row, newer in pairwise(rows) if _is_past_grace(newer)]
            used = set(db.session.scalars(select(Delivery.outbox_key_id).distinct()))
            unused = [row.id for row in old if row.id not in used]
            db.session.execute(delete(OutboxKey).where(OutboxKey.id.in_(unused)))
            kept = {row.id for row in rows} - set(unused)
        # Also what a worker that died between the two left behind.
        for key_id in (
            self.keystore.outbox_ids(made_before=clock.now() - OUTBOX_KEY_GRACE) - kept
        ):
            self.keystore.destroy_outbox(key_id)
        self.keystore.forget_outbox(kept=kept)


def _is_past_grace(newer: OutboxKey) -> bool:
    return clock.now() - newer.created_at > OUTBOX_KEY_GRACE


def _never(campaign_id: int, tag: bytes) -> int | None:
    """One person may offer the backing of several organisations."""
    return None


def _expand() -> int:
    """Do the next steps of alerts that begin, for as long as a turn of sending takes."""
    until, done = time.monotonic() + EXPAND_SECONDS, 0
    while time.monotonic() < until and expanding.expand_next():
        done += 1
    return done


def _guarded(task: Callable[[], int | None]) -> int:
    try:
        return task() or 0
    except AWAY as error:
        log.warning("the database is busy or away (%s); trying again", name_of(error))
    except Exception:
        log.exception("a task failed; the worker goes on")
    db.session.rollback()
    time.sleep(POLL_SECONDS)
    return 0


@contextmanager
def stop_on_signals(worker: Worker) -> Iterator[None]:
    """End the worker's loop on SIGTERM and SIGINT."""
    before = {}
    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, lambda *_: worker.stop())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def tune_collector() -> None:
    """Let the garbage collector of this process look less often, and not at what stays."""
    # What was made so far stays: it need not be looked through for each chunk.
    gc.collect()
    gc.freeze()
    # A window makes some thousand objects, and nearly all of them are gone after it.
    gc.set_threshold(20_000, 10, 10)


def forbid_core_dumps() -> None:
    """Keep the keys out of core files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
