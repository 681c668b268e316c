"""A letter into the bytes that are sent: two parts and headers that survive.

``EmailMessage`` and Flask-Mail turn a long ``List-Unsubscribe`` into encoded words, which kills
one-click unsubscribing (pallets-eco/flask-mail#246); our policy keeps such headers on one line.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime
from typing import Any, NamedTuple

import css_inline
from flask import current_app, render_template

from tracker.core import clock, languages
from tracker.core.templating import external_url
from tracker.settings import Settings

_WHOLE = frozenset({"list-id", "list-unsubscribe", "list-unsubscribe-post", "message-id"})
# Controls, and what would turn the rest of a line around in somebody's inbox.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e]")
_LONGEST = 998
"""Octets in a line, without its end (RFC 5322 §2.1.1)."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """What is told, before it is put into words, and to nobody in particular yet.

    ``template`` names a folder under ``templates/mail/``; ``values`` are plain data, so that
    rendering needs no database. ``list_name`` makes the list headers.
    """

    language: str
    template: str
    list_name: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Letter(Content):
    """What one person is told; ``unsubscribe`` is the token of the link that stops it.

    Without one it is no list mail: a word to an organiser about their own work.
    """

    to: str
    message_id: str
    unsubscribe: str | None
    is_bulk: bool = False


class Ready(NamedTuple):
    """A whole message for one person, not to be rendered any more."""

    to: str
    raw: bytes


class Words(NamedTuple):
    """Content in the words of its language."""

    subject: str
    text: str
    html: str


class _Policy(EmailPolicy):
    """SMTP's line ends and 7-bit bodies; list headers in one piece."""

    def fold_binary(self, name: str, value: str) -> bytes:
        """Leave the headers that receivers read literally on one line."""
        if name.lower() in _WHOLE:
            return f"{name}: {value}\r\n".encode("ascii")
        return super().fold_binary(name, value)


POLICY = _Policy(linesep=SMTP.linesep, cte_type="7bit", max_line_length=76)
"""How a mail of ours is written: SMTP's line ends, seven bits, list headers in one piece."""


@functools.cache
def _inliner() -> css_inline.CSSInliner:
    # Remote style sheets are never fetched: a mail is made from our own templates only.
    return css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=True)


def render(letter: Letter) -> bytes:
    """Give the message as SMTP takes it. Raises ``ValueError`` for a header with line ends."""
    link = None
    if letter.unsubscribe is not None:
        link = unsubscribe_link(letter.language, token=letter.unsubscribe)
    words = put_into_words(letter, unsubscribe_url=link)
    message = EmailMessage(policy=POLICY)
    for name, value in headers(
        letter,
        to=_recipient(letter.to),
        subject=words.subject,
        date=format_datetime(clock.now(), usegmt=True),
        message_id=letter.message_id,
        unsubscribe=f"<{link}>" if link else None,
        is_bulk=letter.is_bulk,
    ).items():
        message[name] = value
    message.set_content(words.text, cte=transfer_encoding(words.text))
    message.add_alternative(words.html, subtype="html", cte=transfer_encoding(words.html))
    return message.as_bytes()


def unsubscribe_link(language: str, *, token: str) -> str:
    """Give the address that stops all mails of a list, for readers of ``language``."""
    with languages.speaking(language):
        return external_url("subscriptions.unsubscribe", token=token)


def put_into_words(content: Content, *, unsubscribe_url: str | None) -> Words:
    """Give subject, text and HTML, rendered from the templates."""
    values = {**content.values, "unsubscribe_url": unsubscribe_url}
    folder = f"mail/{content.template}"
    with languages.speaking(content.language):
        subject = render_template(f"{folder}/subject.txt", **values)
        subject = " ".join(_CONTROLS.sub(" ", subject).split())
        text = render_template(f"{folder}/body.txt", **values).strip() + "\n"
        html = _inliner().inline(render_template(f"{folder}/body.html", **values))
    return Words(subject, text, html)


def headers(
    content: Content,
    *,
    to: str | Address,
    subject: str,
    date: str,
    message_id: str,
    unsubscribe: str | None,
    is_bulk: bool,
) -> dict[str, Any]:
    """Give every header but MIME's, in the order in which they stand.

    Without a way to unsubscribe there are no list headers.

    Raises ``ValueError`` for one with line ends or of unreasonable length.
    """
    settings: Settings = current_app.config["TRACKER"]
    found: dict[str, Any] = {
        "From": Address(settings.site_name, addr_spec=settings.mail_from or ""),
        "To": to,
        "Subject": subject,
        "Date": date,
        "Message-ID": f"<{message_id}@{settings.mail_domain}>",
    }
    if unsubscribe is not None:
        found["List-Id"] = f"<{content.list_name}.{settings.mail_domain}>"
        found["List-Unsubscribe"] = unsubscribe
        found["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    found["Auto-Submitted"] = "auto-generated"
    found["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    if is_bulk:
        found["Precedence"] = "bulk"
        # The last field is Gmail's SenderId, 5 to 15 characters long.
        found["Feedback-ID"] = f"{content.list_name}:alert:{settings.mail_domain}:tracker"
    for value in found.values():
        _refuse_line_ends(str(value))
    return found


def _recipient(text: str) -> Address:
    """Give the one plain address; what the outbox holds may come from an intruder."""
    if text and text.isascii():
        address = Address(addr_spec=text)
        if address.addr_spec == text:
            return address
    raise ValueError("a mail goes to one plain address")


def _refuse_line_ends(value: str) -> None:
    if any(c in value for c in "\r\n\0\u2028\u2029\u0085") or len(value) > _LONGEST - 30:
        raise ValueError("a header must be one line of reasonable length")


def transfer_encoding(text: str) -> str:
    """Give the shorter one of the two encodings that pass everywhere (RFC 2045 §6)."""
    # Quoted-printable triples every byte above ASCII; base64 adds a third to all of them.
    above = sum(1 for byte in text.encode() if byte > 127)
    return "base64" if above * 6 > len(text) else "quoted-printable"
