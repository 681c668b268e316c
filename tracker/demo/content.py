"""The real campaigns, as the JSON files beside this module tell them."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracker.campaigns.models import Precision

FOLDER = Path(__file__).with_name("campaigns")


@dataclass(frozen=True, kw_only=True)
class Story:
    """One campaign as it is told: facts, original texts, translations."""

    slug: str
    facts: dict[str, Any]

    @property
    def updates(self) -> list[dict[str, Any]]:
        """Give the posts of the timeline that the demo shows, in the order they were posted."""
        return [update for update in self.facts["updates"] if update["in_demo"]]

    @property
    def opened(self) -> dt.date:
        """Give the day the campaign began."""
        return dt.date.fromisoformat(self.facts["opened"])

    @property
    def closed(self) -> dt.date | None:
        """Give the day the campaign ended, where it has."""
        text = self.facts["closed"]
        return dt.date.fromisoformat(text) if text else None


def stories() -> list[Story]:
    """Give all campaigns of the demo, the oldest first."""
    told = [_read(path) for path in FOLDER.glob("*.json")]
    return sorted(told, key=lambda story: (story.opened, story.slug))


def story(slug: str) -> Story | None:
    """Give one campaign, or ``None`` where the demo has none of that name."""
    return next((one for one in stories() if one.slug == slug), None)


def _read(path: Path) -> Story:
    facts: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return Story(slug=facts["slug"], facts=facts)


def happened(update: dict[str, Any]) -> dict[str, Any]:
    """Give when an update's matter happened, as the columns of ``Happened`` hold it.

    The file says no more than is known: "2020", "2020-11", "2020-11-08", "2020-11-08T01:30".
    """
    day, _, time = str(update["when"]).partition("T")
    posted = str(update["posted"])
    # Within a month that is all we know of, it stands where it was posted.
    whole = posted if posted.startswith(day) else day + "-01-01"[len(day) - 4 :]
    return {
        "happened_on": dt.date.fromisoformat(whole),
        "happened_time": dt.time.fromisoformat(time) if time else None,
        "precision": Precision(update["precision"]),
        "is_approximate": bool(update["about"]),
    }
