"""The words of statuses, kinds and states, in the reader's language."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l

from tracker.campaigns.models import Outcome, State
from tracker.campaigns.status import Certainty, Kind, Status

STATUS: dict[Status, Any] = {
    Status.MISSING: _l("missing"),
    Status.HELD_INCOMMUNICADO: _l("held incommunicado"),
    Status.DETAINED: _l("detained"),
    Status.CHARGED: _l("charged"),
    Status.ON_TRIAL: _l("on trial"),
    Status.SENTENCED: _l("sentenced"),
    Status.TRANSFERRED: _l("transferred"),
    Status.ILL_TREATED: _l("ill-treated"),
    Status.BAILED: _l("released on bail"),
    Status.RELEASED: _l("released"),
    Status.KILLED: _l("killed"),
    Status.IN_DISPUTE: _l("in dispute"),
    Status.ON_STRIKE: _l("on strike"),
    Status.LOCKED_OUT: _l("locked out"),
    Status.OCCUPIED: _l("occupied"),
    Status.SETTLED: _l("settled"),
    Status.THREATENED: _l("threatened"),
    Status.RAIDED: _l("raided"),
    Status.BANNED: _l("banned"),
    Status.RESTORED: _l("restored"),
    Status.OPEN: _l("open"),
    Status.WON: _l("won"),
    Status.LOST: _l("lost"),
    Status.ENDED: _l("ended"),
}

CERTAINTY: dict[Certainty, Any] = {
    Certainty.REPORTED: _l("reported"),
    Certainty.CONFIRMED: _l("confirmed"),
}

KIND: dict[Kind, Any] = {
    Kind.PERSON: _l("Freedom for people"),
    Kind.JUSTICE: _l("Justice"),
    Kind.DISPUTE: _l("Workers in dispute"),
    Kind.ORGANISATION: _l("Organisation under attack"),
    Kind.CALL: _l("Call for solidarity"),
}

STATE: dict[State, Any] = {
    State.DRAFT: _l("draft"),
    State.LIVE: _l("live"),
    State.PAUSED: _l("paused"),
    State.CLOSED: _l("closed"),
    State.ARCHIVED: _l("archived"),
}

OUTCOME: dict[Outcome, Any] = {
    Outcome.WON: _l("Won"),
    Outcome.PARTLY_WON: _l("Partly won"),
    Outcome.LOST: _l("Lost"),
    Outcome.ENDED: _l("Ended"),
}
