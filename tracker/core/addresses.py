"""E-mail addresses: one to write to, one spelling per mailbox to compare by."""

from __future__ import annotations

import unicodedata

from email_validator import EmailNotValidError, validate_email

from tracker.core.errors import Refused

MAX_LENGTH = 254
"""Longest address SMTP can carry (RFC 5321 §4.5.3.1.3, less the angle brackets)."""

# Providers that deliver name+anything (and, for Gmail, n.a.m.e) to the same mailbox.
_PLUS = frozenset(
    [
        "gmail.com",
        "googlemail.com",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "icloud.com",
        "me.com",
        "fastmail.com",
        "proton.me",
        "protonmail.com",
        "pm.me",
    ]
)
_DOTS = frozenset({"gmail.com", "googlemail.com"})
_SAME = {"googlemail.com": "gmail.com", "pm.me": "proton.me", "protonmail.com": "proton.me"}


class BadAddress(Refused):
    """What was typed is no e-mail address."""


def deliverable(text: str) -> str:
    """Give the address to write to: as typed, its domain in normal form, IDNs in ASCII.

    Raises :class:`BadAddress`. No DNS is asked (DESIGN §7): a look-up would tell who signs.
    """
    try:
        found = validate_email(text.strip(), check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError as error:
        raise BadAddress("not an e-mail address") from error
    address = found.ascii_email or ""
    if not address or len(address) > MAX_LENGTH:
        raise BadAddress("not an e-mail address")
    return address


def canonical(address: str) -> str:
    """Give the one spelling by which a mailbox is recognised; never write to it.

    Case is folded for ASCII only: folding more would merge mailboxes of different people
    (the dotless i of CVE-2019-19844).
    """
    local, _, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    local, domain = _ascii_lower(local), _ascii_lower(domain)
    if domain in _PLUS:
        local = local.split("+", 1)[0]
    if domain in _DOTS:
        local = local.replace(".", "")
    return f"{local}@{_SAME.get(domain, domain)}"


def _ascii_lower(text: str) -> str:
    if text.isascii():
        return text.lower()
    return "".join(c.lower() if c.isascii() else c for c in text)
