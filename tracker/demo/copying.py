"""A fresh copy of a campaign for a replay, with an organiser of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from flask import Flask

from tracker.campaigns import queries as campaigns
from tracker.demo import telling
from tracker.demo.content import Story
from tracker.demo.crew import Trouble
from tracker.demo.progress import Step
from tracker.extensions import db, writing
from tracker.organisers import passwords
from tracker.organisers import services as organisers
from tracker.organisers.models import Role

KEY_SECONDS = 30.0
"""How long the worker may take to make the keys of the copy."""


@dataclass
class Copy:
    """The fresh copy of a campaign that one replay works on."""

    number: int
    slug: str
    organiser: str
    password: str
    subjects: dict[str, int]


def prepare(app: Flask, story: Story) -> Copy:
    """Make a fresh copy of a campaign, as a draft, and an organiser of its own.

    Raises :class:`Trouble` where no worker makes the keys.
    """
    password = passwords.one_time_password()
    hashed = passwords.hash_password(password)
    with app.app_context():
        number = _next_number(story.slug)
        slug, address = f"{story.slug}-replay-{number}", f"{story.slug}-{number}@example.org"
        with writing():
            campaign = telling.draft(_numbered(story, number), slug=slug)
            organiser = organisers.invite(
                address, name=f"Replay organiser {number}", password_hash=hashed
            )
            # The one-time password is for people; this account's is nobody's but the replay's.
            organisers.set_password(organiser, hashed)
            organisers.assign(organiser, campaign.id, Role.OWNER)
            ids = [subject.id for subject in campaign.subjects]
        _await_keys(slug)
        db.session.remove()
        db.engine.dispose()
    keys = [subject["key"] for subject in story.facts["subjects"]]
    return Copy(number, slug, address, password, dict(zip(keys, ids, strict=True)))


def _numbered(story: Story, number: int) -> Story:
    """Give the story with its number in every title, to tell the copy from the original."""

    def named(texts: dict[str, Any]) -> dict[str, Any]:
        return {**texts, "title": f"{texts['title']} ({number})"}

    translations = {code: named(texts) for code, texts in story.facts["translations"].items()}
    return replace(story, facts={**named(story.facts), "translations": translations})


def _next_number(slug: str) -> int:
    number = 1
    while campaigns.by_slug(f"{slug}-replay-{number}") is not None:
        number += 1
    return number


def _await_keys(slug: str) -> None:
    with Step("Waiting for the keys of the copy") as step:
        until = time.monotonic() + KEY_SECONDS
        while time.monotonic() < until:
            campaign = campaigns.by_slug(slug)
            if campaign is not None and campaign.public_key is not None:
                return
            db.session.rollback()
            step.tick()
            time.sleep(0.2)
    raise Trouble("no worker has made the keys of the copy; is the demo running?")
