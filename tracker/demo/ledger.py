"""What a replay did, what it was owed for it, and whether the two balance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Line:
    """One line of the table: what ought to be, and what was found."""

    name: str
    expected: int
    found: int

    @property
    def balances(self) -> bool:
        """Say whether both are the same."""
        return self.expected == self.found


@dataclass
class Told:
    """One update and who must hear of it: whoever was subscribed when it was told."""

    headline: str
    owed: frozenset[str]
    delivered: Counter[str] = field(default_factory=Counter)
    sent: int | None = None
    """How many it reached, as the organiser is told; ``None`` before it is done."""

    @property
    def missing(self) -> set[str]:
        """Give those who were owed the mail and did not get it."""
        return set(self.owed) - set(self.delivered)

    @property
    def duplicated(self) -> int:
        """Give how many mails came again to somebody who had one."""
        return sum(number - 1 for number in self.delivered.values())

    @property
    def uncalled_for(self) -> int:
        """Give how many got a mail that nobody owed them."""
        return len(set(self.delivered) - self.owed)


@dataclass
class Ledger:
    """The books of one replay; addresses are the generated ones, and never leave it.

    Threads write here at once: each entry is one atomic operation on a set or dict, and only
    the thread that reads the mailbox counts mails.
    """

    signed: dict[str, str] = field(default_factory=dict)
    """Who sent the form, and from which country."""
    asked: Counter[str] = field(default_factory=Counter)
    """Mails that ask to confirm a signature."""
    confirmed: dict[str, str] = field(default_factory=dict)
    """Who pressed the button, and the address of their own page."""
    repeated: set[str] = field(default_factory=set)
    """Who signed once more."""
    already: Counter[str] = field(default_factory=Counter)
    """Mails that say: you have signed already."""
    withdrawn: set[str] = field(default_factory=set)
    followed: set[str] = field(default_factory=set)
    """Who asked for the news without signing."""
    subscribed: set[str] = field(default_factory=set)
    """Who of them pressed the button."""
    offered: set[str] = field(default_factory=set)
    """Who offered an endorsement."""
    endorsed: set[str] = field(default_factory=set)
    """Who proved it by mail."""
    approved: int = 0
    listening: dict[str, bool] = field(default_factory=dict)
    """Who wants alerts now; ``True`` for those who want status changes only."""
    left: set[str] = field(default_factory=set)
    """Who wants none any more."""
    told: list[Told] = field(default_factory=list)
    foreign: int = 0
    """Alerts in another language than the reader's."""
    after_leaving: int = 0
    unexplained: int = 0
    """Mails that nothing above accounts for."""
    shown: dict[str, int] = field(default_factory=dict)
    """Figures read from the campaign's page."""

    @property
    def counted(self) -> set[str]:
        """Give whose signatures must count."""
        return set(self.confirmed) - self.withdrawn

    def subscribe(self, address: str, *, only_changes: bool = False) -> None:
        """Write down that somebody wants alerts."""
        self.listening[address] = only_changes

    def leave(self, address: str) -> None:
        """Write down that somebody wants none any more."""
        self.listening.pop(address, None)
        self.left.add(address)

    def tell(self, headline: str, *, is_status_change: bool) -> Told:
        """Write down who is owed an update told now."""
        owed = (one for one, only in self.listening.items() if is_status_change or not only)
        told = Told(headline, frozenset(owed))
        self.told.append(told)
        return told

    def lines(self) -> list[Line]:
        """Give the table, line by line."""
        return [*self._signature_lines(), *self._alert_lines(), *self._leaving_lines()]

    def _signature_lines(self) -> list[Line]:
        countries = {self.signed[address] for address in self.counted}
        figure = self.shown.get
        return [
            Line("Signatures sent → asked to confirm", len(self.signed), _sum(self.asked)),
            Line("Confirmed, less withdrawn → counted", len(self.counted), figure("count", -1)),
            Line("Their countries → shown", len(countries), figure("countries", -1)),
            Line("Signed again → told so by mail only", len(self.repeated), _sum(self.already)),
            Line("Asked for news only → confirmed", len(self.followed), len(self.subscribed)),
            Line("Endorsements offered → proved", len(self.offered), len(self.endorsed)),
            Line("Endorsements proved → approved", len(self.endorsed), self.approved),
            Line("Endorsements approved → shown", self.approved, figure("endorsements", -1)),
        ]

    def _alert_lines(self) -> list[Line]:
        told = self.told
        return [
            *(Line(f"Owed → delivered: {_short(one.headline)}", *_owed(one)) for one in told),
            Line("All alerts owed → delivered", *_sums(map(_owed, told))),
            Line("Alerts owed → sent, as organisers see it", *_sums(map(_seen, told))),
            Line("Alerts delivered twice", 0, sum(one.duplicated for one in told)),
            Line("Alerts missing", 0, sum(len(one.missing) for one in told)),
            Line("Alerts to people who were owed none", 0, sum(t.uncalled_for for t in told)),
            Line("Alerts in another language than the reader's", 0, self.foreign),
        ]

    def _leaving_lines(self) -> list[Line]:
        return [
            Line("Mails to people who had left", 0, self.after_leaving),
            Line("Mails that nothing accounts for", 0, self.unexplained),
        ]


def balances(lines: Iterable[Line]) -> bool:
    """Say whether every line balances."""
    return all(line.balances for line in lines)


def table(lines: Iterable[Line]) -> str:
    """Give the lines as a table, each with = or ≠ at its end."""
    rows = [
        (line.name, f"{line.expected:,}", f"{line.found:,}", line.balances) for line in lines
    ]
    first = max(len(name) for name, *_ in rows)
    second = max(8, *(max(len(expected), len(found)) for _, expected, found, _ in rows))
    head = f"{'':{first}}  {'expected':>{second}}  {'found':>{second}}"
    body = [
        f"{name:{first}}  {expected:>{second}}  {found:>{second}}  {'=' if fits else '≠'}"
        for name, expected, found, fits in rows
    ]
    return "\n".join([head, *body])


def _owed(told: Told) -> tuple[int, int]:
    return len(told.owed), len(told.owed & set(told.delivered))


def _seen(told: Told) -> tuple[int, int]:
    return len(told.owed), told.sent or 0


def _sums(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    first, second = zip((0, 0), *pairs, strict=True)
    return sum(first), sum(second)


def _sum(counted: Counter[str]) -> int:
    return sum(counted.values())


def _short(text: str) -> str:
    return text if len(text) <= 44 else f"{text[:43]}…"
