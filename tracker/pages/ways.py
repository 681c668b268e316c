"""The addresses at which other services take a text: plain links, no script, no tracking."""

from __future__ import annotations

import re
from urllib.parse import quote

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NOT_PUBLIC = frozenset(
    {"localhost", "local", "internal", "lan", "home", "corp", "arpa", "onion", "i2p", "alt"}
    | {"test", "example", "invalid"}
)


def mail(subject: str, text: str, address: str) -> str:
    """Give the link that begins a mail."""
    body = f"{text}\r\n\r\n{address}\r\n"
    return f"mailto:?subject={_quoted(subject)}&body={_quoted(body)}"


def whatsapp(text: str, address: str) -> str:
    """Give the link that begins a message in WhatsApp."""
    return f"https://wa.me/?text={_quoted(f'{text} {address}')}"


def telegram(text: str, address: str) -> str:
    """Give the link that begins a message in Telegram."""
    return f"https://t.me/share/url?url={_quoted(address)}&text={_quoted(text)}"


def facebook(address: str) -> str:
    """Give the link that begins a post on Facebook; it takes no text."""
    return f"https://www.facebook.com/sharer/sharer.php?u={_quoted(address)}"


def x(text: str, address: str) -> str:
    """Give the link that begins a post on X."""
    return f"https://x.com/intent/post?text={_quoted(text)}&url={_quoted(address)}"


def linkedin(address: str) -> str:
    """Give the link that begins a post on LinkedIn; it takes no text."""
    return f"https://www.linkedin.com/sharing/share-offsite/?url={_quoted(address)}"


def mastodon(host: str, text: str, address: str) -> str:
    """Give the link that begins a post on a Mastodon server."""
    return f"https://{host}/share?text={_quoted(f'{text} {address}')}"


def public_host(text: str) -> str | None:
    """Give a typed host name in its normal form; ``None`` unless it is a public one.

    No address of a machine, no port, no name before an @, no path: the link must lead where
    it says.
    """
    host = text.strip().lower()
    labels = host.split(".")
    if not host.isascii() or len(host) > 253 or len(labels) < 2:
        return None
    if not all(_LABEL.fullmatch(label) for label in labels):
        return None
    top = labels[-1]
    is_name = top.isalpha() or top.startswith("xn--")
    return host if is_name and len(top) > 1 and top not in _NOT_PUBLIC else None


def _quoted(text: str) -> str:
    return quote(text, safe="")
