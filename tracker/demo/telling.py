"""From a story to the rows of a campaign: the draft, its translations, its timeline."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign, Outcome
from tracker.campaigns.status import Certainty, Kind, Status
from tracker.campaigns.translations import translate
from tracker.demo.content import Story, happened
from tracker.endorsements.models import Endorsement, EndorsementState, Level
from tracker.extensions import db
from tracker.updates import services as updates
from tracker.updates.models import Update

_TEXTS = ("title", "summary", "appeal", "letter", "place")
_FACTS = ("country", "time_zone", "language", "goal", *_TEXTS)


def draft(story: Story, *, slug: str) -> Campaign:
    """Begin a campaign: texts, subjects, targets, translations."""
    facts = story.facts
    campaign = campaigns.draft(
        slug=slug,
        kind=Kind(facts["kind"]),
        demands="\n".join(facts["demands"]),
        opened_on=story.opened,
        **{name: facts[name] for name in _FACTS},
    )
    campaigns.set_subjects(campaign, [(one["name"], one["about"]) for one in facts["subjects"]])
    campaigns.set_targets(campaign, facts["targets"])
    # The ids of subjects and targets are needed at once, to name their translations.
    db.session.flush()
    for language, told in facts["translations"].items():
        translate(campaign, language, _blocks(campaign, facts, told))
    return campaign


def _blocks(
    campaign: Campaign, facts: dict[str, Any], told: dict[str, Any]
) -> dict[str, tuple[str, str]]:
    """Give a campaign's translated blocks: name to (original, translation)."""
    blocks = {name: (facts[name], told[name]) for name in _TEXTS}
    blocks["demands"] = ("\n".join(facts["demands"]), "\n".join(told["demands"]))
    for subject, fact in zip(campaign.subjects, facts["subjects"], strict=True):
        for name, text in told["subjects"].get(fact["key"], {}).items():
            blocks[f"subject.{subject.id}.{name}"] = (fact[name], text)
    for target, fact in zip(campaign.targets, facts["targets"], strict=True):
        if text := told["targets"].get(fact["key"]):
            blocks[f"target.{target.id}.office"] = (fact["office"], text)
    return blocks


def tell(campaign: Campaign, story: Story) -> None:
    """Publish a draft and tell its story to where it stands: timeline, endorsements, end.

    Raises ``Refused`` where the campaign has no keys yet.
    """
    campaigns.publish(campaign)
    campaign.published_at = _noon(story.opened)
    for fact in story.updates:
        update = write_update(campaign, story, fact)
        updates.publish(update, by_id=None, moment=_noon(dt.date.fromisoformat(fact["posted"])))
    for fact in story.facts["endorsements"]:
        db.session.add(_endorsement(campaign, story, fact))
    if story.closed is not None:
        campaigns.close(campaign, Outcome(story.facts["outcome"]), on=story.closed)


def write_update(campaign: Campaign, story: Story, fact: dict[str, Any]) -> Update:
    """Write one post of the timeline as a draft, translated."""
    keys = [subject["key"] for subject in story.facts["subjects"]]
    subjects = dict(zip(keys, campaign.subjects, strict=True))
    changes = [
        updates.PlannedChange(
            subjects[one["subject"]], Status(one["to"]), Certainty(one["certainty"])
        )
        for one in fact["changes"]
    ]
    update = updates.write(
        campaign,
        author_id=None,
        changes=changes,
        headline=fact["headline"],
        text=fact["text"],
        alerts=fact["alerts"],
        **happened(fact),
    )
    translate_update(update, campaign, story, fact)
    return update


def translate_update(
    update: Update, campaign: Campaign, story: Story, fact: dict[str, Any]
) -> None:
    """Store the translations of one post."""
    for language, told in story.facts["translations"].items():
        texts = told["updates"].get(fact["key"], {})
        blocks = {
            f"update.{update.id}.{name}": (fact[name], text) for name, text in texts.items()
        }
        translate(campaign, language, blocks)


def _endorsement(campaign: Campaign, story: Story, fact: dict[str, Any]) -> Endorsement:
    """Give an endorsement that was reported in public: nobody's address belongs to it."""
    return Endorsement(
        campaign_id=campaign.id,
        state=EndorsementState.APPROVED,
        organisation=fact["organisation"],
        level=Level(fact["level"]),
        country=fact["country"],
        members=fact["members"],
        statement=fact["statement"],
        language=story.facts["language"],
        day=story.opened,
    )


def _noon(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(12), dt.UTC)
