"""What is to be sent, what became of it, and the line in which it waits (pure)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tracker.mail.verdicts import Verdict

MOST_PUT_BACK = 3
"""How often a mail may come back unsent before it is deferred instead."""


@dataclass(slots=True, eq=False)
class Parcel:
    """One message for one mailbox, ready for SMTP.

    ``key`` is the caller's own and comes back with the outcome. ``body``, or what it gives
    when called, has CRLF line ends, is dot-stuffed, ends with CRLF and lacks the final dot.
    Nothing here checks it: a bare CR or LF, or a line with a dot alone, would let its text
    speak SMTP.
    """

    key: object
    sender: str
    recipient: str
    body: bytes | Callable[[], bytes]
    put_back: int = 0
    """How often a connection gave it back before its body had left."""

    def written(self) -> bytes:
        """Give the body; of mails that wait by the hundred it is written only now."""
        return self.body if isinstance(self.body, bytes) else self.body()


class Outcome(NamedTuple):
    """What became of a parcel; ``code`` is 0 and ``enhanced`` empty where none was given."""

    parcel: Parcel
    verdict: Verdict
    code: int
    enhanced: str
    relay: str


class Line:
    """The parcels: waiting, counted while inside, and done."""

    def __init__(self) -> None:
        """Begin empty."""
        self.waiting: deque[Parcel] = deque()
        self.outcomes: list[Outcome] = []
        self.inside = 0
        self.is_closing = False

    def take(self) -> Parcel:
        """Give the next parcel to whoever begins it; it is inside from now on."""
        self.inside += 1
        return self.waiting.popleft()

    def finish(
        self,
        parcel: Parcel,
        verdict: Verdict,
        *,
        relay: str,
        code: int = 0,
        enhanced: str = "",
    ) -> None:
        """Note what became of a parcel that was inside."""
        self.inside -= 1
        self.outcomes.append(Outcome(parcel, verdict, code, enhanced, relay))

    def put_back(
        self, parcel: Parcel, *, relay: str, code: int = 0, enhanced: str = ""
    ) -> None:
        """Let it wait again before all others, but not for ever."""
        parcel.put_back += 1
        if self.is_closing or parcel.put_back > MOST_PUT_BACK:
            self.finish(parcel, Verdict.LATER, relay=relay, code=code, enhanced=enhanced)
        else:
            self.inside -= 1
            self.waiting.appendleft(parcel)

    def collect(self) -> list[Outcome]:
        """Give the outcomes since the last time, each once."""
        outcomes, self.outcomes = self.outcomes, []
        return outcomes
