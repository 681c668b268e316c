"""Settings of the post office: mail servers, limits, and where mail comes back."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracker.configuration.reading import LOOPBACK, Reader, file_problem

SMTP_SECURITY = ("starttls", "tls", "none")
MOST_CONNECTIONS = 64
PROVIDERS = ("google", "microsoft", "yahoo", "other")
"""Classes of mailbox providers that can have a limit of their own."""
LONGEST_RETURN_NAME = 10
"""Characters before the @ of the return address: with + and a token 64 in all (RFC 5321)."""


@dataclass(frozen=True, kw_only=True)
class Relay:
    """A mail server that takes our mail, and how much of it.

    ``rate`` is alert mails a second, 0 for no limit; with ``warm_up_days`` the rate doubles
    daily until it is reached. ``timeout`` is seconds of silence after which it is given up.
    """

    name: str
    host: str
    port: int
    security: str
    user: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    timeout: int = 20
    connections: int = 8
    rate: float = 0.0
    warm_up_days: int = 0


@dataclass(frozen=True, kw_only=True)
class Imap:
    """The mailbox in which bounces arrive, fetched by ``tracker mail fetch``."""

    host: str
    port: int
    security: str
    user: str
    password: str
    folder: str
    ca_file: Path | None


def relays(read: Reader) -> tuple[Relay, ...]:
    """Give the mail servers: the one of TRACKER_SMTP_*, or those of TRACKER_RELAYS."""
    only = Relay(
        name="default",
        host=read.text("TRACKER_SMTP_HOST"),
        port=read.number("TRACKER_SMTP_PORT", least=1, most=65535),
        security=read.check("TRACKER_SMTP_SECURITY", _security_problem),
        user=read.text("TRACKER_SMTP_USER") or None,
        password=read.text("TRACKER_SMTP_PASSWORD") or None,
        ca_file=_optional_path(read.check("TRACKER_SMTP_CA_FILE", file_problem)),
        timeout=read.number("TRACKER_SMTP_TIMEOUT", least=1, most=300),
        connections=read.number("TRACKER_SMTP_CONNECTIONS", least=1, most=MOST_CONNECTIONS),
        rate=_rate(read, "TRACKER_SMTP_RATE"),
        warm_up_days=read.number("TRACKER_SMTP_WARM_UP_DAYS", least=0, most=60),
    )
    if bool(only.user) is not bool(only.password):
        read.problems.append("TRACKER_SMTP_USER and its password go together.")
    several = read.text("TRACKER_RELAYS")
    if not several:
        if only.security == "none" and only.host not in LOOPBACK:
            read.problems.append("TRACKER_SMTP_SECURITY may be 'none' to a loopback host only.")
        if only.warm_up_days and not only.rate:
            read.problems.append("TRACKER_SMTP_WARM_UP_DAYS needs a TRACKER_SMTP_RATE.")
        return (only,)
    try:
        tables = tomllib.loads(several).get("relay")
    except tomllib.TOMLDecodeError as error:
        read.problems.append(f"TRACKER_RELAYS is no TOML: {error}.")
        return (only,)
    if not isinstance(tables, list) or not tables:
        read.problems.append("TRACKER_RELAYS needs a [[relay]] for each mail server.")
        return (only,)
    made = [_relay(read, number, table) for number, table in enumerate(tables, 1)]
    found = [relay for relay in made if relay is not None]
    if len({relay.name for relay in found}) < len(found):
        read.problems.append("TRACKER_RELAYS gives two mail servers one name.")
    return tuple(found)


_RELAY_NAME = re.compile(r"[a-z0-9-]{1,32}")


def _relay(read: Reader, number: int, table: Any) -> Relay | None:
    """Give one mail server of TRACKER_RELAYS, or write down what is wrong with it."""
    where = f"TRACKER_RELAYS, relay {number}:"
    if not isinstance(table, dict):
        read.problems.append(f"{where} is no table.")
        return None
    values = dict(table)
    if "password_file" in values:
        try:
            values["password"] = Path(str(values.pop("password_file"))).read_text().strip()
        except (OSError, UnicodeDecodeError):
            read.problems.append(f"{where} password_file cannot be read.")
            return None
    values = {"port": 587, "security": "starttls", **values}
    problems = [
        f"{where} {name} {problem}"
        for name, problem in _relay_problems(values)
        if problem is not None
    ]
    if problems:
        read.problems += problems
        return None
    if "ca_file" in values:
        values["ca_file"] = Path(values["ca_file"])
    return Relay(**{**values, "rate": float(values.get("rate", 0))})


def _relay_problems(values: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Name each wrong value of one mail server."""
    rules: dict[str, Callable[[Any], str | None]] = {
        "name": lambda v: _must(
            isinstance(v, str) and _RELAY_NAME.fullmatch(v),
            "is missing: 1 to 32 of a-z, 0-9 and -.",
        ),
        "host": lambda v: _must(isinstance(v, str) and v, "is missing."),
        "port": _whole(1, 65535),
        "security": lambda v: _security_problem(str(v)),
        "user": _some_text,
        "password": _some_text,
        "ca_file": lambda v: file_problem(str(v)),
        "timeout": _whole(1, 300),
        "connections": _whole(1, MOST_CONNECTIONS),
        "rate": lambda v: _must(
            isinstance(v, (int, float)) and not isinstance(v, bool) and 0 <= v <= 100_000,
            "must be mails a second, 0 for no limit.",
        ),
        "warm_up_days": _whole(0, 60),
    }
    for name in {"name", "host"} | values.keys():
        if name not in rules:
            yield name, "is not known."
        else:
            yield name, rules[name](values.get(name))
    if values.get("security") == "none" and values.get("host") not in LOOPBACK:
        yield "security", "may be 'none' to a loopback host only."
    if values.get("warm_up_days") and not values.get("rate"):
        yield "warm_up_days", "needs a rate."
    if bool(values.get("user")) is not bool(values.get("password")):
        yield "user", "and password go together."


def _whole(least: int, most: int) -> Callable[[Any], str | None]:
    return lambda value: _must(
        isinstance(value, int) and not isinstance(value, bool) and least <= value <= most,
        f"must be a whole number from {least} to {most}.",
    )


def _some_text(value: Any) -> str | None:
    return _must(isinstance(value, str) and value, "must be text.")


def _rate(read: Reader, name: str) -> float:
    """Give mails a second."""
    text = read.text(name)
    found = _rate_of(text)
    if found is None:
        read.problems.append(f"{name} must be mails a second, such as 50 or 0.5.")
    return found or 0.0


def _rate_of(text: str) -> float | None:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text, re.ASCII):
        return None
    return float(text)


def provider_limits(read: Reader) -> dict[str, float]:
    """Give mails a second by class of mailbox provider."""
    limits: dict[str, float] = {}
    for part in read.text("TRACKER_PROVIDER_LIMITS").split(","):
        if not part.strip():
            continue
        name, _, text = (piece.strip() for piece in part.partition("="))
        rate = _rate_of(text)
        if name not in PROVIDERS or not rate:
            read.problems.append(
                f"TRACKER_PROVIDER_LIMITS takes {', '.join(PROVIDERS)}, each with mails a"
                " second: 'google=20, microsoft=10'."
            )
            return {}
        limits[name] = rate
    return limits


def imap(read: Reader) -> Imap | None:
    """Give the mailbox of bounces, where one is configured."""
    found = Imap(
        host=read.text("TRACKER_IMAP_HOST"),
        port=read.number("TRACKER_IMAP_PORT", least=1, most=65535),
        security=read.check("TRACKER_IMAP_SECURITY", _security_problem),
        user=read.text("TRACKER_IMAP_USER"),
        password=read.text("TRACKER_IMAP_PASSWORD"),
        folder=read.check("TRACKER_IMAP_FOLDER", _folder_problem),
        ca_file=_optional_path(read.check("TRACKER_IMAP_CA_FILE", file_problem)),
    )
    if not found.host:
        return None
    if not found.user or not found.password:
        read.problems.append("TRACKER_IMAP_HOST needs TRACKER_IMAP_USER and its password.")
    if found.security == "none" and found.host not in LOOPBACK:
        read.problems.append("TRACKER_IMAP_SECURITY may be 'none' to a loopback host only.")
    return found


def _folder_problem(text: str) -> str | None:
    if not text or not text.isascii() or not text.isprintable() or '"' in text or "\\" in text:
        return "must be the plain name of a folder."
    return None


def sender(read: Reader) -> str | None:
    """Give the address that mails come from."""
    return read.check("TRACKER_MAIL_FROM", _sender_problem) or None


def return_address(read: Reader) -> str | None:
    """Give the address that mail comes back to, in lower case."""
    return read.check("TRACKER_RETURN_ADDRESS", _return_problem).lower() or None


def _return_problem(text: str) -> str | None:
    pattern = rf"[a-z0-9._-]{{1,{LONGEST_RETURN_NAME}}}@[a-z0-9.-]+"
    if text and not re.fullmatch(pattern, text.lower(), re.ASCII):
        return (
            f"must be a plain address with at most {LONGEST_RETURN_NAME} letters, digits,"
            " dots and dashes before the @."
        )
    return None


def _sender_problem(text: str) -> str | None:
    if text and (
        text.count("@") != 1 or not text.isascii() or any(c in text for c in " <>,\r\n")
    ):
        return "must be a plain address such as alerts@example.org."
    return None


def _security_problem(text: str) -> str | None:
    return None if text in SMTP_SECURITY else f"must be one of {', '.join(SMTP_SECURITY)}."


def _must(holds: object, otherwise: str) -> str | None:
    return None if holds else otherwise


def _optional_path(text: str) -> Path | None:
    return Path(text) if text else None
