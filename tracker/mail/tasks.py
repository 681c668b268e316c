"""The worker's side of the outbox: lease, speak SMTP, mark – never one transaction.

1. *Lease* up to a window of due mails and commit.
2. *Write* each letter: its source reads who is still to be told, right before sending.
3. *Send* them over connections of their own, no transaction open, and mark and commit each
   answer. What was not begun within half a second is given back and read again; what a slow
   server takes its time for holds up nothing else.

A mail comes again, with the same Message-ID, where a worker dies between the server's answer
and the mark, and where the server never answered whether it took it. Nothing else can come
twice, and nothing can be lost.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import current_app
from sqlalchemy import select

from tracker.core import clock
from tracker.database import AWAY
from tracker.extensions import db, writing
from tracker.mail import outbox
from tracker.mail.connection import opener
from tracker.mail.models import Delivery
from tracker.mail.pipeline import Outcome, Parcel, Pipeline
from tracker.mail.pool import PAUSES
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
HANG_UP_SECONDS = 0.1
"""Longest pause after a mail server said 421 and hung up: one mail may be the reason."""
ASK_AGAIN_SECONDS = 2.0
"""Longest pause after a refused connection beside an alert: less than its only connection is
left to us (``pool.YIELD_SECONDS``), else we would always come after that."""
MOST_REMEMBERED = 1_000
"""Mails of which it is known how often they came back; of more, it is forgotten."""
SHARED_SECONDS = 1.0
"""Idle time after which a connection is closed that alerts gave up for it."""
REFUSED_IN_ROW = 20
"""After so many refusals without an acceptance the relay is taken to be at fault."""
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
            self.watch = Watch(self.pipeline.pools, counts=False)
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
        for pool in self.pipeline.pools.values():
            pool.notice_silence()
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
            # What was taken is written down first: the database may be away in the middle.
            _take(self, sorted(outcomes, key=lambda one: one.verdict is not Verdict.SENT))
            _give_back(self)


def _is_any_due(office: Office) -> bool:
    return outbox.is_any_due(list(office.sources), apart=office.given)


def deliver_due(office: Office, *, stop: Callable[[], bool], is_alone: bool = True) -> int:
    """Send one window of due mails and give how many were dealt with.

    Where the worker is not ``is_alone`` with them, mails inside a silent server are left there,
    to be looked at the next time.
    """
    if office.pipeline is None and not _is_any_due(office):
        return 0
    pipeline = office.open()
    for pool in pipeline.pools.values():
        pool.longest_shut_pause = PAUSES[-1] if is_alone else ASK_AGAIN_SECONDS
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
    lease = _settings().lease_seconds
    kinds, apart = list(office.sources), office.given
    ids = outbox.lease(office.owner, kinds, apart=apart, seconds=lease, most=WINDOW)
    # Who waits longest goes first, but what came back unsent goes behind all others.
    places = {one: (office.came_back.get(one, 0), place) for place, one in enumerate(ids)}
    letters = sorted(_letters(office, ids), key=lambda letter: places[letter[0]])
    if clock.now() - moment > dt.timedelta(seconds=lease) / 2:
        # Something held us up: another worker may be about to take over.
        outbox.release(office.owner, [one for one, _ in letters])
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
        outbox.retry(office.owner, delivery_id)
        return False
    try:
        sender = _settings().mail_from or ""
        tries = office.came_back.get(delivery_id, 0)
        body = stuffed(raw)
        pipeline.give([Parcel(delivery_id, sender, letter.to, body, put_back=tries)])
    except ValueError:
        log.error("delivery %s has an address that cannot be said", delivery_id)
        outbox.mark(delivery_id)
        return False
    office.given.add(delivery_id)
    return True


def stuffed(raw: bytes) -> bytes:
    """Give a mail as it goes over the wire: CRLF, dots doubled (RFC 5321 §4.5.2)."""
    lines = (b"." + line if line.startswith(b".") else line for line in raw.splitlines())
    return b"".join(line + b"\r\n" for line in lines)


def _letters(office: Office, ids: list[int]) -> list[tuple[int, Letter | Ready]]:
    """Ask the sources for the letters; drop what nobody is to be told any more."""
    try:
        return _written(office, ids)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - one bad row must not stop all other mail
        if len(ids) == 1:
            log.error("delivery %s cannot be read: %s", ids[0], type(error).__name__)
            outbox.retry(office.owner, ids[0])
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
                    outbox.wait_for_another(row)
                elif letter := found[row.id]:
                    ready.append((row.id, letter))
                else:
                    db.session.delete(row)
    return ready


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
        outbox.mark(delivery_id)
        if office.watch is not None:
            office.watch.accept(outcome.relay)
    elif verdict in (Verdict.BAD_ADDRESS, Verdict.BOUNCED, Verdict.REFUSED):
        office.refused_in_row += 1
        if outcome.enhanced.startswith("5.7.") or office.refused_in_row > REFUSED_IN_ROW:
            # A relay that refuses everybody is set up wrongly: nobody's address is bad.
            log.error("the server refuses our mail (%s); it is kept for later", code)
            outbox.retry(office.owner, delivery_id)
        else:
            log.warning("delivery %s: the server answered %s, never", delivery_id, code)
            outbox.mark(delivery_id)
    elif verdict is Verdict.SLOW_DOWN and tries < len(outbox.BUSY_SECONDS):
        log.warning("delivery %s: the server is busy (%s)", delivery_id, code)
        office.came_back[delivery_id] = tries + 1
        outbox.wait(office.owner, delivery_id, seconds=outbox.BUSY_SECONDS[tries])
    else:
        # Also what was not answered: it may have been taken, and is not asked again at once.
        log.warning("delivery %s: the server answered %s, later", delivery_id, code)
        outbox.retry(office.owner, delivery_id)


def _give_back(office: Office) -> None:
    """Let go of mails that no connection began, or that came back unsent."""
    if not office.returned:
        return
    before = office.came_back
    tried = {
        _id(one): one.put_back
        for one in office.returned
        if one.put_back > before.get(_id(one), 0)
    }
    if len(before) + len(tried) > MOST_REMEMBERED:
        before.clear()
    before.update(tried)
    ids = [_id(parcel) for parcel in office.returned]
    outbox.release(office.owner, ids, put_off=tried)
    office.given.difference_update(ids)
    office.returned.clear()


def _renew(office: Office) -> None:
    """Renew the leases of mails that a slow server keeps, also after a clock was set."""
    lease, moment = dt.timedelta(seconds=_settings().lease_seconds), clock.now()
    is_fresh = time.monotonic() - office.leased_at < lease.total_seconds() / 3
    if not office.given or (
        is_fresh and dt.timedelta() <= moment - office.leased_by < lease / 3
    ):
        return
    office.leased_at, office.leased_by = time.monotonic(), moment
    outbox.renew(office.owner, office.given, seconds=_settings().lease_seconds)


def _id(parcel: Parcel) -> int:
    key: Any = parcel.key
    return int(key)


def _settings() -> Settings:
    settings: Settings = current_app.config["TRACKER"]
    return settings
