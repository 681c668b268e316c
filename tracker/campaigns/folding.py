"""Words as they are searched: without case, accents and the variants of one letter (pure).

Done here rather than by the databases, so that both find the same.
"""

from __future__ import annotations

import unicodedata

LONGEST_WORD = 60
"""Characters of a word that count; the rest of a longer one makes no difference."""

_LATIN = {"ı": "i", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"}

_ARABIC = {
    "ـ": "",  # tatweel only stretches the line
    "ٱ": "ا",
    "ى": "ي",
    "ی": "ي",
    "ک": "ك",
    "ة": "ه",
    "ۃ": "ه",
    "ہ": "ه",
    "ھ": "ه",
    "ە": "ه",
}

_TRANSCRIBED = dict.fromkeys("ʼʻʾʿ", "")

_SAME = str.maketrans({**_LATIN, **_ARABIC, **_TRANSCRIBED})


def words(text: str) -> list[str]:
    """Give the words of a text in their one spelling: letters and digits only.

    Composed signs fall apart and lose their accents (NFKD), so that hamza and vowel signs do
    not matter either; vowels of Indian scripts, which are no accents, stay.
    """
    apart = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(map(_plain, unicodedata.normalize("NFKD", apart))).translate(_SAME)
    return [word[:LONGEST_WORD] for word in plain.split()]


def _plain(char: str) -> str:
    """Give what is left of one character: itself, a plain digit, nothing, or a gap."""
    if unicodedata.combining(char):
        return ""
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category == "Cf":
        # Joiners and marks of direction stand inside words.
        return ""
    return char if category[0] in "LNM" else " "
