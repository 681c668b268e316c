"""Look-ups: bounded in time, asked once, and "there is none" only where that is known."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator

import pytest

from tests.support.nameserver import Nameserver, running_nameserver
from tracker.mail import dns as lookups
from tracker.mail.dns import Resolver, Unanswered


@pytest.fixture
def dns() -> Iterator[Nameserver]:
    with running_nameserver() as server:
        yield server


def test_records_of_every_kind_are_given(dns: Nameserver) -> None:
    dns.text("example.org", "a" * 300, "two")
    dns.publish("example.org", "A", "192.0.2.1", "192.0.2.2")
    dns.publish("example.org", "AAAA", "2001:db8::1")
    dns.publish("example.org", "MX", "10 mx.example.org.")
    dns.publish("1.2.0.192.in-addr.arpa", "PTR", "mail.example.org.")
    resolver = Resolver(dns.address)
    assert set(resolver.texts("example.org")) == {"a" * 300, "two"}
    assert {str(one) for one in resolver.addresses("Example.ORG.")} == {
        "192.0.2.1",
        "192.0.2.2",
        "2001:db8::1",
    }
    assert resolver.mail_servers("example.org") == ["mx.example.org."]
    assert resolver.names(ipaddress.ip_address("192.0.2.1")) == ["mail.example.org."]


def test_what_does_not_exist_is_an_empty_answer(dns: Nameserver) -> None:
    dns.publish("example.org", "A", "192.0.2.1")
    resolver = Resolver(dns.address)
    assert resolver.texts("example.org") == []
    assert resolver.texts("nowhere.example.org") == []


def test_nothing_is_asked_twice(dns: Nameserver) -> None:
    resolver = Resolver(dns.address)
    for _ in range(3):
        assert resolver.texts("nowhere.example.org") == []
    assert dns.asked.count(("nowhere.example.org", "TXT")) == 1


def test_a_name_server_of_a_closed_network_proves_nothing_missing(dns: Nameserver) -> None:
    del dns.zone["."]
    dns.publish("known.example.org", "A", "192.0.2.1")
    resolver = Resolver(dns.address)
    with pytest.raises(Unanswered):
        resolver.texts("example.org")
    with pytest.raises(Unanswered):
        resolver.addresses("known.example.org.nowhere")
    dns.publish("known.example.org", "TXT", '"there"')
    assert resolver.texts("known.example.org") == ["there"]


@pytest.mark.parametrize("behaviour", ["SERVFAIL", "REFUSED", "NOTIMP"])
def test_an_answer_that_is_none_is_unanswered(dns: Nameserver, behaviour: str) -> None:
    dns.behaviour["example.org"] = behaviour
    with pytest.raises(Unanswered, match=r"example\.org"):
        Resolver(dns.address).texts("example.org")


@pytest.mark.parametrize("name", ["a" * 64 + ".org", "a..b", "", ".".join(["abc"] * 80), "\\9"])
def test_a_name_that_is_none_is_unanswered(dns: Nameserver, name: str) -> None:
    resolver = Resolver(dns.address)
    if name:
        with pytest.raises(Unanswered):
            resolver.texts(name)


def test_silence_is_waited_for_a_few_times_only(
    dns: Nameserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "_PATIENCE", 0.3)
    dns.behaviour["*"] = "silent"
    resolver = Resolver(dns.address)
    started = time.monotonic()
    for number in range(100):
        with pytest.raises(Unanswered):
            resolver.texts(f"n{number}.example.org")
    assert time.monotonic() - started < 20
    assert len({name for name, _ in dns.asked}) <= 3


def test_a_name_server_that_is_not_there_is_unanswered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "_PATIENCE", 0.3)
    with running_nameserver() as gone:
        address = gone.address
    with pytest.raises(Unanswered):
        Resolver(address).texts("example.org")
