"""Frames that other organisations put on their sites; oEmbed."""

from __future__ import annotations

import functools
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from flask import Blueprint, Response, abort, current_app, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from werkzeug.exceptions import HTTPException

from tracker import paths
from tracker.campaigns import partners
from tracker.campaigns import queries as campaigns
from tracker.campaigns.models import Campaign
from tracker.campaigns.translations import texts_of
from tracker.confirmations import intake
from tracker.confirmations.models import Kind
from tracker.core import guard, http, languages
from tracker.core.templating import external_url
from tracker.pages.showing import Card, card_of
from tracker.signatures.forms import SignForm

bp = Blueprint("embeds", __name__)

WIDTH = 640
"""Pixels that a frame is wide where a page asks by oEmbed and does not say."""
CAMPAIGN_PAGES = frozenset({"pages.campaign", "sharing.short"})
"""What may be asked about: addresses of a campaign, long and short."""

_WAY_OUT = re.compile(
    r'<(a|form) (?=[^>]*(?:href|action)="[^#"])(?![^>]*(?:target=|="/[a-z]+/embed/))[^>]*>'
)


# --- frames ----------------------------------------------------------------------------------


@bp.get("/<lang:lang>/embed/<slug>/form")
@http.cacheable(30)
@http.framable
def form(slug: str) -> ResponseReturnValue:
    """Show the sign form alone, for a frame."""
    campaign = _public(slug)
    form = SignForm(formdata=None, partner=request.args.get("partner", ""))
    return render_template("embeds/form.html", campaign=campaign, form=form)


@bp.post("/<lang:lang>/embed/<slug>/form")
@guard.public_guarded
@http.framable
def sign(slug: str) -> ResponseReturnValue:
    """Take a signature inside the frame, and remember through which partner it came."""
    form = SignForm()
    return intake.take_support(
        slug,
        form,
        Kind.SIGNATURE,
        template="embeds/form.html",
        payload=lambda: form.entered,
    )


@bp.get("/<lang:lang>/embed/<slug>/counter")
@http.cacheable(30)
@http.framable
def counter(slug: str) -> ResponseReturnValue:
    """Show the number of signatures and where it stands, for a frame."""
    partner = request.args.get("partner", "")
    return render_template(
        "embeds/counter.html",
        campaign=_public(slug),
        partner=partner if partners.is_slug(partner) else None,
    )


@bp.get("/embed.js")
@http.cacheable(3600)
@http.open_to_sites
def script() -> ResponseReturnValue:
    """Give the lines that let a partner's page fit the frames to what is in them."""
    return Response(_script(), mimetype="text/javascript")


@functools.cache
def _script() -> str:
    return (paths.STATIC / "embed.js").read_text("utf-8")


def _public(slug: str) -> Campaign:
    campaign = campaigns.published(slug)
    return campaign or abort(404)


@bp.context_processor
def _shared() -> dict[str, Any]:
    # A function, so that the page of an error reads nothing it does not show.
    return {"card": _card}


def _card() -> Card:
    return card_of(_public((request.view_args or {})["slug"]))


@bp.app_template_filter("leaving")
def leaving(html: str) -> Markup:
    """Give a page on which all but the frames themselves opens in a tab of its own.

    No other page of ours may be framed, and the frame is too small for them.
    """
    return Markup(_WAY_OUT.sub(_leaving, html))  # noqa: S704 - a page of ours


def _leaving(found: re.Match[str]) -> str:
    tag, name = found[0], found[1]
    rel = ' rel="noopener"' if name == "a" and " rel=" not in tag else ""
    return f'<{name} target="_blank"{rel}{tag[len(name) + 1 :]}'


# --- oEmbed ----------------------------------------------------------------------------------


@bp.get("/oembed")
@http.cacheable(300)
@http.open_to_sites
def oembed() -> ResponseReturnValue:
    """Give the frame for a campaign's address, as oEmbed 1.0 has it, in JSON only."""
    if request.args.get("format", "json") != "json":
        return {"error": "json is the only format"}, 501
    lang, slug = _asked_about(request.args.get("url", ""))
    campaign = _public(slug)
    with languages.speaking(lang or campaign.language):
        return _frame(campaign)


def _frame(campaign: Campaign) -> dict[str, Any]:
    what = "form" if campaign.accepts_support else "counter"
    width = _at_most("maxwidth", WIDTH)
    height = _at_most("maxheight", partners.FRAME_HEIGHTS[what])
    title = str(texts_of(campaign, languages.current()).text("title", campaign.title))
    source = external_url(f".{what}", slug=campaign.slug)
    settings = current_app.config["TRACKER"]
    return {
        "version": "1.0",
        "type": "rich",
        "title": title,
        "provider_name": settings.site_name,
        "provider_url": external_url("pages.home"),
        "cache_age": 300,
        "width": width,
        "height": height,
        "html": render_template(
            "embeds/frame.html", source=source, title=title, width=width, height=height
        ).strip(),
    }


def _at_most(name: str, usual: int) -> int:
    most = request.args.get(name, type=int)
    return min(usual, most) if most is not None and most > 0 else usual


def _asked_about(address: str) -> tuple[str | None, str]:
    """Give language and slug out of an address of ours; 404 for any other."""
    try:
        parts = urlsplit(address)
        here = current_app.url_map.bind(parts.netloc or "-")
        path = unquote(parts.path)
        if "\x00" in path:
            abort(404)
        endpoint, values = here.match(path, method="GET")
    except (HTTPException, ValueError):
        abort(404)
    base = urlsplit(current_app.config["TRACKER"].base_url)
    ours = {base.netloc.lower(), request.host.lower()}
    if parts.netloc.lower() not in ours or endpoint not in CAMPAIGN_PAGES:
        abort(404)
    return values.get("lang"), values["slug"]
