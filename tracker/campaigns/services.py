"""Draft, edit, publish, pause and close a campaign; record a status change."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from typing import Any

from flask_babel import lazy_gettext as _l

from tracker.campaigns.models import Campaign, Outcome, State, StatusChange, Subject, Target
from tracker.campaigns.status import check_move
from tracker.core import clock
from tracker.core.errors import Refused
from tracker.extensions import db

GOALS = (100, 250, 500, 1000, 2500, 5000, 10000, 15000, 25000, 50000, 100000, 250000, 500000)
"""Goals a campaign grows through; it is never "100 % done" while the case is open."""

EDITABLE = (
    "slug",
    "kind",
    "country",
    "time_zone",
    "language",
    "place",
    "title",
    "summary",
    "appeal",
    "demands",
    "letter",
    "goal",
)


def draft(**values: Any) -> Campaign:
    """Begin a campaign. The worker makes its keys; until then it cannot be published."""
    campaign = Campaign(
        **{name: value for name, value in values.items() if name in EDITABLE},
        opened_on=values.get("opened_on") or clock.today(),
        created_at=clock.now(),
    )
    db.session.add(campaign)
    # The id is needed at once, for roles, subjects and translations.
    db.session.flush()
    return campaign


def edit(campaign: Campaign, **values: Any) -> None:
    """Change texts and facts. The address of a published page never changes: links live on."""
    if campaign.published_at is not None and values.get("slug", campaign.slug) != campaign.slug:
        raise Refused(_l("The address of a published campaign cannot change."))
    for name, value in values.items():
        if name in EDITABLE:
            setattr(campaign, name, value)


def rename_subjects(campaign: Campaign, names: dict[int, str]) -> None:
    """Correct names by subject id, so that a misspelt one keeps its status and history."""
    taken = {subject.name for subject in campaign.subjects}
    for subject in campaign.subjects:
        name = names.get(subject.id)
        if name and name not in taken:
            subject.name = name


def set_subjects(campaign: Campaign, names: list[tuple[str, str]]) -> None:
    """Make the subjects these (name, about), keeping those whose name stays."""
    by_name = {subject.name: subject for subject in campaign.subjects}
    kept = {name for name, _ in names}
    for name, subject in by_name.items():
        if name not in kept and subject.status is not None:
            raise Refused(_l("Somebody whose status is recorded cannot be removed."))
    campaign.subjects[:] = [
        _placed(by_name.get(name) or Subject(name=name), position, about)
        for position, (name, about) in enumerate(names)
    ]


def _placed(subject: Subject, position: int, about: str) -> Subject:
    subject.position, subject.about = position, about
    return subject


def set_targets(campaign: Campaign, targets: list[dict[str, Any]]) -> None:
    """Make the targets these, keeping the rows whose office stays."""
    by_office = {target.office: target for target in campaign.targets}
    placed = []
    for position, values in enumerate(targets):
        target = by_office.get(values["office"]) or Target(office=values["office"])
        target.position = position
        for name in ("name", "country", "email", "post_address"):
            setattr(target, name, values.get(name))
        placed.append(target)
    campaign.targets[:] = placed


def publish(campaign: Campaign) -> None:
    """Show the page to everybody. Raises :class:`~tracker.core.errors.Refused`."""
    if campaign.state not in {State.DRAFT, State.PAUSED}:
        raise Refused(_l("Only a draft or a paused campaign can be published."))
    if campaign.public_key is None:
        raise Refused(
            _l("The keys of this campaign are being made. Try again in a few seconds.")
        )
    if not campaign.subjects:
        raise Refused(_l("Say first who the campaign is about."))
    campaign.state = State.LIVE
    campaign.published_at = campaign.published_at or clock.now()


def pause(campaign: Campaign) -> None:
    """Hide the page at once, for somebody's safety."""
    if campaign.state is not State.LIVE:
        raise Refused(_l("Only a live campaign can be paused."))
    campaign.state = State.PAUSED


def close(campaign: Campaign, outcome: Outcome, *, on: dt.date | None = None) -> None:
    """End a campaign with an outcome; the page stays as a record."""
    if campaign.state not in {State.LIVE, State.PAUSED}:
        raise Refused(_l("Only a live or a paused campaign can be closed."))
    campaign.state, campaign.outcome = State.CLOSED, outcome
    campaign.closed_on = on or clock.today()


def check_open(campaign: Campaign) -> None:
    """Raise :class:`~tracker.core.errors.Refused` unless support is taken now."""
    if campaign.state in {State.CLOSED, State.ARCHIVED}:
        raise Refused(_l("This campaign is closed. It can no longer be signed."))
    if not campaign.accepts_support:
        raise Refused(_l("This campaign does not take signatures at the moment."))


def record_change(change: StatusChange, *, by_id: int | None, moment: dt.datetime) -> None:
    """Move the subject of a planned change. Raises ``MoveRefused``.

    Nothing is mailed here: the update that the change belongs to may alert.
    """
    subject = change.subject
    check_move(
        subject.campaign.kind,
        subject.status,
        change.new_status,
        was=subject.certainty,
        certainty=change.certainty,
    )
    change.old_status, change.learned_at, change.changed_by_id = subject.status, moment, by_id
    subject.status, subject.certainty = change.new_status, change.certainty
    if change.old_status is not change.new_status:
        # A report that is confirmed later has not happened later.
        subject.since = change.happened_on
    subject.verified_on = subject.campaign.local_date(moment)


def verify(subject: Subject) -> None:
    """Write down that the status was checked today and still holds."""
    subject.verified_on = subject.campaign.local_date(clock.now())


def shown_goal(goal: int, count: int, *, is_open: bool) -> int:
    """Give the goal to show: the next sensible number once it is as good as reached.

    "As good as" is 99 of 100: from there on a bar looks full and a share rounds to 100 %,
    and nothing is done as long as the case is open.
    """
    if not is_open or not _is_reached(goal, count):
        return goal
    steps: list[int] = [*GOALS, *range(1_000_000, 2 * count + 1_000_001, 500_000)]
    return next(step for step in steps if not _is_reached(step, count))


def _is_reached(goal: int, count: int) -> bool:
    return count * 100 >= goal * 99


def slug_of(title: str) -> str:
    """Give an address made from a title: lower-case ASCII letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-")
