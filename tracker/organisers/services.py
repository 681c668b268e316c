"""Invite, sign in, sign out, set a password, deactivate."""

from __future__ import annotations

import datetime as dt

from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, update

from tracker.core import addresses, clock, tokens
from tracker.core.errors import Refused
from tracker.extensions import db
from tracker.organisers import queries
from tracker.organisers.models import CampaignRole, Organiser, Role, SignIn

IDLE = dt.timedelta(minutes=30)
"""Without a page in this time, one is signed out."""
ABSOLUTE = dt.timedelta(hours=12)
"""After this time, one signs in again in any case."""
TOUCH_EVERY = dt.timedelta(minutes=1)
"""How exactly the last page is remembered."""


def invite(email: str, *, name: str, password_hash: str, is_admin: bool = False) -> Organiser:
    """Make an account with a one-time password that must be changed at the first sign-in."""
    address = addresses.deliverable(email).lower()
    if queries.by_email(address) is not None:
        raise Refused(_l("There is an account with this address already."))
    organiser = Organiser(
        email=address,
        name=name,
        password_hash=password_hash,
        is_admin=is_admin,
        created_at=clock.now(),
    )
    db.session.add(organiser)
    # The id is needed at once, for roles.
    db.session.flush()
    return organiser


def sign_in(organiser: Organiser) -> bytes:
    """Begin a signed-in time and give the token for the cookie."""
    token, moment = tokens.new_token(), clock.now()
    db.session.add(
        SignIn(
            organiser_id=organiser.id,
            token_hash=tokens.digest(token),
            created_at=moment,
            seen_at=moment,
        )
    )
    return token


def touch(sign_in_id: int) -> None:
    """Remember that a page was asked for, and commit: the one write that a GET makes."""
    seen = update(SignIn).where(SignIn.id == sign_in_id).values(seen_at=clock.now())
    db.session.execute(seen)
    db.session.commit()


def sign_out(token: bytes) -> None:
    """End a signed-in time; its token is worthless from then on."""
    db.session.execute(delete(SignIn).where(SignIn.token_hash == tokens.digest(token)))


def set_password(organiser: Organiser, password_hash: str) -> None:
    """Store a new password and end every signed-in time of the account."""
    organiser.password_hash, organiser.must_change_password = password_hash, False
    db.session.execute(delete(SignIn).where(SignIn.organiser_id == organiser.id))


def deactivate(organiser: Organiser) -> None:
    """Close an account and end its signed-in times."""
    organiser.deactivated_at = clock.now()
    db.session.execute(delete(SignIn).where(SignIn.organiser_id == organiser.id))


def assign(organiser: Organiser, campaign_id: int, role: Role) -> None:
    """Give an organiser a role on one campaign."""
    db.session.add(CampaignRole(organiser_id=organiser.id, campaign_id=campaign_id, role=role))


def forget_expired_sign_ins() -> None:
    """Delete signed-in times that are over."""
    moment = clock.now()
    over = (SignIn.seen_at < moment - IDLE) | (SignIn.created_at < moment - ABSOLUTE)
    db.session.execute(delete(SignIn).where(over))
