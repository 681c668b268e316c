"""Lines of text set for pictures and paper: their order, their letters, their width.

Texts mix scripts and directions. A line is ordered by the Unicode bidirectional algorithm,
each part is set in the first of several faces that has its letters, and HarfBuzz joins the
letters. Nothing here asks a library or a font of the operating system.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import uharfbuzz as hb
from fpdf.bidi import BidiParagraph
from fpdf.enums import TextDirection

from tracker import paths

MAX_CHARACTERS = 400
"""Longer texts are cut: the ordering calls itself once for every character in doubt."""

_BOX = "□"
_ARABIC = (
    (0x0600, 0x06FF),
    (0x0750, 0x077F),
    (0x08A0, 0x08FF),
    (0xFB50, 0xFDFF),
    (0xFE70, 0xFEFC),
)


@dataclass(frozen=True)
class Face:
    """A face to set text in; ``rise`` and ``fall`` are the room it takes around its baseline.

    ``scale`` makes the letters of different scripts look equally large.
    """

    file: str
    rise: float
    fall: float
    scale: float = 1.0
    is_arabic: bool = False

    @property
    def name(self) -> str:
        """Give the name it is known by on paper."""
        return self.file.partition(".")[0].lower()


POSTER = Face("Anton-Regular.ttf", 1.0, 0.16)
BOLD = Face("DejaVuSansCondensed-Bold.ttf", 0.93, 0.24)
PLAIN = Face("DejaVuSansCondensed.ttf", 0.93, 0.24)
KUFI = Face("NotoKufiArabic-ExtraBold.ttf", 1.2, 0.45, 0.86, is_arabic=True)
NASKH = Face("NotoSansArabic-Regular.ttf", 1.0, 0.4, 1.1, is_arabic=True)
NASTALIQ = Face("NotoNastaliqUrdu-Regular.ttf", 1.5, 0.7, 1.05, is_arabic=True)
NASTALIQ_BOLD = Face("NotoNastaliqUrdu-Bold.ttf", 1.7, 0.7, 0.76, is_arabic=True)
NASTALIQ_STRONG = Face("NotoNastaliqUrdu-Bold.ttf", 1.5, 0.7, 1.0, is_arabic=True)


def headings(lang: str) -> tuple[Face, ...]:
    """Give the faces for large letters, in the order they are asked."""
    return (NASTALIQ_BOLD if lang == "ur" else KUFI, POSTER, BOLD)


def bold(lang: str) -> tuple[Face, ...]:
    """Give the faces for words that stand out on paper."""
    return (NASTALIQ_STRONG if lang == "ur" else KUFI, BOLD)


def plain(lang: str) -> tuple[Face, ...]:
    """Give the faces for running text."""
    return (NASTALIQ if lang == "ur" else NASKH, PLAIN)


@dataclass(frozen=True)
class Run:
    """Part of a line in one face and one direction, in reading order, and where it begins."""

    text: str
    face: Face
    is_rtl: bool
    x: float
    width: float


@dataclass(frozen=True)
class Line:
    """A line set at a size: its parts from left to right, the room above and below."""

    runs: tuple[Run, ...]
    lang: str
    width: float
    size: float
    rise: float
    fall: float

    @property
    def height(self) -> float:
        """Give the distance to the next baseline."""
        return self.rise + self.fall


@dataclass(frozen=True)
class Style:
    """How a text is set: faces in the order they are asked, its language and direction."""

    faces: tuple[Face, ...]
    lang: str
    is_rtl: bool


def capitals(text: str, lang: str) -> str:
    """Give a text in capitals, as its own language makes them."""
    return (text.replace("i", "İ") if lang == "tr" else text).upper()


def set_line(text: str, style: Style, *, size: float) -> Line:
    """Give a text as one line."""
    runs, x = [], 0.0
    for part, face, is_rtl, advance in _measured(text[:MAX_CHARACTERS], style):
        runs.append(Run(part, face, is_rtl, x, advance * size))
        x += advance * size
    faces = {run.face for run in runs} or set(style.faces[-1:])
    rise = max(face.rise * face.scale for face in faces) * size
    fall = max(face.fall * face.scale for face in faces) * size
    return Line(tuple(runs), style.lang, x, size, rise, fall)


def set_lines(text: str, style: Style, *, size: float, width: float) -> list[Line]:
    """Give a text broken into lines of at most ``width``; a word that is longer stands out."""
    lines: list[list[str]] = []
    room, space = 0.0, max(map(_space, style.faces)) * size
    for word in text.split():
        # Words are measured one by one: a line is ordered once, when it is complete.
        needed = set_line(word, style, size=size).width
        if lines and needed + space <= room:
            lines[-1].append(word)
            room -= needed + space
        else:
            lines.append([word])
            room = width - needed
    return [set_line(" ".join(words), style, size=size) for words in lines]


def cut(text: str, style: Style, *, size: float, width: float) -> Line:
    """Give a text as one line that fits, with dots where it was cut."""
    whole = set_line(text, style, size=size)
    end = min(len(text), MAX_CHARACTERS)
    while whole.width > width and end > 1:
        end = max(1, min(end - 1, int(end * width / whole.width)))
        whole = set_line(f"{text[:end].rstrip()}…", style, size=size)
    return whole


def fit(
    text: str, style: Style, *, width: float, height: float, sizes: Sequence[float]
) -> list[Line]:
    """Give a text in lines as large as its place has room for, cut at the smallest size."""
    for size in sizes:
        lines = set_lines(text, style, size=size, width=width)
        if _fits(lines, width, height):
            return lines
    lines = [line for line in lines if line.width <= width]
    while lines and sum(line.height for line in lines) > height:
        lines.pop()
    return lines or [cut(text, style, size=sizes[-1], width=width)]


def _fits(lines: list[Line], width: float, height: float) -> bool:
    return sum(line.height for line in lines) <= height and all(
        line.width <= width for line in lines
    )


# --- order, faces, letters -----------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _measured(text: str, style: Style) -> tuple[tuple[str, Face, bool, float], ...]:
    """Give the parts of a line with their widths at size 1: outlines grow evenly."""
    return tuple(
        (part, face, is_rtl, _advance(part, face, is_rtl=is_rtl, lang=style.lang) * face.scale)
        for part, face, is_rtl in _parts(text, style)
    )


def _parts(text: str, style: Style) -> Iterator[tuple[str, Face, bool]]:
    """Give the parts of a line from left to right, each in reading order."""
    kept = "".join(_shown(c, style.faces) for c in " ".join(text.split()))
    for part, is_rtl in _ordered(kept, is_rtl=style.is_rtl):
        faced = _faced(part, style.faces)
        for letters, face in reversed(faced) if is_rtl else faced:
            yield letters, face, is_rtl


def _shown(character: str, faces: tuple[Face, ...]) -> str:
    """Give a character, a box for a letter that no face has, nothing for a small picture."""
    if any(_has(face, character) for face in faces):
        return character
    return _BOX if _is_letter(character) else ""


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN"


def _ordered(text: str, *, is_rtl: bool) -> list[tuple[str, bool]]:
    """Give the stretches of one direction in the order they are seen from the left."""
    if not text:
        return []
    base = TextDirection.RTL if is_rtl else TextDirection.LTR
    seen = BidiParagraph(text, base_direction=base, preserve_bn_chars=True).get_all()[1]
    parts = []
    for level, stretch in groupby(seen, key=lambda one: one.embedding_level):
        letters = "".join(one.character for one in stretch)
        parts.append((letters[::-1] if level % 2 else letters, bool(level % 2)))
    return parts


def _faced(text: str, faces: tuple[Face, ...]) -> list[tuple[str, Face]]:
    """Split a stretch where the face must change; not within a word if one face has it all."""
    found: list[tuple[str, Face]] = []
    for word in re.split(r"(?<=\S )", text):
        whole = next((face for face in faces if all(_sets(face, c) for c in word)), None)
        if found and not any(map(_is_letter, word)):
            whole = None
        for character in word:
            face = whole or _face_for(character, faces, before=found[-1][1] if found else None)
            if found and found[-1][1] is face:
                found[-1] = (found[-1][0] + character, face)
            else:
                found.append((character, face))
    return found


def _face_for(character: str, faces: tuple[Face, ...], *, before: Face | None) -> Face:
    if before is not None and not _is_letter(character) and _has(before, character):
        return before
    return next((face for face in faces if _sets(face, character)), faces[-1])


def _sets(face: Face, character: str) -> bool:
    """Say whether a face is meant for a character and has it."""
    is_arabic = any(first <= ord(character) <= last for first, last in _ARABIC)
    is_meant = is_arabic or not face.is_arabic or not _is_letter(character)
    return is_meant and _has(face, character)


def _has(face: Face, character: str) -> bool:
    # Marks of direction and joining are never seen; they must not change the face.
    return unicodedata.category(character) == "Cf" or ord(character) in _letters(face)


@functools.cache
def _letters(face: Face) -> frozenset[int]:
    return frozenset(font(face).face.unicodes)


@functools.cache
def font(face: Face) -> hb.Font:
    """Give a face, read once."""
    return hb.Font(hb.Face(hb.Blob.from_file_path(str(paths.FONTS / face.file))))


def shaped(text: str, face: Face, *, is_rtl: bool, lang: str) -> hb.Buffer:
    """Give the letters of a run, joined and placed."""
    buffer = hb.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if is_rtl else "ltr"
    buffer.language = lang
    hb.shape(font(face), buffer)
    return buffer


@functools.cache
def _space(face: Face) -> float:
    """Give the width of a space at size 1."""
    return _advance(" ", face, is_rtl=False, lang="und") * face.scale


def _advance(text: str, face: Face, *, is_rtl: bool, lang: str) -> float:
    positions = shaped(text, face, is_rtl=is_rtl, lang=lang).glyph_positions
    whole = float(sum(position.x_advance for position in positions))
    return whole / float(font(face).face.upem)
