"""What every public form and every confirmation do: all the same, but for what is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from tracker.campaigns import queries as campaigns
from tracker.campaigns import services as campaign_services
from tracker.campaigns.models import Campaign
from tracker.campaigns.translations import texts_of
from tracker.confirmations import services
from tracker.confirmations.models import Kind
from tracker.core import languages, tokens
from tracker.core.errors import TooMany
from tracker.core.forms import PublicForm
from tracker.core.throttle import network, throttle
from tracker.extensions import writing
from tracker.mail import services as mail

Sealed = TypeVar("Sealed")


def take(
    campaign: Campaign, form: PublicForm, *, template: str, store: Callable[[], None]
) -> ResponseReturnValue:
    """Show the form, or store what it holds and lead to the page that says: look in your inbox.

    Nothing in the answer depends on who owns the address. Too many forms from one network: the
    form comes back filled in, so that nothing is lost.
    """
    status, headers = 200, dict[str, str]()
    if form.validate_on_submit():
        try:
            limit = current_app.config["TRACKER"].sign_limit
            throttle.hit(limit, purpose="form", who=network())
            if not form.is_from_robot:
                store()
            return redirect(url_for("confirmations.check_inbox", slug=campaign.slug), 303)
        except TooMany as refused:
            form.form_errors.append(languages.told(refused))
            status = refused.status
            headers["Retry-After"] = str(refused.retry_after)
    title = texts_of(campaign, languages.current()).text("title", campaign.title)
    page = render_template(template, campaign=campaign, title=title, form=form)
    return page, 422 if form.errors and status == 200 else status, headers


def take_support(
    slug: str,
    form: PublicForm,
    kind: Kind,
    *,
    template: str,
    payload: Callable[[], dict[str, Any]],
) -> ResponseReturnValue:
    """Take a form that makes something once it is confirmed by mail."""
    campaign = campaigns.published(slug) or abort(404)
    campaign_services.check_open(campaign)
    return take(
        campaign,
        form,
        template=template,
        store=lambda: _store(campaign, form, kind, payload()),
    )


def take_wish_for_link(slug: str, form: PublicForm, *, template: str) -> ResponseReturnValue:
    """Take an address to which the link to one's own page is mailed, if there is one."""
    campaign = campaigns.published(slug) or abort(404)
    return take(campaign, form, template=template, store=lambda: _queue_link(campaign, form))


def confirm(
    token: str,
    kind: Kind,
    make_form: Callable[..., PublicForm],
    *,
    template: str,
    done: str,
    seal: Callable[[Campaign, services.Opened, Any], Sealed],
    store: Callable[[services.Opened, Sealed, Any], None],
) -> ResponseReturnValue:
    """Show what was entered, and make of it what it is meant to be on POST only.

    ``seal`` does the costly work before the transaction, ``store`` writes in it. A link that
    was used leads to one's own page again, however often and however fast it is pressed.
    """
    pending, secret = services.find(token, kind)
    if pending.confirmed_on is not None:
        return _to_own_page(services.links_of(pending, secret)[0], done)
    opened = services.open_pending(pending, secret)
    campaign = campaigns.by_id(pending.campaign_id)
    campaign_services.check_open(campaign)
    form = make_form() if request.method == "POST" else make_form(data=opened.payload)
    if form.validate_on_submit():
        sealed = seal(campaign, opened, form)
        _complete(token, kind, lambda found: store(found, sealed, form))
        return _to_own_page(opened.manage, done)
    page = render_template(
        template,
        title=texts_of(campaign, languages.current()).text("title", campaign.title),
        form=form,
        address=opened.payload["address"],
        token=token,
    )
    return page, 422 if form.errors else 200


def _complete(token: str, kind: Kind, store: Callable[[services.Opened], None]) -> None:
    with writing():
        pending, secret = services.find(token, kind, lock=True)
        if pending.confirmed_on is not None:
            return
        campaign_services.check_open(campaigns.by_id(pending.campaign_id))
        store(services.open_pending(pending, secret))
        services.complete(pending)


def _to_own_page(manage: bytes, done: str) -> ResponseReturnValue:
    return redirect(url_for("pages.my_page", token=tokens.to_text(manage), done=done), 303)


def _store(campaign: Campaign, form: PublicForm, kind: Kind, payload: dict[str, Any]) -> None:
    prepared = services.prepare(
        kind,
        campaign,
        address=str(form.email.data),
        payload=payload,
        language=languages.current(),
    )
    campaign_id = campaign.id
    with writing():
        campaign_services.check_open(campaigns.by_id(campaign_id))
        services.store(prepared)


def _queue_link(campaign: Campaign, form: PublicForm) -> None:
    letter = services.prepare_link(
        campaign, address=str(form.email.data), language=languages.current()
    )
    with writing():
        mail.queue(letter)
