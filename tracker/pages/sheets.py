"""Paper: signature sheets to print, as a page and as PDF."""

from __future__ import annotations

from babel.lists import format_list
from flask import Blueprint, Response, abort, current_app, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from flask_babel import gettext as _

from tracker.campaigns import queries as campaigns
from tracker.campaigns.batches import new_batch
from tracker.campaigns.models import Campaign
from tracker.campaigns.translations import Text, Texts, texts_of
from tracker.core import clock, languages
from tracker.core.templating import country, external_url, number
from tracker.core.throttle import network, throttle
from tracker.extensions import end_reading
from tracker.pages import paper, sharing

bp = Blueprint("sheets", __name__, url_prefix="/<lang:lang>/campaigns/<slug>")

LIMIT = "6 per minute"
"""How many PDFs one network may have made: one of ninety lines in Urdu takes seconds."""

ROWS = 12
"""Lines on the page to print; browsers break it where the paper ends."""

MOST_OFFICES = 3
"""Offices named on a sheet, so that the demand is not crowded out."""

CHOICES = (15, 30, 60, 90)
"""Numbers of lines offered for the PDF."""


@bp.get("/sheet")
def sheet(slug: str) -> ResponseReturnValue:
    """Show a sheet to print. Every visit is a batch of its own, so it is kept nowhere."""
    campaign = _signable(slug)
    made = _sheet(campaign)
    return render_template(
        "pages/sheet.html",
        sheet=made,
        qr=sharing.qr_markup(made.address),
        rows=ROWS,
        choices=CHOICES,
        slug=campaign.slug,
    )


@bp.get("/sheet.pdf")
def sheet_pdf(slug: str) -> ResponseReturnValue:
    """Give sheets as PDF; every download is a batch of its own."""
    campaign = _signable(slug)
    throttle.hit(LIMIT, purpose="sheet", who=network())
    made = _sheet(campaign)
    end_reading()
    size = request.args.get("paper", "a4")
    written = paper.sheet_pdf(
        made,
        size=size if size in paper.SIZES else "a4",
        rows=min(request.args.get("rows", default=1, type=int), max(CHOICES)),
    )
    response = Response(written, mimetype="application/pdf")
    name = f"{campaign.slug}-{languages.current()}.pdf"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def _signable(slug: str) -> Campaign:
    campaign = campaigns.published(slug)
    return campaign if campaign is not None and campaign.accepts_support else abort(404)


def _sheet(campaign: Campaign) -> paper.Sheet:
    code = languages.current()
    texts = texts_of(campaign, code)
    return paper.Sheet(
        lang=code,
        is_rtl=languages.direction(code) == "rtl",
        site_name=current_app.config["TRACKER"].site_name,
        title=_said(texts.text("title", campaign.title)),
        summary=_said(texts.text("summary", campaign.summary)),
        appeal=_appeal(campaign, texts),
        demands=tuple(_said(one) for one in texts.lines("demands", campaign.demands)),
        columns=_columns(),
        notice=_notice(),
        # Kept from being turned around between words that are written from the right.
        batch_label=_("Batch %(number)s", number=f"\u2066{new_batch()}\u2069"),
        page_label=_page_label,
        address=external_url("sharing.short", slug=campaign.slug),
        day=clock.today(),
    )


def _said(text: Text) -> paper.Said:
    return paper.Said(text=str(text), lang=text.lang, is_rtl=text.dir == "rtl")


def _appeal(campaign: Campaign, texts: Texts) -> str:
    offices = [
        _(
            "%(office)s (%(country)s)",
            office=str(texts.text(f"target.{target.id}.office", target.office)),
            country=country(target.country),
        )
        for target in campaign.targets[:MOST_OFFICES]
    ]
    if not offices:
        return str(_("We, the undersigned, demand:"))
    listed = format_list(offices, locale=get_locale())
    return str(_("We, the undersigned, call on: %(offices)s. We demand:", offices=listed))


def _columns() -> tuple[str, ...]:
    return (
        _("No."),
        _("Name"),
        _("Town, country"),
        _("E-mail, only if you want news"),
        _("My name may be shown"),
        _("Write to me"),
        _("Signature"),
    )


def _notice() -> str:
    said = _(
        "What happens with this sheet: whoever collects names hands it to the organisers and "
        "to nobody else. They type in what you wrote, which seals it at once, and then destroy "
        "the sheet. Your name is shown only if you tick the first box. We write to you only if "
        "you tick the second. Write clearly, and give an address only if it is your own. You "
        "can withdraw at any time at the address below."
    )
    return str(said)


def _page_label(page: int, pages: int) -> str:
    return str(_("Page %(page)s of %(pages)s", page=number(page), pages=number(pages)))
