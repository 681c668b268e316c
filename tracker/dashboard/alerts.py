"""How far an alert has come; stop it in time, or let it go at once."""

from __future__ import annotations

from dataclasses import dataclass

from flask import abort, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from tracker.alerts import queries, services
from tracker.alerts.models import Alert, AlertState
from tracker.core import guard
from tracker.dashboard import access
from tracker.dashboard.blueprint import ROW, bp
from tracker.mail import queries as mail
from tracker.mail.models import DeliveryState


@dataclass(frozen=True, kw_only=True)
class AlertShown:
    """An alert in figures; never who it goes to."""

    update_id: int
    headline: str
    state: str
    leaves_at: str
    leaves_iso: str
    sent: int
    queued: int
    skipped: int
    failed: int

    @property
    def is_waiting(self) -> bool:
        """Say whether it can be stopped."""
        return self.state == AlertState.WAITING.value

    @property
    def is_active(self) -> bool:
        """Say whether something about it still changes."""
        return self.state in {"waiting", "expanding", "sending"}

    @property
    def owed(self) -> int:
        """Give to how many it goes, as far as is known."""
        return self.sent + self.queued + self.skipped + self.failed


def alert_shown(alert: Alert) -> AlertShown:
    """Give an alert's figures: live while it runs, exact once it is done."""
    sent, queued, skipped, failed = alert.sent, 0, alert.skipped, alert.failed
    if alert.state in queries.ACTIVE:
        counts = mail.count_by_state(alert.id)
        sent = counts.get(DeliveryState.SENT, 0)
        queued = counts.get(DeliveryState.QUEUED, 0)
        skipped = counts.get(DeliveryState.SKIPPED, 0)
        failed = counts.get(DeliveryState.REFUSED, 0) + counts.get(DeliveryState.GIVEN_UP, 0)
    return AlertShown(
        update_id=alert.update_id,
        headline=alert.update.headline,
        state=alert.state.value,
        leaves_at=f"{alert.not_before:%H:%M:%S} UTC",
        leaves_iso=alert.not_before.isoformat(timespec="seconds"),
        sent=sent,
        queued=queued,
        skipped=skipped,
        failed=failed,
    )


@bp.post(f"/campaigns/<slug>/updates/<{ROW}:update_id>/stop")
@guard.csrf_guarded
def stop_alert(slug: str, update_id: int) -> ResponseReturnValue:
    """Send nothing of an alert that waits."""
    with access.acting(_("Stopped. Nobody was told; the update stays on the page.")):
        services.stop(_locked(slug, update_id))
    return redirect(url_for(".campaign", slug=slug), 303)


@bp.post(f"/campaigns/<slug>/updates/<{ROW}:update_id>/send-now")
@guard.csrf_guarded
def send_now(slug: str, update_id: int) -> ResponseReturnValue:
    """Let an alert go at once."""
    with access.acting(_("It leaves now.")):
        services.send_now(_locked(slug, update_id))
    return redirect(url_for(".campaign", slug=slug), 303)


def _locked(slug: str, update_id: int) -> Alert:
    campaign = access.campaign_or_404(slug)
    alert = queries.by_update(update_id, lock=True)
    if alert is None or alert.campaign_id != campaign.id:
        abort(404)
    return alert
