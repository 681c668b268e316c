"""Where ``templates/`` and ``migrations/`` lie, in a checkout and in a wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def _inside_or_beside(name: str) -> Path:
    """Give the folder as the wheel carries it, inside, else the checkout's, beside us."""
    inside = PACKAGE / f"_{name}"
    return inside if inside.is_dir() else PACKAGE.parent / name


TEMPLATES = _inside_or_beside("templates")
MIGRATIONS = _inside_or_beside("migrations")
STATIC = PACKAGE / "static"
TRANSLATIONS = PACKAGE / "translations"
FONTS = PACKAGE / "fonts"
