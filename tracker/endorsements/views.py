"""Offer an organisation's backing and prove it by mail."""

from __future__ import annotations

from typing import NamedTuple

from flask import Blueprint
from flask.typing import ResponseReturnValue

from tracker.campaigns.models import Campaign
from tracker.confirmations import intake
from tracker.confirmations.models import Kind
from tracker.confirmations.services import Opened
from tracker.core import guard
from tracker.endorsements import services
from tracker.endorsements.forms import ConfirmEndorsementForm, OfferForm
from tracker.subscriptions import services as subscriptions
from tracker.subscriptions.models import Scope
from tracker.subscriptions.services import SealedContact

bp = Blueprint("endorsements", __name__, url_prefix="/<lang:lang>")


class Sealed(NamedTuple):
    """Who offers it and, where mails are wanted, a contact, both sealed to the campaign."""

    endorser: bytes
    contact: SealedContact | None


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
    return intake.confirm(
        token,
        Kind.ENDORSEMENT,
        ConfirmEndorsementForm,
        template="endorsements/confirm.html",
        leads_to=intake.to_own_page("endorsed"),
        seal=_seal,
        store=_store,
    )


def _seal(campaign: Campaign, opened: Opened, form: ConfirmEndorsementForm) -> Sealed:
    payload = opened.payload
    endorser = services.seal_contact(
        campaign, opened.pending.id, address=payload["address"], name=payload["contact"]
    )
    contact = subscriptions.seal_contact(campaign, opened) if form.alerts.is_yes else None
    return Sealed(endorser, contact)


def _store(opened: Opened, sealed: Sealed, form: ConfirmEndorsementForm) -> None:
    services.confirm(opened, sealed.endorser, form.entered)
    if sealed.contact is not None:
        subscriptions.subscribe(opened, sealed.contact, scope=Scope.EVERY_UPDATE)
