"""What a search costs among a thousand campaigns in eight languages.

Prints milliseconds per search and per change of a text, on each database.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

from flask import Flask

from tests.support import factories
from tracker.campaigns import index, services
from tracker.campaigns.models import Campaign, State
from tracker.campaigns.search import Standing, search
from tracker.campaigns.translations import translate
from tracker.core.languages import LANGUAGES
from tracker.extensions import db, writing

CAMPAIGNS, RUNS = 1000, 50


def milliseconds(act: Callable[[], object]) -> float:
    """Give the median time of ``act``."""
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        act()
        db.session.rollback()
        times.append((time.perf_counter() - begun) * 1000)
    return sorted(times)[RUNS // 2]


def test_searching(app: Flask) -> None:
    names = itertools.count()

    def add() -> None:
        with writing():
            for _ in range(50):
                number = next(names)
                made = factories.a_campaign(slug=f"c{number}", title=f"Free Person{number}")
                made.state = State.LIVE
                appeal = " ".join(f"word{number * n % 7919}" for n in range(400))
                for language in LANGUAGES:
                    translate(made, language, {"appeal": ("", f"{language} {appeal}")})

    with app.app_context():
        for _ in range(CAMPAIGNS // 50):
            add()
        begun = time.perf_counter()
        assert index.renew(everything=True) == CAMPAIGNS
        whole = time.perf_counter() - begun
        one = db.session.query(Campaign).first()
        assert one is not None
        campaign_id = one.id

        def edit() -> None:
            with writing():
                services.edit(db.session.get_one(Campaign, campaign_id), place="Elsewhere")
                services.edit(db.session.get_one(Campaign, campaign_id), place="Here")

        rare = milliseconds(lambda: search("person99"))
        common = milliseconds(lambda: search("free pakistan ab", standing=Standing.OPEN))
        plain = milliseconds(search)
        changed = milliseconds(edit)
    name = app.config["TRACKER"].database_url.split(":")[0]
    print(f"\n{name}: rare {rare:.1f} ms, common {common:.1f} ms, no words {plain:.1f} ms,")
    print(f"  a change of a text {changed:.1f} ms, everything anew {whole:.1f} s")
