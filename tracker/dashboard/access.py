"""What an organiser may work on, and how what they do is answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import abort, flash

from tracker.campaigns import queries as campaigns
from tracker.campaigns.models import Campaign
from tracker.core.errors import Refused
from tracker.core.languages import told
from tracker.extensions import writing
from tracker.organisers import queries as organisers
from tracker.organisers import session


def campaign_or_404(slug: str, *, lock: bool = False) -> Campaign:
    """Give a campaign the organiser may work on.

    Somebody else's answers like one that does not exist. ``lock`` makes organisers who write
    about the same campaign take turns.
    """
    campaign = campaigns.by_slug(slug)
    if campaign is None or not organisers.may_edit(session.current(), campaign.id):
        abort(404)
    return campaigns.by_id(campaign.id, lock=True) if lock else campaign


@contextmanager
def acting(done: str) -> Iterator[None]:
    """Write inside; say ``done`` on the next page, or why it was refused."""
    try:
        with writing():
            yield
    except Refused as refused:
        flash(told(refused), "error")
    else:
        flash(done, "good")
