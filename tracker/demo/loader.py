"""Puts the real campaigns and their generated supporters into the database, once."""

from __future__ import annotations

import logging

import flask_migrate
from flask import Flask

from tracker import paths
from tracker.campaigns import partners
from tracker.campaigns import queries as campaigns
from tracker.campaigns.models import Campaign, State
from tracker.demo import content, telling
from tracker.demo.content import Story
from tracker.demo.folder import ORGANISER, PARTNER, PARTNERS_CAMPAIGN
from tracker.demo.progress import Step
from tracker.demo.supporters import Rows, Size, plan
from tracker.extensions import db, writing
from tracker.organisers import passwords
from tracker.organisers import queries as organiser_queries
from tracker.organisers import services as organisers
from tracker.worker import Worker


def load(app: Flask, *, password: str, size: Size = Size.FULL) -> bool:
    """Migrate, load what is not yet there, and say whether the one-time password still holds.

    A campaign becomes public together with its timeline and its supporters, in one
    transaction: whatever interrupts the loading, the next start goes on where it was.
    """
    with app.app_context():
        try:
            with Step("Migrating the database"):
                _migrate()
            told = content.stories()
            _draft(told)
            _fill(told, app, size)
            _partner()
            return _organiser(password)
        finally:
            db.session.remove()
            db.engine.dispose()


def _migrate() -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    flask_migrate.upgrade(directory=str(paths.MIGRATIONS))


def _draft(told: list[Story]) -> None:
    with Step("Loading campaigns", total=len(told)) as step:
        for number, story in enumerate(told, start=1):
            step.reach(number, story.slug)
            if campaigns.by_slug(story.slug) is None:
                with writing():
                    telling.draft(story, slug=story.slug)
        step.note = f"{len(told)} of {len(told)}"


def _fill(told: list[Story], app: Flask, size: Size) -> None:
    """Make keys, then publish each draft with its timeline and its supporters."""
    worker = Worker(app)
    with Step("Making keys"):
        worker.make_keys()
    waiting = [story for story in told if _found(story).state is State.DRAFT]
    plans = {story.slug: plan(story, size) for story in waiting}
    total = sum(one.signatures for one in plans.values())
    if not total:
        return
    with Step("Generating supporters", total=total) as step:
        for story in waiting:
            done = step.done
            campaign = _found(story)
            rows = Rows(campaign, worker.keystore.campaign(campaign.key_id or ""))
            rows.seal(story, plans[story.slug], step=step, told=done)
            with writing():
                telling.tell(_found(story), story)
                rows.write()
        step.note = f"{total:,}"


def _found(story: Story) -> Campaign:
    campaign = campaigns.by_slug(story.slug)
    if campaign is None:
        raise LookupError(story.slug)
    return campaign


def _partner() -> None:
    """Register the partner whose site the demo mailbox shows."""
    campaign = campaigns.by_slug(PARTNERS_CAMPAIGN)
    if campaign is None or partners.id_by_slug(campaign.id, PARTNER) is not None:
        return
    with writing():
        campaign = campaigns.by_id(campaign.id, lock=True)
        partners.register(campaign, slug=PARTNER, name="A partner’s site")


def _organiser(password: str) -> bool:
    found = organiser_queries.by_email(ORGANISER)
    if found is not None:
        return found.must_change_password
    hashed = passwords.hash_password(password)
    with writing():
        organisers.invite(ORGANISER, name="Demo organiser", password_hash=hashed, is_admin=True)
    return True
