"""Who plays in a replay, when they come, and what a few of them do besides."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from tracker.demo.content import Story
from tracker.demo.ledger import Ledger
from tracker.demo.people import Person, chance, people, spread_days

PER_NETWORK = 40
"""Supporters that share a network (/24): fewer than the forms one network may send."""
_NETWORKS = 250


@dataclass(frozen=True)
class Supporter:
    """One of the cast: where they come from, and what is in store for them."""

    person: Person
    source: str
    confirms: bool = True
    only_subscribes: bool = False
    only_changes: bool = False
    organisation: dict[str, str] = field(default_factory=dict)
    """What they offer as an endorsement, where they speak for somebody."""

    @property
    def address(self) -> str:
        """Give their mail address."""
        return self.person.address


class Restless(NamedTuple):
    """Who does something out of the ordinary between two alerts."""

    signing_again: list[Supporter]
    unsubscribing: list[Supporter]
    withdrawing: list[Supporter]
    deleting: list[Supporter]


class Cast:
    """Everybody in one replay."""

    def __init__(self, story: Story, number: int, signatures: int) -> None:
        """Take the story, the replay's number and how many signatures are to be confirmed."""
        self.story, self.number, self.signatures = story, number, signatures
        self._places = count()
        self._draw = chance(f"{story.slug} {number}")
        silent = max(1, signatures // 100)
        everybody = people(signatures + silent, prefix=f"r{number}")
        self.signers = [
            self._supporter(person, confirms=person.number <= signatures)
            for person in everybody
        ]
        self.listeners = [
            self._supporter(person, only_subscribes=True, only_changes=person.number % 2 == 0)
            for person in people(max(2, signatures // 50), prefix=f"r{number}-listener")
        ]
        self.endorsers = self._endorsers()
        whole = (*self.signers, *self.listeners, *self.endorsers)
        self.known = {one.address: one for one in whole}
        self._restless: set[str] = set()

    def weeks(self) -> Iterator[tuple[dict[str, Any], list[Supporter]]]:
        """Give each update of the timeline with those who come before it is posted.

        The first one is there from the beginning; nobody comes before it.
        """
        facts = self.story.updates
        dates = [dt.date.fromisoformat(fact["posted"]) for fact in facts]
        groups: list[list[Supporter]] = [[] for _ in facts]
        for one, day in self._arrivals(dates):
            later = (index for index in range(1, len(dates)) if day < dates[index])
            groups[next(later, len(dates) - 1)].append(one)
        yield from zip(facts, groups, strict=True)

    def restless(self, ledger: Ledger) -> Restless:
        """Draw a few who have confirmed, each for one thing only."""
        few = max(1, self.signatures // 800)
        calm = sorted(set(ledger.confirmed) - self._restless - ledger.left)
        self._draw.shuffle(calm)
        told = [address for address in calm if address in ledger.listening]
        leaving = told[: 2 * few]
        others = [address for address in calm if address not in leaving]
        again, withdrawing = others[: 2 * few], others[2 * few : 3 * few]
        deleting = others[3 * few : 4 * few]
        self._restless.update(again, leaving, withdrawing, deleting)
        groups = (again, leaving, withdrawing, deleting)
        return Restless(*([self.known[address] for address in group] for group in groups))

    def _arrivals(self, news: list[dt.date]) -> Iterator[tuple[Supporter, dt.date]]:
        first, last = self.story.opened, self.story.closed or news[-1]
        for group in (self.signers, self.listeners, self.endorsers):
            yield from zip(
                self._draw.sample(group, len(group)),
                spread_days(len(group), first, last, news=news, draw=self._draw),
                strict=True,
            )

    def _supporter(self, person: Person, **particulars: Any) -> Supporter:
        return Supporter(person, self._source(), **particulars)

    def _source(self) -> str:
        """Give the next loopback address.

        Each replay has 500 networks of its own, so that one after the other meets no limit
        that the one before has used up.
        """
        network, host = divmod(next(self._places), PER_NETWORK)
        block = (2 * self.number + network // _NETWORKS) % 250 + 2
        return f"127.{block}.{network % _NETWORKS + 1}.{host + 1}"

    def _endorsers(self) -> list[Supporter]:
        offers = [_offer(fact) for fact in self.story.facts["endorsements"]]
        for number in range(1, max(3, self.signatures // 400) + 1):
            offers.append(
                {
                    "organisation": f"Generated branch {number:02d}",
                    "level": "branch",
                    "country": "GB",
                    "members": str(10 * number),
                    "statement": "Generated statement.",
                }
            )
        crowd = people(len(offers), prefix=f"r{self.number}-endorser")
        return [
            self._supporter(person, organisation=offer)
            for person, offer in zip(crowd, offers, strict=True)
        ]


def _offer(fact: dict[str, Any]) -> dict[str, str]:
    names = ("organisation", "level", "country", "members", "statement")
    return {name: str(fact[name] or "") for name in names}
