"""The worker's side of the outbox: lease, speak SMTP, mark – never one transaction.

1. *Lease* up to a window of due mails and commit.
2. *Write* each letter: its source reads who is still to be told, right before sending.
3. *Send* them over connections of their own, no transaction open, and mark and commit each
   answer. What was not begun within half a second is given back and read again; what a slow
   server takes its time for holds up nothing else.

A worker that dies between the server's answer and the mark sends that one mail again, with the
same Message-ID. Nothing else can come twice, and nothing can be lost.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import current_app
from sqlalchemy import Select, delete, or_, select, update

from tracker.core import clock
from tracker.database import AWAY
from tracker.extensions import db, writing
from tracker.mail.connection import opener
from tracker.mail.models import Delivery
from tracker.mail.pipeline import Outcome, Parcel, Pipeline
from tracker.mail.relays import Watch
from tracker.mail.rendering import Letter, Ready, render
from tracker.mail.verdicts import Verdict
from tracker.settings import Settings

log = logging.getLogger(__name__)

WINDOW = 50
"""Most mails leased at once; who is to be told is read again for every window."""
WINDOW_SECONDS = 0.5
"""Longest time mails of a window are sent before who is to be told is read again."""
QUIET_SECONDS = 0.1
"""Beside an alert, a server that answers nothing for so long is not waited for now."""
RETRY_MINUTES = (5, 15, 45, 120, 360, 720, 1440, 1440)
"""Waiting time after each refusal for now (DESIGN §7)."""
GIVE_UP_AFTER = dt.timedelta(days=3)
BUSY_SECONDS = (5, 20, 60)
"""Waiting time of a mail that a busy mail server wants later; then it counts as refused."""
HANG_UP_SECONDS = 0.1
"""Longest pause after a mail server said 421 and hung up: one mail may be the reason."""
SHARED_SECONDS = 1.0
"""Idle time after which a connection is closed that alerts gave up for it."""
MARK_SECONDS = 30.0
"""How long a mark is tried while the database is busy."""
REFUSED_IN_ROW = 20
"""After so many refusals without an acceptance the relay is taken to be at fault."""
OTHER_WORKER_SECONDS = 30
"""Waiting time of a delivery whose key this worker does not hold."""
CLOSE_SECONDS = 10.0
"""How long mails that are inside SMTP are waited for when the worker stops."""

Source = Callable[[Sequence[Delivery]], Mapping[int, Letter | Ready | None]]
"""Gives the letters of leased deliveries of one kind, inside a write transaction.

``None`` means that nobody is to be told any more. A delivery left out of the answer waits for
another worker that holds its key.
"""


@dataclass
class Office:
    """One worker's post office: who it is, where letters come from, what is inside SMTP.

    It has one connection to each mail server; its limits are for alerts.
    """

    owner: str
    sources: Mapping[str, Source]
    refused_in_row: int = 0
    pipeline: Pipeline | None = None
    watch: Watch | None = None
    outcomes: deque[Outcome] = field(default_factory=deque)
    """What mail servers said and is not written down yet."""
    given: set[int] = field(default_factory=set)
    """What the connections have; whatever a clock says, it is not leased a second time."""
    returned: list[Parcel] = field(default_factory=list)
    """What was not begun, or came back unsent, and is not given back to others yet."""
    came_back: dict[int, int] = field(default_factory=dict)
    """How often a mail came back unsent."""
    leased_at: float = 0.0
    leased_by: dt.datetime = field(default_factory=clock.now)
    """When leases were last renewed, by the monotonic clock and by the wall clock."""
    _shut_out: dict[str, int] = field(default_factory=dict)

    def open(self) -> Pipeline:
        """Give the connections, opened once there is mail."""
        if self.pipeline is None:
            relays = [
                dataclasses.replace(relay, connections=1, rate=0.0)
                for relay in _settings().relays
            ]
            self.pipeline = Pipeline(relays, connect=opener)
            for pool in self.pipeline.pools.values():
                pool.longest_slow_pause = HANG_UP_SECONDS
                pool.hands_back = True
            self.watch = Watch(self.pipeline.pools)
        return self.pipeline

    def is_free(self) -> bool:
        """Say whether a mail server could begin a mail now, or be connected to."""
        return any(
            pool.is_open() and (pool.free or not (pool.channels or pool.openings))
            for pool in self.open().pools.values()
        )

    def shut_out(self) -> list[str]:
        """Give the mail servers that would not take its one connection, each time once.

        Many take so many connections and no more, and perhaps alerts have them all.
        """
        if self.pipeline is None:
            return []
        now = {name: pool.shut_out for name, pool in self.pipeline.pools.items()}
        found = [name for name, count in now.items() if count > self._shut_out.get(name, 0)]
        self._shut_out = now
        if found:
            self.pipeline.idle = SHARED_SECONDS
        return found

    def close(self) -> None:
        """Finish what is inside SMTP, give the rest back, say goodbye."""
        if self.pipeline is not None:
            pipeline, self.pipeline = self.pipeline, None
            self._shut_out = {}
            outcomes = pipeline.close(patience=CLOSE_SECONDS)
            self.returned += pipeline.take_back()
            _take(self, outcomes)
            _give_back(self)


def deliver_due(office: Office, *, stop: Callable[[], bool], is_alone: bool = True) -> int:
    """Send one window of due mails and give how many were dealt with.

    Where the worker is not ``is_alone`` with them, mails inside a silent server are left there,
    to be looked at the next time.
    """
    if office.pipeline is None and not _is_any_due(office):
        return 0
    pipeline = office.open()
    # First: what is left of a call that found the database away must not be sent unasked.
    office.returned += pipeline.take_back()
    done = _take(office, pipeline.step(0))
    office.returned += pipeline.take_back()
    _give_back(office)
    _renew(office)
    if office.is_free():
        done += _give_window(office, pipeline)
    started = heard = time.monotonic()
    patience = WINDOW_SECONDS if is_alone else QUIET_SECONDS
    while (pipeline.waiting or pipeline.inside) and not stop():
        outcomes = pipeline.step(0.05)
        now = time.monotonic()
        heard = now if outcomes else heard
        done += _take(office, outcomes)
        is_stuck = not pipeline.inside and not pipeline.is_usable()
        if is_stuck or now - started > WINDOW_SECONDS or now - heard > patience:
            break
    office.returned += pipeline.take_back()
    _give_back(office)
    if office.watch is not None:
        office.watch.write_down()
    return done or pipeline.inside


def _give_window(office: Office, pipeline: Pipeline) -> int:
    """Lease, write and hand over the next mails; give how many need not be sent."""
    if not _is_any_due(office):
        return 0
    moment = clock.now()
    if not office.given:
        office.leased_at, office.leased_by = time.monotonic(), moment
    with writing():
        ids = _lease(office)
    # Who waits longest goes first, but what came back unsent goes behind all others.
    places = {one: (office.came_back.get(one, 0), place) for place, one in enumerate(ids)}
    letters = sorted(_letters(office, ids), key=lambda letter: places[letter[0]])
    if clock.now() - moment > dt.timedelta(seconds=_settings().lease_seconds) / 2:
        # Something held us up: another worker may be about to take over.
        with writing():
            _release(office, [one for one, _ in letters])
        return 0
    handed_over = sum(_hand_over(office, pipeline, *one) for one in letters)
    return len(ids) - handed_over


def _hand_over(
    office: Office, pipeline: Pipeline, delivery_id: int, letter: Letter | Ready
) -> bool:
    try:
        raw = letter.raw if isinstance(letter, Ready) else render(letter)
    except Exception as error:  # noqa: BLE001 - one bad template must not stop all other mail
        log.error("delivery %s cannot be written: %s", delivery_id, type(error).__name__)
        _retry(delivery_id, office.owner)
        return False
    try:
        sender = _settings().mail_from or ""
        tries = office.came_back.get(delivery_id, 0)
        body = stuffed(raw)
        pipeline.give([Parcel(delivery_id, sender, letter.to, body, put_back=tries)])
    except ValueError:
        log.error("delivery %s has an address that cannot be said", delivery_id)
        _mark(delivery_id)
        return False
    office.given.add(delivery_id)
    return True


def stuffed(raw: bytes) -> bytes:
    """Give a mail as it goes over the wire: CRLF, dots doubled (RFC 5321 §4.5.2)."""
    lines = (b"." + line if line.startswith(b".") else line for line in raw.splitlines())
    return b"".join(line + b"\r\n" for line in lines)


# --- what the mail server said ---------------------------------------------------------------


def _take(office: Office, outcomes: Iterable[Outcome]) -> int:
    """Write down what became of mails; what cannot be written now is kept for the next time."""
    office.outcomes.extend(outcomes)
    number = 0
    while office.outcomes:
        outcome = office.outcomes[0]
        delivery_id = _id(outcome.parcel)
        try:
            _settle(office, delivery_id, outcome)
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - one bad row must not stop all other mail
            log.error("delivery %s: %s", delivery_id, type(error).__name__)
        office.given.discard(delivery_id)
        office.outcomes.popleft()
        number += 1
    return number


def _settle(office: Office, delivery_id: int, outcome: Outcome) -> None:
    """Write down what became of one mail."""
    verdict, code = outcome.verdict, outcome.code
    tries = office.came_back.pop(delivery_id, 0)
    if verdict is Verdict.SENT:
        office.refused_in_row = 0
        _mark(delivery_id)
    elif verdict in (Verdict.BAD_ADDRESS, Verdict.BOUNCED, Verdict.REFUSED):
        office.refused_in_row += 1
        if outcome.enhanced.startswith("5.7.") or office.refused_in_row > REFUSED_IN_ROW:
            # A relay that refuses everybody is set up wrongly: nobody's address is bad.
            log.error("the server refuses our mail (%s); it is kept for later", code)
            _retry(delivery_id, office.owner)
        else:
            log.warning("delivery %s: the server answered %s, never", delivery_id, code)
            _mark(delivery_id)
    elif verdict is Verdict.SLOW_DOWN and tries < len(BUSY_SECONDS):
        log.warning("delivery %s: the server is busy (%s)", delivery_id, code)
        office.came_back[delivery_id] = tries + 1
        with writing():
            _put_off_ours(office, [delivery_id], BUSY_SECONDS[tries])
    else:
        # Also what was not answered: it may have been taken, and is not asked again at once.
        log.warning("delivery %s: the server answered %s, later", delivery_id, code)
        _retry(delivery_id, office.owner)


def _give_back(office: Office) -> None:
    """Let go of mails that no connection began, or that came back unsent."""
    if not office.returned:
        return
    tried = [parcel for parcel in office.returned if parcel.put_back]
    with writing():
        for parcel in tried:
            office.came_back[_id(parcel)] = parcel.put_back
            _put_off_ours(office, [_id(parcel)], BUSY_SECONDS[0])
        _release(office, [_id(parcel) for parcel in office.returned])
    office.given.difference_update(map(_id, office.returned))
    office.returned.clear()


def _put_off_ours(office: Office, ids: Collection[int], seconds: int) -> None:
    """Let leased mails wait for some seconds, uncounted."""
    due = clock.now() + dt.timedelta(seconds=seconds)
    _change_ours(office, ids, due_at=due, lease_owner=None, lease_until=None)


def _release(office: Office, ids: Collection[int]) -> None:
    _change_ours(office, ids, lease_owner=None, lease_until=None)


def _change_ours(office: Office, ids: Collection[int], **values: Any) -> None:
    db.session.execute(
        update(Delivery)
        .where(Delivery.id.in_(ids), Delivery.lease_owner == office.owner)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _renew(office: Office) -> None:
    """Renew the leases of mails that a slow server keeps, also after a clock was set."""
    lease, moment = dt.timedelta(seconds=_settings().lease_seconds), clock.now()
    is_fresh = time.monotonic() - office.leased_at < lease.total_seconds() / 3
    if not office.given or (
        is_fresh and dt.timedelta() <= moment - office.leased_by < lease / 3
    ):
        return
    office.leased_at, office.leased_by = time.monotonic(), moment
    with writing():
        _change_ours(office, office.given, lease_until=moment + lease)


def _id(parcel: Parcel) -> int:
    key: Any = parcel.key
    return int(key)


# --- rows ------------------------------------------------------------------------------------


def _settings() -> Settings:
    settings: Settings = current_app.config["TRACKER"]
    return settings


def _is_any_due(office: Office) -> bool:
    found = db.session.scalar(_due(office).limit(1))
    db.session.rollback()
    return found is not None


def _due(office: Office) -> Select[int]:
    moment = clock.now()
    return (
        select(Delivery.id)
        .where(
            Delivery.id.not_in(office.given),
            Delivery.due_at <= moment,
            Delivery.kind.in_(list(office.sources)),
            or_(Delivery.lease_until.is_(None), Delivery.lease_until < moment),
        )
        .order_by(Delivery.due_at)
    )


def _lease(office: Office) -> list[int]:
    due = _due(office).limit(WINDOW).with_for_update(skip_locked=True)
    ids = list(db.session.scalars(due))
    until = clock.now() + dt.timedelta(seconds=_settings().lease_seconds)
    if ids:
        db.session.execute(
            update(Delivery)
            .where(Delivery.id.in_(ids))
            .values(lease_owner=office.owner, lease_until=until)
            .execution_options(synchronize_session=False)
        )
    return ids


def _letters(office: Office, ids: list[int]) -> list[tuple[int, Letter | Ready]]:
    """Ask the sources for the letters; drop what nobody is to be told any more."""
    try:
        return _written(office, ids)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - one bad row must not stop all other mail
        if len(ids) == 1:
            log.error("delivery %s cannot be read: %s", ids[0], type(error).__name__)
            _retry(ids[0], office.owner)
            return []
        return [letter for one in ids for letter in _letters(office, [one])]


def _written(office: Office, ids: list[int]) -> list[tuple[int, Letter | Ready]]:
    ready: list[tuple[int, Letter | Ready]] = []
    with writing():
        rows = db.session.scalars(select(Delivery).where(Delivery.id.in_(ids))).all()
        for kind in sorted({row.kind for row in rows}):
            of_kind = [row for row in rows if row.kind == kind]
            found = office.sources[kind](of_kind)
            for row in of_kind:
                if row.id not in found:
                    _wait_for_another(row)
                elif letter := found[row.id]:
                    ready.append((row.id, letter))
                else:
                    db.session.delete(row)
    return ready


def _mark(delivery_id: int) -> None:
    """Delete a mail that is over, whoever holds the lease by now.

    A database that is busy at this moment is asked again: what was accepted and not written
    down would be sent a second time.
    """
    until = time.monotonic() + MARK_SECONDS
    while True:
        try:
            with writing():
                db.session.execute(delete(Delivery).where(Delivery.id == delivery_id))
            return
        except AWAY:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def _retry(delivery_id: int, owner: str) -> None:
    with writing():
        row = db.session.get(Delivery, delivery_id)
        if row is None or row.lease_owner != owner:
            return
        minutes = RETRY_MINUTES[min(row.attempts, len(RETRY_MINUTES) - 1)]
        row.attempts += 1
        spread = random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, protects nothing
        due = clock.now() + dt.timedelta(minutes=minutes * spread)
        if due > row.queued_at + GIVE_UP_AFTER:
            db.session.delete(row)
        else:
            row.due_at, row.lease_owner, row.lease_until = due, None, None


def _wait_for_another(row: Delivery) -> None:
    """Leave a mail to a worker that holds its key, or until its campaign goes on."""
    if clock.now() > row.queued_at + GIVE_UP_AFTER:
        log.error("delivery %s: no worker could write it in three days", row.id)
        db.session.delete(row)
    else:
        _put_off(row, seconds=OTHER_WORKER_SECONDS)


def _put_off(row: Delivery, *, seconds: int) -> None:
    row.due_at = clock.now() + dt.timedelta(seconds=seconds)
    row.lease_owner = row.lease_until = None
