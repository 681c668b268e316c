"""Registers every page of the organisers' room on its blueprint."""

from __future__ import annotations

from tracker.dashboard import (
    alerts,
    campaigns,
    drafting,
    endorsements,
    mail,
    partners,
    portraits,
    signatures,
    translations,
    updates,
)
from tracker.dashboard.blueprint import bp

PAGES = (
    campaigns,
    drafting,
    portraits,
    partners,
    translations,
    updates,
    alerts,
    endorsements,
    signatures,
    mail,
)

__all__ = ["PAGES", "bp"]
