"""Atom and JSON feeds, and the number of signatures for other sites."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, current_app, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from markupsafe import Markup

from tracker.campaigns import queries as campaigns
from tracker.campaigns.models import Campaign, State
from tracker.campaigns.services import shown_goal
from tracker.campaigns.translations import Text, Texts, texts_of_all
from tracker.core import http, languages
from tracker.core.templating import external_url
from tracker.signatures import queries as signatures
from tracker.updates import queries as updates
from tracker.updates.entries import Entry, entry_of
from tracker.updates.models import Update

bp = Blueprint("feeds", __name__)

MOST = 50
"""Most entries of a feed."""
SECONDS = 60
"""How long a feed may be kept; what is paused for safety is soon gone from copies."""

# The ids are made of this and of row ids, so that they outlive a change of the site's address.
_NAMESPACE = uuid.UUID("5b0c1d5e-6f0e-4a3c-9b51-6a2f7d1c8e40")

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One update in a feed, in the feed's language where it is translated."""

    id: str
    url: str
    title: str
    html: str
    lang: str
    published: str


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A list of updates, newest first, in one language."""

    id: str
    title: str
    summary: str
    lang: str
    page: str
    atom: str
    json: str
    updated: str
    items: list[Item]


# --- pages -----------------------------------------------------------------------------------


@bp.get("/<lang:lang>/feed.atom")
@http.cacheable(SECONDS)
@http.open_to_sites
def site_atom() -> ResponseReturnValue:
    """Give the latest updates of all public campaigns as Atom (RFC 4287)."""
    return _atom(_of_site())


@bp.get("/<lang:lang>/feed.json")
@http.cacheable(SECONDS)
@http.open_to_sites
def site_json() -> ResponseReturnValue:
    """Give the latest updates of all public campaigns as JSON Feed 1.1."""
    return _json(_of_site())


@bp.get("/<lang:lang>/campaigns/<slug>/feed.atom")
@http.cacheable(SECONDS)
@http.open_to_sites
def campaign_atom(slug: str) -> ResponseReturnValue:
    """Give a campaign's updates as Atom (RFC 4287)."""
    return _atom(_of_campaign(_public(slug)))


@bp.get("/<lang:lang>/campaigns/<slug>/feed.json")
@http.cacheable(SECONDS)
@http.open_to_sites
def campaign_json(slug: str) -> ResponseReturnValue:
    """Give a campaign's updates as JSON Feed 1.1."""
    return _json(_of_campaign(_public(slug)))


@bp.get("/campaigns/<slug>/count.json")
@http.cacheable(30)
@http.open_to_sites
def count(slug: str) -> ResponseReturnValue:
    """Give the number of signatures and where the campaign stands, for other sites."""
    campaign = _public(slug)
    counts = signatures.by_country([campaign.id])[campaign.id]
    number = sum(counts.values())
    leading = campaigns.leading_status(campaign)
    begun = campaigns.first_change(campaign.subjects)
    newest = updates.latest(limit=1, campaign_id=campaign.id)
    return {
        "campaign": campaign.slug,
        "url": external_url(
            "pages.campaign", lang=languages.known(campaign.language), slug=campaign.slug
        ),
        "signatures": number,
        "goal": shown_goal(campaign.goal, number, is_open=campaign.state is State.LIVE),
        "countries": len(counts),
        "state": campaign.state.value,
        "outcome": campaign.outcome.value if campaign.outcome else None,
        "status": leading.status.value if leading and leading.status else None,
        "days": campaigns.days(campaign, begun) if begun else None,
        "updated": _moment(newest[0].posted_at) if newest else None,
    }


def _public(slug: str) -> Campaign:
    campaign = campaigns.by_slug(slug)
    if campaign is not None and campaign.state is State.PAUSED:
        # Says "come back" to readers of feeds, which forget what answers 404 or 410.
        abort(Response(status=503, headers={"Retry-After": "3600"}))
    if campaign is None or not campaign.is_public:
        abort(404)
    return campaign


def _atom(feed: Feed) -> Response:
    return Response(
        render_template("feeds/feed.xml", feed=feed), mimetype="application/atom+xml"
    )


def _json(feed: Feed) -> Response:
    content = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "description": feed.summary,
        "home_page_url": feed.page,
        "feed_url": feed.json,
        "language": languages.current(),
        "authors": [{"name": current_app.config["TRACKER"].site_name}],
        "items": [
            {
                "id": item.id,
                "url": item.url,
                "title": item.title,
                "content_html": item.html,
                "date_published": item.published,
                "language": item.lang,
            }
            for item in feed.items
        ],
    }
    return Response(
        current_app.json.dumps(content, ensure_ascii=False), mimetype="application/feed+json"
    )


# --- what is in them -------------------------------------------------------------------------


def _of_site() -> Feed:
    found = updates.latest(limit=MOST)
    texts = texts_of_all({one.campaign for one in found}, languages.current())
    name = current_app.config["TRACKER"].site_name
    return _feed(
        "site",
        name,
        _("What is known of all campaigns, as soon as it is known."),
        lang=languages.current(),
        page=external_url("pages.home"),
        atom=external_url(".site_atom"),
        json=external_url(".site_json"),
        begun=None,
        items=[_item(one, texts[one.campaign_id], is_alone=False) for one in found],
    )


def _of_campaign(campaign: Campaign) -> Feed:
    found = updates.latest(limit=MOST, campaign_id=campaign.id)
    texts = texts_of_all([campaign], languages.current())[campaign.id]
    title = texts.text("title", campaign.title)
    return _feed(
        f"campaign {campaign.id}",
        str(title),
        str(texts.text("summary", campaign.summary)),
        lang=title.lang,
        page=external_url("pages.campaign", slug=campaign.slug),
        atom=external_url(".campaign_atom", slug=campaign.slug),
        json=external_url(".campaign_json", slug=campaign.slug),
        begun=campaign.published_at,
        items=[_item(one, texts, is_alone=True) for one in found],
    )


def _feed(
    what: str, title: str, summary: str, *, begun: dt.datetime | None, **rest: Any
) -> Feed:
    items: list[Item] = rest["items"]
    updated = items[0].published if items else _moment(begun)
    return Feed(
        id=_id(what), title=_clean(title), summary=_clean(summary), updated=updated, **rest
    )


def _item(update: Update, texts: Texts, *, is_alone: bool) -> Item:
    """Give an update; where feeds hold several campaigns, its title says which one it is on."""
    entry = entry_of(update, texts)
    title = entry.headline.value
    if not is_alone:
        of = texts.text("title", update.campaign.title)
        title = _("%(campaign)s: %(headline)s", campaign=of.value, headline=title)
    return Item(
        id=_id(f"update {update.id}"),
        url=external_url("pages.campaign", slug=update.campaign.slug, _anchor=entry.anchor),
        title=_clean(title),
        html=_clean(render_template("feeds/entry.html", entry=entry)),
        lang=_language(entry),
        published=_moment(update.posted_at),
    )


def _language(entry: Entry) -> str:
    """Give the language most of an entry is in: the text's, or without one the headline's."""
    told: Text = entry.plain if entry.plain.value else entry.headline
    return told.lang


def _id(what: str) -> str:
    """Give a stable id, one for each language.

    A reader of two languages gets both: programs take entries of one id for one entry, and
    would show whichever came first. A translation that comes later keeps the id.
    """
    return uuid.uuid5(_NAMESPACE, f"{what} {languages.current()}").urn


def _moment(moment: dt.datetime | None) -> str:
    moment = moment or dt.datetime.fromtimestamp(0, dt.UTC)
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _clean(text: str | Markup) -> str:
    """Give a text without the characters that no XML document may hold."""
    return _NOT_XML.sub("", str(text))
