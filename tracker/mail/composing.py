"""Content into the lines of a mail, with gaps where recipients differ."""

from __future__ import annotations

import hashlib

from flask import current_app

from tracker.core import tokens
from tracker.mail import rendering, transfer
from tracker.mail.rendering import Content, Words
from tracker.mail.transfer import MARKS, Gap, Piece
from tracker.settings import Settings


def words_of(content: Content, *, token: str) -> Words:
    """Give the words of ``content`` with ``token`` in the link to stop, line ends all alike."""
    link = rendering.unsubscribe_link(content.language, token=token)
    words = rendering.put_into_words(content, unsubscribe_url=link)
    return Words(words.subject, *map(transfer.lines_of, words[1:]))


def compose(content: Content, words: Words) -> tuple[list[str], list[Gap]]:
    """Give the literals of the mail that says ``words``, and the gaps between them.

    Raises ``ValueError`` for what cannot stand in a header or is no Unicode, ``NotFrozen``
    where there is no room for a gap.
    """
    # A marker made from the words cannot stand in them, whatever an organiser writes.
    fingerprint = hashlib.sha256("\0".join(words).encode()).digest()
    marker = tokens.to_text(fingerprint)
    pieces = [
        *_head(content, subject=words.subject, marker=marker),
        *_body(content, words, marker=marker, boundary="=_" + fingerprint.hex()[:32]),
    ]
    return transfer.without_lone_dots(pieces)


def _head(content: Content, *, subject: str, marker: str) -> list[Piece]:
    found = rendering.headers(
        content,
        to=MARKS["to"],
        subject=subject,
        date=MARKS["date"],
        message_id=MARKS["message_id"],
        unsubscribe=_ways_to_stop(content.language, marker=marker),
        is_bulk=True,
    )
    sender = rendering.POLICY.header_factory("From", found.pop("From"))
    lines = [
        rendering.POLICY.fold_binary("From", sender).decode("ascii").removesuffix("\r\n"),
        f"To: {found.pop('To')}",
        transfer.subject_header(found.pop("Subject")),
        *(f"{name}: {value}" for name, value in found.items()),
        "MIME-Version: 1.0\r\n",
    ]
    return transfer.with_gaps("\r\n".join(lines))


def _ways_to_stop(language: str, *, marker: str) -> str:
    settings: Settings = current_app.config["TRACKER"]
    link = rendering.unsubscribe_link(language, token=marker)
    found = f"<{link.replace(marker, MARKS['stop'])}>"
    if settings.return_address is None:
        return found
    local, _, domain = settings.return_address.partition("@")
    address = f"{local}+s{MARKS['stop_by_mail']}@{domain}"
    return f"{found}, <mailto:{address}?subject=unsubscribe>"


def _body(content: Content, words: Words, *, marker: str, boundary: str) -> list[Piece]:
    marked = words_of(content, token=marker)
    return [
        f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n--{boundary}\r\n',
        *_part("plain", words.text, marked=marked.text, marker=marker),
        f"\r\n--{boundary}\r\n",
        *_part("html", words.html, marked=marked.html, marker=marker),
        f"\r\n--{boundary}--\r\n",
    ]


def _part(subtype: str, text: str, *, marked: str, marker: str) -> list[Piece]:
    # Decided by the words with a token, which is as long as any other.
    encoding = "7bit" if transfer.is_plain(text) else rendering.transfer_encoding(text)
    return [
        f'Content-Type: text/{subtype}; charset="utf-8"\r\n',
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n",
        *transfer.encoded(marked, marker=marker, encoding=encoding),
    ]
