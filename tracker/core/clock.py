"""The only place that asks the time."""

from __future__ import annotations

import datetime as dt


def now() -> dt.datetime:
    """Give the present moment, aware, in UTC."""
    return dt.datetime.now(dt.UTC)


def today() -> dt.date:
    """Give today's date in UTC."""
    return now().date()
