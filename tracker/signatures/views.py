"""Sign, and confirm behind a button."""

from __future__ import annotations

from typing import NamedTuple

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from tracker.campaigns import partners
from tracker.campaigns.models import Campaign
from tracker.confirmations import intake
from tracker.confirmations.models import Kind
from tracker.confirmations.services import Opened
from tracker.core import guard
from tracker.signatures import services
from tracker.signatures.forms import ConfirmForm, SignForm
from tracker.subscriptions import services as subscriptions
from tracker.subscriptions.models import Scope
from tracker.subscriptions.services import SealedContact

bp = Blueprint("signatures", __name__, url_prefix="/<lang:lang>")


class Sealed(NamedTuple):
    """A signature and, where mails are wanted, a contact, both sealed to the campaign."""

    signature: services.SealedSignature
    contact: SealedContact | None


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
    return intake.confirm(
        token,
        Kind.SIGNATURE,
        ConfirmForm,
        template="signatures/confirm.html",
        leads_to=lambda token: url_for("acting.next_step", token=token),
        seal=_seal,
        store=_store,
    )


def _seal(campaign: Campaign, opened: Opened, form: ConfirmForm) -> Sealed:
    consents = _consents(form)
    partner = str(opened.payload.get("partner", ""))
    sealed = services.seal_signature(
        campaign,
        opened.pending.id,
        form.entered,
        consents=consents,
        partner_id=partners.id_by_slug(campaign.id, partner),
    )
    contact = subscriptions.seal_contact(campaign, opened) if consents.alerts else None
    return Sealed(sealed, contact)


def _store(opened: Opened, sealed: Sealed, form: ConfirmForm) -> None:
    services.confirm(opened, sealed.signature, form.entered, consents=_consents(form))
    if sealed.contact is not None:
        subscriptions.subscribe(opened, sealed.contact, scope=Scope.EVERY_UPDATE)


def _consents(form: ConfirmForm) -> services.Consents:
    return services.Consents(form.alerts.is_yes, form.shows_name.is_yes, form.hands_over.is_yes)
