"""What a received test mail tells: Authentication-Results and DKIM-Signature (pure).

Both are foreign text (RFC 8601, RFC 6376); of several Authentication-Results only the topmost
counts, which is the one that the last server added.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import NamedTuple

from tracker.mail.findings import Finding, Level, plain
from tracker.mail.records import Policy, is_aligned, tags

LIST_HEADERS = ("list-unsubscribe", "list-unsubscribe-post")
"""Headers that a signature must cover for one-click unsubscribing (RFC 8058 §4)."""

_CHECKS = {"spf": "SPF", "dkim": "DKIM", "dmarc": "DMARC"}
_MOST_RESULTS = 50
_PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"|\\(.)|(.)', re.DOTALL)
_RESULT = re.compile(r"\s*([a-z0-9_-]+)\s*(?:/\s*[0-9]+)?\s*=\s*([a-z0-9_-]+)", re.IGNORECASE)
# Bounded, and at the beginning of a word only: else a long word costs its length squared.
_PROPERTY = re.compile(
    r"(?<![a-z0-9_-])([a-z0-9_-]{1,40}\.[a-z0-9_-]{1,40})\s*=\s*(\S+)", re.IGNORECASE
)


class Result(NamedTuple):
    """The result of one method, with what it was found for (``header.d`` and the like)."""

    method: str
    result: str
    properties: dict[str, str]


class Signature(NamedTuple):
    """What a DKIM-Signature says of itself."""

    domain: str
    selector: str
    covered: frozenset[str]


class Received(NamedTuple):
    """A test mail as it arrived; ``by`` is who checked it, None where nobody did."""

    by: str | None
    results: list[Result]
    signatures: list[Signature]


def read(header: bytes) -> Received:
    """Give what the header of a received mail tells."""
    message = BytesHeaderParser(policy=compat32).parsebytes(header)
    by, results = _results(_values(message, "Authentication-Results"))
    signatures = [_signature(value) for value in _values(message, "DKIM-Signature")]
    return Received(by, results, [one for one in signatures if one.domain and one.selector])


def best_signature(found: Received, domain: str, *, policy: Policy | None) -> Signature | None:
    """Give the signature that counts for DMARC, else the first one, if there is any."""
    for one in found.signatures:
        if is_aligned(domain, one.domain, policy=policy, tag="adkim"):
            return one
    return found.signatures[0] if found.signatures else None


def judge(found: Received, *, domain: str, policy: Policy | None) -> Iterator[Finding]:
    """Say what the receiving server thinks of our mail."""
    if found.by is None:
        yield Finding(
            Level.UNKNOWN,
            "test mail",
            "The test mail arrived, but the server that received it left no"
            " Authentication-Results. Send one to an address at another provider, look there.",
        )
    else:
        for method, check in _CHECKS.items():
            of_this = [one for one in found.results if one.method == method]
            yield _judged(found.by, check, of_this, domain=domain, policy=policy)
    yield _one_click(best_signature(found, domain, policy=policy), was_checked=bool(found.by))


def _judged(
    by: str, check: str, results: Sequence[Result], *, domain: str, policy: Policy | None
) -> Finding:
    words = ", ".join(sorted({one.result for one in results}))
    told = f"{plain(by)}, which received the test mail, says {check.lower()}={plain(words)}"
    if not results:
        sentence = f"{plain(by)}, which received the test mail, says nothing about {check}."
        return Finding(Level.UNKNOWN, check, sentence)
    if check == "SPF":
        # The name said in HELO is nobody's sender (RFC 7208 §2.3).
        results = [one for one in results if "smtp.mailfrom" in one.properties] or results
    ours = [one for one in results if _is_ours(one, domain, policy=policy)]
    passed = [one for one in results if one.result in ("pass", "bestguesspass")]
    if check == "DKIM" and ours and not any(one in passed for one in ours):
        # Somebody else's signature beside it does not make ours a good one.
        passed = []
    if not passed:
        is_temporary = any(one.result == "temperror" for one in results)
        level = Level.UNKNOWN if is_temporary else Level.WRONG
        return Finding(level, check, f"{told}. {_REMEDIES[check]}")
    if check == "DKIM" and not ours:
        return Finding(
            Level.ADVICE,
            check,
            f"{told}, but not for {domain}: DMARC then hangs on SPF alone, which forwarding"
            f" breaks. Have the mail server sign as {domain}.",
        )
    return Finding(Level.GOOD, check, f"{told}.")


_REMEDIES = {
    "SPF": "The machine that sent it is not in the SPF record of the return address: add it.",
    "DKIM": "Have the mail server sign our mail and publish its key.",
    "DMARC": "SPF or DKIM must pass for the domain of the sender address.",
}


def _is_ours(result: Result, domain: str, *, policy: Policy | None) -> bool:
    signer = result.properties.get("header.d") or result.properties.get("header.i", "")
    return is_aligned(domain, signer.rpartition("@")[2], policy=policy, tag="adkim")


def _one_click(signature: Signature | None, *, was_checked: bool) -> Finding:
    if signature is None:
        # A mail that has only gone round on our own server may be signed on its way out.
        return Finding(
            Level.WRONG if was_checked else Level.UNKNOWN,
            "DKIM",
            "The test mail arrived without a DKIM signature. Have the mail server sign what we"
            " send.",
        )
    missing = [name for name in LIST_HEADERS if name not in signature.covered]
    if missing:
        return Finding(
            Level.WRONG,
            "DKIM",
            f"The signature does not cover {' and '.join(missing)}: one-click unsubscribing is"
            " ignored then (RFC 8058). Add them to the headers your mail server signs.",
        )
    return Finding(
        Level.GOOD, "DKIM", "The signature covers List-Unsubscribe and List-Unsubscribe-Post."
    )


def _values(message: Message, name: str) -> list[str]:
    return [str(value) for value in message.get_all(name, [])]


def _signature(value: str) -> Signature:
    found = tags(value)
    covered = frozenset(name.lower() for name in found.get("h", "").split(":"))
    return Signature(found.get("d", "").lower(), found.get("s", "").lower(), covered)


def _results(values: Sequence[str]) -> tuple[str | None, list[Result]]:
    """Give who checked and what came out, from the topmost header."""
    if not values:
        return None, []
    first, *parts = _parts(values[0])
    names = first.split()
    if not names:
        return None, []
    found = (_RESULT.match(part) for part in parts[:_MOST_RESULTS])
    pairs = zip(parts, found, strict=False)
    return names[0], [
        Result(
            match[1].lower(),
            match[2].lower(),
            {name.lower(): value.lower() for name, value in _PROPERTY.findall(part)},
        )
        for part, match in pairs
        if match
    ]


def _parts(value: str) -> list[str]:
    """Split at semicolons, leaving out comments and the marks of quoted strings."""
    parts, depth = [""], 0
    for match in _PIECE.finditer(value):
        quoted, escaped, single = match.groups()
        if single == "(":
            depth += 1
        elif single == ")":
            depth = max(depth - 1, 0)
        elif depth == 0 and single == ";":
            parts.append("")
        elif depth == 0:
            parts[-1] += quoted if quoted is not None else (escaped or single or "")
    return parts
