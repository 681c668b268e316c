"""Text into content transfer encodings, with gaps where recipients differ (pure).

A gap is left by a marker in the text. Encoding the finished text and looking for the marker
afterwards would fail: a soft line break or base64's groups of three bytes tear it apart. So
the pieces between the markers are encoded, and each gap gets a line of its own.
"""

from __future__ import annotations

import base64
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

TOKEN_LENGTH = 43
"""Characters of a link's token; base64 counts on it being constant."""
BASE64_STOP = "stop in base64"
"""Kind of a gap that holds a token together with its neighbours, encoded."""
MARKS = {
    "to": "\ue000",
    "message_id": "\ue001",
    "date": "\ue002",
    "stop": "\ue003",
    "stop_by_mail": "\ue004",
    BASE64_STOP: "\ue005",
}
"""Stand-ins for gaps, by kind; what is written into a mail is ASCII and never holds one."""

_LINE = 76
_BYTES_IN_LINE = 57
_BYTES_IN_WORD = 39
_PLAIN = re.compile(r"[\n\t -~]*")
_UNSAFE = re.compile(rb"[^\n\t -<>-~]|[ \t](?=\n|\Z)|(?<![^\n])\.|F(?=rom )")
"""Bytes that quoted-printable must encode, and those that relays or mbox files may alter."""


class NotFrozen(Exception):
    """The mail cannot be frozen, or what is stored is none of ours; tells no contents."""


class Gap(NamedTuple):
    """Where a mail differs: ``kind`` is a field of ``Slots`` or :data:`BASE64_STOP`.

    ``head`` and ``tail`` are the up to two bytes that share base64 groups with the token.
    """

    kind: str
    head: bytes = b""
    tail: bytes = b""


Piece = str | Gap


def lines_of(text: str) -> str:
    """Give ``text`` with line feeds as its only line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_plain(text: str) -> bool:
    """Say whether ``text`` can travel as it is: short lines of ASCII, none begins "From"."""
    return (
        _PLAIN.fullmatch(text) is not None
        and max(map(len, text.split("\n"))) <= _LINE
        and not re.search(r"^From |[ \t]$", text.replace("-- \n", "--\n"), re.MULTILINE)
    )


def encoded(text: str, *, marker: str, encoding: str) -> list[Piece]:
    """Give ``text`` encoded, a gap for each marker. Raises :class:`NotFrozen`.

    Line ends are CRLF. No line is longer than 76 (RFC 2045 §6.7, §6.8), gaps filled.
    """
    pieces = text.split(marker)
    if encoding == "base64":
        return _in_base64([piece.replace("\n", "\r\n").encode() for piece in pieces])
    if encoding == "quoted-printable":
        pieces = [_quoted(piece, number, len(pieces)) for number, piece in enumerate(pieces)]
    found: list[Piece] = []
    for piece in pieces:
        found += [Gap("stop"), piece.replace("\n", "\r\n")]
    return found[1:]


def _quoted(piece: str, number: int, count: int) -> str:
    safe = _UNSAFE.sub(lambda found: b"=%02X" % ord(found[0]), piece.encode()).decode("ascii")
    lines = [_soft(line) for line in safe.split("\n")]
    # The token stands on a line of its own, whatever its neighbours are long.
    if number and lines[0]:
        lines[0] = "=\n" + lines[0]
    if number < count - 1 and lines[-1]:
        lines[-1] += "=\n"
    return "\n".join(lines)


def _soft(line: str) -> str:
    """Give an encoded line cut by soft breaks, none of them inside ``=XX``."""
    found = []
    while len(line) > _LINE:
        end = _LINE - 1
        end -= 1 if line[end - 1] == "=" else 2 if line[end - 2] == "=" else 0
        found.append(line[:end] + "=")
        line = line[end:]
    return "\n".join([*found, line])


def _in_base64(pieces: Sequence[bytes]) -> list[Piece]:
    found: list[Piece] = []
    rest = pieces[0]
    for number, following in enumerate(pieces[1:], start=1):
        whole = len(rest) - len(rest) % 3
        needed = -(len(rest) - whole + TOKEN_LENGTH) % 3
        if len(following) < needed and number < len(pieces) - 1:
            raise NotFrozen("two links stand too close to each other")
        gap = Gap(BASE64_STOP, rest[whole:], following[:needed])
        found += [_base64_lines(rest[:whole]), gap, "\r\n"]
        rest = following[needed:]
    return [*found, _base64_lines(rest)]


def _base64_lines(data: bytes) -> str:
    lines = (data[at : at + _BYTES_IN_LINE] for at in range(0, len(data), _BYTES_IN_LINE))
    return "".join(base64.b64encode(line).decode("ascii") + "\r\n" for line in lines)


def subject_header(subject: str) -> str:
    """Give the Subject header, folded, without its end (RFC 5322 §2.2.3, RFC 2047).

    Encoded words are ours because those of ``email`` read ``=?…?=`` in a headline as one.
    """
    words = subject.split(" ")
    is_plain_text = all(re.fullmatch(r"[!-~]{1,66}", word) for word in words)
    if is_plain_text and "=?" not in subject:
        folded = textwrap.wrap(
            f"Subject: {subject}", _LINE - 1, break_long_words=False, break_on_hyphens=False
        )
        return "\r\n ".join(folded)
    chunks = (base64.b64encode(chunk).decode("ascii") for chunk in _chunks(subject))
    return "Subject: " + "\r\n ".join(f"=?utf-8?b?{chunk}?=" for chunk in chunks)


def _chunks(text: str) -> Iterable[bytes]:
    chunk = b""
    for character in text:
        if len(chunk) + len(character.encode()) > _BYTES_IN_WORD:
            yield chunk
            chunk = b""
        chunk += character.encode()
    yield chunk


def with_gaps(headers: str) -> list[Piece]:
    """Give header lines with gaps where marks stand. Raises :class:`NotFrozen`."""
    kinds = {mark: kind for kind, mark in MARKS.items()}
    pieces = [piece for piece in re.split(f"([{''.join(kinds)}])", headers) if piece]
    if any(not piece.isascii() for piece in pieces if piece not in kinds):
        raise NotFrozen("a header is more than ASCII")
    return [Gap(kinds[piece]) if piece in kinds else piece for piece in pieces]


def without_lone_dots(pieces: Iterable[Piece]) -> tuple[list[str], list[Gap]]:
    """Give literals and the gaps between them, lines that begin with a dot stuffed.

    Done once over the whole, so that no border hides a dot (RFC 5321 §4.5.2); no value of a
    gap begins with a dot at the beginning of a line.
    """
    literals, gaps = [""], []
    for piece in pieces:
        if isinstance(piece, Gap):
            gaps.append(piece)
            literals.append("")
        else:
            literals[-1] += piece
    # A NUL is in no piece; it holds the places of the gaps.
    return re.sub(r"(?<![^\n])\.", "..", "\0".join(literals)).split("\0"), gaps
