"""Pictures from outside: decoded within limits, every byte of metadata dropped, made anew.

A photo of somebody's home carries its coordinates, and a picture can be a bomb. So nothing of
the file that was sent is kept: its pixels are cropped and written anew.
"""

from __future__ import annotations

import io
import struct
import warnings
from typing import NamedTuple

from flask_babel import lazy_gettext as _l
from PIL import Image, ImageOps, UnidentifiedImageError

from tracker.core.errors import Refused
from tracker.core.turns import Turns

MAX_BYTES = 5 * 1024 * 1024
"""Largest file taken."""
MAX_PIXELS = 16_000_000
"""Most pixels decoded; 48 MB of memory."""
MAX_MADE_BYTES = 60_000
"""Most bytes of one picture made, so that a page stays light."""

TAKEN = ("JPEG", "PNG", "WEBP")
"""Formats taken. SVG can carry script; the others are rare, and more code to be attacked."""

QUALITIES = {"avif": (62, 50, 40, 20), "webp": (80, 60, 30, 1), "jpeg": (82, 65, 40, 15)}
"""Formats made, best first, with the qualities that are tried until one is light enough."""

LIGHT = ("avif", "webp")
"""Formats made in every size."""

_TURNS = Turns()

_DAMAGED = (
    UnidentifiedImageError,
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    OverflowError,
    struct.error,
)
"""What Pillow raises on files that are no pictures, or damaged ones."""


class PictureRefused(Refused):
    """The file cannot be used as a picture."""

    status = 422


class Made(NamedTuple):
    """One picture, ready to be sent to browsers."""

    format: str
    width: int
    height: int
    data: bytes


def crops(data: bytes, sizes: tuple[tuple[int, int], ...]) -> list[Made]:
    """Give a picture cropped to each size (width, height, in pixels), in several formats.

    A crop keeps the middle, a little above the centre, where faces are. Raises
    :class:`PictureRefused` with the reason, and :class:`~tracker.core.errors.NotReady` where
    others are at it: one picture is decoded at a time, so that many do not take all memory.
    """
    if len(data) > MAX_BYTES:
        raise PictureRefused(_l("The file is too large. Use one of at most 5 megabytes."))
    with _TURNS.take():
        picture = _decode(data, max(sizes))
        return [
            made
            for size in sizes
            for made in _encode(
                ImageOps.fit(picture, size, centering=(0.5, 0.35)),
                # Old browsers, which need the heavy format, get it in the smallest size only.
                LIGHT if size > min(sizes) else tuple(QUALITIES),
            )
        ]


def _decode(data: bytes, largest: tuple[int, int]) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Reads the head only: nothing is unpacked before the limits are checked.
            picture = Image.open(io.BytesIO(data), formats=TAKEN)
            _check(picture, smallest=(largest[0] // 2, largest[1] // 2))
            picture.draft("RGB", (2 * largest[0], 2 * largest[1]))
            picture.load()
            turned = ImageOps.exif_transpose(picture)
            return _on_white(turned)
    except PictureRefused:
        raise
    except _DAMAGED as error:
        raise _not_a_picture() from error
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error


def _not_a_picture() -> PictureRefused:
    return PictureRefused(
        _l("This is not a picture we can read. Use a JPEG, PNG or WebP file.")
    )


def _too_many_pixels() -> PictureRefused:
    return PictureRefused(_l("The picture has too many pixels. Use one of at most 16 million."))


def _check(picture: Image.Image, *, smallest: tuple[int, int]) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_many_pixels()
    # A phone's JPEG may carry a small preview as a second picture; it is dropped like the rest.
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise PictureRefused(_l("Moving pictures cannot be used."))
    if picture.width < smallest[0] or picture.height < smallest[1]:
        raise PictureRefused(
            _l(
                "The picture is too small. Use one of at least %(width)d by %(height)d pixels.",
                width=smallest[0],
                height=smallest[1],
            )
        )


def _on_white(picture: Image.Image) -> Image.Image:
    """Give the bare pixels in three colours; what was see-through becomes white."""
    if picture.mode in {"RGBA", "LA", "P", "PA"}:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    plain = Image.new("RGB", picture.size)
    plain.paste(picture.convert("RGB"))
    return plain


def _encode(picture: Image.Image, forms: tuple[str, ...]) -> list[Made]:
    return [Made(form, picture.width, picture.height, _light(picture, form)) for form in forms]


def _light(picture: Image.Image, form: str) -> bytes:
    written = b""
    for quality in QUALITIES[form]:
        file = io.BytesIO()
        picture.save(file, form, quality=quality)
        written = file.getvalue()
        if len(written) <= MAX_MADE_BYTES:
            return written
    raise PictureRefused(_l("The picture is too detailed to be made small. Use a plainer one."))
