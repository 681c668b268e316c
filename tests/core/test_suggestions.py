"""A slip in an address is asked about; an address that was right never is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.suggestions import MAILBOXES, OTHERS, distance, suggested


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gmai.com", "gmail.com"),
        ("gmaill.com", "gmail.com"),
        ("gnail.com", "gmail.com"),
        ("mgail.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmial.con", "gmail.com"),
        ("gmail.co", "gmail.com"),
        ("hotmial.com", "hotmail.com"),
        ("homtail.com", "hotmail.com"),
        ("hotmal.fr", "hotmail.fr"),
        ("yaho.com", "yahoo.com"),
        ("yaho.co.uk", "yahoo.co.uk"),
        ("outlok.com", "outlook.com"),
        ("icoud.com", "icloud.com"),
        ("protonmal.com", "protonmail.com"),
        ("protnmial.com", "protonmail.com"),
        ("prton.me", "proton.me"),
        ("wbe.de", "web.de"),
        ("gxm.net", "gmx.net"),
        ("lapotse.net", "laposte.net"),
        ("libreo.it", "libero.it"),
        ("riesup.net", "riseup.net"),
        ("union-local.con", "union-local.com"),
        ("union.example.ogr", "union.example.org"),
    ],
)
def test_a_slip_is_recognised(typed: str, meant: str) -> None:
    assert suggested(f"Sara.K+news@{typed}") == f"Sara.K+news@{meant}"


@pytest.mark.parametrize(
    "right",
    [
        *MAILBOXES,
        *OTHERS,
        "email.com",
        "cloud.com",
        "mail.ee",
        "gmx.li",
        "live.com.au",
        "live.ca",
        "yahoo.com.tw",
        "q.com",
        "sol.no",
        "aon.at",
        "never.com",
        "saver.com",
        "terna.com.br",
        "arbor.de",
        "riseup.org",
        "example.org",
        "verdi.de",
        "unison.org.uk",
        "xn--mnchen-3ya.example",
        "mail.gmail.example.com",
    ],
)
def test_an_address_that_is_right_is_never_asked_about(right: str) -> None:
    assert suggested(f"sara@{right}") is None


@given(st.text(max_size=300))
def test_whatever_is_typed_nothing_breaks_and_no_suggestion_is_asked_about_again(
    typed: str,
) -> None:
    for text in (typed, f"sara@{typed}", f"sara@{typed}.com"):
        meant = suggested(text)
        assert meant is None or suggested(meant) is None


@pytest.mark.parametrize(
    ("one", "other", "slips"),
    [
        ("gmail", "gmail", 0),
        ("gmial", "gmail", 1),
        ("gmal", "gmail", 1),
        ("gmaiil", "gmail", 1),
        ("gnail", "gmail", 1),
        ("hotmail", "hotmali", 1),
        ("", "abc", 3),
        ("ca", "abc", 3),
    ],
)
def test_slips_are_counted(one: str, other: str, slips: int) -> None:
    assert distance(one, other) == distance(other, one) == slips
