"""Which kind of mailbox an address is: told from the domain alone."""

from __future__ import annotations

import pytest

from tracker.configuration.mail import PROVIDERS
from tracker.mail.providers import provider_of


@pytest.mark.parametrize(
    ("domain", "provider"),
    [
        ("gmail.com", "google"),
        ("GoogleMail.com", "google"),
        ("hotmail.com", "microsoft"),
        ("hotmail.co.uk", "microsoft"),
        ("outlook.de", "microsoft"),
        ("live.com.pt", "microsoft"),
        ("msn.com", "microsoft"),
        ("yahoo.com.br", "yahoo"),
        ("yahoo.co.jp", "yahoo"),
        ("aol.com", "yahoo"),
        ("example.org", "other"),
        ("gmail.com.example.org", "other"),
        ("live.example.org", "other"),
        ("notyahoo.com", "other"),
        ("", "other"),
    ],
)
def test_a_mailbox_belongs_to_a_provider_by_its_domain(domain: str, provider: str) -> None:
    assert provider_of(f"sara@{domain}") == provider
    assert provider in PROVIDERS
