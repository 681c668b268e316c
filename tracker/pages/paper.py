"""Signature sheets as PDF, on A4 or US Letter, from left or from right.

Every page is whole in itself, because pages get separated: what is asked, of whom, what happens
with the paper, the batch it belongs to. :mod:`tracker.pages.lettering` sets the lines, so that
mixed directions come out as on the screen; fpdf2 writes the file.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

from fpdf import FPDF
from fpdf.fonts import TTFFont
from fpdf.line_break import Fragment

from tracker import paths
from tracker.core.turns import Turns
from tracker.pages.codes import qr_rows
from tracker.pages.lettering import (
    Face,
    Line,
    Style,
    bold,
    capitals,
    cut,
    fit,
    headings,
    plain,
    set_line,
    set_lines,
)

SIZES = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}
"""Sizes in millimetres."""

MAX_PAGES = 12

_POINT = 25.4 / 72
_MARGIN = 13.0
_QR = 28.0
_ROW = 11.2
_LABELS = 11.0
_DEMANDS = 38.0
_COLUMNS = (0.04, 0.24, 0.18, 0.23, 0.085, 0.085, 0.14)
"""Number, name, place, address, two boxes to tick, signature: parts of the width."""
_TICKED = (4, 5)


_Faces = Callable[[str], tuple[Face, ...]]


@dataclass(frozen=True, kw_only=True)
class Said:
    """A text, its language and that language's direction."""

    text: str
    lang: str
    is_rtl: bool


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Everything that stands on a sheet, in words.

    ``page_label`` gives the words for a page and the number of pages.
    """

    lang: str
    is_rtl: bool
    site_name: str
    title: Said
    summary: Said
    appeal: str
    demands: tuple[Said, ...]
    columns: tuple[str, ...]
    notice: str
    batch_label: str
    page_label: Callable[[int, int], str]
    address: str
    day: dt.date


class _Box(NamedTuple):
    """A place for a text, from the side where reading begins."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class _Placed:
    """A line and where it stands, from the side where reading begins."""

    line: Line
    x: float
    baseline: float


_turns = Turns()


def sheet_pdf(sheet: Sheet, *, size: str, rows: int) -> bytes:
    """Give a sheet with room for at least so many names, within the limits.

    Raises :class:`~tracker.core.errors.NotReady` where somebody else is waiting already.
    """
    with _turns.take():
        writer = _Writer(sheet, *SIZES[size])
        pages = min(-(-max(rows, 1) // writer.rows), MAX_PAGES)
        for number in range(pages):
            writer.page(number, pages)
        return bytes(writer.pdf.output())


class _File(FPDF):
    """Takes runs as they are: fpdf2 would order them anew, and cut words at vowel signs."""

    def _preload_bidirectional_text(self, text: str, markdown: bool) -> Sequence[Fragment]:
        shaping = self.text_shaping or {}
        shaping["fragment_direction"] = shaping["paragraph_direction"] = shaping["direction"]
        return (Fragment(text, self._get_current_graphics_state(), self.k),)


class _Writer:
    """Writes one sheet; in millimetres, from the side where reading begins and from the top."""

    def __init__(self, sheet: Sheet, width: float, height: float) -> None:
        self.sheet, self.width, self.height = sheet, width, height
        self.inside, self.top = width - 2 * _MARGIN, _MARGIN + 8.5
        self.placed: list[_Placed] = []
        self.table_top = self._head()
        room = self._notice(height - _MARGIN - 5) - 3 - self.table_top - _LABELS
        self.rows = max(1, int(room / _ROW))
        self.pdf = _File(unit="mm", format=(width, height))
        self.pdf.set_auto_page_break(False)
        self.pdf.c_margin = 0
        self.pdf.set_title(sheet.title.text)
        self.pdf.set_lang(sheet.lang)
        # The day is enough: when somebody fetched a sheet to the second is nobody's business.
        self.pdf.set_creation_date(dt.datetime.combine(sheet.day, dt.time(), dt.UTC))

    # --- what is the same on all pages -----------------------------------------------------

    def _head(self) -> float:
        """Place what is asked, and give where the table may begin."""
        name = self._line(self.sheet.site_name.upper(), headings, size=12)
        self.placed.append(_Placed(name, _MARGIN, _MARGIN + 2))
        title, width = self.sheet.title, self.inside - _QR - 8
        title = replace(title, text=capitals(title.text, title.lang))
        y = self._block(title, headings, _Box(_MARGIN, self.top, width, 24), _sizes(30, 12))
        box = _Box(_MARGIN, y + 2, width, 20)
        y = self._block(self.sheet.summary, plain, box, _sizes(10, 6.5))
        box = _Box(_MARGIN, max(y, self.top + _QR) + 3, self.inside, 15)
        y = self._block(self._own(self.sheet.appeal), bold, box, _sizes(11, 7))
        return self._demands(y + 1) + 3

    def _demands(self, top: float) -> float:
        """Place the demands, smaller where there are many; what never fits is left out."""
        y = top
        for size in _sizes(10, 6.5):
            before, y = len(self.placed), top
            for number, demand in enumerate(self.sheet.demands, 1):
                mark = set_line(f"{number}.", self._style(bold), size=size)
                self.placed.append(_Placed(mark, _MARGIN, y + mark.rise))
                box = _Box(_MARGIN + 6, y, self.inside - 6, max(top + 2 * _DEMANDS - y, 1))
                y = self._block(demand, plain, box, [size])
            if y - top <= _DEMANDS or size <= 6.5 * _POINT:
                break
            del self.placed[before:]
        return y

    def _notice(self, foot: float) -> float:
        """Place what happens with the paper, ending at ``foot``, and give where it begins."""
        style = self._style(plain)
        lines = set_lines(self.sheet.notice, style, size=8 * _POINT, width=self.inside)
        y = top = foot - sum(line.height for line in lines)
        for line in lines:
            self.placed.append(_Placed(line, _MARGIN, y + line.rise))
            y += line.height
        return top

    def _block(self, said: Said, faces: _Faces, box: _Box, sizes: Sequence[float]) -> float:
        """Place a text as large as its box allows, and give where it ends."""
        y, style = box.y, Style(faces(said.lang), said.lang, said.is_rtl)
        for line in fit(said.text, style, width=box.width, height=box.height, sizes=sizes):
            self.placed.append(_Placed(line, box.x, y + line.rise))
            y += line.height
        return y

    def _own(self, text: str) -> Said:
        return Said(text=text, lang=self.sheet.lang, is_rtl=self.sheet.is_rtl)

    def _style(self, faces: _Faces) -> Style:
        return Style(faces(self.sheet.lang), self.sheet.lang, self.sheet.is_rtl)

    def _line(self, text: str, faces: _Faces, *, size: float) -> Line:
        """Give a text as one line that fits, at most so many points large."""
        line = set_line(text, self._style(faces), size=size * _POINT)
        smaller = max(5.0, size * 0.55 * self.inside / max(line.width, 1))
        return (
            line
            if smaller >= size
            else cut(text, self._style(faces), size=smaller * _POINT, width=0.6 * self.inside)
        )

    # --- pages -----------------------------------------------------------------------------

    def page(self, number: int, pages: int) -> None:
        """Write one page."""
        self.pdf.add_page()
        self.pdf.rect(_MARGIN, _MARGIN + 4, self.inside, 1.4, "F")
        for placed in self.placed:
            self._write(placed)
        self._code()
        self._table(first=number * self.rows + 1)
        self._foot(self.sheet.page_label(number + 1, pages))

    def _code(self) -> None:
        """Draw the QR code in the far corner; the margin it needs is the paper around it."""
        modules = qr_rows(self.sheet.address)
        size = _QR / len(modules)
        left = self._left(self.width - _MARGIN - _QR, _QR)
        for down, row in enumerate(modules):
            y = self.top + 2 + down * size
            for start, end in _stretches(row):
                self.pdf.rect(left + start * size, y, (end - start) * size, size, "F")

    def _table(self, *, first: int) -> None:
        """Draw the lines for the names."""
        widths = [part * self.inside for part in _COLUMNS]
        starts = [_MARGIN + sum(widths[:at]) for at in range(len(widths))]
        top, below = self.table_top, self.table_top + _LABELS
        for x, width, label in zip(starts, widths, self.sheet.columns, strict=True):
            self._label(label, _Box(x + 1, top + 0.8, width - 1.8, _LABELS - 1))
        self.pdf.set_line_width(0.5)
        self._rule(top)
        self._rule(below)
        self.pdf.set_line_width(0.15)
        for at in range(self.rows):
            y = below + at * _ROW
            self._rule(y + _ROW)
            mark = self._line(str(first + at), plain, size=8)
            self._write(_Placed(mark, _MARGIN + 0.8, y + _ROW - 2.4))
            for column in _TICKED:
                left = self._left(starts[column] + widths[column] / 2 - 2, 4)
                self.pdf.rect(left, y + _ROW / 2 - 2, 4, 4)
        for x in starts[1:]:
            self.pdf.line(self._left(x, 0), top, self._left(x, 0), below + self.rows * _ROW)

    def _label(self, label: str, box: _Box) -> None:
        before = len(self.placed)
        self._block(self._own(label), bold, box, _sizes(8, 4.5))
        for placed in self.placed[before:]:
            self._write(placed)
        del self.placed[before:]

    def _foot(self, page_label: str) -> None:
        """Write batch, address and page on the last line."""
        baseline = self.height - _MARGIN
        batch = self._line(self.sheet.batch_label, bold, size=9)
        page = self._line(page_label, plain, size=8)
        label = self.sheet.address.partition("://")[2]
        room = self.inside - batch.width - page.width - 8
        style = Style(plain(self.sheet.lang), "en", is_rtl=False)
        [address] = fit(label, style, width=room, height=9, sizes=_sizes(8, 4))[:1]
        x = _MARGIN + batch.width + (room + 8 - address.width) / 2
        for line, start in (
            (batch, _MARGIN),
            (address, x),
            (page, self.width - _MARGIN - page.width),
        ):
            self._write(_Placed(line, start, baseline))

    def _rule(self, y: float) -> None:
        self.pdf.line(_MARGIN, y, self.width - _MARGIN, y)

    def _left(self, x: float, width: float) -> float:
        """Give where something begins from the left."""
        return self.width - x - width if self.sheet.is_rtl else x

    def _add_font(self, face: Face) -> None:
        self.pdf.add_font(face.name, fname=paths.FONTS / face.file)
        font = self.pdf.fonts[face.name]
        # Joining is done by HarfBuzz from the file; in the PDF the rules would only cost time.
        for table in ("GSUB", "GPOS", "GDEF"):
            if isinstance(font, TTFFont) and table in font.ttfont:
                del font.ttfont[table]

    def _write(self, placed: _Placed) -> None:
        line, left = placed.line, self._left(placed.x, placed.line.width)
        for run in line.runs:
            name = run.face.name
            if name not in self.pdf.fonts:
                self._add_font(run.face)
            self.pdf.set_font(name, size=line.size * run.face.scale / _POINT)
            direction = "rtl" if run.is_rtl else "ltr"
            self.pdf.set_text_shaping(True, direction=direction, language=line.lang)
            # A cell's baseline lies three tenths of the size below its middle.
            self.pdf.set_xy(left + run.x, placed.baseline - 0.3 * self.pdf.font_size)
            self.pdf.cell(run.width, 0, run.text)


def _sizes(largest: float, smallest: float) -> list[float]:
    """Give sizes in millimetres from points, in steps of a half."""
    steps = int((largest - smallest) * 2) + 1
    return [(largest - step / 2) * _POINT for step in range(steps)]


def _stretches(row: list[bool]) -> Iterator[tuple[int, int]]:
    """Give where dark modules of a row begin and end."""
    at = 0
    for is_dark, same in groupby(row):
        length = len(list(same))
        if is_dark:
            yield at, at + length
        at += length
