"""Sign, and confirm behind a button."""

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
from tracker.extensions import db, writing
from tracker.signatures import services
from tracker.signatures.forms import ConfirmForm, SignForm
from tracker.signatures.services import Consents
from tracker.subscriptions import services as subscriptions
from tracker.subscriptions.models import Scope

bp = Blueprint("signatures", __name__, url_prefix="/<lang:lang>")


@bp.route("/campaigns/<slug>/sign", methods=["GET", "POST"])
@guard.public_guarded
def sign(slug: str) -> ResponseReturnValue:
    """Take a signature, then say to look into the inbox; the same for every address."""
    form = SignForm()
    return intake.take_support(
        slug,
        form,
        Kind.SIGNATURE,
        template="signatures/sign.html",
        payload=lambda: form.entered,
    )


@bp.route("/confirm/signature/<token>", methods=["GET", "POST"])
@guard.public_guarded
def confirm(token: str) -> ResponseReturnValue:
    """Show what was entered, ask three questions, and count the signature on POST only."""
    pending, secret = confirmations.find(token, Kind.SIGNATURE)
    if pending.confirmed_on is not None:
        return _done(confirmations.links_of(pending, secret)[0])
    opened = confirmations.open_pending(pending, secret)
    campaign = db.session.get_one(Campaign, pending.campaign_id)
    campaign_services.check_open(campaign)
    form = ConfirmForm(data=opened.payload) if request.method == "GET" else ConfirmForm()
    if form.validate_on_submit():
        return _confirm(token, campaign, opened, form)
    title = texts_of(campaign, languages.current()).text("title", campaign.title)
    page = render_template(
        "signatures/confirm.html",
        campaign=campaign,
        title=title,
        form=form,
        address=opened.payload["address"],
        token=token,
    )
    return page, 422 if form.errors else 200


def _confirm(
    token: str, campaign: Campaign, opened: confirmations.Opened, form: ConfirmForm
) -> ResponseReturnValue:
    consents = Consents(form.alerts.is_yes, form.shows_name.is_yes, form.hands_over.is_yes)
    row = opened.pending.id
    sealed = services.seal_signature(campaign, row, form.entered, consents=consents)
    contact = subscriptions.seal_contact(campaign, opened) if consents.alerts else None
    with writing():
        campaign_services.check_open(db.session.get_one(Campaign, campaign.id))
        pending, secret = confirmations.find(token, Kind.SIGNATURE, lock=True)
        if pending.confirmed_on is None:
            opened = confirmations.open_pending(pending, secret)
            services.confirm(opened, sealed, form.entered, consents=consents)
            if contact is not None:
                subscriptions.subscribe(opened, contact, scope=Scope.EVERY_UPDATE)
            confirmations.complete(pending)
    return _done(opened.manage)


def _done(manage: bytes) -> ResponseReturnValue:
    return redirect(url_for("pages.my_page", token=tokens.to_text(manage), done="signed"), 303)
