"""SPF: what receivers would stumble over is told, and nothing unknown is called good."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.nameserver import Nameserver, running_nameserver
from tracker.mail import spf
from tracker.mail.dns import Resolver
from tracker.mail.findings import Level
from tracker.mail.spf import Verdict

DOMAIN = "example.org"


@pytest.fixture
def dns() -> Iterator[Nameserver]:
    with running_nameserver() as server:
        yield server


def findings(dns: Nameserver, *, hosts: tuple[str, ...] = ()) -> list[tuple[Level, str]]:
    found = spf.findings(DOMAIN, resolver=Resolver(dns.address), hosts=hosts)
    assert {finding.check for finding in found} == {"SPF"}
    return [(finding.level, finding.sentence) for finding in found]


def verdict(dns: Nameserver, address: str) -> Verdict:
    found = ipaddress.ip_address(address)
    return spf.verdict(DOMAIN, found, resolver=Resolver(dns.address))


# --- the record ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all",
        "V=SPF1 A:mail.example.org ~ALL",
        "v=spf1 a mx/24//64 exp=why.example.org -all",
        "v=spf1 exists:%{ir}.%{v}._spf.%{d} -all",
        "v=spf1 redirect=_spf.example.org",
        "v=spf1 include:_spf.example.org ~all",
    ],
)
def test_a_record_that_receivers_can_use_is_good(dns: Nameserver, record: str) -> None:
    dns.text(DOMAIN, "something else", record)
    dns.text("_spf.example.org", "v=spf1 ip4:192.0.2.1 -all")
    dns.publish(DOMAIN, "A", "192.0.2.1")
    dns.publish(DOMAIN, "MX", "10 mail.example.org.")
    dns.publish("mail.example.org", "AAAA", "2001:db8::1")
    assert [level for level, _ in findings(dns)] == [Level.GOOD]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("v=spf1 a", "does not say what holds for all other machines"),
        ("v=spf1", "does not say what holds for all other machines"),
        ("v=spf1 include:closed.example.org", "does not say what holds for all other machines"),
        ("v=spf1 a ?all", "says nothing"),
        ("v=spf1 a +all", "lets everybody send"),
        ("v=spf1 a all", "lets everybody send"),
        ("v=spf1 include:open.example.org -all", "lets everybody send"),
        ("v=spf1 ipv4:192.0.2.1 -all", "“ipv4:192.0.2.1” is no part of SPF"),
        ("v=spf1 ip4:192.0.2.300 -all", "“ip4:192.0.2.300” names no address"),
        ("v=spf1 ip4:2001:db8::1 -all", "names no address"),
        ("v=spf1 ip4 -all", "names no address"),
        ("v=spf1 include -all", "is written wrongly"),
        ("v=spf1 a/33 -all", "is written wrongly"),
        ("v=spf1 include:none.example.org -all", "leads to no SPF record"),
        ("v=spf1 redirect=none.example.org", "leads to no SPF record"),
        ("v=spf1 include:two.example.org -all", "has 2 SPF records"),
        ("v=spf1 include:example.org -all", "includes itself"),
        ("v=spf1 include:back.example.org -all", "includes itself"),
    ],
)
def test_what_is_wrong_with_a_record_is_said(dns: Nameserver, record: str, words: str) -> None:
    dns.publish(DOMAIN, "A", "192.0.2.1")
    dns.text(DOMAIN, record)
    dns.text("open.example.org", "v=spf1 +all")
    dns.text("closed.example.org", "v=spf1 -all")
    dns.text("two.example.org", "v=spf1 -all", "v=spf1 ~all")
    dns.text("back.example.org", "v=spf1 redirect=example.org")
    [(level, sentence)] = findings(dns)
    assert level is Level.WRONG
    assert words in sentence


def test_a_missing_record_is_told_with_the_one_to_publish(dns: Nameserver) -> None:
    dns.text(DOMAIN, "v=spf10 -all")
    [(level, sentence)] = findings(dns, hosts=("mail.example.org", "192.0.2.1", "2001:db8::1"))
    assert level is Level.WRONG
    assert sentence.endswith("v=spf1 a:mail.example.org ip4:192.0.2.1 ip6:2001:db8::1 -all")


def test_two_records_are_worse_than_one(dns: Nameserver) -> None:
    dns.text(DOMAIN, "v=spf1 -all", "v=spf1 a -all")
    [(level, sentence)] = findings(dns)
    assert (level, "2 SPF records" in sentence) == (Level.WRONG, True)


def test_a_record_in_several_pieces_is_read_as_one(dns: Nameserver) -> None:
    addresses = " ".join(f"ip4:192.0.2.{last}" for last in range(40))
    dns.text(DOMAIN, f"v=spf1 {addresses} -all")
    assert [level for level, _ in findings(dns)] == [Level.GOOD]
    assert verdict(dns, "192.0.2.39") is Verdict.PASS


@pytest.mark.parametrize(("count", "level"), [(5, Level.GOOD), (6, Level.WRONG)])
def test_the_eleventh_look_up_is_one_too_many_wherever_it_hides(
    dns: Nameserver, count: int, level: Level
) -> None:
    names = [f"s{number}.example.org" for number in range(count)]
    dns.text(DOMAIN, f"v=spf1 {' '.join(f'include:{name}' for name in names)} -all")
    for name in names:
        dns.text(name, "v=spf1 a -all")
        dns.publish(name, "A", "192.0.2.1")
    [(found, sentence)] = findings(dns)
    assert found is level
    assert f"{2 * count} " in sentence
    if level is Level.WRONG:
        assert verdict(dns, "192.0.2.99") is Verdict.BROKEN


def test_a_record_that_goes_on_for_ever_is_given_up(dns: Nameserver) -> None:
    for number in range(200):
        dns.text(f"s{number}.example.org", f"v=spf1 include:s{number + 1}.example.org -all")
    dns.text(DOMAIN, "v=spf1 include:s0.example.org -all")
    [(level, sentence)] = findings(dns)
    assert (level, "more than 30" in sentence) == (Level.WRONG, True)
    assert len(dns.asked) < 100


@pytest.mark.parametrize(("count", "level"), [(2, Level.GOOD), (3, Level.WRONG)])
def test_the_third_name_that_does_not_exist_is_one_too_many(
    dns: Nameserver, count: int, level: Level
) -> None:
    gone = " ".join(f"a:gone{number}.example.org" for number in range(count))
    dns.text(DOMAIN, f"v=spf1 {gone} -all")
    assert [found for found, _ in findings(dns)] == [level]


def test_more_mail_servers_than_receivers_look_at_break_the_record(dns: Nameserver) -> None:
    dns.text(DOMAIN, "v=spf1 mx -all")
    dns.publish(DOMAIN, "MX", *(f"10 mx{number}.example.org." for number in range(11)))
    [(level, sentence)] = findings(dns)
    assert (level, "more than 10 MX" in sentence) == (Level.WRONG, True)


def test_ptr_is_advised_against(dns: Nameserver) -> None:
    dns.text(DOMAIN, "v=spf1 ptr -all")
    assert Level.ADVICE in [level for level, _ in findings(dns)]
    assert Level.WRONG not in [level for level, _ in findings(dns)]


# --- what is not known -----------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", ["SERVFAIL", "REFUSED"])
@pytest.mark.parametrize("name", ["example.org", "_spf.example.org"])
def test_what_the_dns_does_not_answer_is_unknown_and_never_good_or_wrong(
    dns: Nameserver, name: str, behaviour: str
) -> None:
    dns.text(DOMAIN, "v=spf1 include:_spf.example.org -all")
    dns.behaviour[name] = behaviour
    [(level, sentence)] = findings(dns)
    assert level is Level.UNKNOWN
    assert name in sentence
    assert verdict(dns, "192.0.2.1") is Verdict.UNKNOWN


def test_an_include_with_macros_is_unknown(dns: Nameserver) -> None:
    dns.text(DOMAIN, "v=spf1 include:%{d2}.example.net -all")
    assert [level for level, _ in findings(dns)] == [Level.UNKNOWN]


def test_a_terminal_is_not_written_to_by_a_record(dns: Nameserver) -> None:
    dns.publish(DOMAIN, "TXT", r'"v=spf1 a:\027[31mred -all"')
    for _, sentence in findings(dns):
        assert sentence.isprintable()


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.text(alphabet="+-~?:/%{}=. aimxptrcludeng4608", max_size=60))
def test_any_record_is_judged_and_breaks_nothing(dns: Nameserver, rest: str) -> None:
    dns.text(DOMAIN, f"v=spf1 {rest}")
    assert findings(dns)
    assert verdict(dns, "192.0.2.1") in Verdict


# --- whether it covers an address ------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "address", "expected"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.7", Verdict.PASS),
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.3.7", Verdict.FAIL),
        ("v=spf1 ip4:192.0.2.0/24 -all", "2001:db8::1", Verdict.FAIL),
        ("v=spf1 ip6:2001:db8::/32 ~all", "2001:db8::1", Verdict.PASS),
        ("v=spf1 ip6:2001:db8::/32 ~all", "2001:db9::1", Verdict.SOFTFAIL),
        ("v=spf1 a -all", "192.0.2.1", Verdict.PASS),
        ("v=spf1 a/24 -all", "192.0.2.200", Verdict.PASS),
        ("v=spf1 a//64 -all", "2001:db8::ffff", Verdict.PASS),
        ("v=spf1 a:other.example.org -all", "192.0.2.1", Verdict.FAIL),
        ("v=spf1 mx -all", "192.0.2.25", Verdict.PASS),
        ("v=spf1 mx:example.org ?all", "192.0.2.1", Verdict.NEUTRAL),
        ("v=spf1 include:_spf.example.org -all", "192.0.2.77", Verdict.PASS),
        ("v=spf1 include:_spf.example.org ~all", "192.0.2.78", Verdict.SOFTFAIL),
        ("v=spf1 -include:_spf.example.org +a -all", "192.0.2.77", Verdict.FAIL),
        ("v=spf1 redirect=_spf.example.org", "192.0.2.77", Verdict.PASS),
        ("v=spf1 redirect=_spf.example.org", "192.0.2.78", Verdict.FAIL),
        ("v=spf1 -ip4:192.0.2.77 ip4:192.0.2.0/24 -all", "192.0.2.77", Verdict.FAIL),
        ("v=spf1 exists:_spf.example.org -all", "192.0.2.1", Verdict.FAIL),
        ("v=spf1 exists:example.org -all", "192.0.2.250", Verdict.PASS),
        ("v=spf1 exists:%{i}.example.org -all", "192.0.2.1", Verdict.UNKNOWN),
        ("v=spf1 ptr -all", "192.0.2.1", Verdict.UNKNOWN),
        ("v=spf1 exists:%{i}.example.org a -all", "192.0.2.1", Verdict.PASS),
        ("v=spf1 nonsense -all", "192.0.2.1", Verdict.BROKEN),
        ("unrelated", "192.0.2.1", Verdict.NONE),
        ("v=spf1 ip4:192.0.2.9", "192.0.2.1", Verdict.NEUTRAL),
    ],
)
def test_whether_an_address_is_covered_is_found_as_receivers_find_it(
    dns: Nameserver, record: str, address: str, expected: Verdict
) -> None:
    dns.text(DOMAIN, record)
    dns.publish(DOMAIN, "A", "192.0.2.1")
    dns.publish(DOMAIN, "AAAA", "2001:db8::1")
    dns.publish(DOMAIN, "MX", "10 mx.example.org.")
    dns.publish("mx.example.org", "A", "192.0.2.25")
    dns.text("_spf.example.org", "v=spf1 ip4:192.0.2.77 -all")
    assert verdict(dns, address) is expected
