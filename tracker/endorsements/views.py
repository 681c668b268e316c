"""Offer an organisation's backing and prove it by mail."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from tracker.campaigns import services as campaign_services
from tracker.campaigns.models import Campaign
from tracker.campaigns.translations import texts_of
from tracker.confirmations import intake
from tracker.confirmations import services as confirmations
from tracker.confirmations.models import Kind
from tracker.core import guard, languages, tokens
from tracker.endorsements import services
from tracker.endorsements.forms import ConfirmEndorsementForm, OfferForm
from tracker.extensions import db, writing
from tracker.subscriptions import services as subscriptions
from tracker.subscriptions.models import Scope

bp = Blueprint("endorsements", __name__, url_prefix="/<lang:lang>")


@bp.route("/campaigns/<slug>/endorse", methods=["GET", "POST"])
@guard.public_guarded
def offer(slug: str) -> ResponseReturnValue:
    """Take an offer, then say to look into the inbox."""
    form = OfferForm()
    return intake.take_support(
        slug,
        form,
        Kind.ENDORSEMENT,
        template="endorsements/offer.html",
        payload=lambda: {**form.entered, "contact": form.contact.data},
    )


@bp.route("/confirm/endorsement/<token>", methods=["GET", "POST"])
@guard.public_guarded
def confirm(token: str) -> ResponseReturnValue:
    """Show what was entered and pass it to the organisers on POST only."""
    pending, secret = confirmations.find(token, Kind.ENDORSEMENT)
    if pending.confirmed_on is not None:
        return _done(confirmations.links_of(pending, secret)[0])
    opened = confirmations.open_pending(pending, secret)
    campaign = db.session.get_one(Campaign, pending.campaign_id)
    campaign_services.check_open(campaign)
    is_get = request.method == "GET"
    form = ConfirmEndorsementForm(data=opened.payload) if is_get else ConfirmEndorsementForm()
    if form.validate_on_submit():
        return _confirm(token, campaign, opened, form)
    page = render_template(
        "endorsements/confirm.html",
        title=texts_of(campaign, languages.current()).text("title", campaign.title),
        form=form,
        address=opened.payload["address"],
        token=token,
    )
    return page, 422 if form.errors else 200


def _confirm(
    token: str, campaign: Campaign, opened: confirmations.Opened, form: ConfirmEndorsementForm
) -> ResponseReturnValue:
    payload = opened.payload
    endorser = services.seal_contact(
        campaign, opened.pending.id, address=payload["address"], name=payload["contact"]
    )
    contact = subscriptions.seal_contact(campaign, opened) if form.alerts.is_yes else None
    with writing():
        pending, secret = confirmations.find(token, Kind.ENDORSEMENT, lock=True)
        if pending.confirmed_on is None:
            opened = confirmations.open_pending(pending, secret)
            services.confirm(opened, endorser, form.entered)
            if contact is not None:
                subscriptions.subscribe(opened, contact, scope=Scope.EVERY_UPDATE)
            confirmations.complete(pending)
    return _done(opened.manage)


def _done(manage: bytes) -> ResponseReturnValue:
    address = url_for("pages.my_page", token=tokens.to_text(manage), done="endorsed")
    return redirect(address, 303)
