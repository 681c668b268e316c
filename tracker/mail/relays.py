"""How the mail servers do: written by the workers, shown to administrators."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping

from sqlalchemy import and_, case, select

from tracker.configuration.mail import Relay
from tracker.core import clock
from tracker.extensions import db, insert, writing
from tracker.mail import rates
from tracker.mail.models import RelayHealth
from tracker.mail.pipeline import Pool

REPORT_SECONDS = 5.0
"""How often a worker writes down how the mail servers do."""


def health(relays: Iterable[Relay]) -> dict[str, RelayHealth]:
    """Give what is known of each of these mail servers, by name."""
    known_as = {relay.name: _known_as(relay) for relay in relays}
    rows = db.session.scalars(select(RelayHealth))
    return {row.name: row for row in rows if row.host in known_as.get(row.name, ())}


def address(relay: Relay) -> str:
    """Give host and port; by them a mail server is known to be still the one of its name."""
    return f"{relay.host}:{relay.port}"


def _known_as(relay: Relay) -> tuple[str, str]:
    # Rows of the release before name no host.
    return "", address(relay)


def todays_rate(relay: Relay) -> float:
    """Give how many mails a second a mail server takes today; 0 for no limit."""
    if not relay.warm_up_days:
        return relay.rate
    first_used_on = db.session.scalar(
        select(RelayHealth.first_used_on).where(
            RelayHealth.name == relay.name,
            RelayHealth.host.in_(_known_as(relay)),
            RelayHealth.accepted > 0,
        )
    )
    return rates.warmed(
        relay.rate,
        days=relay.warm_up_days,
        first_used_on=first_used_on or clock.today(),
        today=clock.today(),
    )


def report(relay: Relay, *, accepted: int, slowed: int, trouble: str) -> None:
    """Add what one worker saw since its last report; ``trouble`` is empty where all is well.

    Another server under the same name begins anew, and so does its warm-up.
    """
    moment = clock.now()
    values = {"host": address(relay), "trouble": trouble[:64]}
    times = {"trouble_at" if trouble else "well_at": moment}
    is_same = RelayHealth.host.in_(_known_as(relay))
    statement = insert(RelayHealth).values(
        name=relay.name,
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
                    (and_(is_same, RelayHealth.accepted > 0), RelayHealth.first_used_on),
                    else_=clock.today(),
                ),
                "accepted": case((is_same, RelayHealth.accepted), else_=0) + accepted,
                "slowed": case((is_same, RelayHealth.slowed), else_=0) + slowed,
                **values,
                **times,
            },
        )
    )


class Watch:
    """What one worker sees of the mail servers, written down every few seconds."""

    def __init__(self, pools: Mapping[str, Pool], *, counts: bool = True) -> None:
        """Take the connections to each mail server, by name.

        Without ``counts`` the first mail taken is a sign that the server is well, and no more:
        the warm-up begins with the first alert, and alerts rest where theirs are not taken.
        """
        self.pools, self.counts = pools, counts
        self._known: set[str] = set()
        self._accepted: Counter[str] = Counter()
        self._reported: dict[str, tuple[int, str]] = {}
        self._reported_at = 0.0

    def accept(self, name: str) -> None:
        """Count a mail that a server has taken."""
        if self.counts or name not in self._known:
            self._known.add(name)
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
                pool.relay,
                accepted=accepted if self.counts else 0,
                slowed=pool.slowed - before[0],
                trouble=pool.trouble,
            )
        self._reported[name] = state
        del self._accepted[name]
