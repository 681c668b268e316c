"""``tracker mail doctor``: what would keep our mail from arriving, said in sentences.

It asks the DNS about our own domains and mail servers only, sends a test mail and reads what
the receiving server thinks of it. What could not be reached is unknown, never good.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tracker.configuration.mail import Relay
from tracker.mail import authentication_results, records, spf, visiting
from tracker.mail.dns import Address, Resolver, Unanswered
from tracker.mail.findings import Finding, Level
from tracker.mail.mailbox import MailboxTrouble
from tracker.mail.records import Policy
from tracker.mail.spf import Verdict
from tracker.mail.visiting import Visit
from tracker.settings import Settings

WAIT = 60.0
"""Seconds until a test mail is no longer waited for."""
_MOST_ADDRESSES = 8
"""Addresses of one mail server that are looked at."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """The installation, and what the operator asks: where to write, which DKIM selector."""

    settings: Settings
    resolver: Resolver
    address: str | None = None
    selector: str | None = None
    wait: float = WAIT

    @property
    def domain(self) -> str:
        """Give the domain of the sender address, which people see."""
        return _domain(self.settings.mail_from or "")

    @property
    def return_address(self) -> str:
        """Give the envelope's sender, whose domain SPF looks at."""
        return self.settings.return_address or self.settings.mail_from or ""

    @property
    def to(self) -> str | None:
        """Give the address of the test mail: the one asked for, else our own mailbox."""
        if self.address or self.settings.imap is None or not self.settings.return_address:
            return self.address
        name, _, domain = self.settings.return_address.rpartition("@")
        return f"{name}+doctor@{domain}"

    @property
    def is_to_ourselves(self) -> bool:
        """Say whether the test mail arrives where we can read it."""
        return self.settings.imap is not None and self.to is not None and self.address is None


def examine(case: Case) -> Iterator[Finding]:
    """Give what is good, wrong or unknown about our mail, as it is found.

    ``mail_from`` must be set; an application context is needed to write the test mail. It takes
    as long as silent servers cost, a minute of look-ups and the waiting time at most.
    """
    visits = []
    for relay in case.settings.relays:
        visits.append(visiting.visit(relay, sender=case.return_address, to=case.to))
        yield from visits[-1].findings
    yield from _spf_records(case)
    policy, about_dmarc = _policy(case)
    yield from about_dmarc
    for relay in case.settings.relays:
        yield from _reverse_names(case, relay)
    yield from _arrivals(case, visits, policy=policy)


# --- the DNS ---------------------------------------------------------------------------------


def _spf_records(case: Case) -> Iterator[Finding]:
    hosts = [relay.host for relay in case.settings.relays if not visiting.is_local(relay)]
    for domain in sorted({case.domain, _domain(case.return_address)}):
        yield from spf.findings(domain, resolver=case.resolver, hosts=hosts)


def _policy(case: Case) -> tuple[Policy | None, list[Finding]]:
    """Give the DMARC policy that holds for the sender's domain and what to say of it."""
    policy = None
    for domain in records.parents(case.domain):
        try:
            found = records.dmarc_records(case.resolver.texts(f"_dmarc.{domain}"))
        except Unanswered as error:
            if policy is not None:
                break
            sentence = f"The DNS could not be asked for the DMARC record at {error}."
            return None, [Finding(Level.UNKNOWN, "DMARC", sentence)]
        if policy is None and len(found) > 1:
            return None, [records.several_dmarc(domain, len(found))]
        if policy is not None and found:
            policy = policy._replace(organisation=domain)
        elif found:
            policy = Policy(domain, records.tags(found[0]), organisation=domain)
    if policy is None:
        return None, [records.no_dmarc(case.domain)]
    return policy, [*records.dmarc(case.domain, policy), *_alignment(case, policy)]


def _alignment(case: Case, policy: Policy) -> Iterator[Finding]:
    returns = _domain(case.return_address)
    if not records.is_aligned(case.domain, returns, policy=policy, tag="aspf"):
        yield Finding(
            Level.ADVICE,
            "DMARC",
            f"Mail comes from {case.domain} and returns to {returns}: SPF does not count for"
            " DMARC then, so that all hangs on DKIM. Better have both at one domain.",
        )


def _reverse_names(case: Case, relay: Relay) -> Iterator[Finding]:
    if visiting.is_local(relay):
        yield Finding(
            Level.UNKNOWN,
            "PTR",
            f"The mail server {relay.name!r} runs on this machine; the address from which it"
            " sends is not known here. Make sure that it has a reverse name that leads back.",
        )
        return
    try:
        addresses = _addresses(case, relay)
    except Unanswered:
        yield Finding(
            Level.UNKNOWN, "PTR", f"The DNS could not be asked for the address of {relay.host}."
        )
        return
    if not addresses:
        sentence = f"{relay.host} has no address in the DNS; its reverse name is not known."
        yield Finding(Level.UNKNOWN, "PTR", sentence)
    for address in addresses:
        yield _reverse_name(case, address, host=relay.host)


def _reverse_name(case: Case, address: Address, *, host: str) -> Finding:
    if not address.is_global:
        return Finding(
            Level.UNKNOWN,
            "PTR",
            f"{address} ({host}) is no public address; the one from which mail leaves is not"
            " known here. Make sure that it has a reverse name that leads back.",
        )
    try:
        names = case.resolver.names(address)[:_MOST_ADDRESSES]
        return records.ptr(
            address, {name: case.resolver.addresses(name) for name in names}, host=host
        )
    except Unanswered:
        sentence = f"The DNS could not be asked for the reverse name of {address} ({host})."
        return Finding(Level.UNKNOWN, "PTR", sentence)


def _addresses(case: Case, relay: Relay) -> list[Address]:
    try:
        return [ipaddress.ip_address(relay.host)]
    except ValueError:
        return case.resolver.addresses(relay.host)[:_MOST_ADDRESSES]


# --- the test mail ---------------------------------------------------------------------------


def _arrivals(
    case: Case, visits: Sequence[Visit], *, policy: Policy | None
) -> Iterator[Finding]:
    """Read the test mails, and tell what they show of SPF and DKIM that the DNS does not."""
    keys = set()
    if case.selector:
        keys.add(f"{case.selector}._domainkey.{case.domain}")
    told = set()
    for relay, found in _received(case, visits):
        if isinstance(found, Finding):
            yield found
            continue
        arrived = f"The test mail arrived at {case.to}."
        yield _through(relay, Finding(Level.GOOD, "test mail", arrived), case=case)
        for finding in authentication_results.judge(found, domain=case.domain, policy=policy):
            yield _through(relay, finding, case=case)
        if any(result.method == "spf" for result in found.results):
            told.add(relay.name)
        signature = authentication_results.best_signature(found, case.domain, policy=policy)
        if signature and records.is_aligned(
            case.domain, signature.domain, policy=policy, tag="adkim"
        ):
            keys.add(f"{signature.selector}._domainkey.{signature.domain}")
    yield from _keys(case, sorted(keys))
    for relay in case.settings.relays:
        if relay.name not in told:
            yield from _coverage(case, relay)


def _received(
    case: Case, visits: Sequence[Visit]
) -> Iterator[tuple[Relay, authentication_results.Received | Finding]]:
    """Give each test mail as it arrived, or what is to be said instead."""
    imap = case.settings.imap
    if not case.is_to_ourselves or imap is None:
        yield from ((visit.relay, _look_yourself(case, visit)) for visit in visits)
        return
    missing = {visit.relay.name: visit for visit in visits if visit.message_id is not None}
    ids = {name: visit.message_id or "" for name, visit in missing.items()}
    try:
        for name, header in visiting.collect(imap, ids, wait=case.wait):
            yield missing.pop(name).relay, authentication_results.read(header)
    except MailboxTrouble as trouble:
        sentence = f"The mailbox of the return address: {trouble}"
        yield case.settings.relays[0], Finding(Level.WRONG, "mailbox", sentence)
    for visit in missing.values():
        yield visit.relay, visiting.missing(visit.relay, wait=case.wait)


def _look_yourself(case: Case, visit: Visit) -> Finding:
    name = repr(visit.relay.name)
    if case.to is None:
        sentence = (
            f"No test mail went through {name}: name an ADDRESS, or set TRACKER_RETURN_ADDRESS"
            " and TRACKER_IMAP_*."
        )
    elif visit.message_id is None:
        sentence = f"No test mail went through {name}."
    else:
        sentence = (
            f"{name} took the test mail for {case.to}. Open it there, have its source shown,"
            " and look in the topmost Authentication-Results for spf=pass, for dkim=pass with"
            f" header.d={case.domain}, and for dmarc=pass."
        )
    return Finding(Level.UNKNOWN, "test mail", sentence)


def _through(relay: Relay, finding: Finding, *, case: Case) -> Finding:
    if len(case.settings.relays) == 1:
        return finding
    return finding._replace(sentence=f"Sent by {relay.name!r}: {finding.sentence}")


def _keys(case: Case, names: Sequence[str]) -> Iterator[Finding]:
    if not names:
        yield Finding(
            Level.UNKNOWN,
            "DKIM",
            f"The key of {case.domain} was not looked at: its selector is not known. Name it"
            " with --selector, or set TRACKER_IMAP_*, so that the test mail tells it.",
        )
    for name in names:
        try:
            yield from records.dkim(name, case.resolver.texts(name))
        except Unanswered as error:
            sentence = f"The DNS could not be asked for the key at {error}."
            yield Finding(Level.UNKNOWN, "DKIM", sentence)


def _coverage(case: Case, relay: Relay) -> Iterator[Finding]:
    """Say whether SPF covers a mail server of which no received mail has told."""
    domain = _domain(case.return_address)
    addresses: list[Address] = []
    if not visiting.is_local(relay):
        try:
            addresses = [one for one in _addresses(case, relay) if one.is_global]
        except Unanswered:
            addresses = []
    if not addresses:
        sentence = (
            f"Whether the SPF record of {domain} covers {relay.name!r} is not known: the"
            " address from which it sends cannot be seen from here."
        )
        yield Finding(Level.UNKNOWN, "SPF", sentence)
    for address in addresses:
        yield _covered(case, address, domain=domain, host=relay.host)


def _covered(case: Case, address: Address, *, domain: str, host: str) -> Finding:
    verdict = spf.verdict(domain, address, resolver=case.resolver)
    if verdict is Verdict.PASS:
        sentence = f"The SPF record of {domain} covers {address} ({host})."
        return Finding(Level.GOOD, "SPF", sentence)
    if verdict is Verdict.UNKNOWN:
        sentence = f"Whether the SPF record of {domain} covers {address} ({host}) is not known."
        return Finding(Level.UNKNOWN, "SPF", sentence)
    return Finding(
        Level.UNKNOWN,
        "SPF",
        f"The SPF record of {domain} does not cover {address} ({host}). That is right only"
        " where this server hands our mail on to others that the record names; if it sends by"
        f" itself, add ip{address.version}:{address}.",
    )


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
