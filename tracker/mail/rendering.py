"""A letter into the bytes that are sent: two parts and headers that survive.

``EmailMessage`` and Flask-Mail turn a long ``List-Unsubscribe`` into encoded words, which kills
one-click unsubscribing (pallets-eco/flask-mail#246); our policy keeps such headers on one line.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime
from typing import Any

import css_inline
from flask import current_app, render_template

from tracker.core import clock, languages
from tracker.core.templating import external_url
from tracker.settings import Settings

_WHOLE = frozenset({"list-id", "list-unsubscribe", "list-unsubscribe-post", "message-id"})
_LONGEST = 998
"""Octets in a line, without its end (RFC 5322 §2.1.1)."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What one person is told, before it is put into words.

    ``template`` names a folder under ``templates/mail/``; ``values`` are plain data, so that
    rendering needs no database. ``list_name`` and ``unsubscribe`` make the list headers.
    """

    to: str
    language: str
    template: str
    message_id: str
    list_name: str
    unsubscribe: str
    values: dict[str, Any] = field(default_factory=dict)
    is_bulk: bool = False


class _Policy(EmailPolicy):
    """SMTP's line ends and 7-bit bodies; list headers in one piece."""

    def fold_binary(self, name: str, value: str) -> bytes:
        """Leave the headers that receivers read literally on one line."""
        if name.lower() in _WHOLE:
            return f"{name}: {value}\r\n".encode("ascii")
        return super().fold_binary(name, value)


_POLICY = _Policy(linesep=SMTP.linesep, cte_type="7bit", max_line_length=76)


@functools.cache
def _inliner() -> css_inline.CSSInliner:
    # Remote style sheets are never fetched: a mail is made from our own templates only.
    return css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=True)


def render(letter: Letter) -> bytes:
    """Give the message as SMTP takes it. Raises ``ValueError`` for a header with line ends."""
    with languages.speaking(letter.language):
        unsubscribe_url = external_url("subscriptions.unsubscribe", token=letter.unsubscribe)
        values = {**letter.values, "unsubscribe_url": unsubscribe_url}
        folder = f"mail/{letter.template}"
        subject = " ".join(render_template(f"{folder}/subject.txt", **values).split())
        text = render_template(f"{folder}/body.txt", **values).strip() + "\n"
        html = _inliner().inline(render_template(f"{folder}/body.html", **values))
    message = _envelope(letter, subject=subject, unsubscribe_url=unsubscribe_url)
    _set_body(message, text=text, html=html)
    return message.as_bytes()


def _envelope(letter: Letter, *, subject: str, unsubscribe_url: str) -> EmailMessage:
    settings: Settings = current_app.config["TRACKER"]
    message = EmailMessage(policy=_POLICY)
    headers: dict[str, Any] = {
        "From": Address(settings.site_name, addr_spec=settings.mail_from or ""),
        "To": _recipient(letter.to),
        "Subject": subject,
        "Date": format_datetime(clock.now(), usegmt=True),
        "Message-ID": f"<{letter.message_id}@{settings.mail_domain}>",
        "List-Id": f"<{letter.list_name}.{settings.mail_domain}>",
        "List-Unsubscribe": f"<{unsubscribe_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
    }
    if letter.is_bulk:
        headers["Precedence"] = "bulk"
    for name, value in headers.items():
        _refuse_line_ends(str(value))
        message[name] = value
    return message


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


def _set_body(message: EmailMessage, *, text: str, html: str) -> None:
    message.set_content(text, cte=_encoding(text))
    message.add_alternative(html, subtype="html", cte=_encoding(html))


def _encoding(text: str) -> str:
    # Quoted-printable triples every byte above ASCII; base64 adds a third to all of them.
    above = sum(1 for byte in text.encode() if byte > 127)
    return "base64" if above * 6 > len(text) else "quoted-printable"
