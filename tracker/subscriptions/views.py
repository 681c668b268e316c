"""Subscribe without signing, confirm, and leave with one click."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from tracker.campaigns import queries as campaigns
from tracker.campaigns.translations import Text, texts_of
from tracker.confirmations import intake
from tracker.confirmations import queries as pendings
from tracker.confirmations.models import Kind
from tracker.core import guard, languages, tokens
from tracker.extensions import SAFE_METHODS, writing
from tracker.subscriptions import queries, services
from tracker.subscriptions.forms import ConfirmSubscriptionForm, SubscribeForm
from tracker.subscriptions.models import Scope

bp = Blueprint("subscriptions", __name__, url_prefix="/<lang:lang>")


@bp.route("/campaigns/<slug>/subscribe", methods=["GET", "POST"])
@guard.public_guarded
def subscribe(slug: str) -> ResponseReturnValue:
    """Take an address, then say to look into the inbox; the same for every address."""
    form = SubscribeForm()
    return intake.take_support(
        slug,
        form,
        Kind.SUBSCRIPTION,
        template="subscriptions/subscribe.html",
        payload=lambda: {"scope": form.scope.data},
    )


@bp.route("/confirm/subscription/<token>", methods=["GET", "POST"])
@guard.public_guarded
def confirm(token: str) -> ResponseReturnValue:
    """Show what will be sent and store the consent on POST only."""
    return intake.confirm(
        token,
        Kind.SUBSCRIPTION,
        ConfirmSubscriptionForm,
        template="subscriptions/confirm.html",
        leads_to=intake.to_own_page("subscribed"),
        seal=lambda campaign, opened, _: services.seal_contact(campaign, opened),
        store=lambda opened, contact, form: services.subscribe(
            opened, contact, scope=Scope(form.scope.data)
        ),
    )


@bp.route("/unsubscribe/<token>", methods=["GET", "POST"])
@guard.open_to_mail
def unsubscribe(token: str) -> ResponseReturnValue:
    """End the mails: a button for people, a bare POST for mail programs (RFC 8058).

    A POST answers 200 without a redirect, however often it comes; it needs no worker.
    """
    title = _title(token)
    if request.method in SAFE_METHODS:
        return render_template("subscriptions/unsubscribe.html", done=False, title=title)
    is_ours = request.form.get("List-Unsubscribe") == "One-Click" or "stop" in request.form
    if not is_ours:
        abort(400)
    secret = tokens.from_text(token)
    if secret is not None:
        with writing():
            services.leave(secret)
    return render_template("subscriptions/unsubscribe.html", done=True, title=title)


def _title(token: str) -> Text | None:
    """Give the title of the campaign a link belongs to; only its holder can ask."""
    secret = tokens.from_text(token) or b""
    found = queries.by_unsubscribe(secret) or pendings.by_unsubscribe(secret)
    if found is None:
        return None
    campaign = campaigns.by_id(found.campaign_id)
    return texts_of(campaign, languages.current()).text("title", campaign.title)
