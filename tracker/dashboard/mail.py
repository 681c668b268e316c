"""The post office in figures; no address is ever shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import current_app, render_template
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l

from tracker.alerts import queries as alert_queries
from tracker.alerts.models import NOTICE_KIND, TRIAL_KIND, Alert
from tracker.configuration.mail import Relay
from tracker.confirmations.services import LETTER_KIND, LINK_KIND
from tracker.core import clock
from tracker.dashboard import limits, queries
from tracker.dashboard.alerts import AlertShown, alert_shown, moment_label
from tracker.dashboard.blueprint import bp
from tracker.mail import queries as mail_queries
from tracker.mail import relays
from tracker.mail.models import BounceKind, RelayHealth, SuppressionReason
from tracker.organisers import session
from tracker.settings import Settings

SHOWN = 100
"""Alerts in the list, newest first."""
RECENT = dt.timedelta(days=14)
"""How far back what came back is counted."""

KINDS: dict[str, Any] = {
    LETTER_KIND: _l("Confirmations and answers to forms"),
    LINK_KIND: _l("Links to one’s own page"),
    NOTICE_KIND: _l("Notices to organisers"),
    TRIAL_KIND: _l("Alerts to look at, to organisers"),
}
SUPPRESSED: dict[SuppressionReason, Any] = {
    SuppressionReason.COMPLAINT: _l("Marked our mail as spam"),
    SuppressionReason.BOUNCE: _l("Mailbox does not exist, or mails came back again and again"),
    SuppressionReason.NOT_ME: _l("Never asked for our mail: somebody else entered the address"),
    SuppressionReason.OPERATOR: _l("Entered by an administrator"),
}
BOUNCES: dict[BounceKind, Any] = {
    BounceKind.HARD: _l("For good: no such mailbox, or it refused"),
    BounceKind.SOFT: _l("For now: full or out of reach"),
    BounceKind.POLICY: _l("Not wanted from us: mail providers do not trust our mail server"),
}
PROVIDERS: dict[str, Any] = {
    "google": "Google",
    "microsoft": "Microsoft",
    "yahoo": "Yahoo",
    "other": _l("All others"),
}


@bp.get("/mail")
def mail() -> ResponseReturnValue:
    """Show what waits to be sent, how far each alert is, and what came back."""
    settings: Settings = current_app.config["TRACKER"]
    organiser = session.current()
    campaigns = [one.id for one in queries.campaigns_of(organiser)]
    return render_template(
        "dashboard/mail/mail.html",
        alerts=_alerts(queries.alerts_of(campaigns, limit=SHOWN)),
        waiting=[
            (KINDS.get(kind, kind), count)
            for kind, count in sorted(mail_queries.count_waiting().items())
        ],
        suppressed=_labelled(SUPPRESSED, mail_queries.count_suppressed()),
        bounced=_labelled(BOUNCES, queries.count_bounces(since=clock.today() - RECENT)),
        days=RECENT.days,
        limits=[
            (PROVIDERS[name], limits.rate_label(rate))
            for name, rate in settings.provider_limits.items()
        ],
        servers=_servers(settings) if organiser.is_admin else None,
    )


def _labelled(labels: Mapping[Any, Any], counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    """Give the counts there are, each with its label, in the labels' order."""
    return [(label, counts[key]) for key, label in labels.items() if key in counts]


def _alerts(found: list[Alert]) -> list[tuple[Any, AlertShown]]:
    held = alert_queries.held_alerts({alert.campaign_id for alert in found})
    return [
        (alert.update.campaign, alert_shown(alert, is_held=alert.id in held)) for alert in found
    ]


# --- mail servers, for administrators --------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ServerShown:
    """A mail server: how much of our mail it takes, and how it does."""

    name: str
    host: str
    today: str
    whole: str
    """The limit once it is warmed up; empty where that is today's."""
    accepted: int
    slowed: int
    trouble: str
    trouble_at: str
    well_at: str


def _servers(settings: Settings) -> list[ServerShown]:
    known = relays.health(settings.relays)
    return [_server(relay, known.get(relay.name)) for relay in settings.relays]


def _server(relay: Relay, row: RelayHealth | None) -> ServerShown:
    today = relays.todays_rate(relay)
    return ServerShown(
        name=relay.name,
        host=relays.address(relay),
        today=limits.rate_label(today),
        whole=limits.rate_label(relay.rate) if today < relay.rate else "",
        accepted=row.accepted if row else 0,
        slowed=row.slowed if row else 0,
        trouble=row.trouble if row else "",
        trouble_at=moment_label(row.trouble_at) if row and row.trouble_at else "",
        well_at=moment_label(row.well_at) if row and row.well_at else "",
    )
