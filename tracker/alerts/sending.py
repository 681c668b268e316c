"""One worker sends alerts: leases chunks, reads who is still to be told, feeds the pipeline.

Every window of at most 256 mails or half a second is one transaction that writes down what the
mail server said, asks whether the alert may still be sent, and reads again who is subscribed
and not suppressed (DESIGN §7): so pausing, stopping and unsubscribing take effect at once. A
mail that was not begun by then is taken back and asked about again.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Collection, Iterable
from email.utils import format_datetime
from typing import Any

from tracker.alerts import marking, notices, queries, windows
from tracker.alerts.batches import Batch, Result, lease_chunk, lease_due
from tracker.alerts.limits import Limits, Picked
from tracker.alerts.mailings import Mailing, Mailings, Recipient
from tracker.alerts.models import RUNNING, ExceptionState, PauseReason
from tracker.alerts.stopping import RELAY_FAILURES
from tracker.alerts.windows import Present
from tracker.core import clock
from tracker.database import AWAY
from tracker.extensions import db, writing
from tracker.mail import relays
from tracker.mail.connection import opener
from tracker.mail.pipeline import Outcome, Parcel, Pipeline
from tracker.mail.relays import Watch
from tracker.mail.verdicts import Verdict
from tracker.sealing.keystore import Keystore
from tracker.settings import Settings

log = logging.getLogger(__name__)

WINDOW_SECONDS = 0.5
"""Longest time between two readings."""
TURN_SECONDS = 0.5
"""How long alerts are sent before somebody's single mail gets its turn."""
FEW_WAITING = 2
"""The next window is read before the line is empty, so that connections need not wait."""
LOOK_SECONDS = 0.2
"""Where nothing more was found to send, a turn leaves the tables alone for so long."""
WELL = dt.timedelta(minutes=5)
"""Where some worker's mail was taken within so long, no mail server is down."""
LAST_MARK_SECONDS = 5.0
"""How long the last mark is tried where the database is away when the worker stops."""
CLOSE_SECONDS = 10.0
"""How long mails that are inside SMTP are waited for when the worker stops."""


class Sender:
    """The alerts of one worker: what it has leased, and its connections."""

    def __init__(self, owner: str, keystore: Keystore, settings: Settings) -> None:
        """Take the worker's name and keys; connections are opened once there is mail."""
        self.owner = owner
        self.lease = dt.timedelta(seconds=settings.lease_seconds)
        self.batches: list[Batch] = []
        self.pipeline = Pipeline(settings.relays, connect=opener)
        self.limits = Limits(settings, self.pipeline.pools)
        self.watch = Watch(self.pipeline.pools)
        self.mailings = Mailings(keystore, settings)
        self._resting: set[int] = set()
        self._given_back: set[Batch] = set()
        self._read_at = self._quiet_until = self._no_deferred_until = 0.0
        self._marked_at, self._marked_by = time.monotonic(), clock.now()

    # --- one turn ----------------------------------------------------------------------------

    def turn(self, *, stop: Callable[[], bool]) -> int:
        """Send for up to :data:`TURN_SECONDS` and give how much there was to do."""
        until, self._quiet_until = time.monotonic() + TURN_SECONDS, 0.0
        self._no_deferred_until = 0.0
        if time.monotonic() - self._read_at > WINDOW_SECONDS:
            # Something else held the worker up: who was to be told then may have left.
            self._take_back()
        # Also where nothing waits: idle connections are looked after there.
        done = self._take(self.pipeline.step(0))
        while time.monotonic() < until and not stop():
            if self._is_window_due():
                done += self._window()
            if not self.batches and not self.pipeline.inside:
                break
            done += self._take(
                self.pipeline.step(0 if windows.open_ahead(self.batches) else 0.05)
            )
            if self._is_blocked():
                break
        self._write_down()
        return done or int(self._is_underway())

    def close(self) -> None:
        """Finish what is inside SMTP, write it down and give everything else back."""
        self._give_back()
        self._take(self.pipeline.close(patience=CLOSE_SECONDS))
        for batch in self.batches:
            for slot in list(batch.given):
                batch.take_back(slot)
        self._write_down_surely()
        self.watch.write_down(at_once=True)

    def _is_window_due(self) -> bool:
        if time.monotonic() - self._read_at > WINDOW_SECONDS:
            return True
        if sum(len(batch.results) for batch in self.batches) >= windows.WINDOW:
            return True
        return self.pipeline.waiting <= FEW_WAITING and self._may_claim()

    def _may_claim(self) -> bool:
        if not self.pipeline.is_usable() or self.limits.is_full():
            return False
        has_work = any(batch.todo for batch in self.batches if not batch.is_ending)
        return has_work or time.monotonic() > self._quiet_until

    def _is_blocked(self) -> bool:
        """Say whether all that is left to do is wait: for a relay, or for a limit."""
        return not self.pipeline.inside and not self.pipeline.waiting

    def _is_underway(self) -> bool:
        """Say whether a mail server has something of ours, or is about to."""
        return self.pipeline.inside > 0 or (
            self.pipeline.waiting > 0 and self.pipeline.is_usable()
        )

    # --- windows -----------------------------------------------------------------------------

    def _window(self) -> int:
        """Read and feed one window; give how much was done beside sending."""
        self._read_at = time.monotonic()
        self._take_back()
        self._notice_failures()
        if not self.pipeline.is_usable():
            # Another worker's relay may work.
            self._give_back()
            return 0
        if self._was_held_up():
            # What was held up so long must not be found free, and be sent again, by ourselves.
            self._mark()
        claimed = self._claim()
        if not self.batches:
            return 0
        picked = windows.pick(self.batches)
        chosen: Picked = []
        present: Present = set()
        try:
            with writing():
                self._mark_all()
                chosen = self.limits.allowed(windows.still_to_tell(picked))
                present, resting = windows.look(chosen, self.batches)
                self._let_go(resting)
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - damaged rows raise whatever they like
            self._single_out(error)
            return 0
        self._forget_marked()
        return claimed + self._feed(chosen, present)

    def _was_held_up(self) -> bool:
        """Say whether leases are running out: also by a clock that was set, or stood still."""
        since = clock.now() - self._marked_by
        third = self.lease / 3
        return not dt.timedelta() <= since <= third or (
            time.monotonic() - self._marked_at > third.total_seconds()
        )

    def make_room(self, names: Iterable[str]) -> None:
        """Give up one connection to each of these mail servers: single mails found none."""
        for name in names:
            if not self.pipeline.pools[name].failures:  # else it is in trouble altogether
                self.pipeline.pools[name].make_room()

    def _take_back(self) -> None:
        for parcel in reversed(self.pipeline.take_back()):
            batch, slot = _key(parcel)
            batch.take_back(slot)

    def _claim(self) -> int:
        """Lease more where what is in hand does not fill a window; give how many batches."""
        at_hand = sum(len(batch.todo) for batch in self.batches if not batch.is_ending)
        if at_hand >= windows.WINDOW or time.monotonic() < self._quiet_until:
            return 0
        batch = self._claimed()
        if batch is not None:
            self.batches.append(batch)
        elif not at_hand:
            self._quiet_until = time.monotonic() + LOOK_SECONDS
        return int(batch is not None)

    def _claimed(self) -> Batch | None:
        """Lease a batch of the first alert that this worker can send."""
        while True:
            apart, find = self.mailings.apart(), self.mailings.find
            batch = self._deferred(apart) or lease_chunk(
                self.owner,
                self.lease,
                find,
                with_held=self.limits.has_room(),
                apart=apart,
                looks_first=not self.batches,
            )
            while self.mailings.broken:
                self._pause(self.mailings.broken.pop(), PauseReason.BROKEN)
            if batch is not None or self.mailings.apart() <= apart:
                return batch

    def _deferred(self, apart: Collection[int]) -> Batch | None:
        """Lease deferred mails; what is wrong with one must not stop all other alerts."""
        if time.monotonic() < self._no_deferred_until:
            return None
        try:
            batch = lease_due(self.owner, self.lease, self.mailings.find, apart=apart)
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - damaged rows raise whatever they like
            log.error("deferred mails cannot be read: %s", type(error).__name__)
            db.session.rollback()
            self._no_deferred_until = time.monotonic() + LOOK_SECONDS
            return None
        # Perhaps it cannot send the first alert, and others are due.
        if batch is None and self.mailings.apart() <= set(apart):
            self._no_deferred_until = time.monotonic() + LOOK_SECONDS
        return batch

    def _let_go(self, alert_ids: set[int]) -> None:
        """Begin nothing more of some alerts, and give back what is in hand."""
        for batch in self.batches:
            if batch.mailing.alert_id in alert_ids:
                batch.is_ending = True
        self._resting |= alert_ids

    def _feed(self, chosen: Picked, present: Present) -> int:
        """Give the pipeline what is to be sent; write down who is not to be told any more."""
        date, skipped = format_datetime(clock.now(), usegmt=True), 0
        for batch, recipient in chosen:
            if batch.is_ending:
                continue
            if recipient not in present:
                batch.todo.remove(recipient)
                batch.results.append(Result(recipient))
                skipped += 1
                continue
            try:
                if recipient.parcel is None:
                    key = (batch, recipient.slot)
                    recipient.parcel = batch.mailing.parcel(recipient, key=key, date=date)
                self.pipeline.give([recipient.parcel])
            except ValueError:
                log.error("subscription %s has no address", recipient.subscription_id)
                batch.results.append(Result(recipient, state=ExceptionState.REFUSED))
            else:
                batch.given[recipient.slot] = recipient
            # Last: whatever goes wrong above, nobody is forgotten.
            batch.todo.remove(recipient)
        return skipped

    # --- what the mail server said -----------------------------------------------------------

    def _take(self, outcomes: Iterable[Outcome]) -> int:
        number = 0
        for number, outcome in enumerate(outcomes, 1):  # noqa: B007 - counted
            batch, slot = _key(outcome.parcel)
            recipient = batch.given.pop(slot, None)
            if recipient is not None:
                batch.results.append(_result(outcome, recipient))
            if outcome.verdict is Verdict.SENT:
                self.watch.accept(outcome.relay)
        return number

    def _write_down(self) -> None:
        """Mark what is not yet marked, at the end of a turn."""
        if any(batch.results or batch.is_over for batch in self.batches):
            self._mark()
        self.watch.write_down()

    def _write_down_surely(self) -> None:
        """Mark for the last time; what was taken and is not marked would be sent again."""
        until = time.monotonic() + LAST_MARK_SECONDS
        while True:
            try:
                self._write_down()
            except AWAY:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
            else:
                return

    def _mark(self) -> None:
        try:
            with writing():
                self._mark_all()
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - damaged rows raise whatever they like
            self._single_out(error)
        else:
            self._forget_marked()

    def _single_out(self, error: Exception) -> None:
        """Mark one by one; what cannot be marked must not hold up all others, and rests."""
        log.error("cannot mark all at once: %s", type(error).__name__)
        for batch in list(self.batches):
            try:
                with writing():
                    self._mark_all([batch])
            except AWAY:
                raise
            except Exception:  # noqa: BLE001 - see above
                log.error("alert %s cannot be marked", batch.mailing.alert_id)
                self._pause(batch.mailing.alert_id, PauseReason.BROKEN)
                self.batches.remove(batch)
            else:
                self._forget_marked([batch])

    def _mark_all(self, batches: Collection[Batch] | None = None) -> None:
        ordered = sorted(self.batches if batches is None else batches, key=_in_order)
        # What ends after this mark keeps its lease, and is given back with the next.
        self._given_back = {batch for batch in ordered if batch.is_over}
        for batch in ordered:
            if not marking.mark(batch, owner=self.owner, lease=self.lease):
                batch.is_ending = True

    def _forget_marked(self, batches: Collection[Batch] | None = None) -> None:
        """After the commit: forget results, let go of what is over, look at the stop rule."""
        self._marked_at, self._marked_by = time.monotonic(), clock.now()
        judged: dict[int, Mailing] = {}
        for batch in self.batches if batches is None else batches:
            if batch.results:
                judged[batch.mailing.alert_id] = batch.mailing
            marking.remember(batch)
        self.batches = [batch for batch in self.batches if batch not in self._given_back]
        for alert_id in self._resting - {batch.mailing.alert_id for batch in self.batches}:
            self.mailings.forget(alert_id)
            self._resting.remove(alert_id)
        for alert_id, one in judged.items():
            reason = one.record.verdict()
            if reason is not None:
                self._pause(alert_id, reason)
                one.record.fates.clear()
                # Also what was chosen or waits already.
                self._take_back()
                self._let_go({alert_id})

    def _pause(self, alert_id: int, reason: PauseReason) -> None:
        with writing():
            alert = queries.by_id_locked(alert_id)
            if alert is not None and alert.state in RUNNING:
                notices.let_rest(alert, reason)

    # --- the mail servers --------------------------------------------------------------------

    def _notice_failures(self) -> None:
        """Let all alerts rest once every mail server has failed too often."""
        if all(pool.failures >= RELAY_FAILURES for pool in self.pipeline.pools.values()):
            for pool in self.pipeline.pools.values():
                pool.failures = 0
            since = clock.now() - WELL
            used = relays.health(pool.relay for pool in self.pipeline.pools.values())
            if any(one.well_at and one.well_at > since for one in used.values()):
                return  # other workers reach them: it is this machine
            for alert_id in queries.running():
                self._pause(alert_id, PauseReason.RELAY)

    def _give_back(self) -> None:
        self._take_back()
        for batch in self.batches:
            batch.is_ending = True


def _key(parcel: Parcel) -> tuple[Batch, int]:
    key: Any = parcel.key
    batch, slot = key
    return batch, slot


def _in_order(batch: Batch) -> tuple[int, int]:
    """Sort as rows are locked: those of one alert together, deferred mails first."""
    return batch.mailing.alert_id, -1 if batch.number is None else batch.number


def _result(outcome: Outcome, recipient: Recipient) -> Result:
    """Say what an outcome means for the one it was meant for."""
    if outcome.verdict is Verdict.SENT:
        return Result(recipient, is_sent=True)
    state = {
        Verdict.BAD_ADDRESS: ExceptionState.BOUNCED,
        Verdict.BOUNCED: ExceptionState.BOUNCED,
        Verdict.REFUSED: ExceptionState.REFUSED,
    }.get(outcome.verdict, ExceptionState.DEFERRED)
    return Result(
        recipient,
        state=state,
        code=outcome.code,
        enhanced=outcome.enhanced[:12],
        suppresses=outcome.verdict is Verdict.BAD_ADDRESS,
    )
