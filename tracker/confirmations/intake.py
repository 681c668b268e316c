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
from tracker.confirmations import inbox, services
from tracker.confirmations.codes import Ticket, new_ticket
from tracker.confirmations.models import Kind
from tracker.core import languages, tokens
from tracker.core.errors import TooMany
from tracker.core.forms import PublicForm
from tracker.core.throttle import network, throttle
from tracker.extensions import writing
from tracker.mail import services as mail

Sealed = TypeVar("Sealed")


def take(
    campaign: Campaign,
    form: PublicForm,
    kind: Kind | None,
    *,
    template: str,
    store: Callable[[], Ticket | None],
) -> ResponseReturnValue:
    """Show the form, or store what it holds and say: look in your inbox.

    An address that looks mistyped is asked about first, once, before anything is written.
    Nothing in the answer depends on who owns the address. It is no redirect: what the code
    needs must not stand in an address (docs/decisions/0007). Too many forms from one network:
    the form comes back filled in, so that nothing is lost.
    """
    status, headers = 200, dict[str, str]()
    if form.validate_on_submit() and not form.email.suggestion:
        try:
            limit = current_app.config["TRACKER"].sign_limit
            throttle.hit(limit, purpose="form", who=network())
            ticket = _like_a_ticket(kind) if form.is_from_robot else store()
            return inbox.answer(campaign, kind, address=form.email.data, ticket=ticket)
        except TooMany as refused:
            form.form_errors.append(languages.told(refused))
            status = refused.status
            headers["Retry-After"] = str(refused.retry_after)
    title = texts_of(campaign, languages.current()).text("title", campaign.title)
    page = render_template(template, campaign=campaign, title=title, form=form)
    return page, 422 if form.errors and status == 200 else status, headers


def _like_a_ticket(kind: Kind | None) -> Ticket | None:
    """Give what makes a robot's page look like any other."""
    return new_ticket() if kind else None


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
        kind,
        template=template,
        store=lambda: _store(campaign, form, kind, payload()),
    )


def take_wish_for_link(slug: str, form: PublicForm, *, template: str) -> ResponseReturnValue:
    """Take an address to which the link to one's own page is mailed, if there is one."""
    campaign = campaigns.published(slug) or abort(404)
    return take(
        campaign, form, None, template=template, store=lambda: _queue_link(campaign, form)
    )


def confirm(
    token: str,
    kind: Kind,
    make_form: Callable[..., PublicForm],
    *,
    template: str,
    leads_to: Callable[[str], str],
    seal: Callable[[Campaign, services.Opened, Any], Sealed],
    store: Callable[[services.Opened, Sealed, Any], None],
) -> ResponseReturnValue:
    """Show what was entered, and make of it what it is meant to be on POST only.

    ``seal`` does the costly work before the transaction, ``store`` writes in it. ``leads_to``
    gives the next page for the token of one's own; a link that was used leads there again,
    however often and however fast it is pressed.
    """
    pending, secret = services.find(token, kind)
    if pending.confirmed_on is not None:
        return _onwards(leads_to, services.links_of(pending, secret)[0])
    opened = services.open_pending(pending, secret)
    campaign = campaigns.by_id(pending.campaign_id)
    campaign_services.check_open(campaign)
    form = make_form() if request.method == "POST" else make_form(data=opened.payload)
    if form.validate_on_submit():
        sealed = seal(campaign, opened, form)
        _complete(token, kind, lambda found: store(found, sealed, form))
        return _onwards(leads_to, opened.manage)
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


def to_own_page(done: str) -> Callable[[str], str]:
    """Give the way to one's own page, which says thanks for what was ``done``."""
    return lambda token: url_for("pages.my_page", token=token, done=done)


def _onwards(leads_to: Callable[[str], str], manage: bytes) -> ResponseReturnValue:
    return redirect(leads_to(tokens.to_text(manage)), 303)


def _store(campaign: Campaign, form: PublicForm, kind: Kind, payload: dict[str, Any]) -> Ticket:
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
    return prepared.ticket


def _queue_link(campaign: Campaign, form: PublicForm) -> None:
    letter = services.prepare_link(
        campaign, address=str(form.email.data), language=languages.current()
    )
    with writing():
        mail.queue(letter)
