"""DKIM keys, DMARC policies and reverse names: what is wrong with what the DNS says (pure)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tracker.mail.dns import Address
from tracker.mail.findings import Finding, Level, plain

LEAST_RSA_BITS = 1024
GOOD_RSA_BITS = 2048
_ED25519_OCTETS = 32


class Policy(NamedTuple):
    """A DMARC record, the domain at which it was found, and the topmost one that has a record.

    That one stands for the organisation: domains below it are aligned with each other.
    """

    domain: str
    tags: Mapping[str, str]
    organisation: str

    def is_strict(self, tag: str) -> bool:
        """Say whether domains must be the very same for SPF (``aspf``) or DKIM (``adkim``)."""
        return self.tags.get(tag, "r").lower() == "s"


def tags(text: str) -> dict[str, str]:
    """Give the tags of a DKIM or DMARC record (RFC 6376 §3.2); the first of its name counts."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            found.setdefault(name.strip().lower(), re.sub(r"\s+", "", value))
    return found


# --- DKIM ------------------------------------------------------------------------------------


def dkim(name: str, texts: Sequence[str]) -> list[Finding]:
    """Judge the TXT records at ``SELECTOR._domainkey.DOMAIN`` (RFC 6376 §3.6.1, RFC 8463)."""
    name = plain(name)
    keys = [found for text in texts if "p" in (found := tags(text))]
    if not keys:
        return [
            _wrong("DKIM", f"There is no key at {name}. Publish the one your mail server uses.")
        ]
    if len(keys) > 1:
        return [_wrong("DKIM", f"There are {len(keys)} keys at {name}; leave one.")]
    judged = list(_key(name, keys[0]))
    return judged or [Finding(Level.GOOD, "DKIM", f"The key at {name} is as it should be.")]


def _key(name: str, key: Mapping[str, str]) -> Iterator[Finding]:
    if key.get("v", "DKIM1") != "DKIM1":
        yield _wrong("DKIM", f"The record at {name} must begin with v=DKIM1.")
    if "sha256" not in key.get("h", "sha256").lower().split(":"):
        yield _wrong("DKIM", f"The key at {name} refuses SHA-256 (h=). Remove the h tag.")
    if not {"*", "email"} & set(key.get("s", "*").lower().split(":")):
        yield _wrong("DKIM", f"The key at {name} is not for mail (s=). Remove the s tag.")
    if "y" in key.get("t", "").lower().split(":"):
        yield Finding(
            Level.ADVICE,
            "DKIM",
            f"The key at {name} says that it is being tested (t=y); remove that once it works.",
        )
    if not key["p"]:
        yield _wrong("DKIM", f"The key at {name} is revoked (p= is empty). Publish a new one.")
    else:
        yield from _strength(name, key)


def _strength(name: str, key: Mapping[str, str]) -> Iterator[Finding]:
    kind = key.get("k", "rsa").lower()
    try:
        octets = base64.b64decode(key["p"], validate=True)
        bits = rsa_bits(octets) if kind == "rsa" else 0
    except (binascii.Error, ValueError):
        yield _wrong("DKIM", f"The key at {name} cannot be read (p=). Publish it anew.")
        return
    if kind == "ed25519":
        if len(octets) != _ED25519_OCTETS:
            yield _wrong("DKIM", f"The key at {name} is no Ed25519 key. Publish it anew.")
        return
    if kind != "rsa":
        yield _wrong("DKIM", f"The key at {name} is of an unknown kind, {plain(kind)}.")
    elif bits < LEAST_RSA_BITS:
        yield _wrong(
            "DKIM", f"The key at {name} has {bits} bits; receivers ignore it. Use 2048."
        )
    elif bits < GOOD_RSA_BITS:
        yield Finding(Level.ADVICE, "DKIM", f"The key at {name} has {bits} bits; better 2048.")


def rsa_bits(der: bytes) -> int:
    """Give the length of an RSA key, wrapped (RFC 5280) or bare (RFC 8017).

    Raises ``ValueError`` for what is none.
    """
    inside, _ = _element(der, 0x30)
    if inside[:1] == b"\x30":
        _, rest = _element(inside, 0x30)
        bits, _ = _element(rest, 0x03)
        inside, _ = _element(bits[1:], 0x30)
    modulus, _ = _element(inside, 0x02)
    return int.from_bytes(modulus).bit_length()


def _element(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """Give what the first DER element holds and what follows it."""
    if len(der) < 2 or der[0] != tag:
        raise ValueError("no such element")
    length, start = der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start])
    if len(der) < start + length:
        raise ValueError("cut short")
    return der[start : start + length], der[start + length :]


# --- DMARC -----------------------------------------------------------------------------------


def parents(domain: str) -> list[str]:
    """Give a domain and those above it that may hold its DMARC policy, nearest first.

    Instead of knowing all public suffixes it leaves the top-level domain out.
    """
    labels = domain.lower().rstrip(".").split(".")
    return [".".join(labels[at:]) for at in range(max(len(labels) - 1, 1))][:8]


def dmarc_records(texts: Sequence[str]) -> list[str]:
    """Give the DMARC records among the TXT records of a name (RFC 7489 §6.6.3)."""
    return [text for text in texts if re.match(r"v\s*=\s*DMARC1\s*(;|$)", text)]


def no_dmarc(domain: str) -> Finding:
    """Say that a domain has no policy, and what to publish."""
    return _wrong(
        "DMARC",
        f"{domain} has no DMARC record; Gmail, Yahoo and Outlook want one. Publish a TXT record"
        f' at _dmarc.{domain}: "v=DMARC1; p=none; rua=mailto:postmaster@{domain}"',
    )


def several_dmarc(domain: str, count: int) -> Finding:
    """Say that a domain has more policies than one."""
    return _wrong(
        "DMARC", f"_dmarc.{domain} has {count} DMARC records, so that none holds. Leave one."
    )


def dmarc(domain: str, policy: Policy) -> Iterator[Finding]:
    """Judge the policy that holds for mail from ``domain``."""
    where = f"_dmarc.{policy.domain}"
    value = policy.tags.get("p", "")
    if domain != policy.domain:
        value = policy.tags.get("sp", value)
    match value.lower():
        case "none":
            yield Finding(
                Level.ADVICE,
                "DMARC",
                f"{where} says p=none: anybody can write as {domain}. Once the reports show"
                " nothing but your own mail, say p=quarantine, then p=reject.",
            )
        case "quarantine" | "reject":
            yield Finding(Level.GOOD, "DMARC", f"{where} says p={value.lower()}.")
        case _:
            yield _wrong(
                "DMARC", f"{where} says no valid p=. Use p=none, p=quarantine or p=reject."
            )


def is_aligned(domain: str, other: str, *, policy: Policy | None, tag: str) -> bool:
    """Say whether DMARC takes ``other`` for the sender ``domain`` (RFC 7489 §3.1).

    ``tag`` names the mode: ``aspf`` or ``adkim``. Relaxed alignment goes by the organisation of
    the policy, without any list of public suffixes.
    """
    domain, other = domain.lower(), other.lower()
    if domain == other:
        return True
    if policy is not None and policy.is_strict(tag):
        return False
    top = policy.organisation if policy is not None else domain
    return all(one == top or one.endswith(f".{top}") for one in (domain, other)) or (
        domain.endswith(f".{other}")
    )


# --- reverse names ---------------------------------------------------------------------------


def ptr(address: Address, names: Mapping[str, Sequence[Address]], *, host: str) -> Finding:
    """Judge the names of a mail server's address; ``names`` tells where each leads back to."""
    wanted = "its name" if host == str(address) else host
    if not names:
        return _perhaps(
            f"{address} ({host}) has no reverse name. That is right only where this server"
            " hands our mail on to others; if it sends by itself, have whoever runs its network"
            f" set the PTR record to {wanted}: large providers refuse mail from addresses"
            " without.",
        )
    for name, addresses in names.items():
        if address in addresses:
            return Finding(
                Level.GOOD,
                "PTR",
                f"{address} ({host}) is called {plain(name)}, which leads back to it. If mail"
                " leaves from another address, that one needs a name, too.",
            )
    shown = plain(", ".join(names))
    return _perhaps(
        f"{address} ({host}) is called {shown}, but that name does not lead back to it. If this"
        " server sends by itself, give the name this address, or the address another name.",
    )


def _perhaps(sentence: str) -> Finding:
    """Tell of what is wrong only where the server we know is the one that others see."""
    return Finding(Level.UNKNOWN, "PTR", sentence)


def _wrong(check: str, sentence: str) -> Finding:
    return Finding(Level.WRONG, check, sentence)
