"""What the tests of the organisers' room share."""

from __future__ import annotations

import pytest
from flask import Flask

from tracker.campaigns import queries
from tracker.campaigns.models import Campaign
from tracker.extensions import db


@pytest.fixture
def live(app: Flask, campaign: Campaign) -> Campaign:
    """The live campaign as it is stored now, with those concerned."""
    with app.app_context():
        found = queries.by_slug(campaign.slug)
        assert found is not None
        _ = found.subjects
        db.session.expunge_all()
        return found
