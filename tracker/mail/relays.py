"""How the mail servers do: written by the workers, shown to administrators."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Mapping

from sqlalchemy import case, select

from tracker.configuration.mail import Relay
from tracker.core import clock
from tracker.extensions import db, insert, writing
from tracker.mail import rates
from tracker.mail.models import RelayHealth
from tracker.mail.pipeline import Pool

REPORT_SECONDS = 5.0
"""How often a worker writes down how the mail servers do."""


def health() -> dict[str, RelayHealth]:
    """Give what is known of each mail server, by name."""
    return {row.name: row for row in db.session.scalars(select(RelayHealth))}


def first_used_on(name: str) -> dt.date:
    """Give the day of a mail server's first mail; today for a new one."""
    query = select(RelayHealth.first_used_on).where(RelayHealth.name == name)
    return db.session.scalar(query) or clock.today()


def todays_rate(relay: Relay, *, first_used_on: dt.date) -> float:
    """Give how many mails a second a mail server takes today; 0 for no limit."""
    return rates.warmed(
        relay.rate,
        days=relay.warm_up_days,
        first_used_on=first_used_on,
        today=clock.today(),
    )


def report(name: str, *, accepted: int, slowed: int, trouble: str) -> None:
    """Add what one worker saw since its last report; ``trouble`` is empty where all is well."""
    moment = clock.now()
    values = {"trouble": trouble[:64]}
    times = {"trouble_at" if trouble else "well_at": moment}
    statement = insert(RelayHealth).values(
        name=name,
        first_used_on=clock.today(),
        accepted=accepted,
        slowed=slowed,
        **values,
        **times,
    )
    db.session.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={
                # Trouble may come first: the warm-up begins with the first mail taken.
                "first_used_on": case(
                    (RelayHealth.accepted == 0, clock.today()), else_=RelayHealth.first_used_on
                ),
                "accepted": RelayHealth.accepted + accepted,
                "slowed": RelayHealth.slowed + slowed,
                **values,
                **times,
            },
        )
    )


class Watch:
    """What one worker sees of the mail servers, written down every few seconds."""

    def __init__(self, pools: Mapping[str, Pool]) -> None:
        """Take the connections to each mail server, by name."""
        self.pools = pools
        self._accepted: Counter[str] = Counter()
        self._reported: dict[str, tuple[int, str]] = {}
        self._reported_at = 0.0

    def accept(self, name: str) -> None:
        """Count a mail that a server has taken."""
        self._accepted[name] += 1

    def write_down(self, *, at_once: bool = False) -> None:
        """Write the news down, if it is time, or ``at_once``."""
        now = time.monotonic()
        if not at_once and now - self._reported_at < REPORT_SECONDS:
            return
        self._reported_at = now
        for name, pool in self.pools.items():
            self._write(name, pool)

    def _write(self, name: str, pool: Pool) -> None:
        state, before = (pool.slowed, pool.trouble), self._reported.get(name, (0, ""))
        accepted = self._accepted[name]
        if not accepted and state == before:
            return
        with writing():
            report(
                name,
                accepted=accepted,
                slowed=pool.slowed - before[0],
                trouble=pool.trouble,
            )
        self._reported[name] = state
        del self._accepted[name]
