"""Write an update, look at it as readers will, publish it and tell supporters."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any

from flask import abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_timedelta
from flask_babel import gettext as _

from tracker.alerts import queries as alert_queries
from tracker.alerts import services as alerts
from tracker.alerts.freezing import freeze_update
from tracker.campaigns import words
from tracker.campaigns.models import Campaign, State
from tracker.campaigns.translations import texts_of, translate
from tracker.core import clock, guard
from tracker.core.errors import Refused
from tracker.core.languages import CONTENT_LANGUAGES, LANGUAGES, direction, speaking, told
from tracker.dashboard import access, translations
from tracker.dashboard.alerts import alerts_shown
from tracker.dashboard.blueprint import ROW, bp
from tracker.extensions import SAFE_METHODS, wake_after_commit, writing
from tracker.mail.splicing import Frozen, NotFrozen
from tracker.organisers import session
from tracker.settings import Settings
from tracker.subscriptions import queries as subscriptions
from tracker.updates import queries, services
from tracker.updates.entries import Entry, entry_of
from tracker.updates.forms import SubjectNow, UpdateForm, update_form
from tracker.updates.models import Update, UpdateState
from tracker.updates.services import PlannedChange


def update_or_404(campaign: Campaign, update_id: int) -> Update:
    """Give one update of the campaign."""
    return queries.by_id(campaign.id, update_id) or abort(404)


# --- write ---------------------------------------------------------------------------------


@bp.route("/campaigns/<slug>/updates/new", methods=["GET", "POST"])
@guard.csrf_guarded
def new_update(slug: str) -> ResponseReturnValue:
    """Write an update; it is kept as a draft until it has been looked at."""
    campaign = access.campaign_or_404(slug)
    form = _form(campaign, {"happened_on": campaign.local_date(clock.now())})
    if form.validate_on_submit():
        author_id = session.current().id
        try:
            with writing():
                campaign = access.campaign_or_404(slug, lock=True)
                changes = _planned(campaign, form)
                draft = services.write(
                    campaign, author_id=author_id, changes=changes, **form.values
                )
                update_id = draft.id
            return redirect(url_for(".update", slug=slug, update_id=update_id), 303)
        except Refused as refused:
            form.form_errors.append(told(refused))
    return _form_page(access.campaign_or_404(slug), form)


@bp.route(f"/campaigns/<slug>/updates/<{ROW}:update_id>/edit", methods=["GET", "POST"])
@guard.csrf_guarded
def edit_update(slug: str, update_id: int) -> ResponseReturnValue:
    """Change a draft."""
    campaign = access.campaign_or_404(slug)
    draft = update_or_404(campaign, update_id)
    if draft.state is not UpdateState.DRAFT:
        flash(_("A published update cannot be rewritten."), "error")
        return redirect(url_for(".update", slug=slug, update_id=update_id), 303)
    form = _form(campaign, _stored(draft))
    if form.validate_on_submit():
        try:
            with writing():
                campaign = access.campaign_or_404(slug, lock=True)
                draft = update_or_404(campaign, update_id)
                services.rewrite(draft, changes=_planned(campaign, form), **form.values)
            return redirect(url_for(".update", slug=slug, update_id=update_id), 303)
        except Refused as refused:
            form.form_errors.append(told(refused))
    campaign = access.campaign_or_404(slug)
    return _form_page(campaign, form, update_or_404(campaign, update_id))


def _form(campaign: Campaign, data: dict[str, Any]) -> UpdateForm:
    subjects = [
        SubjectNow(one.id, one.name, campaign.kind, one.status, one.certainty)
        for one in campaign.subjects
    ]
    return update_form(subjects, today=campaign.local_date(clock.now()))(data=data)


def _stored(draft: Update) -> dict[str, Any]:
    names = ("headline", "text", "sources", "happened_on", "happened_time", "is_approximate")
    found = {name: getattr(draft, name) for name in names}
    found |= {"precision": draft.precision.value, "alerts": "yes" if draft.alerts else "no"}
    for change in draft.changes:
        found[f"status_{change.subject_id:x}"] = change.new_status.value
        found[f"certainty_{change.subject_id:x}"] = change.certainty.value
    return found


def _planned(campaign: Campaign, form: UpdateForm) -> list[PlannedChange]:
    by_id = {subject.id: subject for subject in campaign.subjects}
    return [
        PlannedChange(by_id[one.subject_id], one.new_status, one.certainty)
        for one in form.planned
        if one.subject_id in by_id
    ]


def _form_page(
    campaign: Campaign, form: UpdateForm, draft: Update | None = None
) -> ResponseReturnValue:
    page = render_template(
        "dashboard/updates/edit_update.html",
        campaign=campaign,
        form=form,
        draft=draft,
        direction=direction,
        words=words,
    )
    return page, 422 if form.errors else 200


# --- look, publish, tell -------------------------------------------------------------------


@dataclass(frozen=True)
class MailShown:
    """The mail as one reader will get it."""

    subject: str
    text: str
    language: str
    dir: str


@bp.get(f"/campaigns/<slug>/updates/<{ROW}:update_id>")
def update(slug: str, update_id: int) -> ResponseReturnValue:
    """Show an update as readers will see it, and how many will be told."""
    campaign = access.campaign_or_404(slug)
    found = update_or_404(campaign, update_id)
    try:
        frozen = _frozen(found)
    except NotFrozen:
        frozen = {}
    broken = _why_broken(found) if found.alerts and not frozen else ""
    return render_template(
        "dashboard/updates/update.html",
        campaign=campaign,
        update=found,
        is_draft=found.state is UpdateState.DRAFT,
        may_publish=campaign.state in {State.LIVE, State.CLOSED} and not broken,
        broken=broken,
        direction=direction,
        seen=_digest(found, frozen),
        entry=_entry(found, campaign.language),
        words=words,
        told=subscriptions.count_active(campaign.id, for_status_change=bool(found.changes)),
        mail=_mail_shown(frozen, _language_wanted(campaign)),
        mail_languages=LANGUAGES,
        missing=_not_translated(campaign, found),
        wait=_wait(),
        alert=alerts_shown(campaign.id).get(update_id),
        my_address=session.current().email,
    )


def _why_broken(found: Update) -> str:
    """Say why there is no mail to show, in words that help."""
    settings: Settings = current_app.config["TRACKER"]
    if not settings.mail_from:
        why = _("No mail can be made: this site has no sender address. Tell an administrator.")
    elif found.state is UpdateState.DRAFT:
        why = _("This mail cannot be made as it is written. Shorten the headline or the text.")
    else:
        why = _("The mail is not stored as it was approved, so it is neither shown nor sent.")
    return str(why)


def _wait() -> str:
    """Give in words how long an alert can be stopped; empty where it cannot."""
    seconds = current_app.config["TRACKER"].cancel_window
    return str(format_timedelta(dt.timedelta(seconds=seconds), threshold=2)) if seconds else ""


def _language_wanted(campaign: Campaign) -> str:
    wanted = request.args.get("language", "")
    return wanted if wanted in LANGUAGES else campaign.language


def _entry(found: Update, language: str) -> Entry:
    with speaking(language):
        return entry_of(found, texts_of(found.campaign, language))


def _frozen(found: Update) -> dict[str, Frozen]:
    """Give the mails of an update, as stored once approved; none where it tells nobody.

    Raises :class:`NotFrozen` where a mail would not come out as it is written.
    """
    if not found.alerts:
        return {}
    stored = alert_queries.variants(found.id)
    return freeze_update(found) if found.state is UpdateState.DRAFT or not stored else stored


def _mail_shown(frozen: dict[str, Frozen], language: str) -> MailShown | None:
    """Give the mail as one reader's program shows it: the very bytes that are sent."""
    if language not in frozen:
        return None
    message = frozen[language].preview()
    body = message.get_body(("plain",))
    text = body.get_content() if body is not None else ""
    return MailShown(str(message["Subject"]), text, language, direction(language))


def _not_translated(campaign: Campaign, found: Update) -> list[translations.Progress]:
    section = translations.section_of(found)
    listed = [
        translations.progress_of([section], texts_of(campaign, code))
        for code in CONTENT_LANGUAGES
        if code != campaign.language
    ]
    return [one for one in listed if one.missing or one.outdated]


@bp.post(f"/campaigns/<slug>/updates/<{ROW}:update_id>/publish")
@guard.csrf_guarded
def publish_update(slug: str, update_id: int) -> ResponseReturnValue:
    """Publish and tell, in one act; a second press finds it published and changes nothing."""
    settings: Settings = current_app.config["TRACKER"]
    try:
        # Before the transaction: eight languages take a while to be put into words.
        frozen = _frozen(update_or_404(access.campaign_or_404(slug), update_id))
        with writing():
            campaign = access.campaign_or_404(slug, lock=True)
            found = update_or_404(campaign, update_id)
            _check_seen(found, frozen)
            organiser_id = session.current().id
            services.publish(found, by_id=organiser_id)
            if found.alerts:
                alerts.announce(
                    found,
                    frozen=frozen,
                    by_id=organiser_id,
                    cancel_window=settings.cancel_window,
                    lifetime=settings.alert_lifetime,
                )
                wake_after_commit()
                done = _("Published. Supporters will be told.")
            else:
                done = _("Published. Nobody is told by mail.")
    except NotFrozen:
        return redirect(url_for(".update", slug=slug, update_id=update_id), 303)  # says why
    except Refused as refused:
        flash(told(refused), "error")
        return redirect(url_for(".update", slug=slug, update_id=update_id), 303)
    flash(done, "good")
    return redirect(url_for(".campaign", slug=slug), 303)


@bp.post(f"/campaigns/<slug>/updates/<{ROW}:update_id>/trial")
@guard.csrf_guarded
def try_alert(slug: str, update_id: int) -> ResponseReturnValue:
    """Send a draft's mail to the organiser who asks: the very bytes supporters would get."""
    campaign = access.campaign_or_404(slug)
    language = _language_wanted(campaign)
    here = url_for(".update", slug=slug, update_id=update_id, language=language)
    try:
        frozen = _frozen(update_or_404(campaign, update_id))
    except NotFrozen:
        return redirect(here, 303)  # which says why
    if language not in frozen:
        abort(404)
    organiser = session.current()
    trial = alerts.prepare_trial(update_id, frozen[language], organiser_id=organiser.id)
    with access.acting(_("On its way to %(address)s.", address=organiser.email)):
        found = update_or_404(access.campaign_or_404(slug, lock=True), update_id)
        alerts.try_out(found, frozen, trial)
    return redirect(here, 303)


def _check_seen(found: Update, frozen: dict[str, Frozen]) -> None:
    """Refuse where the draft, or a mail, is no longer what the preview showed."""
    if found.state is UpdateState.DRAFT and request.form.get("seen") != _digest(found, frozen):
        raise Refused(_("The draft was changed meanwhile. Look at it once more."))


def _digest(found: Update, frozen: dict[str, Frozen]) -> str:
    """Give a mark of everything that publishing makes public, every mail included."""
    parts = [getattr(found, name) for name in _PUBLIC]
    parts += sorted(
        (one.subject_id, one.new_status.value, one.certainty.value) for one in found.changes
    )
    parts += [(language, one.digest()) for language, one in sorted(frozen.items())]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


_PUBLIC = (
    "headline", "text", "sources", "alerts", "happened_on", "happened_time", "precision",
    "is_approximate",
)  # fmt: skip


@bp.route(f"/campaigns/<slug>/updates/<{ROW}:update_id>/delete", methods=["GET", "POST"])
@guard.csrf_guarded
def delete_update(slug: str, update_id: int) -> ResponseReturnValue:
    """Ask, then throw a draft away."""
    campaign = access.campaign_or_404(slug)
    found = update_or_404(campaign, update_id)
    if request.method in SAFE_METHODS:
        return render_template(
            "dashboard/updates/delete_update.html", campaign=campaign, update=found
        )
    with access.acting(_("The draft is deleted.")):
        campaign = access.campaign_or_404(slug, lock=True)
        found = update_or_404(campaign, update_id)
        services.discard(found)
        blocks = {block.name: ("", "") for block in translations.section_of(found).blocks}
        for code in CONTENT_LANGUAGES:
            translate(campaign, code, blocks)
    return redirect(url_for(".campaign", slug=slug), 303)
