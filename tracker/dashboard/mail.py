"""The post office in figures; no address is ever shown."""

from __future__ import annotations

from typing import Any

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l

from tracker.alerts.models import KIND
from tracker.confirmations.services import LETTER_KIND, LINK_KIND
from tracker.dashboard import queries
from tracker.dashboard.alerts import alert_shown
from tracker.dashboard.blueprint import bp
from tracker.mail import queries as mail_queries
from tracker.organisers import session

SHOWN = 100

KINDS: dict[str, Any] = {
    LETTER_KIND: _l("Confirmations and answers to forms"),
    LINK_KIND: _l("Links to one’s own page"),
    KIND: _l("Alerts"),
}


@bp.get("/mail")
def mail() -> ResponseReturnValue:
    """Show what waits to be sent, and how far each alert is."""
    campaigns = [one.id for one in queries.campaigns_of(session.current())]
    waiting = mail_queries.count_waiting()
    found = queries.alerts_of(campaigns, limit=SHOWN)
    return render_template(
        "dashboard/mail/mail.html",
        waiting=[(KINDS.get(kind, kind), count) for kind, count in sorted(waiting.items())],
        alerts=[(alert.update.campaign, alert_shown(alert)) for alert in found],
    )
