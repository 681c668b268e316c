"""How far an alert has come; stop it, let it rest, let it go at once."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from flask import abort, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date
from flask_babel import gettext as _

from tracker.alerts import queries, services
from tracker.alerts.models import RUNNING, UNFINISHED, Alert, AlertState
from tracker.core import clock, guard
from tracker.dashboard import access, limits
from tracker.dashboard.blueprint import ROW, bp
from tracker.extensions import wake_after_commit

SILENT = dt.timedelta(minutes=5)
"""An alert on its way that no worker looked after for so long makes us doubt the worker."""

RECENT = dt.timedelta(days=1)
"""How long the campaign's page says how an alert ended, for whoever watched it go."""


@dataclass(frozen=True, kw_only=True)
class AlertShown:
    """An alert in figures; never who it goes to.

    ``shows`` is what a page says of it: its state, or ``due``, ``held`` (a newer alert about
    the same person is about to leave) or ``hidden`` (the campaign's page is), which keep it
    from leaving. ``left`` counts those to be tried again, too; ``limit`` and ``takes`` are
    empty where nothing slows it down.
    """

    update_id: int
    headline: str
    shows: str
    paused_for: str
    is_active: bool
    is_running: bool
    is_silent: bool
    leaves_at: str
    leaves_iso: str
    ends_at: str
    ends_iso: str
    sent: int
    left: int
    deferred: int
    skipped: int
    failed: int
    bounced: int
    refused: int
    complained: int
    limit: str
    takes: str
    ended_at: dt.datetime | None

    @property
    def is_waiting(self) -> bool:
        """Say whether it can leave at once, or be stopped before anybody was told."""
        return self.shows in {"waiting", "due"}

    @property
    def settled(self) -> int:
        """Give for how many nothing more is to be done."""
        return self.sent + self.skipped + self.failed


def alerts_shown(campaign_id: int) -> dict[int, AlertShown]:
    """Give a campaign's alerts, by update."""
    found = queries.of_campaign(campaign_id)
    held = queries.held_alerts([campaign_id]) if found else set()
    return {one.update_id: alert_shown(one, is_held=one.id in held) for one in found.values()}


def to_watch(shown: dict[int, AlertShown]) -> list[AlertShown]:
    """Give those that are not over, and the one that ended last where that is not long ago."""
    since = clock.now() - RECENT
    ended = [one for one in shown.values() if one.ended_at and one.ended_at > since]
    ended.sort(key=lambda one: one.ended_at or since)
    return [one for one in shown.values() if one.is_active] + ended[-1:]


def alert_shown(alert: Alert, *, is_held: bool = False) -> AlertShown:
    """Give an alert's figures: live while it runs, exact once it is done."""
    found = queries.figures(alert)
    shows = _shows(alert, is_held=is_held)
    is_running = shows in {state.value for state in RUNNING}
    rate = limits.whole_rate() if is_running and found.left else 0.0
    return AlertShown(
        update_id=alert.update_id,
        headline=alert.update.headline,
        shows=shows,
        paused_for=alert.paused_for.value if alert.paused_for else "",
        is_active=alert.state in UNFINISHED,
        is_running=is_running,
        is_silent=is_running and clock.now() - (alert.active_at or clock.now()) > SILENT,
        leaves_at=f"{alert.not_before:%H:%M:%S} UTC",
        leaves_iso=alert.not_before.isoformat(timespec="seconds"),
        ends_at=moment_label(alert.not_after),
        ends_iso=alert.not_after.isoformat(timespec="seconds"),
        sent=found.sent,
        left=found.left,
        deferred=found.deferred,
        skipped=found.skipped,
        failed=found.failed,
        bounced=alert.bounced,
        refused=alert.refused,
        complained=alert.complained,
        limit=limits.rate_label(rate) if rate else "",
        takes=limits.time_label(found.left, rate=rate) if rate else "",
        ended_at=alert.done_at,
    )


def _shows(alert: Alert, *, is_held: bool) -> str:
    """Give what a page says of an alert: what an organiser must know first."""
    if alert.state not in UNFINISHED or alert.state is AlertState.PAUSED:
        return str(alert.state.value)
    if not alert.update.campaign.is_public:
        return "hidden"
    if is_held:
        return "held"
    if alert.state is AlertState.WAITING and alert.not_before <= clock.now():
        return "due"
    return str(alert.state.value)


def moment_label(moment: dt.datetime) -> str:
    """Give day and time in the reader's language."""
    day, time = format_date(moment, "medium"), f"{moment:%H:%M} UTC"
    return str(_("%(first)s, %(second)s", first=day, second=time))


@bp.post(f"/campaigns/<slug>/updates/<{ROW}:update_id>/stop")
@guard.csrf_guarded
def stop_alert(slug: str, update_id: int) -> ResponseReturnValue:
    """Send nothing more of an alert."""
    with access.acting(_("Stopped. Nobody else is told; the update stays on the page.")):
        services.stop(_locked(slug, update_id))
    return redirect(url_for(".campaign", slug=slug), 303)


@bp.post(f"/campaigns/<slug>/updates/<{ROW}:update_id>/send-now")
@guard.csrf_guarded
def send_now(slug: str, update_id: int) -> ResponseReturnValue:
    """Let an alert go at once."""
    with access.acting(_("It leaves now.")):
        services.send_now(_locked(slug, update_id))
        wake_after_commit()
    return redirect(url_for(".campaign", slug=slug), 303)


@bp.post(f"/campaigns/<slug>/updates/<{ROW}:update_id>/pause-alert")
@guard.csrf_guarded
def pause_alert(slug: str, update_id: int) -> ResponseReturnValue:
    """Let an alert rest."""
    with access.acting(_("Paused. No mail leaves until you let it go on.")):
        services.pause(_locked(slug, update_id))
    return redirect(url_for(".campaign", slug=slug), 303)


@bp.post(f"/campaigns/<slug>/updates/<{ROW}:update_id>/resume-alert")
@guard.csrf_guarded
def resume_alert(slug: str, update_id: int) -> ResponseReturnValue:
    """Let a resting alert go on."""
    with access.acting(_("It goes on where it was.")):
        services.resume(_locked(slug, update_id))
        wake_after_commit()
    return redirect(url_for(".campaign", slug=slug), 303)


def _locked(slug: str, update_id: int) -> Alert:
    campaign = access.campaign_or_404(slug)
    alert = queries.by_update(update_id, lock=True)
    if alert is None or alert.campaign_id != campaign.id:
        abort(404)
    return alert
