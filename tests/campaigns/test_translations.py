"""Each block of text knows whether it is translated, outdated or missing."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from tracker.campaigns.models import Campaign
from tracker.campaigns.translations import texts_of, translate
from tracker.extensions import db, writing


def test_a_missing_block_is_shown_in_the_original_language(
    client: FlaskClient, campaign: Campaign
) -> None:
    page = client.get(f"/ar/campaigns/{campaign.slug}").text
    assert 'lang="en" dir="ltr"' in page


def test_a_changed_original_makes_the_translation_outdated(
    app: Flask, campaign: Campaign
) -> None:
    with app.app_context():
        with writing():
            live = db.session.get_one(Campaign, campaign.id)
            translate(live, "es", {"title": (live.title, "Libertad para Amar Fayaz")})
        live = db.session.get_one(Campaign, campaign.id)
        now = texts_of(live, "es").text("title", live.title)
        later = texts_of(live, "es").text("title", "Another title")
        assert (now.value, now.is_outdated, now.is_fallback) == (
            "Libertad para Amar Fayaz",
            False,
            False,
        )
        assert later.is_outdated


def test_an_emptied_translation_is_gone(app: Flask, campaign: Campaign) -> None:
    with app.app_context():
        for text in ("Libertad", " "):
            with writing():
                live = db.session.get_one(Campaign, campaign.id)
                translate(live, "es", {"title": (live.title, text)})
        live = db.session.get_one(Campaign, campaign.id)
        assert texts_of(live, "es").text("title", live.title).is_fallback


def test_markdown_of_organisers_cannot_carry_script_or_pictures(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    hostile = (
        "<script>alert(1)</script> [x](javascript:alert(1)) ![y](https://evil.example/p.png)"
        " <img src=x onerror=alert(1)> [good](https://example.org)"
    )
    with app.app_context(), writing():
        db.session.get_one(Campaign, campaign.id).appeal = hostile
    page = client.get(f"/en/campaigns/{campaign.slug}").text
    assert "<script>" not in page
    assert "<img" not in page
    assert 'href="javascript' not in page
    assert 'href="https://example.org" rel="nofollow ugc noopener noreferrer"' in page
