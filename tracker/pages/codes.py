"""QR codes: dark on light in every colour scheme, with the quiet margin scanners need."""

from __future__ import annotations

import functools
import io

import segno
from markupsafe import Markup

MARGIN = 4
"""Light modules on each side, as the standard wants."""

_PIXELS = 16


@functools.lru_cache(maxsize=64)
def _code(address: str) -> segno.QRCode:
    return segno.make_qr(address, error="m")


@functools.lru_cache(maxsize=64)
def qr_svg(address: str) -> str:
    """Give a code as an SVG element without a size of its own."""
    return _code(address).svg_inline(
        border=MARGIN,
        dark="#000",
        light="#fff",
        svgclass=None,
        lineclass=None,
        omitsize=True,
    )


def qr_file(address: str) -> str:
    """Give a code as an SVG file."""
    opening = '<svg xmlns="http://www.w3.org/2000/svg" shape-rendering="crispEdges"'
    return '<?xml version="1.0" encoding="utf-8"?>\n' + qr_svg(address).replace(
        "<svg", opening, 1
    )


@functools.lru_cache(maxsize=64)
def qr_png(address: str) -> bytes:
    """Give a code as PNG, large enough to be printed on a poster."""
    out = io.BytesIO()
    _code(address).save(
        out, kind="png", scale=_PIXELS, border=MARGIN, dark="#000", light="#fff"
    )
    return out.getvalue()


def qr_markup(address: str, *, label: str) -> Markup:
    """Give a code to stand in a page; ``label`` says what it leads to."""
    opening = Markup('<svg class="qr" role="img" aria-label="{}"').format(label)
    # The rest is made of numbers alone.
    return opening + Markup(qr_svg(address).removeprefix("<svg"))  # noqa: S704


def qr_rows(address: str) -> list[list[bool]]:
    """Give the code as rows of dark and light, without a margin."""
    return [[bool(module) for module in row] for row in _code(address).matrix]
