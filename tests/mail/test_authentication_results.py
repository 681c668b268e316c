"""What the receiving server thinks of our mail is read from the mail itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.mail import authentication_results as received
from tracker.mail.findings import Finding, Level
from tracker.mail.records import Policy

DOMAIN = "example.org"
POLICY = Policy(DOMAIN, {"p": "none"}, DOMAIN)
GOOD = b"""\
Return-Path: <bounces@example.org>
Received: from mail.example.org by mx.example.net; Fri, 27 Nov 2026 10:00:00 +0000
Authentication-Results: mx.example.net (a server; of ours) 1;
 dkim=pass (2048-bit; a "key") header.i=@example.org header.s=key1 header.b="ab;cd";
 spf=pass (mx: 192.0.2.1 is one; of them) smtp.mailfrom=bounces@example.org;
 dmarc=pass (p=NONE) header.from=example.org
Authentication-Results: liar.example.com; spf=fail; dkim=fail; dmarc=fail
DKIM-Signature: v=1; a=rsa-sha256; d=Example.org; s=key1; c=relaxed/relaxed;
 h=from:to:subject:date:message-id:List-Unsubscribe:
 list-unsubscribe-post; bh=YWJj; b=ZGVm
From: Tracker <alerts@example.org>

"""


def judged(header: bytes) -> list[Finding]:
    return list(received.judge(received.read(header), domain=DOMAIN, policy=POLICY))


def by_check(header: bytes, check: str) -> list[Finding]:
    return [finding for finding in judged(header) if finding.check == check]


def test_a_mail_with_nothing_against_it_is_good_and_the_judge_is_named() -> None:
    found = judged(GOOD)
    assert {finding.level for finding in found} == {Level.GOOD}
    for check in ("SPF", "DKIM", "DMARC"):
        assert by_check(GOOD, check)[0].sentence.startswith("mx.example.net,")


def test_only_the_topmost_verdict_counts() -> None:
    forged = b"Authentication-Results: mx.example.net; spf=fail; dkim=pass; dmarc=pass\n" + GOOD
    assert by_check(forged, "SPF")[0].level is Level.WRONG


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (b"pass", Level.GOOD),
        (b"fail", Level.WRONG),
        (b"softfail", Level.WRONG),
        (b"none", Level.WRONG),
        (b"permerror", Level.WRONG),
        (b"temperror", Level.UNKNOWN),
    ],
)
@pytest.mark.parametrize("check", ["SPF", "DKIM", "DMARC"])
def test_each_verdict_is_told_as_what_it_is(
    check: str, verdict: bytes, expected: Level
) -> None:
    method = check.lower().encode()
    header = GOOD.replace(method + b"=pass", method + b"=" + verdict, 1)
    finding = by_check(header, check)[0]
    assert finding.level is expected
    assert f"{check.lower()}={verdict.decode()}" in finding.sentence


def test_a_server_that_checks_less_is_not_taken_for_one_that_is_content() -> None:
    header = b"Authentication-Results: mx.example.net; spf=pass\nSubject: x\n\n"
    assert by_check(header, "SPF")[0].level is Level.GOOD
    assert by_check(header, "DKIM")[0].level is Level.UNKNOWN
    assert by_check(header, "DMARC")[0].level is Level.UNKNOWN
    nothing = b"Authentication-Results: mx.example.net; none\n\n"
    assert by_check(nothing, "SPF")[0].level is Level.UNKNOWN


def test_a_verdict_inside_a_comment_is_none() -> None:
    header = b"Authentication-Results: mx.example.net; (spf=pass; dkim=pass) dmarc=fail\n\n"
    assert by_check(header, "SPF")[0].level is Level.UNKNOWN
    assert by_check(header, "DMARC")[0].level is Level.WRONG


def test_a_mail_that_nobody_checked_is_unknown() -> None:
    found = judged(b"Subject: x\n\n")
    assert {finding.level for finding in found} == {Level.UNKNOWN}


def test_a_signature_of_another_domain_is_no_full_pass() -> None:
    header = GOOD.replace(b"header.i=@example.org", b"header.d=relay.example.com")
    finding = by_check(header, "DKIM")[0]
    assert finding.level is Level.ADVICE
    assert "not for example.org" in finding.sentence


def test_a_pass_of_somebody_else_does_not_hide_our_own_failure() -> None:
    header = b"Authentication-Results: mx.example.net; spf=fail"
    header += b" smtp.mailfrom=example.org; spf=pass smtp.helo=mail.example.org"
    header += b"; dkim=fail header.d=example.org; dkim=pass header.d=relay.example.com\n\n"
    assert by_check(header, "SPF")[0].level is Level.WRONG
    assert by_check(header, "DKIM")[0].level is Level.WRONG
    helo = b"Authentication-Results: mx.example.net; spf=pass smtp.helo=mail.example.org\n\n"
    assert by_check(helo, "SPF")[0].level is Level.GOOD, "of a bounce there is nothing else"


@pytest.mark.parametrize(
    ("name", "left"),
    [
        (b":\n list-unsubscribe-post", "does not cover list-unsubscribe-post"),
        (b":List-Unsubscribe", "does not cover list-unsubscribe:"),
    ],
)
def test_a_signature_that_leaves_a_list_header_out_is_wrong(name: bytes, left: str) -> None:
    finding = by_check(GOOD.replace(name, b""), "DKIM")[-1]
    assert finding.level is Level.WRONG
    assert left in finding.sentence


def test_a_checked_mail_without_signature_is_wrong() -> None:
    header = GOOD.replace(b"DKIM-Signature", b"X-Nothing")
    assert by_check(header, "DKIM")[-1].level is Level.WRONG


def test_of_several_signatures_the_one_for_our_domain_tells_the_selector() -> None:
    other = b"DKIM-Signature: v=1; d=relay.example.com; s=theirs; h=from; b=x\n"
    found = received.read(other + GOOD)
    best = received.best_signature(found, DOMAIN, policy=POLICY)
    assert best is not None
    assert (best.domain, best.selector) == (DOMAIN, "key1")


@given(st.binary(max_size=300))
def test_any_header_is_read_and_breaks_nothing_nor_the_terminal(octets: bytes) -> None:
    for header in (
        octets,
        b"Authentication-Results: " + octets,
        b"Authentication-Results: x; spf=pass; " + octets,
        b"DKIM-Signature: d=example.org; s=" + octets,
    ):
        assert all(finding.sentence.isprintable() for finding in judged(header))
