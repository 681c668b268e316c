"""One works, one waits, the third is sent away at once."""

from __future__ import annotations

import threading

import pytest

from tracker.core.errors import NotReady
from tracker.core.turns import Turns


def test_one_works_one_waits_and_the_third_is_sent_away() -> None:
    turns, begun, may_end = Turns(), threading.Event(), threading.Event()
    done: list[str] = []

    def work(name: str) -> None:
        with turns.take():
            begun.set()
            may_end.wait(10)
            done.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("first", "second")]
    threads[0].start()
    begun.wait(10)
    threads[1].start()
    while turns._places._value:  # until the second waits
        pass
    with pytest.raises(NotReady), turns.take():
        done.append("third")
    may_end.set()
    for thread in threads:
        thread.join(10)
    assert done == ["first", "second"]
    with turns.take():
        done.append("later")
    assert done[-1] == "later"
