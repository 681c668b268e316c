"""Rows for tests, made with the services that the pages use."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tracker.alerts import services as alerts
from tracker.alerts.freezing import freeze_update
from tracker.alerts.models import Alert
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign
from tracker.campaigns.status import Certainty, Kind, Status
from tracker.core import clock
from tracker.extensions import db
from tracker.organisers import passwords
from tracker.organisers import services as organisers
from tracker.organisers.models import Organiser
from tracker.updates import services as updates
from tracker.updates.models import Update

PASSWORD = "a long sentence that nobody guesses"


def a_campaign(**values: Any) -> Campaign:
    """A draft about one person."""
    subjects = values.pop("subjects", [("Amar Fayaz", "A student activist.")])
    targets = values.pop("targets", [{"office": "Prime Minister", "country": "PK"}])
    facts: dict[str, Any] = {
        "slug": "amar-fayaz",
        "kind": Kind.PERSON,
        "country": "PK",
        "time_zone": "Asia/Karachi",
        "language": "en",
        "place": "Jamshoro",
        "title": "Free Amar Fayaz",
        "summary": "Abducted at night.",
        "appeal": "He was **abducted**.",
        "demands": "Immediate release\nDisclosure of his whereabouts",
        "letter": "Dear Sir or Madam",
        "goal": 1000,
        "opened_on": dt.date(2026, 11, 8),
    }
    campaign = campaigns.draft(**{**facts, **values})
    campaigns.set_subjects(campaign, subjects)
    campaigns.set_targets(campaign, targets)
    return campaign


def an_organiser(email: str = "organiser@example.org", **values: Any) -> Organiser:
    """Somebody with a password of their own."""
    organiser = organisers.invite(
        email,
        name=values.get("name", "Organiser"),
        password_hash=passwords.hash_password(PASSWORD),
        is_admin=values.get("is_admin", True),
    )
    organiser.must_change_password = False
    return organiser


def an_update(campaign: Campaign, **values: Any) -> Update:
    """A published update; ``to`` moves the first subject."""
    to: Status | None = values.pop("to", None)
    changes = []
    if to is not None:
        certainty = values.pop("certainty", Certainty.CONFIRMED)
        changes = [updates.PlannedChange(campaign.subjects[0], to, certainty)]
    facts: dict[str, Any] = {
        "headline": "Taken at night",
        "text": "Men in two vehicles took him away.",
        "happened_on": campaign.local_date(clock.now()) - dt.timedelta(days=3),
        "alerts": False,
    }
    update = updates.write(campaign, author_id=None, changes=changes, **{**facts, **values})
    updates.publish(update, by_id=None)
    return update


def an_alert(
    update: Update, *, window: int = 0, lifetime: int = 72, by_id: int | None = None
) -> Alert:
    """An alert about a published update, approved at this moment."""
    alert = alerts.announce(
        update,
        frozen=freeze_update(update),
        by_id=by_id,
        cancel_window=window,
        lifetime=lifetime,
    )
    # The id is needed at once.
    db.session.flush()
    return alert
