"""The blueprint of the organisers' pages, guarded for every route."""

from __future__ import annotations

from flask import Blueprint

from tracker.organisers import session

bp = Blueprint("dashboard", __name__, url_prefix="/<lang:lang>/organise")
session.guard(bp)
