"""DNS look-ups about our own domains and mail servers, bounded in time.

Nothing is ever asked about a supporter's address.
"""

from __future__ import annotations

import ipaddress
import time
from ipaddress import IPv4Address, IPv6Address

import dns.exception
import dns.resolver
import dns.reversename

Address = IPv4Address | IPv6Address

_PATIENCE = 5.0
"""Seconds for one look-up with all its tries."""
_IN_ALL = 60.0
"""Seconds spent on look-ups altogether."""
_MOST_SILENCES = 2
"""After so many silent look-ups in a row the others would be silent too."""
_MOST_RECORDS = 50
_ROOT = (".", "NS")


class Unanswered(Exception):
    """The DNS could not be asked; nothing follows from it about the name."""


class Resolver:
    """Answers of the DNS, each asked for once.

    A name or a kind of record that does not exist gives an empty list. Every method raises
    :class:`Unanswered` where the answer could not be had: silence, refusal, no network, or a
    name server of a closed network, for which no public name exists.
    """

    def __init__(self, nameserver: tuple[str, int] | None = None) -> None:
        """Ask ``nameserver`` (address and port), by default those of the system."""
        self._known: dict[tuple[str, str], list[str] | None] = {}
        self._silences, self._spent = 0, 0.0
        self._resolver = _resolver(nameserver)

    def texts(self, name: str) -> list[str]:
        """Give the TXT records of a name, each joined to one text."""
        return self._ask(name, "TXT")

    def addresses(self, name: str) -> list[Address]:
        """Give the addresses of a name, of both families."""
        found = self._ask(name, "A") + self._ask(name, "AAAA")
        return [ipaddress.ip_address(text) for text in found]

    def mail_servers(self, name: str) -> list[str]:
        """Give the names of the servers that take mail for a domain (MX)."""
        return self._ask(name, "MX")

    def names(self, address: Address) -> list[str]:
        """Give the names of an address (PTR)."""
        return self._ask(str(dns.reversename.from_address(str(address))), "PTR")

    def _ask(self, name: str, kind: str) -> list[str]:
        key = (name.lower().rstrip("."), kind)
        if key not in self._known:
            self._known[key] = self._answer(*key)
        found = self._known[key]
        if found is None or (not found and not self._knows_the_root()):
            raise Unanswered(name)
        return found

    def _knows_the_root(self) -> bool:
        """Say whether "there is none" may be believed: the root's own servers always exist."""
        if _ROOT not in self._known:
            self._known[_ROOT] = self._answer(*_ROOT)
        return bool(self._known[_ROOT])

    def _answer(self, name: str, kind: str) -> list[str] | None:
        """Give what the DNS says, or None where it says nothing."""
        if self._resolver is None or self._silences >= _MOST_SILENCES or self._spent >= _IN_ALL:
            return None
        started = time.monotonic()
        try:
            answer = self._resolver.resolve(
                name, kind, search=False, raise_on_no_answer=False, lifetime=_PATIENCE
            )
        except dns.resolver.NXDOMAIN:
            found: list[str] | None = []
        except dns.exception.Timeout:
            self._silences += 1
            return None
        except (dns.exception.DNSException, OSError):
            found = None
        else:
            found = _texts(answer, kind)
        finally:
            self._spent += time.monotonic() - started
        self._silences = 0
        return found


def _resolver(nameserver: tuple[str, int] | None) -> dns.resolver.Resolver | None:
    try:
        resolver = dns.resolver.Resolver(configure=nameserver is None)
    except dns.resolver.NoResolverConfiguration:
        return None
    if nameserver is not None:
        resolver.nameservers, resolver.port = [nameserver[0]], nameserver[1]
    resolver.use_edns(0, 0, 1232)
    return resolver


def _texts(answer: dns.resolver.Answer, kind: str) -> list[str]:
    records = list(answer.rrset or ())[:_MOST_RECORDS]
    match kind:
        case "TXT":
            return [b"".join(record.strings).decode("utf-8", "replace") for record in records]
        case "MX":
            return [str(record.exchange) for record in records]
        case "PTR" | "NS":
            return [str(record.target) for record in records]
        case _:
            return [str(record.address) for record in records]
