"""The worker process: holds the private keys, sends mail, keeps house. It listens nowhere.

It looks at the tables itself, several times a second: what must happen is a row, and a worker
that starts finds it. Any number of workers may run.
"""

from __future__ import annotations

import datetime as dt
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
from sqlalchemy.exc import OperationalError

from tracker.alerts import tasks as alerts
from tracker.alerts.models import KIND as ALERT_KIND
from tracker.campaigns import index
from tracker.campaigns import queries as campaigns
from tracker.campaigns.models import Campaign
from tracker.confirmations import services as confirmations
from tracker.confirmations.models import Kind
from tracker.confirmations.tasks import Confirmations
from tracker.core import clock
from tracker.database import DatabaseBusy
from tracker.endorsements import queries as endorsements
from tracker.extensions import db, writing
from tracker.mail import services as mail
from tracker.mail.models import Delivery, OutboxKey, Priority
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
HANG_UP_SECONDS = 10.0
"""Idle time after which the connection to the mail server is closed."""
FIGURES_SECONDS = 1.0
"""How often the figures of a running alert are counted."""
OUTBOX_KEY_LIFETIME = dt.timedelta(hours=1)
"""A new outbox key is made this often, so that old envelopes lose their key."""
OUTBOX_KEY_GRACE = dt.timedelta(hours=2)
"""A key stays this long after the next one was made, for pages that were just sealing."""


class Worker:
    """One worker: its keys, its post office, its turns."""

    def __init__(self, app: Flask) -> None:
        """Open the keystore; make what is missing."""
        self.app = app
        self.stopping = threading.Event()
        self.keystore = Keystore(app.config["TRACKER"].keystore)
        owner = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
        self.office = Office(owner, self._sources())
        self._sent = 0
        self._counted_at = self._kept_house_at = 0.0

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
        return {
            confirmations.LETTER_KIND: opener.letters,
            confirmations.LINK_KIND: opener.link_letters,
            ALERT_KIND: alerts.Alerts(self.keystore).letters,
        }

    def run(self) -> None:
        """Work until told to stop; what is being sent is finished first."""
        with self.app.app_context():
            log.info("ready")
            busy_at = time.monotonic()
            while not self.stopping.is_set():
                if self.turn():
                    busy_at = time.monotonic()
                    continue
                if time.monotonic() - busy_at > HANG_UP_SECONDS:
                    self.office.close()
                self.stopping.wait(POLL_SECONDS)
            self.office.close()

    def turn(self) -> int:
        """Do one round and give how much there was to do; no error ends the worker."""
        done = 0
        for task in (
            self.make_keys,
            self._singles,
            alerts_expand,
            self._singles,
            self._bulk,
            fold_counts,
            self._count_partners,
            self._finish_alerts,
            self._keep_house,
        ):
            if self.stopping.is_set():
                break
            done += _guarded(task)
        return done

    def _singles(self) -> int:
        return deliver_due(self.office, priority=Priority.SINGLE, stop=self.stopping.is_set)

    def _bulk(self) -> int:
        self._sent = deliver_due(self.office, priority=Priority.BULK, stop=self.stopping.is_set)
        return self._sent

    def _count_partners(self) -> int:
        return count_partners(self.keystore)

    def _finish_alerts(self) -> None:
        """Count how far alerts are, but not after every window of a long one."""
        if self._sent and time.monotonic() - self._counted_at < FIGURES_SECONDS:
            return
        self._counted_at = time.monotonic()
        alerts.finish_alerts()

    # --- keys ------------------------------------------------------------------------------

    def make_keys(self) -> int:
        """Make the keys of new campaigns and of the outbox: keystore first, then the row."""
        made = 0
        if self._needs_outbox_key():
            self._make_outbox_key()
            made += 1
        for campaign in campaigns.without_keys():
            self._make_campaign_key(campaign.id)
            made += 1
        db.session.rollback()
        return made

    def _needs_outbox_key(self) -> bool:
        newest = db.session.scalar(
            select(OutboxKey).order_by(OutboxKey.created_at.desc()).limit(1)
        )
        # A clock set back must not keep one key in use for ever.
        age = clock.now() - newest.created_at if newest else OUTBOX_KEY_LIFETIME
        return age >= OUTBOX_KEY_LIFETIME or age < -OUTBOX_KEY_LIFETIME

    def _make_outbox_key(self) -> None:
        key_id = secrets.token_hex(8)
        public = self.keystore.make_outbox(key_id)
        with writing():
            db.session.add(OutboxKey(id=key_id, public_key=public, created_at=clock.now()))

    def _make_campaign_key(self, campaign_id: int) -> None:
        key_id = secrets.token_hex(8)
        public = self.keystore.make_campaign(key_id)
        with writing():
            campaign = db.session.get(
                Campaign, campaign_id, with_for_update=True, populate_existing=True
            )
            if campaign is not None and campaign.public_key is None:
                campaign.key_id, campaign.public_key = key_id, public

    # --- house -----------------------------------------------------------------------------

    def _keep_house(self) -> int:
        if time.monotonic() - self._kept_house_at < HOUSEKEEPING_SECONDS:
            return 0
        self._kept_house_at = time.monotonic()
        self.keep_house()
        index.tidy()
        return index.renew()

    def keep_house(self) -> None:
        """Delete what is over: pending rows, sign-ins, caps of yesterday, old outbox keys."""
        today = clock.today()
        with writing():
            confirmations.forget_expired()
            organisers.forget_expired_sign_ins()
            mail.forget_caps_before(today)
        self.keystore.destroy_days_before(today)
        self._destroy_outbox_keys()

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


def _is_past_grace(newer: OutboxKey) -> bool:
    return clock.now() - newer.created_at > OUTBOX_KEY_GRACE


def _never(campaign_id: int, tag: bytes) -> int | None:
    """One person may offer the backing of several organisations."""
    return None


def alerts_expand() -> int:
    """Write the next page of an alert's deliveries."""
    return int(alerts.expand_next())


def _guarded(task: Callable[[], int | None]) -> int:
    try:
        return task() or 0
    except (DatabaseBusy, OperationalError) as error:
        log.warning("the database is busy (%s); trying again", type(error).__name__)
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
        before[number] = signal.signal(number, lambda *_: worker.stopping.set())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def forbid_core_dumps() -> None:
    """Keep the keys out of core files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
