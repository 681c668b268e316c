"""What organisers fill in about a campaign: its texts, those concerned, those addressed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from flask_babel import lazy_gettext as _l
from wtforms import (
    BooleanField,
    EmailField,
    Field,
    HiddenField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import (
    InputRequired,
    NumberRange,
    Optional,
    ValidationError,
)

from tracker.campaigns import words
from tracker.campaigns.fields import (
    LIMITS,
    CaseCountry,
    Day,
    Goal,
    RowCountry,
    line,
    lines,
    time_zone_choices,
)
from tracker.campaigns.models import Outcome
from tracker.campaigns.status import Kind
from tracker.core.forms import Address, BaseForm, Clean, ListedChoice, too_long
from tracker.core.languages import CONTENT_LANGUAGES, LANGUAGES

MAX_SUBJECTS = 20
MAX_TARGETS = 8
"""So many rows that the whole form stays below the limit of fields in a request."""
MAX_GOAL = 10_000_000
MAX_DEMANDS = 12


# fmt: off
RESERVED = frozenset({
    "about", "account", "accounts", "admin", "api", "archive", "atom", "campaign",
    "campaigns", "confirm", "contact", "count", "dashboard", "embed", "embeds", "events",
    "feed", "feeds", "healthz", "help", "home", "imprint", "invite", "json", "log", "login",
    "mail", "media", "my", "new", "news", "oembed", "organise", "organisers", "pictures",
    "portraits", "press", "privacy", "qr", "register", "robots", "rss", "search",
    "settings", "share", "sheet", "sign", "sign-in", "sitemap", "static", "status",
    "subscribe", "translations", "unsubscribe", "well-known", "www",
})
"""Slugs that could stand in the way of the site's own addresses: ``/<slug>`` is a short one."""
# fmt: on

MIN_SLUG = 3
"""Shorter ones are kept for languages."""


class SubjectRow(NamedTuple):
    """The fields of one subject."""

    name: Field
    about: Field


class TargetRow(NamedTuple):
    """The fields of one target."""

    office: Field
    country: Field
    name: Field
    email: Field
    post_address: Field


class CampaignForm(BaseForm):
    """Everything about a campaign; made with its rows by :func:`campaign_form`."""

    subject_count = 0
    target_count = 0

    subject_ids = HiddenField(validators=[too_long(400)])
    title = line(
        _l("Title"),
        LIMITS["title"],
        required=_l("Enter a title."),
        description=_l("Whom or what it is about, in a few words."),
    )
    kind = ListedChoice(
        _l("Kind of case"),
        choices=[
            SelectChoice("", _l("Choose a kind")),
            *(SelectChoice(kind.value, word) for kind, word in words.KIND.items()),
        ],
        validators=[InputRequired(_l("Choose the kind of case."))],
    )
    country = CaseCountry(_l("Country"), render_kw={"autocomplete": "off"})
    place = line(
        _l("Place"), LIMITS["place"], description=_l("City or region, as readers know it.")
    )
    time_zone = ListedChoice(
        _l("Time zone of the case"), choices=time_zone_choices, default="UTC"
    )
    language = ListedChoice(
        _l("Language of the original texts"),
        choices=[SelectChoice(code, LANGUAGES[code]) for code in CONTENT_LANGUAGES],
    )
    goal = Goal(
        _l("Goal"),
        description=_l("Signatures hoped for; it grows by itself once it is nearly reached."),
        default=1000,
        validators=[
            InputRequired(_l("Enter a number between 1 and 10 million.")),
            NumberRange(1, MAX_GOAL, _l("Enter a number between 1 and 10 million.")),
        ],
        render_kw={"inputmode": "numeric", "maxlength": 12, "autocomplete": "off"},
    )
    slug = line(
        _l("Address of the page"),
        80,
        description=_l(
            "Small letters a–z, digits and hyphens. Left empty, it is made from the title. "
            "It cannot change once the campaign is published."
        ),
    )
    summary = lines(
        _l("Summary"),
        LIMITS["summary"],
        required=_l("Enter a summary."),
        description=_l("One or two sentences for the list and for mails."),
    )
    appeal = lines(
        _l("Appeal"),
        LIMITS["appeal"],
        required=_l("Enter the appeal."),
        description=_l(
            "What happened and why it matters. An empty line starts a paragraph; **bold**, "
            "*italic*, lists and links as in Markdown."
        ),
    )
    demands = lines(
        _l("Demands"),
        LIMITS["demands"],
        required=_l("Enter at least one demand."),
        description=_l("One a line."),
    )
    letter = lines(
        _l("Model letter"),
        LIMITS["letter"],
        description=_l("What supporters can send to those addressed, in their own name."),
    )

    @property
    def subject_rows(self) -> list[SubjectRow]:
        """Give the fields of the subjects, row by row."""
        return [
            SubjectRow(*(self[f"subject_{n}_{part}"] for part in SubjectRow._fields))
            for n in range(1, self.subject_count + 1)
        ]

    @property
    def target_rows(self) -> list[TargetRow]:
        """Give the fields of the targets, row by row."""
        return [
            TargetRow(*(self[f"target_{n}_{part}"] for part in TargetRow._fields))
            for n in range(1, self.target_count + 1)
        ]

    @property
    def known_subjects(self) -> list[int]:
        """Give the ids of the stored subjects that the first rows show, in their order."""
        parts = (self.subject_ids.data or "").split()
        return [int(part, 16) for part in parts if re.fullmatch(r"[0-9a-f]{1,16}", part)]

    @property
    def subjects(self) -> list[tuple[str, str]]:
        """Give the subjects entered: name and what is said about them."""
        return [
            (row.name.data, row.about.data or "") for row in self.subject_rows if row.name.data
        ]

    @property
    def targets(self) -> list[dict[str, Any]]:
        """Give the targets entered."""
        return [
            {part: field.data or None for part, field in row._asdict().items()}
            for row in self.target_rows
            if row.office.data
        ]

    @property
    def values(self) -> dict[str, Any]:
        """Give the campaign's own values; those that cannot change any more are left out."""
        names = ("title", "country", "place", "time_zone", "language", "goal", "summary")
        texts = ("appeal", "demands", "letter")
        found = {name: self[name].data or "" for name in (*names, *texts) if name in self}
        if "kind" in self:
            found["kind"] = Kind(self.kind.data)
        return found

    def freeze(self) -> None:
        """Take away what cannot change once a campaign is published."""
        del self.slug, self.kind, self.language

    def validate(self, extra_validators: object = None) -> bool:
        """Check the rows as wholes, after each field by itself."""
        is_valid = bool(super().validate(extra_validators))
        _check_subjects(self.subject_rows)
        _check_targets(self.target_rows)
        return is_valid and not self.errors

    def validate_demands(self, field: Field) -> None:
        """Keep the list short enough to be read."""
        if sum(bool(line.strip()) for line in field.data.splitlines()) > MAX_DEMANDS:
            raise ValidationError(_l("Use at most %(max)d demands.", max=MAX_DEMANDS))

    def validate_slug(self, field: Field) -> None:
        """Take only what stands well in an address."""
        if field.data and not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", field.data):
            raise ValidationError(_l("Use small letters a–z, digits and single hyphens only."))
        if field.data and is_reserved(field.data):
            raise ValidationError(_l("This address is taken by the site itself."))


def is_reserved(slug: str) -> bool:
    """Say whether a slug belongs to the site itself."""
    return slug in RESERVED or len(slug) < MIN_SLUG


def campaign_form(*, subjects: int, targets: int) -> type[CampaignForm]:
    """Give the form with so many rows, within the limits."""
    subjects = max(1, min(subjects, MAX_SUBJECTS))
    targets = max(1, min(targets, MAX_TARGETS))
    fields: dict[str, Any] = {"subject_count": subjects, "target_count": targets}
    for n in range(1, subjects + 1):
        fields |= {f"subject_{n}_{part}": field for part, field in _subject_fields(n).items()}
    for n in range(1, targets + 1):
        fields |= {f"target_{n}_{part}": field for part, field in _target_fields(n).items()}
    made: type[CampaignForm] = type("CampaignFormWithRows", (CampaignForm,), fields)
    return made


def _subject_fields(n: int) -> dict[str, Any]:
    return {
        "name": line(_l("%(n)d. Name", n=n), LIMITS["subject.name"]),
        "about": lines(_l("%(n)d. About them", n=n), LIMITS["subject.about"]),
    }


def _target_fields(n: int) -> dict[str, Any]:
    return {
        "office": line(_l("%(n)d. Office", n=n), LIMITS["target.office"]),
        "country": RowCountry(_l("%(n)d. Country", n=n), render_kw={"autocomplete": "off"}),
        "name": line(_l("%(n)d. Name of the holder", n=n), 120),
        "email": EmailField(
            _l("%(n)d. Public e-mail address", n=n),
            validators=[Clean(), Optional(), too_long(254), Address()],
            render_kw={"maxlength": 254, "autocomplete": "off"},
        ),
        "post_address": lines(_l("%(n)d. Post address", n=n), 400),
    }


def _check_subjects(rows: Iterable[SubjectRow]) -> None:
    seen: set[str] = set()
    for row in rows:
        name = row.name.data or ""
        if row.about.data and not name:
            _add_error(row.name, _l("Enter the name, or leave the whole row empty."))
        if name and name in seen:
            _add_error(row.name, _l("This name stands here twice."))
        seen.add(name)


def _check_targets(rows: Iterable[TargetRow]) -> None:
    seen: set[str] = set()
    for row in rows:
        office = row.office.data or ""
        if any(field.data for field in row) and not office:
            _add_error(row.office, _l("Enter the office, or leave the whole row empty."))
        if office and not row.country.data:
            _add_error(row.country, _l("Choose the country."))
        if office and office in seen:
            _add_error(row.office, _l("This office stands here twice."))
        seen.add(office)


def _add_error(field: Field, message: Any) -> None:
    field.errors = [*field.errors, str(message)]


class PauseForm(BaseForm):
    """Whether the mail that waits is stopped too."""

    stops_alerts = BooleanField(_l("Stop the alert that is waiting, too"), default=True)


class CloseForm(BaseForm):
    """How and when a campaign ended."""

    outcome = ListedChoice(
        _l("Outcome"),
        choices=[
            SelectChoice("", _l("Choose the outcome")),
            *(SelectChoice(outcome.value, word) for outcome, word in words.OUTCOME.items()),
        ],
        validators=[InputRequired(_l("Choose the outcome."))],
    )
    closed_on = Day(_l("Day it ended"), empty=_l("Enter the day it ended."))

    def __init__(self, *args: Any, today: dt.date, **kwargs: Any) -> None:
        """Take today's date where the case is."""
        super().__init__(*args, **kwargs)
        self.today = today

    @property
    def chosen(self) -> Outcome:
        """Give the outcome."""
        return Outcome(self.outcome.data)

    def validate_closed_on(self, field: Field) -> None:
        """Refuse days to come."""
        field.refuse_after(self.today)
