"""What every public form does with what was filled in: all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import abort, current_app, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from tracker.campaigns import queries as campaigns
from tracker.campaigns import services as campaign_services
from tracker.campaigns.models import Campaign
from tracker.campaigns.translations import texts_of
from tracker.confirmations import services
from tracker.confirmations.models import Kind
from tracker.core import languages
from tracker.core.errors import TooMany
from tracker.core.forms import PublicForm
from tracker.core.throttle import network, throttle
from tracker.extensions import db, writing
from tracker.mail import services as mail


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
        campaign_services.check_open(db.session.get_one(Campaign, campaign_id))
        services.store(prepared)


def _queue_link(campaign: Campaign, form: PublicForm) -> None:
    letter = services.prepare_link(
        campaign, address=str(form.email.data), language=languages.current()
    )
    with writing():
        mail.queue(letter)
