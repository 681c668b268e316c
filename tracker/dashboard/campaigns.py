"""The organiser's campaigns: the list, one of them, publish, pause, close, verify."""

from __future__ import annotations

from flask import abort, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from tracker.alerts import queries as alert_queries
from tracker.alerts import services as alerts
from tracker.alerts.models import UNFINISHED
from tracker.campaigns import services, words
from tracker.campaigns.forms import CloseForm, PauseForm
from tracker.campaigns.models import Campaign, State, Subject
from tracker.campaigns.status import tone
from tracker.core import clock, guard
from tracker.core.errors import Refused
from tracker.dashboard import access, queries, translations
from tracker.dashboard.alerts import alerts_shown, to_watch
from tracker.dashboard.blueprint import ROW, bp
from tracker.organisers import session
from tracker.signatures import queries as signatures
from tracker.subscriptions import queries as subscriptions
from tracker.updates import queries as updates


@bp.get("/")
def room() -> ResponseReturnValue:
    """Lead to the campaigns."""
    return redirect(url_for(".campaigns"))


@bp.get("/campaigns")
def campaigns() -> ResponseReturnValue:
    """Show the campaigns one may work on, and what waits in each."""
    found = queries.campaigns_of(session.current())
    ids = [campaign.id for campaign in found]
    counts = signatures.by_country(ids)
    return render_template(
        "dashboard/campaigns/campaigns.html",
        campaigns=found,
        words=words,
        counts={one: sum(by_country.values()) for one, by_country in counts.items()},
        drafts=queries.count_drafts(ids),
        endorsements=queries.count_waiting_endorsements(ids),
        comments=queries.count_waiting_comments(ids),
    )


@bp.get("/campaigns/<slug>")
def campaign(slug: str) -> ResponseReturnValue:
    """Show one campaign: its state, those concerned, updates and alerts, translations."""
    found = access.campaign_or_404(slug)
    shown = alerts_shown(found.id)
    drafts = updates.drafts(found.id)
    return render_template(
        "dashboard/campaigns/campaign.html",
        campaign=found,
        words=words,
        tone=tone,
        count=signatures.count_confirmed(found.id),
        told=subscriptions.count_active(found.id, for_status_change=True),
        waiting_endorsements=queries.count_waiting_endorsements([found.id]).get(found.id, 0),
        waiting_comments=queries.count_waiting_comments([found.id]).get(found.id, 0),
        drafts=drafts,
        published=updates.published(found.id),
        alerts=shown,
        watched=to_watch(shown),
        languages_shown=translations.progress(found),
    )


@bp.post("/campaigns/<slug>/publish")
@guard.csrf_guarded
def publish_campaign(slug: str) -> ResponseReturnValue:
    """Show the page to everybody, for the first time or again after a pause."""
    with access.acting(_("The page is public now.")):
        services.publish(access.campaign_or_404(slug, lock=True))
    return redirect(url_for(".campaign", slug=slug), 303)


@bp.route("/campaigns/<slug>/pause", methods=["GET", "POST"])
@guard.csrf_guarded
def pause_campaign(slug: str) -> ResponseReturnValue:
    """Ask, then hide the page at once and stop what waits to be mailed."""
    found = access.campaign_or_404(slug)
    waiting = [alert for alert in alerts_shown(found.id).values() if alert.is_active]
    form = PauseForm()
    if any(not alert.is_waiting for alert in waiting):
        form.stops_alerts.label.text = _("Stop for good what has not left of them")
    if not form.validate_on_submit():
        page = render_template(
            "dashboard/campaigns/pause_campaign.html",
            campaign=found,
            form=form,
            waiting=waiting,
        )
        return page, 422 if form.errors else 200
    with access.acting(_("The page is hidden. You can show it again at any time.")):
        found = access.campaign_or_404(slug, lock=True)
        services.pause(found)
        if form.stops_alerts.data:
            _stop_alerts(found)
    return redirect(url_for(".campaign", slug=slug), 303)


def _stop_alerts(campaign: Campaign) -> None:
    for update_id in alert_queries.of_campaign(campaign.id):
        alert = alert_queries.by_update(update_id, lock=True)
        if alert is not None and alert.state in UNFINISHED:
            alerts.stop(alert)


@bp.route("/campaigns/<slug>/close", methods=["GET", "POST"])
@guard.csrf_guarded
def close_campaign(slug: str) -> ResponseReturnValue:
    """Ask for the outcome, then close; the page stays as a record."""
    found = access.campaign_or_404(slug)
    if found.state not in {State.LIVE, State.PAUSED}:
        return redirect(url_for(".campaign", slug=slug), 303)
    today = found.local_date(clock.now())
    form = CloseForm(today=today, data={"closed_on": today})
    if not form.validate_on_submit():
        page = render_template(
            "dashboard/campaigns/close_campaign.html", campaign=found, form=form
        )
        return page, 422 if form.errors else 200
    with access.acting(_("The campaign is closed. Its page stays as a record.")):
        found = access.campaign_or_404(slug, lock=True)
        services.close(found, form.chosen, on=form.closed_on.data)
    return redirect(url_for(".campaign", slug=slug), 303)


@bp.post(f"/campaigns/<slug>/subjects/<{ROW}:subject_id>/verify")
@guard.csrf_guarded
def verify_subject(slug: str, subject_id: int) -> ResponseReturnValue:
    """Write down that a status was checked today and still holds."""
    with access.acting(_("Written down: the status was verified today.")):
        subject = _subject(access.campaign_or_404(slug, lock=True), subject_id)
        if subject.status is None:
            raise Refused(_("There is no status to verify yet."))
        services.verify(subject)
    return redirect(url_for(".campaign", slug=slug) + "#concerned", 303)


def _subject(campaign: Campaign, subject_id: int) -> Subject:
    for subject in campaign.subjects:
        if subject.id == subject_id:
            return subject
    return abort(404)
