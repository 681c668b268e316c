"""DKIM keys, DMARC policies, reverse names: each fault has its sentence."""

from __future__ import annotations

import base64
import ipaddress
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.mail import records
from tracker.mail.findings import Finding, Level
from tracker.mail.records import Policy

NAME = "key1._domainkey.example.org"
ED25519 = base64.b64encode(bytes(32)).decode()


def rsa_key(bits: int, *, is_bare: bool = False) -> str:
    """Make a public key as openssl writes it, for the p tag."""
    private = subprocess.run(
        ["openssl", "genrsa", str(bits)], check=True, capture_output=True
    ).stdout
    form = ["-RSAPublicKey_out"] if is_bare else ["-pubout"]
    der = subprocess.run(
        ["openssl", "rsa", *form, "-outform", "DER"],
        check=True,
        capture_output=True,
        input=private,
    ).stdout
    return base64.b64encode(der).decode()


def levels(found: list[Finding]) -> list[Level]:
    return [finding.level for finding in found]


# --- DKIM ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "expected"), [(512, Level.WRONG), (1024, Level.ADVICE), (2048, Level.GOOD)]
)
@pytest.mark.parametrize("is_bare", [False, True])
def test_a_short_key_is_told_with_its_length(bits: int, expected: Level, is_bare: bool) -> None:
    [finding] = records.dkim(NAME, [f"v=DKIM1; k=rsa; p={rsa_key(bits, is_bare=is_bare)}"])
    assert finding.level is expected
    assert expected is Level.GOOD or f"{bits} bits" in finding.sentence


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([], "There is no key"),
        (["v=spf1 -all"], "There is no key"),
        ([f"k=ed25519; p={ED25519}"] * 2, "There are 2 keys"),
        (["v=DKIM1; p="], "is revoked"),
        (["v=DKIM1; p=abc!"], "cannot be read"),
        (["v=DKIM1; p=aGVsbG8="], "cannot be read"),
        ([f"v=DKIM1; p={ED25519}"], "cannot be read"),
        (["v=DKIM1; k=ed25519; p=aGVsbG8="], "no Ed25519 key"),
        ([f"v=DKIM1; k=quantum; p={ED25519}"], "unknown kind, quantum"),
        ([f"v=DKIM2; k=ed25519; p={ED25519}"], "must begin with v=DKIM1"),
        ([f"k=ed25519; h=sha1; p={ED25519}"], "refuses SHA-256"),
        ([f"k=ed25519; s=tlsrpt; p={ED25519}"], "not for mail"),
    ],
)
def test_what_is_wrong_with_a_key_is_said(texts: list[str], words: str) -> None:
    [finding] = records.dkim(NAME, texts)
    assert finding.level is Level.WRONG
    assert words in finding.sentence
    assert NAME in finding.sentence


@pytest.mark.parametrize(
    "text",
    [
        f"v=DKIM1; k=ed25519; p={ED25519}",
        f"k=ed25519;h=sha1:sha256; s=email ; n=note;p={ED25519[:20]} {ED25519[20:]};",
    ],
)
def test_a_good_key_is_good_however_it_is_spaced(text: str) -> None:
    assert levels(records.dkim(NAME, ["another text", text])) == [Level.GOOD]


def test_a_key_that_is_being_tested_is_told() -> None:
    [finding] = records.dkim(NAME, [f"v=DKIM1; k=ed25519; t=s:y; p={ED25519}"])
    assert finding.level is Level.ADVICE
    assert "t=y" in finding.sentence


@given(st.text(max_size=80), st.binary(max_size=80))
def test_any_key_is_judged_and_breaks_nothing(text: str, octets: bytes) -> None:
    key = base64.b64encode(octets).decode()
    for record in (text, f"p={text}", f"p={key}", f"k=ed25519; p={key}"):
        found = records.dkim("\x1b[31m" + text, [record])
        assert found
        assert all(finding.sentence.isprintable() for finding in found)


# --- DMARC -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v=DMARC1; p=reject", Level.GOOD),
        ("v=DMARC1;p=Quarantine", Level.GOOD),
        ("v=DMARC1; p=none; rua=mailto:a@example.org", Level.ADVICE),
        ("v=DMARC1; p=maybe", Level.WRONG),
        ("v=DMARC1", Level.WRONG),
    ],
)
def test_a_policy_is_judged_by_what_it_asks_for(text: str, expected: Level) -> None:
    policy = Policy("example.org", records.tags(text), "example.org")
    assert levels(list(records.dmarc("example.org", policy))) == [expected]


def test_a_domain_below_is_judged_by_the_policy_for_those_below() -> None:
    policy = Policy("example.org", records.tags("v=DMARC1; p=reject; sp=none"), "example.org")
    assert levels(list(records.dmarc("mail.example.org", policy))) == [Level.ADVICE]
    assert levels(list(records.dmarc("example.org", policy))) == [Level.GOOD]


def test_only_what_begins_as_a_policy_is_one() -> None:
    texts = ["v=DMARC1; p=none", "v=DMARC1;p=none", "v=DMARC10; p=none", "p=none; v=DMARC1"]
    assert records.dmarc_records(texts) == texts[:2]


def test_a_policy_is_looked_for_at_the_domain_and_above_but_not_at_the_very_top() -> None:
    assert records.parents("a.b.example.org") == [
        "a.b.example.org",
        "b.example.org",
        "example.org",
    ]
    assert records.parents("localhost") == ["localhost"]
    assert len(records.parents("x." * 60 + "org")) == 8


@pytest.mark.parametrize(
    ("domain", "other", "text", "expected"),
    [
        ("example.org", "example.org", "", True),
        ("example.org", "Example.ORG", "aspf=s", True),
        ("example.org", "bounce.example.org", "", True),
        ("example.org", "bounce.example.org", "aspf=s", False),
        ("example.org", "bounce.example.org", "adkim=s", True),
        ("example.org", "example.net", "", False),
        ("example.org", "badexample.org", "", False),
        ("example.org", "", "", False),
    ],
)
def test_two_domains_are_aligned_where_receivers_say_so(
    domain: str, other: str, text: str, expected: bool
) -> None:
    policy = Policy("example.org", records.tags(text), "example.org")
    assert records.is_aligned(domain, other, policy=policy, tag="aspf") is expected


def test_a_policy_of_its_own_does_not_cut_a_domain_off_from_its_organisation() -> None:
    policy = Policy("news.example.org", {}, "example.org")
    for other in ("example.org", "bounce.example.org"):
        assert records.is_aligned("news.example.org", other, policy=policy, tag="aspf")
    alone = Policy("news.example.org", {}, "news.example.org")
    assert not records.is_aligned(
        "news.example.org", "bounce.example.org", policy=alone, tag="aspf"
    )


# --- reverse names ---------------------------------------------------------------------------


def test_a_reverse_name_must_be_there_and_lead_back() -> None:
    ours, other = ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("192.0.2.2")
    host = "mail.example.org"
    assert (
        records.ptr(ours, {"mail.example.org.": [other, ours]}, host=host).level is Level.GOOD
    )
    missing = records.ptr(ours, {}, host=host)
    assert (missing.level, "no reverse name" in missing.sentence) == (Level.UNKNOWN, True)
    astray = records.ptr(ours, {"pool-1.example.net.": [other]}, host=host)
    assert astray.level is Level.UNKNOWN, "perhaps mail leaves from elsewhere"
    assert "pool-1.example.net" in astray.sentence
