"""The organisers' room: one blueprint, closed to everybody who is not signed in."""

from __future__ import annotations

from flask import Blueprint

from tracker.organisers import session

bp = Blueprint("dashboard", __name__, url_prefix="/<lang:lang>/organise")
session.guard(bp)

ROW = "int(max=9223372036854775807)"
"""Converter of row ids in addresses: no number that the database cannot hold."""
