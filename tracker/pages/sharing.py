"""Ways to pass a campaign on: links, short address, QR codes, the picture for previews."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    g,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from markupsafe import Markup

from tracker.campaigns import queries as campaigns
from tracker.campaigns import words
from tracker.campaigns.models import Campaign, State
from tracker.core import http, languages
from tracker.core.templating import external_url, number
from tracker.core.throttle import network, throttle
from tracker.extensions import end_reading
from tracker.pages import codes, drawing, showing, ways

bp = Blueprint("sharing", __name__)

DRAW_LIMIT = "60 per minute"
"""How many new preview pictures one network may have drawn: each takes a tenth of a second."""

DAY = 24 * 3600
_SLUG = re.compile(r"[a-z0-9-]{1,80}")
_OPEN_GRAPH_LOCALES = {
    "en": "en_GB",
    "es": "es_ES",
    "fr": "fr_FR",
    "pt": "pt_PT",
    "de": "de_DE",
    "tr": "tr_TR",
    "ar": "ar_AR",
    "ur": "ur_PK",
}


@dataclass(frozen=True, kw_only=True)
class Way:
    """A service to pass the text on with, as a link."""

    name: str
    url: str


@dataclass(frozen=True, kw_only=True)
class ShareLinks:
    """What to say, and where to say it."""

    slug: str
    title: str
    text: str
    page_url: str
    short_url: str
    takes_names: bool
    ways: list[Way]
    qr: Markup

    @property
    def short_label(self) -> str:
        """Give the short address as it is printed."""
        return self.short_url.partition("://")[2]

    @property
    def message(self) -> str:
        """Give text and address, to be copied into any message."""
        return f"{self.text}\n{self.short_url}"


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What other sites show where somebody posts the page's address."""

    title: str
    description: str
    url: str
    image: str
    image_alt: str
    width: int
    height: int
    locale: str
    other_locales: list[str]


# --- what pages show -----------------------------------------------------------------------


def links_of(campaign: Campaign, title: str) -> ShareLinks:
    """Give the ways to pass a campaign on, in the page's language."""
    text = _text(campaign, title)
    page_url = external_url("pages.campaign", slug=campaign.slug)
    short_url = external_url("sharing.short", slug=campaign.slug)
    return ShareLinks(
        slug=campaign.slug,
        title=title,
        text=text,
        page_url=page_url,
        short_url=short_url,
        takes_names=campaign.accepts_support,
        ways=[
            Way(name=_("E-mail"), url=ways.mail(title, text, page_url)),
            Way(name="WhatsApp", url=ways.whatsapp(text, page_url)),
            Way(name="Telegram", url=ways.telegram(text, page_url)),
            Way(name="Facebook", url=ways.facebook(page_url)),
            Way(name="X", url=ways.x(text, page_url)),
            Way(name="LinkedIn", url=ways.linkedin(page_url)),
        ],
        qr=qr_markup(short_url),
    )


def qr_markup(url: str, *, label: str | None = None) -> Markup:
    """Give the QR code of an address, to stand in a page."""
    return codes.qr_markup(url, label=label or _("QR code that leads to %(url)s", url=url))


def _text(campaign: Campaign, title: str) -> str:
    status = status_words(campaign)
    said = _("%(title)s – %(status)s.", title=title, status=status) if status else title
    if campaign.accepts_support:
        return str(_("%(news)s Add your name:", news=said))
    return str(_("%(news)s Read what happened:", news=said))


def status_words(campaign: Campaign) -> str:
    """Give where a campaign stands, in two or three words; nothing where it is not known."""
    if campaign.outcome is not None:
        return str(words.OUTCOME[campaign.outcome])
    found = campaigns.count_free(campaign)
    if found is not None:
        free, whole = (number(count) for count in found)
        form = "%(free)s of %(all)s free"
        return str(ngettext(form, form, found[1], free=free, all=whole))
    leading = campaigns.leading_status(campaign)
    return str(words.STATUS[leading.status]) if leading and leading.status else ""


def preview_of(card: showing.Card, *, is_open: bool) -> Preview:
    """Give what previews show of a campaign's page."""
    poster = _poster(card, is_open=is_open)
    # Previews are kept for long by their address: a new status is a new picture.
    seen = f"{poster.title}\n{poster.stamp}\n{poster.is_open}"
    version = hashlib.sha256(seen.encode()).hexdigest()[:8]
    code = languages.current()
    return Preview(
        title=poster.title,
        description=str(card.summary),
        url=external_url("pages.campaign", slug=card.slug),
        image=external_url("sharing.card", slug=card.slug, v=version),
        image_alt=f"{poster.title} – {poster.stamp}",
        width=drawing.WIDTH,
        height=drawing.HEIGHT,
        locale=_OPEN_GRAPH_LOCALES[code],
        other_locales=[name for one, name in _OPEN_GRAPH_LOCALES.items() if one != code],
    )


def _poster(card: showing.Card, *, is_open: bool) -> drawing.Poster:
    code = languages.current()
    tone = ("bad" if is_open else "good") if card.sum_words else card.stamp.tone
    return drawing.Poster(
        site_name=current_app.config["TRACKER"].site_name,
        title=str(card.title),
        title_lang=card.title.lang,
        title_is_rtl=card.title.dir == "rtl",
        lang=code,
        is_rtl=languages.direction(code) == "rtl",
        stamp=card.sum_words or card.stamp.label,
        tone=tone,
        days=number(card.days) if card.days is not None else "",
        days_label=card.days_label if card.days is not None else "",
        count=number(card.count) if card.count else "",
        count_label=str(ngettext("has signed", "have signed", card.count)),
        is_open=is_open,
    )


# --- pages and files -----------------------------------------------------------------------


def _published(slug: str) -> Campaign:
    return campaigns.published(slug) or abort(404)


@bp.get("/<slug>")
@http.cacheable(300)
def short(slug: str) -> ResponseReturnValue:
    """Lead from the address on paper to the campaign, in the visitor's language."""
    wanted = slug.lower()
    found = campaigns.by_slug(wanted) if _SLUG.fullmatch(wanted) else None
    if found is None or found.state is State.DRAFT:
        abort(404)
    page = url_for("pages.campaign", lang=languages.preferred(), slug=found.slug)
    response = redirect(page)
    response.headers["Vary"] = "Accept-Language"
    return response


@bp.get("/<lang:lang>/campaigns/<slug>/share")
@http.cacheable(300)
def share(slug: str) -> ResponseReturnValue:
    """Show every way to pass a campaign on; with a Mastodon server, the link to it."""
    found = _published(slug)
    card = showing.card_of(found)
    links = links_of(found, str(card.title))
    typed = request.args.get("instance")
    # Which server somebody is at is theirs to know: not for caches on the way.
    g.is_private = bool(typed)
    host = ways.public_host(typed) if typed else None
    page = render_template(
        "pages/share.html",
        c=card,
        share=links,
        typed=(typed or "")[:253],
        host=host,
        is_wrong=bool(typed and host is None),
        mastodon=ways.mastodon(host, links.text, links.page_url) if host else None,
    )
    return page, 422 if typed and host is None else 200


@bp.get("/<lang:lang>/campaigns/<slug>/card.png")
@http.cacheable(600)
@http.open_to_sites
def card(slug: str) -> ResponseReturnValue:
    """Give the picture for previews, which are shown on other sites."""
    found = _published(slug)
    poster = _poster(showing.card_of(found), is_open=found.state is State.LIVE)
    end_reading()
    if drawing.kept(poster) is None:
        throttle.hit(DRAW_LIMIT, purpose="card", who=network())
    return Response(drawing.picture(poster), mimetype="image/png")


@bp.get("/campaigns/<slug>/qr.svg")
@http.cacheable(7 * DAY)
def qr_svg(slug: str) -> ResponseReturnValue:
    """Give the short address as a QR code to print at any size."""
    found = _published(slug)
    made = codes.qr_file(external_url("sharing.short", slug=found.slug))
    return _named(Response(made, mimetype="image/svg+xml"), f"{found.slug}-qr.svg")


@bp.get("/campaigns/<slug>/qr.png")
@http.cacheable(7 * DAY)
def qr_png(slug: str) -> ResponseReturnValue:
    """Give the short address as a QR code for programs that take pixels only."""
    found = _published(slug)
    made = codes.qr_png(external_url("sharing.short", slug=found.slug))
    return _named(Response(made, mimetype="image/png"), f"{found.slug}-qr.png")


def _named(response: Response, name: str) -> Response:
    response.headers.set("Content-Disposition", "inline", filename=name)
    return response
