"""How many alert mails may leave now, and how long it takes, in words."""

from __future__ import annotations

import datetime as dt

from flask import current_app
from flask_babel import format_decimal, format_timedelta
from flask_babel import gettext as _

from tracker.mail import relays
from tracker.settings import Settings


def whole_rate() -> float:
    """Give how many mails a second all mail servers take today; 0 where one has no limit."""
    settings: Settings = current_app.config["TRACKER"]
    if not all(relay.rate for relay in settings.relays):
        return 0.0
    return sum(map(relays.todays_rate, settings.relays))


def rate_label(rate: float) -> str:
    """Give a rate in words; slow ones by the hour, since nobody can picture 0.04 mails."""
    if not rate:
        return str(_("no limit"))
    if rate < 1:
        return str(_("%(number)s an hour", number=format_decimal(round(rate * 3600))))
    return str(_("%(number)s a second", number=format_decimal(round(rate, 1))))


def time_label(mails: int, *, rate: float) -> str:
    """Give how long so many mails take at a rate, roughly."""
    return str(format_timedelta(dt.timedelta(seconds=mails / rate), threshold=1.5))
