"""One window: the next mails in hand, opened, and who of them is to be told right now."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterable
from itertools import islice

from tracker.alerts import queries
from tracker.alerts.batches import Batch, Result, languages_of
from tracker.alerts.limits import Picked
from tracker.alerts.mailings import Recipient
from tracker.alerts.models import ExceptionState
from tracker.sealing import envelopes

log = logging.getLogger(__name__)

WINDOW = 256
"""Most mails between two readings of who is to be told (docs/decisions/0010)."""
FEW_OPENED = 4
"""Addresses opened between two looks at the connections: less than half a millisecond."""

Present = set[Recipient]
"""Those who are to be told right now."""


def pick(batches: Iterable[Batch]) -> Picked:
    """Give the next mails in hand, their addresses opened."""
    picked: Picked = []
    for batch in batches:
        if batch.is_ending:
            continue
        for recipient in list(islice(batch.todo, WINDOW - len(picked))):
            if recipient.address or _opened(batch, recipient):
                picked.append((batch, recipient))
    return picked


def open_ahead(batches: Iterable[Batch]) -> bool:
    """Open a few addresses of the next window; ``False`` where all of them are open."""
    for batch in batches:
        if batch.is_ending:
            continue
        most = min(WINDOW, len(batch.todo))
        # Those opened come first: what is taken back is put before all others.
        first = bisect_left(batch.todo, True, hi=most, key=_is_closed)
        few = [batch.todo[at] for at in range(first, min(first + FEW_OPENED, most))]
        closed = [recipient for recipient in few if not recipient.address]
        for recipient in closed:
            _opened(batch, recipient)
        if closed:
            return True
    return False


def _is_closed(recipient: Recipient) -> bool:
    return not recipient.address


def _opened(batch: Batch, recipient: Recipient) -> bool:
    """Open an address; what does not open is written down as refused."""
    try:
        batch.mailing.open(recipient)
    except (envelopes.CannotOpen, KeyError, TypeError, ValueError) as error:
        log.error(
            "subscription %s is refused: %s", recipient.subscription_id, type(error).__name__
        )
        batch.todo.remove(recipient)
        batch.results.append(Result(recipient, state=ExceptionState.REFUSED))
        return False
    return True


def still_to_tell(picked: Picked) -> Picked:
    """Leave out whom another worker told, as marking may just have shown."""
    batches = {batch for batch, _ in picked if not batch.is_ending}
    left = {batch: set(batch.todo) for batch in batches}
    return [(batch, one) for batch, one in picked if one in left.get(batch, ())]


def look(chosen: Picked, batches: Iterable[Batch]) -> tuple[Present, set[int]]:
    """Give who is subscribed and not suppressed right now, and which alerts may not be sent.

    Call inside ``writing()``, right before the mails are given away.
    """
    present: Present = set()
    resting: set[int] = set()
    asked: dict[Batch, list[Recipient]] = {}
    for batch, one in chosen:
        asked.setdefault(batch, []).append(one)
    for batch, mine in asked.items():
        alert_id = batch.mailing.alert_id
        languages = languages_of(batch, mine)
        if languages is None:
            resting.add(alert_id)
            continue
        for one in mine:
            language = languages.get(one.subscription_id)
            if language is not None:
                if one.language != language:
                    one.language, one.parcel = language, None
                present.add(one)
    others = {batch.mailing.alert_id for batch in batches}
    others -= {batch.mailing.alert_id for batch in asked}
    return present, resting | (others - queries.may_run(others))
