"""Registers every module of the organisers' pages."""

from __future__ import annotations

from tracker.dashboard.blueprint import bp

__all__ = ["bp"]
