"""SPF records (RFC 7208): what is wrong with one, and whether it covers an address.

Macros are not expanded and ``ptr`` is not followed: what hangs on them stays unknown.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tracker.mail.dns import Address, Resolver, Unanswered
from tracker.mail.findings import Finding, Level, plain

MOST_LOOKUPS = 10
MOST_VOIDS = 2
_MOST_MAIL_SERVERS = 10
_GIVEN_UP = 30
"""Look-ups after which a record is not followed any further."""

_TERM = re.compile(r"([+?~-]?)([a-z0-9]+)([:/].*)?", re.ASCII | re.IGNORECASE)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.ASCII | re.IGNORECASE)
_TARGET = re.compile(r"(?::([^/]+))?(?:/([0-9]{1,3}))?(?://([0-9]{1,3}))?", re.ASCII)


class Verdict(enum.StrEnum):
    """What a receiver makes of an address (RFC 7208 §2.6)."""

    PASS = "pass"  # noqa: S105  # a verdict, no password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    NONE = "none"
    BROKEN = "permerror"
    UNKNOWN = "unknown"


_QUALIFIERS = {
    "": Verdict.PASS,
    "+": Verdict.PASS,
    "?": Verdict.NEUTRAL,
    "~": Verdict.SOFTFAIL,
    "-": Verdict.FAIL,
}


class _Broken(Exception):
    """A receiver gives up on this record (permerror); the message is a sentence."""


class _Term(NamedTuple):
    verdict: Verdict
    name: str
    rest: str


def records(texts: Sequence[str]) -> list[str]:
    """Give the SPF records among the TXT records of a name."""
    return [text for text in texts if re.match(r"v=spf1( |$)", text, re.IGNORECASE)]


def verdict(domain: str, address: Address, *, resolver: Resolver) -> Verdict:
    """Give what a receiver makes of mail from ``domain`` that this address sends.

    ``UNKNOWN`` where the DNS did not answer or the record depends on macros.
    """
    walk = _Walk(resolver, address)
    try:
        found = walk.follow(domain)
    except _Broken:
        return Verdict.BROKEN
    except Unanswered:
        return Verdict.UNKNOWN
    if walk.lookups > MOST_LOOKUPS or walk.voids > MOST_VOIDS:
        return Verdict.BROKEN
    return Verdict.UNKNOWN if walk.unknown and found is not Verdict.PASS else found


def findings(domain: str, *, resolver: Resolver, hosts: Sequence[str]) -> list[Finding]:
    """Say what is wrong with the SPF record of ``domain``; ``hosts`` are our mail servers."""
    try:
        found = records(resolver.texts(domain))
    except Unanswered:
        return [_unknown(f"The DNS could not be asked for the SPF record of {domain}.")]
    example = " ".join(
        ["v=spf1", *(_naming(host) for host in hosts or ["MAIL-SERVER"]), "-all"]
    )
    if not found:
        return [
            _wrong(f"{domain} has no SPF record. Publish a TXT record there such as: {example}")
        ]
    if len(found) > 1:
        return [
            _wrong(
                f"{domain} has {len(found)} SPF records, which counts as a broken one."
                " Join them into one."
            )
        ]
    return list(_judged(domain, found[0], resolver))


def _naming(host: str) -> str:
    try:
        return f"ip{ipaddress.ip_address(host).version}:{host}"
    except ValueError:
        return f"a:{host}"


def _judged(domain: str, record: str, resolver: Resolver) -> Iterator[Finding]:
    walk, found = _Walk(resolver, None), []
    try:
        walk.follow(domain)
    except _Broken as error:
        yield _wrong(f"The SPF record of {domain} is broken: {error}")
        return
    except Unanswered as error:
        found.append(_unknown(f"The SPF record of {domain} could not be followed to {error}."))
    found += _counted(domain, walk)
    if not any(finding.level is Level.UNKNOWN for finding in found):
        found += _ended(domain, walk)
    yield from found
    if not any(finding.level in (Level.WRONG, Level.UNKNOWN) for finding in found):
        yield Finding(
            Level.GOOD,
            "SPF",
            f"{domain} has one SPF record, which needs {walk.lookups} of {MOST_LOOKUPS}"
            f" look-ups: {plain(record)}",
        )


def _counted(domain: str, walk: _Walk) -> Iterator[Finding]:
    if walk.lookups > MOST_LOOKUPS:
        yield _wrong(
            f"The SPF record of {domain} needs {walk.lookups} DNS look-ups; receivers give up"
            f" after {MOST_LOOKUPS}. Remove includes or name the addresses with ip4: and ip6:."
        )
    if walk.voids > MOST_VOIDS:
        yield _wrong(
            f"The SPF record of {domain} asks for {walk.voids} names that do not exist;"
            f" receivers give up after {MOST_VOIDS}. Remove them."
        )
    for name in walk.unknown:
        yield _unknown(f"In the SPF record of {domain}, {name} could not be followed.")
    for name in walk.open_to_all:
        yield _wrong(f"The SPF record of {name} lets everybody send (+all). Use -all or ~all.")


def _ended(domain: str, walk: _Walk) -> Iterator[Finding]:
    if walk.end is None:
        yield _wrong(
            f"The SPF record of {domain} does not say what holds for all other machines."
            " End it in -all or ~all."
        )
    elif walk.end is Verdict.NEUTRAL:
        yield _wrong(
            f"The SPF record of {domain} ends in ?all, which says nothing. Use -all or ~all."
        )
    if walk.has_ptr:
        yield Finding(
            Level.ADVICE,
            "SPF",
            f"The SPF record of {domain} uses ptr, which RFC 7208 advises against.",
        )


class _Walk:
    """Follows a record as a receiver does and counts what that costs.

    Without an address nothing matches but ``all``: it counts the dearest way.
    """

    def __init__(self, resolver: Resolver, address: Address | None) -> None:
        self.resolver, self.address = resolver, address
        self.lookups = self.voids = 0
        self.has_ptr = self._is_inside_include = False
        self.unknown: list[str] = []
        self.open_to_all: list[str] = []
        self.end: Verdict | None = None

    def follow(self, domain: str, *, trail: tuple[str, ...] = ()) -> Verdict:
        """Give the verdict of a domain's record. Raises ``_Broken`` and ``Unanswered``."""
        domain = domain.lower().rstrip(".")
        if domain in trail:
            raise _Broken(f"{plain(domain)} includes itself.")
        found = records(self.resolver.texts(domain))
        if len(found) > 1:
            raise _Broken(f"{plain(domain)} has {len(found)} SPF records.")
        if not found:
            return Verdict.NONE
        trail = (*trail, domain)
        terms, redirect = _parsed(found[0])
        for term in terms:
            if self._matches(term, domain, trail):
                return term.verdict
        if redirect is None:
            return Verdict.NEUTRAL
        return self._redirected(redirect, trail)

    def _redirected(self, target: str, trail: tuple[str, ...]) -> Verdict:
        self._count()
        if "%" in target:
            self.unknown.append(f"redirect={plain(target)}")
            return Verdict.UNKNOWN
        found = self.follow(target, trail=trail)
        if found is Verdict.NONE:
            raise _Broken(f"redirect={plain(target)} leads to no SPF record.")
        return found

    def _matches(self, term: _Term, domain: str, trail: tuple[str, ...]) -> bool:
        match term.name:
            case "all":
                return self._all(term, domain)
            case "ip4" | "ip6":
                return self._covers([_network(term)])
        self._count()
        self.has_ptr |= term.name == "ptr"
        if term.name == "ptr" or "%" in term.rest:
            self._leave(term)
            return False
        target, four, six = _target(term, domain)
        if term.name == "include":
            return self._included(target, trail)
        return self._named(term.name, target, four=four, six=six)

    def _all(self, term: _Term, domain: str) -> bool:
        if not self._is_inside_include:
            self.end = term.verdict
        if term.verdict is Verdict.PASS:
            self.open_to_all.append(plain(domain))
        return True

    def _included(self, target: str, trail: tuple[str, ...]) -> bool:
        outside, self._is_inside_include = self._is_inside_include, True
        found = self.follow(target, trail=trail)
        self._is_inside_include = outside
        if found is Verdict.NONE:
            raise _Broken(f"include:{plain(target)} leads to no SPF record.")
        # An unknown verdict has left its term in ``unknown`` already.
        return found is Verdict.PASS and self.address is not None

    def _named(self, name: str, target: str, *, four: int, six: int) -> bool:
        """Say whether the addresses behind a name cover ours (``a``, ``mx``, ``exists``)."""
        hosts = [target]
        if name == "mx":
            hosts = self.resolver.mail_servers(target)
            if len(hosts) > _MOST_MAIL_SERVERS:
                raise _Broken(f"{plain(target)} has more than {_MOST_MAIL_SERVERS} MX records.")
        found = [one for host in hosts for one in self.resolver.addresses(host)]
        if not found:
            self.voids += 1
        if name == "exists":
            return bool(found) and self.address is not None
        return self._covers([f"{one}/{four if one.version == 4 else six}" for one in found])

    def _covers(self, networks: Sequence[str]) -> bool:
        return self.address is not None and any(
            self.address in ipaddress.ip_network(network, strict=False) for network in networks
        )

    def _leave(self, term: _Term) -> None:
        # Without an address only what lies behind an include would have been counted.
        if self.address is not None or term.name == "include":
            self.unknown.append(plain(f"{term.name}{term.rest}"))

    def _count(self) -> None:
        self.lookups += 1
        if self.lookups > _GIVEN_UP:
            raise _Broken(f"it needs more than {_GIVEN_UP} DNS look-ups.")


def _parsed(record: str) -> tuple[list[_Term], str | None]:
    """Give the mechanisms and the target of ``redirect``. Raises ``_Broken``."""
    terms: list[_Term] = []
    redirect = None
    for word in record.split()[1:]:
        modifier = _MODIFIER.fullmatch(word)
        if modifier:
            if modifier[1].lower() == "redirect":
                redirect = modifier[2]
            continue
        found = _TERM.fullmatch(word)
        if not found or found[2].lower() not in _MECHANISMS:
            raise _Broken(f"“{plain(word)}” is no part of SPF.")
        terms.append(_Term(_QUALIFIERS[found[1]], found[2].lower(), found[3] or ""))
    return terms, redirect


_MECHANISMS = {"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"}


def _network(term: _Term) -> str:
    try:
        network = ipaddress.ip_network(term.rest[1:], strict=False)
    except ValueError:
        network = None
    if network is None or f"ip{network.version}" != term.name:
        raise _Broken(f"“{plain(term.name + term.rest)}” names no address.") from None
    return str(network)


def _target(term: _Term, domain: str) -> tuple[str, int, int]:
    """Give name and prefix lengths of a mechanism that asks the DNS. Raises ``_Broken``."""
    found = _TARGET.fullmatch(term.rest)
    name = (found and found[1]) or ""
    four, six = int((found and found[2]) or 32), int((found and found[3]) or 128)
    needs_name = term.name in ("include", "exists")
    if not found or (needs_name and not name) or four > 32 or six > 128:
        raise _Broken(f"“{plain(term.name + term.rest)}” is written wrongly.")
    return name or domain, four, six


def _wrong(sentence: str) -> Finding:
    return Finding(Level.WRONG, "SPF", sentence)


def _unknown(sentence: str) -> Finding:
    return Finding(Level.UNKNOWN, "SPF", sentence)
