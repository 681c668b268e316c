"""What to do after signing, and instead: write, bring an organisation in, share."""

from __future__ import annotations

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from tracker.campaigns import queries as campaigns
from tracker.campaigns.models import Campaign
from tracker.campaigns.translations import texts_of
from tracker.core import http, languages
from tracker.core.forms import country_names
from tracker.pages import letters, own, sharing

bp = Blueprint("acting", __name__, url_prefix="/<lang:lang>")


@bp.get("/my/<token>/next")
def next_step(token: str) -> ResponseReturnValue:
    """Show what helps now, right after confirming; the reader's country is known."""
    found = own.behind(token)
    mine = url_for("pages.my_page", token=token)
    if not found.campaign.is_public:
        return redirect(mine, 303)
    signature = found.signature
    chosen = signature.country if signature else None
    return _page(found.campaign, country=chosen, mine=mine, has_signed=signature is not None)


@bp.get("/campaigns/<slug>/act")
@http.cacheable(60)
def act(slug: str) -> ResponseReturnValue:
    """Show the same to everybody; a country can be chosen."""
    campaign = campaigns.published(slug) or abort(404)
    wanted = request.args.get("country", "").upper()
    return _page(campaign, country=wanted if wanted in country_names() else None)


@bp.get("/campaigns/<slug>/motion.txt")
@http.cacheable(60)
def motion(slug: str) -> ResponseReturnValue:
    """Give the model motion as a text to be downloaded."""
    campaign = campaigns.published(slug) or abort(404)
    if not campaign.accepts_support:
        abort(404)
    code = languages.current()
    text = letters.motion_of(campaign, texts_of(campaign, code)).plain()
    answer = Response(text, mimetype="text/plain")
    name = f"motion-{campaign.slug}-{code}.txt"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Content-Language"] = code
    return answer


def _page(
    campaign: Campaign,
    *,
    country: str | None,
    mine: str | None = None,
    has_signed: bool = False,
) -> str:
    texts = texts_of(campaign, languages.current())
    title = texts.text("title", campaign.title)
    return render_template(
        "pages/act.html",
        slug=campaign.slug,
        title=title,
        is_open=campaign.accepts_support,
        mine=mine,
        has_signed=has_signed,
        country=country,
        countries=_countries(campaign),
        letter=letters.letter_of(campaign, texts),
        addressees=letters.addressees(campaign, texts, of_country=country),
        motion=letters.motion_of(campaign, texts),
        share=sharing.links_of(campaign, str(title)),
    )


def _countries(campaign: Campaign) -> list[tuple[str, str]]:
    """Give the countries there is somebody to write to in, by name."""
    names = country_names()
    found = {
        target.country: names.get(target.country, target.country) for target in campaign.targets
    }
    return sorted(found.items(), key=lambda one: one[1])
