"""Many mails over many long-lived connections in one thread, one round trip a mail.

MAIL, RCPT and DATA leave in one write, and the end of one mail together with the envelope of
the next (RFC 2920). Where PIPELINING is not offered, or does not work, the same goes step by
step. Opening a connection blocks, so helper threads do it.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import smtplib
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from tracker.configuration.mail import Relay
from tracker.mail import pool as relay_pool
from tracker.mail.channel import Broken
from tracker.mail.dialogue import Dialogue
from tracker.mail.opening import Opening
from tracker.mail.parcels import Line, Outcome, Parcel

__all__ = ["Outcome", "Parcel", "Pipeline", "Pool"]

Pool: TypeAlias = relay_pool.Pool[Dialogue]

IDLE = 10.0
"""Seconds without mail after which a connection is closed."""

_TICK = 0.1
# A longer one could make the server hang up: one address would stop a relay (RFC 5321 §4.5.3).
_ADDRESS = re.compile(r"[!-;=?-~]{1,254}")


class Pipeline:
    """Sends parcels over all relays; everything but opening happens inside :meth:`step`."""

    def __init__(
        self,
        relays: Sequence[Relay],
        *,
        connect: Callable[[Relay], Callable[[], smtplib.SMTP]],
    ) -> None:
        """Open nothing yet. ``connect`` gives an opener, which is run in a helper thread.

        The opener gives a connection that is secured and signed in; it may raise
        ``RelayTrouble``, ``OSError`` or ``smtplib.SMTPException``.
        """
        self.pools: Mapping[str, Pool] = {relay.name: Pool(relay) for relay in relays}
        self.idle = IDLE
        self._connect = connect
        self._line = Line()
        self._turns = deque(self.pools.values())
        self._look_at = 0.0
        self._opened: deque[tuple[Pool, Opening]] = deque()
        self._selector = selectors.DefaultSelector()
        self._wake, self._alarm = socket.socketpair()
        self._wake.setblocking(False)
        self._alarm.setblocking(False)
        self._selector.register(self._alarm, selectors.EVENT_READ, None)

    @property
    def waiting(self) -> int:
        """Give how many parcels no connection has begun."""
        return len(self._line.waiting)

    @property
    def inside(self) -> int:
        """Give how many parcels were begun and have no outcome yet."""
        return self._line.inside

    def give(self, parcels: Iterable[Parcel]) -> None:
        """Append to the waiting line, all or none.

        Raises ``ValueError`` for an address that could not stand in a command: only printable
        ASCII without blanks and angle brackets can, 254 characters at most.
        """
        added = list(parcels)
        for parcel in added:
            if not (_ADDRESS.fullmatch(parcel.sender) and _ADDRESS.fullmatch(parcel.recipient)):
                raise ValueError("an address that cannot stand in a command")
        self._line.waiting.extend(added)

    def take_back(self) -> list[Parcel]:
        """Take everything out of the waiting line; nothing of it is inside SMTP."""
        taken = list(self._line.waiting)
        self._line.waiting.clear()
        return taken

    def is_usable(self) -> bool:
        """Say whether some relay may be used now."""
        return any(pool.is_open() for pool in self._turns)

    def step(self, timeout: float) -> list[Outcome]:
        """Feed free connections, wait at most ``timeout`` seconds, give what has its outcome.

        Gives nothing, earlier than that, where there is something to look after.
        """
        if not self._line.is_closing:
            self._open_lacking()
        is_busy = bool(self._line.outcomes) or self._has_work()
        left = max(0.0, self._look_at - time.monotonic())
        for key, mask in self._selector.select(0.0 if is_busy else min(timeout, left)):
            if key.data is None:
                self._admit()
            elif key.data.is_alive:
                self._guard(key.data, key.data.serve, mask)
        # Only now: an answer that came while the caller was away is no silence.
        if (now := time.monotonic()) >= self._look_at:
            self._look_at = now + _TICK
            self._tidy(now)
        if not self._line.is_closing:
            self._feed()
        return self._line.collect()

    def close(self, *, patience: float) -> list[Outcome]:
        """Begin nothing more, finish what is inside, say goodbye; the pipeline is over then.

        What is not finished after ``patience`` seconds is UNANSWERED if its final dot had
        left and LATER if not. What was only waiting stays for :meth:`take_back`.
        """
        until = time.monotonic() + patience
        self._line.is_closing = True
        outcomes: list[Outcome] = []
        while self._line.inside and (left := until - time.monotonic()) > 0:
            outcomes += self.step(min(_TICK, left))
        for pool in self._turns:
            self._end(pool)
        self._admit()
        self._selector.close()
        self._wake.close()
        self._alarm.close()
        return outcomes + self._line.collect()

    # --- beginning ---------------------------------------------------------------------------

    def _has_work(self) -> bool:
        if not self._line.waiting or self._line.is_closing:
            return False
        return any(pool.free and pool.may_begin() for pool in self._turns)

    def _feed(self) -> None:
        while self._line.waiting and (pool := self._next_pool()) is not None:
            channel = pool.free.pop()
            self._guard(channel, channel.begin, pool.take(self._line))

    def _open_lacking(self) -> None:
        for pool in self._turns:
            for _ in range(pool.lacks(len(self._line.waiting))):
                self._open(pool)

    def _next_pool(self) -> Pool | None:
        """Give the next pool, in turns, with a connection that is free and may be used."""
        for _ in range(len(self._turns)):
            pool = self._turns[0]
            self._turns.rotate(-1)
            if pool.free and pool.may_begin():
                return pool
        return None

    def _open(self, pool: Pool) -> None:
        opening = Opening(
            self._connect(pool.relay),
            timeout=pool.relay.timeout,
            report=partial(self._report, pool),
            forget=pool.openings.discard,
        )
        pool.openings.add(opening)
        opening.start()

    def _report(self, pool: Pool, opening: Opening) -> None:
        """Hand a finished opening to the loop; called in its helper thread."""
        self._opened.append((pool, opening))
        # A full pipe wakes the loop just as well; a closed one has been looked at for the last
        # time, with this opening in the line already.
        with contextlib.suppress(OSError):
            self._wake.send(b"!")

    def _admit(self) -> None:
        """Take over the connections that helper threads have opened."""
        with contextlib.suppress(BlockingIOError):
            self._alarm.recv(4_096)
        while self._opened:
            pool, opening = self._opened.popleft()
            pool.openings.discard(opening)
            if opening.smtp is None:
                pool.fail_to_open(opening.trouble)
            elif self._line.is_closing:
                opening.smtp.close()
            else:
                channel = Dialogue(opening.smtp, pool, line=self._line, selector=self._selector)
                pool.add(channel, took=time.monotonic() - opening.begun_at)
                self._guard(channel, channel.join)

    # --- serving and ending ------------------------------------------------------------------

    def _guard(self, channel: Dialogue, action: Callable[..., None], *values: object) -> None:
        """Do something with a connection, and drop it where that shows it to be broken."""
        try:
            action(*values)
        except Broken as broken:
            self._drop(channel, broken)
        except OSError as error:
            self._drop(channel, Broken(f"{type(error).__name__} {channel.position}"))

    def _drop(self, channel: Dialogue, broken: Broken) -> None:
        self._forget(channel)
        # A server may close what nobody uses any more; what it closes at once would be opened
        # again and again.
        if channel.is_idle and not (broken.is_desync or channel.is_fresh):
            return
        pool = channel.pool
        if broken.is_closing:
            pool.slow_down(broken.trouble)
        else:
            if channel.has_pipelining and (broken.is_desync or channel.is_unproven):
                pool.stop_pipelining(broken.trouble)
            pool.lose(broken.trouble)
        channel.give_up()

    def _forget(self, channel: Dialogue) -> None:
        pool = channel.pool
        pool.channels.discard(channel)
        if channel in pool.free:
            pool.free.remove(channel)
        channel.close()

    def _end(self, pool: Pool) -> None:
        for opening in list(pool.openings):
            opening.abandon()
        for channel in list(pool.channels):
            if channel in pool.free:
                channel.say_goodbye()
            self._forget(channel)
            channel.give_up()

    def _tidy(self, now: float) -> None:
        """Give up what is silent, close what is idle or too many."""
        for pool in self._turns:
            for channel in [one for one in pool.channels if now >= one.deadline]:
                self._drop(channel, Broken(f"silent {channel.position}"))
            for opening in list(pool.openings):
                if now >= opening.deadline and opening.abandon():
                    pool.fail_to_open("silent while connecting")
            spare = len(pool.channels) - pool.most_open
            for channel in list(pool.free):
                if spare > 0 or now - channel.free_since >= self.idle:
                    spare -= 1
                    channel.say_goodbye()
                    self._forget(channel)
