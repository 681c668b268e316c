"""The picture that previews show: a poster with title, status, days and count.

Drawn at 1200×630 and kept in memory for as long as it is among the last that were asked for.
One is drawn at a time, so that a hundred who ask at once cost one picture's memory.
"""

from __future__ import annotations

import functools
import io
from collections import OrderedDict
from dataclasses import dataclass

import uharfbuzz as hb
from PIL import Image, ImageDraw, ImageOps

from tracker.core.turns import Turns
from tracker.pages.lettering import (
    Line,
    Run,
    Style,
    capitals,
    cut,
    fit,
    font,
    headings,
    set_line,
    shaped,
)

WIDTH, HEIGHT = 1200, 630
KEPT = 400
"""Pictures remembered, of at most some 35 kB each."""

_MARGIN = 56
_INSIDE = WIDTH - 2 * _MARGIN
_TITLE_TOP = 108
_SLAB_TOP = 384
_INK, _PAPER, _RED, _STAMP = (20, 18, 16), (255, 255, 255), (192, 18, 38), (184, 15, 34)
_STAMPS = {
    "bad": (_STAMP, _PAPER),
    "open": (_INK, _PAPER),
    "good": (_PAPER, _INK),
    "grave": (_INK, _PAPER),
}
_STEPS = 12


@dataclass(frozen=True, kw_only=True)
class Poster:
    """Everything the picture shows, in words; two equal ones are one picture.

    ``title_lang`` is the title's own language, ``lang`` that of all other words.
    """

    site_name: str
    title: str
    title_lang: str
    title_is_rtl: bool
    lang: str
    is_rtl: bool
    stamp: str
    tone: str
    days: str
    days_label: str
    count: str
    count_label: str
    is_open: bool


_kept: OrderedDict[Poster, bytes] = OrderedDict()
_turns = Turns()


def kept(poster: Poster) -> bytes | None:
    """Give the picture where it was drawn before."""
    return _kept.get(poster)


def picture(poster: Poster) -> bytes:
    """Give the picture as PNG.

    Raises :class:`~tracker.core.errors.NotReady` where somebody else is waiting already.
    """
    if (made := kept(poster)) is not None:
        return made
    with _turns.take():
        made = kept(poster) or _drawn(poster)
        _kept[poster] = made
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
        return made


def _drawn(poster: Poster) -> bytes:
    canvas = Canvas(poster)
    canvas.head()
    canvas.title()
    canvas.slab()
    canvas.stamp()
    small = canvas.image.quantize(palette=_palette(), dither=Image.Dither.NONE)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


@functools.cache
def _palette() -> Image.Image:
    """Give the colours there are: paper to ink and to both reds, in steps for smooth edges."""
    steps = [step / _STEPS for step in range(_STEPS + 1)]
    ends = [(_PAPER, _INK), (_PAPER, _RED), (_PAPER, _STAMP), (_RED, _INK)]
    colours = [
        round(one + (other - one) * step)
        for start, end in ends
        for step in steps
        for one, other in zip(start, end, strict=True)
    ]
    image = Image.new("P", (1, 1))
    image.putpalette(colours)
    return image


class Canvas:
    """A sheet on which lines are placed from the side where reading begins."""

    def __init__(self, poster: Poster) -> None:
        """Take what is to be drawn, on empty paper."""
        self.poster = poster
        self.image = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
        self.style = Style(headings(poster.lang), poster.lang, poster.is_rtl)

    def head(self) -> None:
        """Draw the name of the site over a rule."""
        line = cut(self.poster.site_name.upper(), self.style, size=30, width=900)
        self._put(line, x=_MARGIN, baseline=58)
        ImageDraw.Draw(self.image).rectangle((0, 82, WIDTH, 89), fill=_INK)

    def title(self) -> None:
        """Draw the title as large as it fits, above the middle of its place."""
        title = capitals(self.poster.title, self.poster.title_lang)
        poster = self.poster
        style = Style(headings(poster.title_lang), poster.title_lang, poster.title_is_rtl)
        room = _SLAB_TOP - 26 - _TITLE_TOP
        lines = fit(title, style, width=_INSIDE, height=room, sizes=range(156, 47, -6))
        y = _TITLE_TOP + 0.3 * (room - sum(line.height for line in lines))
        for line in lines:
            self._put(line, x=_MARGIN, baseline=y + line.rise)
            y += line.height

    def slab(self) -> None:
        """Draw days and count on their ground."""
        colour = _RED if self.poster.is_open else _INK
        ImageDraw.Draw(self.image).rectangle((0, _SLAB_TOP, WIDTH, HEIGHT), fill=colour)
        x = float(_MARGIN)
        for figure, label, size in (
            (self.poster.days, self.poster.days_label, 166),
            (self.poster.count, self.poster.count_label, 80),
        ):
            if figure:
                x += self._figure(figure, label, x=x, size=size) + 72

    def _figure(self, figure: str, label: str, *, x: float, size: int) -> float:
        """Draw a number over its words and give the width of both."""
        number = set_line(figure, self.style, size=size)
        words = cut(label, self.style, size=34, width=max(_INSIDE + _MARGIN - x, 1))
        foot = HEIGHT - 14 - words.fall
        self._put(words, x=x, baseline=foot, colour=_PAPER)
        self._put(number, x=x, baseline=foot - words.rise - 24, colour=_PAPER)
        return max(number.width, words.width)

    def stamp(self) -> None:
        """Draw the status across the edge of the slab, as if it was stamped."""
        ink, ground = _STAMPS[self.poster.tone]
        text = capitals(self.poster.stamp, self.poster.lang)
        line = set_line(text, self.style, size=58)
        if line.width > 520:
            line = cut(
                text, self.style, size=max(30, round(58 * 520 / line.width) - 1), width=520
            )
        width, height = round(line.width) + 64, round(line.height) + 34
        stamp = Image.new("RGBA", (width, height), (*ground, 255))
        edge = ImageDraw.Draw(stamp)
        beyond = 8 if self.poster.tone == "grave" else 0
        edge.rectangle((-beyond, 0, width - 1 + beyond, height - 1), outline=ink, width=7)
        _paint(stamp, line, x=32, baseline=17 + line.rise, colour=ink)
        # A clear edge around it, so that turning it leaves no steps.
        stamp = ImageOps.expand(stamp, 3, (*ink, 0))
        tilt = 0 if self.poster.tone == "grave" else -4 if self.poster.is_rtl else 4
        turned = stamp.rotate(tilt, Image.Resampling.BICUBIC, expand=True)
        x = _MARGIN if self.poster.is_rtl else WIDTH - _MARGIN - turned.width
        self.image.paste(turned, (x, _SLAB_TOP + 6 - turned.height // 2), turned)

    def _put(
        self, line: Line, *, x: float, baseline: float, colour: tuple[int, int, int] = _INK
    ) -> None:
        start = WIDTH - x - line.width if self.poster.is_rtl else x
        _paint(self.image, line, x=start, baseline=baseline, colour=colour)


def _paint(
    image: Image.Image, line: Line, *, x: float, baseline: float, colour: tuple[int, int, int]
) -> None:
    for run in line.runs:
        drawn = _outlines(run, size=line.size, lang=line.lang)
        if drawn is None:
            continue
        mask, left, top = drawn
        corner = (round(x + run.x + left), round(baseline - top))
        image.paste(colour, (*corner, corner[0] + mask.width, corner[1] + mask.height), mask)


def _outlines(run: Run, *, size: float, lang: str) -> tuple[Image.Image, int, int] | None:
    """Give a run as a mask, how far right of its beginning and how high it starts."""
    pen, x = hb.RasterDraw(), 0.0
    letters = shaped(run.text, run.face, is_rtl=run.is_rtl, lang=lang)
    scale = size * run.face.scale / font(run.face).face.upem
    for info, place in zip(letters.glyph_infos, letters.glyph_positions, strict=True):
        across, up = (x + place.x_offset) * scale, place.y_offset * scale
        pen.transform = (scale, 0, 0, scale, across, up)
        pen.draw_glyph(font(run.face), info.codepoint)
        x += place.x_advance
    drawn = pen.render()
    box = drawn.extents if drawn is not None else None
    if drawn is None or box is None or not box.width or not box.height:
        return None
    # Rows are stored from the bottom to the top.
    mask = Image.frombytes(
        "L", (box.width, box.height), drawn.buffer, "raw", "L", box.stride, -1
    )
    return mask, box.x_origin, box.y_origin + box.height
