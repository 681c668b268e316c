"""The worker's side of the outbox: lease, speak SMTP, mark – never one transaction.

1. *Lease* up to a window of due mails and commit.
2. *Write* each letter: its source reads who is still to be told, right before sending.
3. *Send* one by one with no transaction open, and mark and commit each answer.

A worker that dies between the server's answer and the mark sends that one mail again, with the
same Message-ID. Nothing else can come twice, and nothing can be lost.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flask import current_app
from sqlalchemy import Select, delete, or_, select, update
from sqlalchemy.exc import OperationalError

from tracker.core import clock
from tracker.database import DatabaseBusy
from tracker.extensions import db, writing
from tracker.mail.connection import (
    PermanentFailure,
    RelayTrouble,
    TemporaryFailure,
    VerifiedConnection,
    mail,
)
from tracker.mail.models import Delivery
from tracker.mail.rendering import Letter, Ready, render
from tracker.settings import Settings

log = logging.getLogger(__name__)

WINDOW = 50
"""Most mails leased at once; who is to be told is read again for every window."""
WINDOW_SECONDS = 0.5
"""Longest time mails of a window are sent before who is to be told is read again."""
RETRY_MINUTES = (5, 15, 45, 120, 360, 720, 1440, 1440)
"""Waiting time after each refusal for now (DESIGN §7)."""
GIVE_UP_AFTER = dt.timedelta(days=3)
MARK_SECONDS = 30.0
"""How long a mark is tried while the database is busy."""
REFUSED_IN_ROW = 20
"""After so many refusals without an acceptance the relay is taken to be at fault."""
OTHER_WORKER_SECONDS = 30
"""Waiting time of a delivery whose key this worker does not hold."""
RELAY_PAUSE_SECONDS = (1, 2, 5, 15, 60)
"""Waiting time after each failure of the mail server itself."""

Source = Callable[[Sequence[Delivery]], Mapping[int, Letter | Ready | None]]
"""Gives the letters of leased deliveries of one kind, inside a write transaction.

``None`` means that nobody is to be told any more. A delivery left out of the answer waits for
another worker that holds its key.
"""


@dataclass
class Office:
    """One worker's post office: who it is, where letters come from, how the relay does."""

    owner: str
    sources: Mapping[str, Source]
    connection: VerifiedConnection | None = None
    relay: int = 0
    """Which of the mail servers it uses; the next one after a failure."""
    troubles: int = 0
    refused_in_row: int = 0
    closed_until: float = 0.0
    used_at: float = 0.0
    """When the connection was last used, by the monotonic clock."""

    def close(self) -> None:
        """Say goodbye to the mail server."""
        if self.connection is not None:
            self.connection.__exit__(None, None, None)
            self.connection = None


def deliver_due(office: Office, *, stop: Callable[[], bool]) -> int:
    """Send one window of due mails and give how many were dealt with."""
    if time.monotonic() < office.closed_until:
        return 0
    kinds = list(office.sources)
    is_any = db.session.scalar(_due(kinds).limit(1)) is not None
    db.session.rollback()
    if not is_any:
        return 0
    with writing():
        ids = _lease(office.owner, kinds)
    # In the order of the lease: who waits longest goes first, a mail that made trouble last.
    letters = sorted(_letters(office, ids), key=lambda letter: ids.index(letter[0]))
    return len(ids) - len(letters) + _send_all(office, letters, stop=stop)


def _settings() -> Settings:
    settings: Settings = current_app.config["TRACKER"]
    return settings


def _due(kinds: list[str]) -> Select[int]:
    moment = clock.now()
    return (
        select(Delivery.id)
        .where(
            Delivery.due_at <= moment,
            Delivery.kind.in_(kinds),
            or_(Delivery.lease_until.is_(None), Delivery.lease_until < moment),
        )
        .order_by(Delivery.due_at)
    )


def _lease(owner: str, kinds: list[str]) -> list[int]:
    due = _due(kinds).limit(WINDOW).with_for_update(skip_locked=True)
    ids = list(db.session.scalars(due))
    until = clock.now() + dt.timedelta(seconds=_settings().lease_seconds)
    if ids:
        db.session.execute(
            update(Delivery)
            .where(Delivery.id.in_(ids))
            .values(lease_owner=owner, lease_until=until)
            .execution_options(synchronize_session=False)
        )
    return ids


def _letters(office: Office, ids: list[int]) -> list[tuple[int, Letter | Ready]]:
    """Ask the sources for the letters; drop what nobody is to be told any more."""
    try:
        return _written(office, ids)
    except (DatabaseBusy, OperationalError):
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


def _send_all(
    office: Office, letters: list[tuple[int, Letter | Ready]], *, stop: Callable[[], bool]
) -> int:
    started, done = time.monotonic(), 0
    for position, (delivery_id, letter) in enumerate(letters):
        is_late = position and time.monotonic() - started > WINDOW_SECONDS
        if is_late or stop():
            _release(office.owner, [one for one, _ in letters[position:]])
            break
        try:
            _send_one(office, delivery_id, letter)
        except RelayTrouble as trouble:
            _relay_failed(office, trouble)
            _release(office.owner, [one for one, _ in letters[position:]], last=delivery_id)
            break
        except BaseException:
            with contextlib.suppress(Exception):
                _release(office.owner, [one for one, _ in letters[position + 1 :]])
            raise
        done += 1
    return done


def _send_one(office: Office, delivery_id: int, letter: Letter | Ready) -> None:
    """Send one letter and write down what the server said."""
    if not _still_ours(office.owner, delivery_id):
        return
    try:
        raw = letter.raw if isinstance(letter, Ready) else render(letter)
    except Exception as error:  # noqa: BLE001 - one bad template must not stop all other mail
        log.error("delivery %s cannot be written: %s", delivery_id, type(error).__name__)
        _retry(delivery_id, office.owner)
        return
    if office.connection is None:
        office.connection = mail.connect(_settings().relays[office.relay])
    office.used_at = time.monotonic()
    try:
        sender = _settings().mail_from or ""
        office.connection.deliver(raw, sender=sender, recipient=letter.to)
    except TemporaryFailure as failure:
        log.warning("delivery %s: the server answered %s, later", delivery_id, failure.code)
        _retry(delivery_id, office.owner)
    except PermanentFailure as failure:
        office.refused_in_row += 1
        if failure.is_about_us or office.refused_in_row > REFUSED_IN_ROW:
            # A relay that refuses everybody is set up wrongly: nobody's address is bad.
            log.error("the server refuses our mail (%s); it is kept for later", failure.code)
            _retry(delivery_id, office.owner)
        else:
            log.warning("delivery %s: the server answered %s, never", delivery_id, failure.code)
            _mark(delivery_id)
    else:
        office.refused_in_row = 0
        _mark(delivery_id)
    office.troubles = 0


def _still_ours(owner: str, delivery_id: int) -> bool:
    """Renew a lease that runs out, unless another worker has taken over."""
    moment = clock.now()
    lease = dt.timedelta(seconds=_settings().lease_seconds)
    row = db.session.execute(
        select(Delivery.lease_owner, Delivery.lease_until).where(Delivery.id == delivery_id)
    ).first()
    db.session.rollback()
    if row is None or row.lease_owner != owner or row.lease_until is None:
        return False
    if row.lease_until - moment > lease / 2:
        return True
    with writing():
        renewed = db.session.execute(
            update(Delivery)
            .where(Delivery.id == delivery_id, Delivery.lease_owner == owner)
            .where(Delivery.lease_until > moment)
            .values(lease_until=moment + lease)
        )
        return bool(renewed.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result has one


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
        except (DatabaseBusy, OperationalError):
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


def _release(owner: str, ids: list[int], *, last: int | None = None) -> None:
    """Give leased mails back; ``last`` goes behind all others, in case it is the trouble."""
    with writing():
        ours = update(Delivery).where(Delivery.id.in_(ids), Delivery.lease_owner == owner)
        db.session.execute(
            ours.where(Delivery.id == last)
            .values(due_at=clock.now())
            .execution_options(synchronize_session=False)
        )
        db.session.execute(
            ours.values(lease_owner=None, lease_until=None).execution_options(
                synchronize_session=False
            )
        )


def _relay_failed(office: Office, trouble: RelayTrouble) -> None:
    name, number = _settings().relays[office.relay].name, len(_settings().relays)
    rounds, tried = divmod(office.troubles, number)
    is_last = tried == number - 1
    pause = RELAY_PAUSE_SECONDS[min(rounds, len(RELAY_PAUSE_SECONDS) - 1)] if is_last else 0
    office.troubles += 1
    office.relay = (office.relay + 1) % number
    office.closed_until = time.monotonic() + pause
    office.close()
    log.warning("relay %s cannot be used (%s); next try in %s s", name, trouble, pause)
