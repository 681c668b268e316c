"""What comes back is received: a claim for the worker to judge, or somebody leaves at once.

This side holds no key and may run as a user of its own: it believes nothing but an unsubscribe
token, which only the mail itself could tell.
"""

from __future__ import annotations

from collections import Counter

from flask import current_app

from tracker.core import clock
from tracker.extensions import db, writing
from tracker.mail.bounces import Report, ReportKind, read
from tracker.mail.models import ReturnClaim
from tracker.settings import Settings
from tracker.subscriptions import services as subscriptions


def receive(raw: bytes) -> Counter[ReportKind]:
    """Take one message and give how many reports of each kind it held; committed on return."""
    settings: Settings = current_app.config["TRACKER"]
    reports = read(raw, return_address=settings.return_address or "")
    for report in reports:
        with writing():
            _take(report)
    return Counter(report.kind for report in reports)


def _take(report: Report) -> None:
    if report.stop is not None:
        subscriptions.leave(report.stop)
    # A delay is no news: the mail server is still trying.
    elif report.token is not None and report.kind is not ReportKind.DELAYED:
        db.session.add(
            ReturnClaim(
                kind=report.kind,
                status=report.status[:12],
                alert_id=report.token.alert_id,
                veiled=report.token.veiled,
                mac=report.token.mac,
                day=clock.today(),
            )
        )
