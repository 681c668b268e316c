"""Mails to organisers: an alert rests, and why; an alert as supporters would get it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from email.utils import format_datetime
from typing import Any

from flask import current_app

from tracker.alerts import queries, services
from tracker.alerts.models import NOTICE_KIND, TRIAL_KIND, Alert, AlertState, PauseReason
from tracker.core import clock, languages, tokens
from tracker.core.addresses import MAX_LENGTH
from tracker.extensions import db
from tracker.mail import services as mail
from tracker.mail.models import Delivery
from tracker.mail.rendering import Letter, Ready
from tracker.mail.splicing import NotFrozen, Slots, thaw
from tracker.mail.verp import stop_extension
from tracker.organisers import queries as organisers
from tracker.organisers.models import Organiser
from tracker.sealing import envelopes
from tracker.sealing.keystore import KeyMissing, Keystore

log = logging.getLogger(__name__)


def tell_organisers(alert: Alert) -> None:
    """Queue a mail to all who work on the campaign of an alert that rests or came back."""
    tell_of(alert.id, alert.campaign_id, alert.state)


def tell_of(alert_id: int, campaign_id: int, state: AlertState) -> None:
    """Do the same for an alert whose row perhaps cannot be read."""
    for organiser in organisers.of_campaign(campaign_id):
        content = {"organiser": organiser.id, "alert": alert_id, "state": state.value}
        mail.queue(mail.seal_letter(NOTICE_KIND, content))


def let_rest(alert: Alert, reason: PauseReason) -> None:
    """Pause an alert that something is wrong with, and tell its organisers."""
    log.error("alert %s rests: %s", alert.id, reason.value)
    services.pause(alert, reason)
    tell_organisers(alert)


class Notices:
    """Writes the mails to organisers; made by the worker, which holds the keys."""

    def __init__(self, keystore: Keystore) -> None:
        """Take the keys."""
        self.keystore = keystore

    def letters(self, rows: Sequence[Delivery]) -> dict[int, Letter | Ready | None]:
        """Give the mails; what the web process wrote is taken as hostile."""
        found: dict[int, Letter | Ready | None] = {}
        for row in rows:
            try:
                content = self._open(row)
                write = self._trial if row.kind == TRIAL_KIND else self._notice
                found[row.id] = write(row, content)
            except KeyMissing:
                continue
            except (envelopes.CannotOpen, NotFrozen, KeyError, TypeError, ValueError) as error:
                log.error("delivery %s is refused: %s", row.id, type(error).__name__)
                found[row.id] = None
        return found

    def _open(self, row: Delivery) -> dict[str, Any]:
        private = self.keystore.outbox_private(row.outbox_key_id)
        context = envelopes.context(row.kind, row.id)
        return envelopes.open_sealed(private, row.envelope, context=context)

    def _notice(self, row: Delivery, content: dict[str, Any]) -> Letter | None:
        alert = queries.by_id(int(content["alert"]))
        organiser = _organiser(content)
        if organiser is None or alert is None:
            return None
        # What became something else meanwhile is no news; the release before did not say what.
        if alert.state.value != content.get("state", AlertState.PAUSED.value):
            return None
        campaign = alert.update.campaign
        return Letter(
            to=organiser.email,
            language=languages.known(campaign.language),
            template="alerts/paused",
            message_id=f"{row.id:x}",
            list_name=campaign.slug,
            unsubscribe=None,
            values={
                "title": campaign.title,
                "slug": campaign.slug,
                "headline": alert.update.headline,
                "update_id": alert.update_id,
                "shows": alert.state.value,
                "reason": alert.paused_for.value if alert.paused_for else alert.state.value,
            },
        )

    def _trial(self, row: Delivery, content: dict[str, Any]) -> Ready | None:
        """Give the frozen mail itself, with links that stop nothing."""
        organiser = _organiser(content)
        stored = queries.variant(int(content["update"]), str(content["language"]))
        if organiser is None or stored is None or stored.digest != content["digest"]:
            return None
        frozen = thaw(stored.frozen, settings=current_app.config["TRACKER"])
        nobody = secrets.token_bytes(tokens.TOKEN_BYTES)
        spliced = frozen.splice(
            Slots(
                to=organiser.email[:MAX_LENGTH],
                message_id=f"{row.id:x}",
                date=format_datetime(clock.now(), usegmt=True),
                stop=tokens.to_text(nobody),
                stop_by_mail=stop_extension(nobody),
            )
        )
        # The connection for single mails doubles the dots itself.
        return Ready(organiser.email, spliced.replace(b"\r\n..", b"\r\n."))


def _organiser(content: dict[str, Any]) -> Organiser | None:
    organiser = db.session.get(Organiser, int(content["organiser"]))
    return organiser if organiser and organiser.deactivated_at is None else None
