"""Which kind of mailbox an address is, by its domain alone: no DNS is asked (DESIGN §7)."""

from __future__ import annotations

_EXACT = {
    "gmail.com": "google",
    "googlemail.com": "google",
    "msn.com": "microsoft",
    "aol.com": "yahoo",
    "ymail.com": "yahoo",
    "rocketmail.com": "yahoo",
}
_NAMES = {
    "outlook": "microsoft",
    "hotmail": "microsoft",
    "live": "microsoft",
    "yahoo": "yahoo",
}
"""First labels under which these providers have mailboxes in many countries."""


def provider_of(address: str) -> str:
    """Give ``google``, ``microsoft``, ``yahoo`` or ``other`` (``settings.PROVIDERS``)."""
    domain = address.rpartition("@")[2].lower()
    found = _EXACT.get(domain)
    if found is None:
        name, _, rest = domain.partition(".")
        # hotmail.com, yahoo.co.uk; not live.example.org.
        is_theirs = len(rest) <= 3 or (rest[:3] in {"co.", "com"} and len(rest) <= 6)
        found = _NAMES.get(name) if is_theirs else None
    return found or "other"
