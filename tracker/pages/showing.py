"""What the public pages show, as plain data in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flask_babel import format_date, ngettext
from flask_babel import gettext as _

from tracker.campaigns import portraits, words
from tracker.campaigns import queries as campaigns
from tracker.campaigns.models import WINS, Campaign, Portrait, State, Subject
from tracker.campaigns.portraits import PortraitShown
from tracker.campaigns.services import shown_goal
from tracker.campaigns.status import FREE, Kind, days_unverified, tone
from tracker.campaigns.translations import Text, Texts, texts_of, texts_of_all
from tracker.core import clock, languages
from tracker.core.templating import country, number
from tracker.endorsements import queries as endorsements
from tracker.endorsements.forms import LEVELS
from tracker.endorsements.models import Level
from tracker.pages import pictures, plates
from tracker.signatures import queries as signatures
from tracker.signatures.models import Review
from tracker.updates import queries as updates
from tracker.updates.entries import Entry, entry_of

RECENT_SIGNERS = 24
SHOWN_COMMENTS = 12
MOST_PAST = 6
"""Campaigns on the first page that are won, and that are closed; others are in the archive."""


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """A status as it is stamped on a page."""

    label: str
    tone: str
    certainty_label: str | None


@dataclass(frozen=True, kw_only=True)
class SubjectShown:
    """One of those concerned.

    ``plate`` stands in where there is no ``portrait`` of somebody who has a face, and among
    several for all. ``unverified`` counts the days since a verification that is too old.
    """

    anchor: str
    name: Text
    about: Text
    stamp: Stamp
    portrait: PortraitShown | None
    plate: list[plates.Line]
    has_face: bool
    since_label: str
    verified_label: str | None
    unverified: int | None


@dataclass(frozen=True, kw_only=True)
class Card:
    """A campaign in the list."""

    slug: str
    title: Text
    summary: Text
    place: Text
    country_name: str
    sum_words: str | None
    stamp: Stamp
    days: int | None
    days_label: str
    count: int
    goal: int
    outcome_label: str | None


@dataclass(frozen=True, kw_only=True)
class CampaignShown(Card):
    """A campaign's own page."""

    kind_label: str
    is_open: bool
    accepts_signatures: bool
    closed_label: str | None
    appeal: Text
    letter: Text
    demands: list[Text]
    subjects: list[SubjectShown]
    countries: int
    by_country: dict[str, int]
    members_total: int
    targets: list[dict[str, Any]]
    endorsements: list[dict[str, Any]]
    signers: list[dict[str, str]]
    comments: list[dict[str, str]]
    timeline: list[Entry]
    fallback_note: str | None
    stale_note: str | None


def cards() -> dict[str, list[Card]]:
    """Give the list: open ones first, then won and closed; outcomes are never hidden."""
    listed = campaigns.listed(most_past=MOST_PAST)
    grouped: dict[str, list[Card]] = {
        "open_campaigns": [],
        "won_campaigns": [],
        "closed_campaigns": [],
    }
    counts = signatures.by_country([campaign.id for campaign in listed])
    for campaign, card in zip(listed, cards_of(listed, counts), strict=True):
        grouped[_group(campaign)].append(card)
    return grouped


def cards_of(listed: list[Campaign], counts: dict[int, dict[str, int]]) -> list[Card]:
    """Give campaigns as they stand in a list; ``counts`` by campaign and country."""
    texts = texts_of_all(listed, languages.current())
    begun = campaigns.begun(listed)
    return [
        Card(**_shared(one, texts[one.id], sum(counts[one.id].values()), begun.get(one.id)))
        for one in listed
    ]


def _group(campaign: Campaign) -> str:
    if campaign.state is State.LIVE:
        return "open_campaigns"
    return "won_campaigns" if campaign.outcome in WINS else "closed_campaigns"


def card_of(campaign: Campaign) -> Card:
    """Give one campaign as it stands in the list, for frames on other sites."""
    count = signatures.count_confirmed(campaign.id)
    begun = campaigns.first_change(campaign.subjects)
    return Card(**_shared(campaign, texts_of(campaign, languages.current()), count, begun))


def campaign_shown(campaign: Campaign) -> CampaignShown:
    """Give everything the campaign's page shows."""
    texts = texts_of(campaign, languages.current())
    counts = signatures.by_country([campaign.id])[campaign.id]
    begun = campaigns.first_change(campaign.subjects)
    backing = endorsements.approved(campaign.id)
    is_open = campaign.state is State.LIVE
    timeline = [entry_of(update, texts) for update in updates.published(campaign.id)]
    faces = portraits.of(subject.id for subject in campaign.subjects)
    subjects = [_subject(one, texts, faces.get(one.id)) for one in campaign.subjects]
    return CampaignShown(
        **_shared(campaign, texts, sum(counts.values()), begun),
        kind_label=str(words.KIND[campaign.kind]),
        is_open=is_open,
        accepts_signatures=campaign.accepts_support,
        closed_label=_closed_label(campaign),
        appeal=texts.text("appeal", campaign.appeal).html(),
        letter=texts.text("letter", campaign.letter).html(),
        demands=texts.lines("demands", campaign.demands),
        subjects=subjects,
        countries=len(counts),
        by_country=counts,
        members_total=sum(one.members or 0 for one in backing),
        targets=_targets(campaign, texts),
        endorsements=_by_level(backing),
        signers=_signers(campaign),
        comments=_comments(campaign),
        timeline=timeline,
        fallback_note=_fallback_note(campaign, texts),
        stale_note=_stale_note(subjects) if is_open else None,
    )


def _shared(campaign: Campaign, texts: Texts, count: int, begun: Any) -> dict[str, Any]:
    leading = campaigns.leading_status(campaign)
    days = campaigns.days(campaign, begun) if begun else None
    return {
        "slug": campaign.slug,
        "title": texts.text("title", campaign.title),
        "summary": texts.text("summary", campaign.summary),
        "place": texts.text("place", campaign.place),
        "country_name": country(campaign.country),
        "sum_words": _sum_words(campaign),
        "stamp": _stamp(leading),
        "days": days,
        "days_label": _days_label(campaign, days or 0),
        "count": count,
        "goal": shown_goal(campaign.goal, count, is_open=campaign.state is State.LIVE),
        "outcome_label": str(words.OUTCOME[campaign.outcome]) if campaign.outcome else None,
    }


def _sum_words(campaign: Campaign) -> str | None:
    found = campaigns.count_free(campaign)
    if found is None:
        return None
    free, whole = found
    words_of_sum = ngettext(
        "%(free)s of %(all)s free",
        "%(free)s of %(all)s free",
        whole,
        free=number(free),
        all=number(whole),
    )
    return str(words_of_sum)


def _stamp(subject: Subject | None) -> Stamp:
    if subject is None or subject.status is None:
        return Stamp(label=_("not yet known"), tone="open", certainty_label=None)
    certainty = str(words.CERTAINTY[subject.certainty]) if subject.certainty else None
    return Stamp(
        label=str(words.STATUS[subject.status]),
        tone=tone(subject.status).value,
        certainty_label=certainty,
    )


def _days_label(campaign: Campaign, days: int) -> str:
    if campaigns.over_on(campaign) is not None:
        if campaign.kind is Kind.PERSON and all(s.status in FREE for s in campaign.subjects):
            return str(ngettext("day until release", "days until release", days))
        return str(ngettext("day until it was over", "days until it was over", days))
    if campaign.kind is Kind.PERSON:
        is_missing = any(s.status and s.status.value == "missing" for s in campaign.subjects)
        if is_missing:
            return str(ngettext("day missing", "days missing", days))
        return str(ngettext("day without freedom", "days without freedom", days))
    if campaign.kind is Kind.JUSTICE:
        return str(ngettext("day without justice", "days without justice", days))
    if campaign.kind is Kind.DISPUTE:
        return str(ngettext("day in dispute", "days in dispute", days))
    return str(ngettext("day since it began", "days since it began", days))


def _subject(subject: Subject, texts: Texts, face: Portrait | None) -> SubjectShown:
    campaign = subject.campaign
    since = format_date(subject.since, "long") if subject.since else None
    verified = format_date(subject.verified_on, "long") if subject.verified_on else None
    name = texts.text(f"subject.{subject.id}.name", subject.name)
    return SubjectShown(
        anchor=f"person-{subject.position + 1}",
        name=name,
        about=texts.text(f"subject.{subject.id}.about", subject.about),
        stamp=_stamp(subject),
        portrait=pictures.shown(face, name=str(name)) if face else None,
        plate=plates.plate(str(name)),
        has_face=campaign.kind in {Kind.PERSON, Kind.JUSTICE},
        since_label=_("since %(date)s", date=since) if since else "",
        verified_label=_("last verified %(date)s", date=verified) if verified else None,
        unverified=days_unverified(
            subject.status, subject.verified_on, today=campaign.local_date(clock.now())
        ),
    )


def _stale_note(subjects: list[SubjectShown]) -> str | None:
    """Give a warning where nobody has looked for too long, once for all those concerned."""
    found = [subject.unverified for subject in subjects if subject.unverified is not None]
    if not found:
        return None
    if len(subjects) == 1:
        note = ngettext(
            "Last verified %(number)s day ago. What is said here may be out of date.",
            "Last verified %(number)s days ago. What is said here may be out of date.",
            found[0],
            number=number(found[0]),
        )
    else:
        note = ngettext(
            "For %(some)s of %(all)s the last verification is more than two weeks old. "
            "What is said here may be out of date.",
            "For %(some)s of %(all)s the last verification is more than two weeks old. "
            "What is said here may be out of date.",
            len(subjects),
            some=number(len(found)),
            all=number(len(subjects)),
        )
    return str(note)


def _targets(campaign: Campaign, texts: Texts) -> list[dict[str, Any]]:
    return [
        {
            "office": texts.text(f"target.{target.id}.office", target.office),
            "name": target.name,
            "country_name": country(target.country),
            "email": target.email,
            "mailto": f"mailto:{quote(target.email, safe='@')}" if target.email else None,
            "post_address": target.post_address,
        }
        for target in campaign.targets
    ]


def _by_level(backing: Iterable[Any]) -> list[dict[str, Any]]:
    listed = list(backing)
    order = (Level.INTERNATIONAL, Level.NATIONAL, Level.CITY, Level.BRANCH)
    groups = []
    for level in order:
        items = [_endorsement(one) for one in listed if one.level is level]
        if items:
            groups.append({"level_label": str(LEVELS[level]), "items": items})
    return groups


def _endorsement(one: Any) -> dict[str, Any]:
    return {
        "organisation": one.organisation,
        "country_name": country(one.country),
        "members": one.members,
        "statement": one.statement,
    }


def _signers(campaign: Campaign) -> list[dict[str, str]]:
    shown = signatures.shown(campaign.id, limit=RECENT_SIGNERS)
    return [
        {"name": one.public_name or "", "country_name": country(one.country)} for one in shown
    ]


def _comments(campaign: Campaign) -> list[dict[str, str]]:
    found = signatures.comments(campaign.id, Review.APPROVED, limit=SHOWN_COMMENTS)
    return [
        {
            "name": one.public_name or "",
            "country_name": country(one.country),
            "text": one.public_comment or "",
        }
        for one in found
    ]


def _closed_label(campaign: Campaign) -> str | None:
    if campaign.closed_on is None:
        return None
    return str(_("closed on %(date)s", date=format_date(campaign.closed_on, "long")))


def _fallback_note(campaign: Campaign, texts: Texts) -> str | None:
    if texts.text("title", campaign.title).is_fallback:
        note = _(
            "This campaign is not yet translated into your language. It is shown as written."
        )
        return str(note)
    return None
