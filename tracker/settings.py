"""Every setting: ``TRACKER_*`` read once, checked, frozen; all problems are told together."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from limits import parse
from werkzeug.sansio.utils import host_is_trusted

MIN_SECRET_LENGTH = 32
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
SMTP_SECURITY = ("starttls", "tls", "none")
MOST_CONNECTIONS = 64
PROVIDERS = ("google", "microsoft", "yahoo", "other")
"""Classes of mailbox providers that can have a limit of their own."""
LONGEST_RETURN_NAME = 10
"""Characters before the @ of the return address: with + and a token 64 in all (RFC 5321)."""


class SettingsError(Exception):
    """The environment does not describe a safe installation; ``problems`` says each reason."""

    def __init__(self, problems: list[str]) -> None:
        """Keep every problem, so that one start shows them all."""
        self.problems = problems
        super().__init__("Cannot start:\n" + "\n".join(f"- {problem}" for problem in problems))


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


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the operator decided; made by :func:`load`, never changed afterwards."""

    base_url: str
    allowed_hosts: tuple[str, ...]
    secret: str
    data: Path
    keystore: Path
    database_url: str
    site_name: str
    relays: tuple[Relay, ...]
    provider_limits: Mapping[str, float]
    mail_from: str | None
    return_address: str | None
    imap: Imap | None
    queue_url: str
    cancel_window: int
    alert_lifetime: int
    sign_limit: str
    sign_in_limit: str
    proxies: int
    lease_seconds: int
    demo: bool

    @property
    def host(self) -> str:
        """Give the host name (and port) that links carry."""
        return urlsplit(self.base_url).netloc

    @property
    def mail_domain(self) -> str:
        """Give the domain that Message-ID and List-Id are made of."""
        return (
            (self.mail_from or "").rpartition("@")[2] or urlsplit(self.base_url).hostname or ""
        )

    @property
    def is_https(self) -> bool:
        """Say whether visitors come over TLS; only then are cookies marked Secure."""
        return self.base_url.startswith("https://")


class Documented(NamedTuple):
    """One row of the table in docs/settings.md."""

    name: str
    default: str | None
    meaning: str


DOCUMENTED = (
    Documented(
        "TRACKER_BASE_URL", None, "Required. Address of the site, as links in mails begin."
    ),
    Documented(
        "TRACKER_ALLOWED_HOSTS", None, "Required. Host names answered, comma separated."
    ),
    Documented(
        "TRACKER_SECRET",
        None,
        f"Required. At least {MIN_SECRET_LENGTH} characters; or TRACKER_SECRET_FILE.",
    ),
    Documented("TRACKER_DATA", "./var", "Folder for the database and the keys."),
    Documented("TRACKER_KEYSTORE", "<data>/keys", "Folder of the worker's private keys."),
    Documented(
        "TRACKER_DATABASE_URL",
        "sqlite:///<data>/tracker.db",
        "SQLite or postgresql:// address; or TRACKER_DATABASE_URL_FILE.",
    ),
    Documented("TRACKER_SITE_NAME", "Solidarity Tracker", "Name shown on pages and in mails."),
    Documented("TRACKER_SMTP_HOST", "127.0.0.1", "Mail server that takes our mail."),
    Documented("TRACKER_SMTP_PORT", "587", "Its port."),
    Documented(
        "TRACKER_SMTP_SECURITY",
        "starttls",
        "starttls, tls, or none (to loopback only). Certificates are always checked.",
    ),
    Documented("TRACKER_SMTP_USER", "", "User name at the mail server, if it wants one."),
    Documented("TRACKER_SMTP_PASSWORD", "", "Its password; or TRACKER_SMTP_PASSWORD_FILE."),
    Documented(
        "TRACKER_SMTP_CA_FILE", "", "Certificate authority of an own mail server (PEM)."
    ),
    Documented("TRACKER_SMTP_TIMEOUT", "20", "Seconds until a silent mail server is given up."),
    Documented(
        "TRACKER_SMTP_CONNECTIONS",
        "8",
        "Connections that alerts use at most, from each worker.",
    ),
    Documented(
        "TRACKER_SMTP_RATE", "0", "Alert mails a second, over all workers; 0 for no limit."
    ),
    Documented(
        "TRACKER_SMTP_WARM_UP_DAYS",
        "0",
        "Days in which a new server's rate doubles daily until TRACKER_SMTP_RATE is reached.",
    ),
    Documented(
        "TRACKER_RELAYS",
        "",
        "Several mail servers instead of TRACKER_SMTP_*, as TOML; best as TRACKER_RELAYS_FILE.",
    ),
    Documented(
        "TRACKER_PROVIDER_LIMITS",
        "",
        "Alert mails a second to one kind of mailbox, as 'google=20, microsoft=10'.",
    ),
    Documented("TRACKER_MAIL_FROM", "", "Sender address; no mail can be made without."),
    Documented(
        "TRACKER_RETURN_ADDRESS",
        "",
        "Mailbox for bounces and unsubscribing by mail; it must take name+anything too.",
    ),
    Documented("TRACKER_IMAP_HOST", "", "Where that mailbox can be fetched, if it can."),
    Documented("TRACKER_IMAP_PORT", "993", "Its port."),
    Documented("TRACKER_IMAP_SECURITY", "tls", "tls, starttls, or none (to loopback only)."),
    Documented("TRACKER_IMAP_USER", "", "User name there."),
    Documented("TRACKER_IMAP_PASSWORD", "", "Its password; or TRACKER_IMAP_PASSWORD_FILE."),
    Documented("TRACKER_IMAP_FOLDER", "INBOX", "Folder that is read and emptied."),
    Documented("TRACKER_IMAP_CA_FILE", "", "Certificate authority of an own server (PEM)."),
    Documented(
        "TRACKER_QUEUE_URL",
        "<beside the database>",
        "Where wake-ups wait: redis://… or rediss://…; or TRACKER_QUEUE_URL_FILE.",
    ),
    Documented("TRACKER_CANCEL_WINDOW", "600", "Seconds an alert waits and can be stopped."),
    Documented(
        "TRACKER_ALERT_LIFETIME", "72", "Hours after which what is left of an alert is dropped."
    ),
    Documented(
        "TRACKER_SIGN_LIMIT",
        "60 per 10 minutes",
        "Public forms accepted from one network, per web process.",
    ),
    Documented(
        "TRACKER_SIGN_IN_LIMIT",
        "10 per 15 minutes",
        "Sign-in attempts per account and per network, per web process.",
    ),
    Documented("TRACKER_PROXIES", "0", "How many proxies of yours add X-Forwarded-For."),
    Documented(
        "TRACKER_LEASE_SECONDS",
        "120",
        "How long a worker may hold a mail it claimed; six times the timeout or more.",
    ),
    Documented("TRACKER_DEMO", "no", "Says on each page that this is a demonstration."),
)


class _Reader:
    """Reads one environment and gathers what is wrong with it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []
        self.defaults = {row.name: row.default for row in DOCUMENTED}
        known = set(self.defaults) | {f"{name}_FILE" for name in self.defaults}
        self.problems += [
            f"{name} is not a setting; see docs/settings.md."
            for name in sorted(environ)
            if name.startswith("TRACKER_") and not name.startswith("TRACKER_TEST_")
            if name not in known
        ]

    def text(self, name: str) -> str:
        """Give a value, from ``NAME_FILE`` where that is set, else the default."""
        file = self.environ.get(f"{name}_FILE")
        if file:
            try:
                return Path(file).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError):
                self.problems.append(f"{name}_FILE cannot be read.")
                return ""
        return self.environ.get(name, self.defaults[name] or "").strip()

    def number(self, name: str, *, least: int, most: int) -> int:
        """Give a whole number inside its limits."""
        text = self.text(name)
        if text.isascii() and text.isdecimal() and least <= int(text) <= most:
            return int(text)
        self.problems.append(f"{name} must be a whole number from {least} to {most}.")
        return least

    def check(self, name: str, rule: Callable[[str], str | None]) -> str:
        """Give a text that ``rule`` finds nothing to say against."""
        text = self.text(name)
        problem = rule(text)
        if problem:
            self.problems.append(f"{name} {problem}")
        return text


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Give the settings from ``environ`` (default: the process's own).

    Raises :class:`SettingsError` naming every problem at once.
    """
    read = _Reader(os.environ if environ is None else environ)
    data = Path(read.text("TRACKER_DATA")).absolute()
    settings = Settings(
        base_url=read.check("TRACKER_BASE_URL", _base_url_problem).rstrip("/").lower(),
        allowed_hosts=_hosts(read),
        secret=read.check("TRACKER_SECRET", _secret_problem),
        data=data,
        keystore=Path(_or(read.text("TRACKER_KEYSTORE"), "<data>/keys", data / "keys")),
        database_url=_database_url(read, data),
        site_name=read.check("TRACKER_SITE_NAME", _site_name_problem),
        relays=_relays(read),
        provider_limits=_provider_limits(read),
        mail_from=read.check("TRACKER_MAIL_FROM", _mail_from_problem) or None,
        return_address=read.check("TRACKER_RETURN_ADDRESS", _return_problem).lower() or None,
        imap=_imap(read),
        queue_url=_or(
            read.check("TRACKER_QUEUE_URL", _queue_problem), "<beside the database>", ""
        ),
        cancel_window=read.number("TRACKER_CANCEL_WINDOW", least=0, most=86400),
        alert_lifetime=read.number("TRACKER_ALERT_LIFETIME", least=1, most=720),
        sign_limit=read.check("TRACKER_SIGN_LIMIT", _limit_problem),
        sign_in_limit=read.check("TRACKER_SIGN_IN_LIMIT", _limit_problem),
        proxies=read.number("TRACKER_PROXIES", least=0, most=5),
        lease_seconds=read.number("TRACKER_LEASE_SECONDS", least=1, most=3600),
        demo=_yes(read, "TRACKER_DEMO"),
    )
    read.problems += _contradictions(settings)
    if read.environ.get("FLASK_DEBUG", "0").lower() not in {"", "0", "false", "no"}:
        read.problems.append("FLASK_DEBUG must not be set.")
    if read.problems:
        raise SettingsError(read.problems)
    return settings


def _contradictions(settings: Settings) -> Iterator[str]:
    hosts, base = settings.allowed_hosts, settings.base_url
    if hosts and not _base_url_problem(base) and not host_is_trusted(settings.host, hosts):
        yield "TRACKER_ALLOWED_HOSTS must name the host of TRACKER_BASE_URL."


# --- mail servers ----------------------------------------------------------------------------


def _relays(read: _Reader) -> tuple[Relay, ...]:
    """Give the mail servers: the one of TRACKER_SMTP_*, or those of TRACKER_RELAYS."""
    only = Relay(
        name="default",
        host=read.text("TRACKER_SMTP_HOST"),
        port=read.number("TRACKER_SMTP_PORT", least=1, most=65535),
        security=read.check("TRACKER_SMTP_SECURITY", _security_problem),
        user=read.text("TRACKER_SMTP_USER") or None,
        password=read.text("TRACKER_SMTP_PASSWORD") or None,
        ca_file=_optional_path(read.check("TRACKER_SMTP_CA_FILE", _file_problem)),
        timeout=read.number("TRACKER_SMTP_TIMEOUT", least=1, most=300),
        connections=read.number("TRACKER_SMTP_CONNECTIONS", least=1, most=MOST_CONNECTIONS),
        rate=_rate(read, "TRACKER_SMTP_RATE"),
        warm_up_days=read.number("TRACKER_SMTP_WARM_UP_DAYS", least=0, most=60),
    )
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


def _relay(read: _Reader, number: int, table: Any) -> Relay | None:
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
        "ca_file": lambda v: _file_problem(str(v)),
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


def _must(holds: object, otherwise: str) -> str | None:
    return None if holds else otherwise


def _whole(least: int, most: int) -> Callable[[Any], str | None]:
    return lambda value: _must(
        isinstance(value, int) and not isinstance(value, bool) and least <= value <= most,
        f"must be a whole number from {least} to {most}.",
    )


def _some_text(value: Any) -> str | None:
    return _must(isinstance(value, str) and value, "must be text.")


def _rate(read: _Reader, name: str) -> float:
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


def _provider_limits(read: _Reader) -> dict[str, float]:
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


def _imap(read: _Reader) -> Imap | None:
    """Give the mailbox of bounces, where one is configured."""
    found = Imap(
        host=read.text("TRACKER_IMAP_HOST"),
        port=read.number("TRACKER_IMAP_PORT", least=1, most=65535),
        security=read.check("TRACKER_IMAP_SECURITY", _security_problem),
        user=read.text("TRACKER_IMAP_USER"),
        password=read.text("TRACKER_IMAP_PASSWORD"),
        folder=read.check("TRACKER_IMAP_FOLDER", _folder_problem),
        ca_file=_optional_path(read.check("TRACKER_IMAP_CA_FILE", _file_problem)),
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


def _return_problem(text: str) -> str | None:
    pattern = rf"[a-z0-9._-]{{1,{LONGEST_RETURN_NAME}}}@[a-z0-9.-]+"
    if text and not re.fullmatch(pattern, text.lower(), re.ASCII):
        return (
            f"must be a plain address with at most {LONGEST_RETURN_NAME} letters, digits,"
            " dots and dashes before the @."
        )
    return None


def _queue_problem(text: str) -> str | None:
    if text in {"", "<beside the database>"} or text.startswith(("redis://", "rediss://")):
        return None
    return "must begin with redis:// or rediss://."


def _or(text: str, placeholder: str, fallback: object) -> str:
    return str(fallback) if text in {"", placeholder} else text


def _optional_path(text: str) -> Path | None:
    return Path(text) if text else None


def _yes(read: _Reader, name: str) -> bool:
    text = read.check(name, lambda t: None if t in {"yes", "no"} else "must be yes or no.")
    return text == "yes"


def _hosts(read: _Reader) -> tuple[str, ...]:
    text = read.text("TRACKER_ALLOWED_HOSTS")
    hosts = tuple(host.strip().lower() for host in text.split(",") if host.strip())
    if not hosts:
        read.problems.append("TRACKER_ALLOWED_HOSTS is missing: host names, comma separated.")
    elif any("*" in host or "/" in host or host.startswith(".") for host in hosts):
        read.problems.append("TRACKER_ALLOWED_HOSTS takes exact host names, no patterns.")
        return ()
    return hosts


def _database_url(read: _Reader, data: Path) -> str:
    url = _or(
        read.text("TRACKER_DATABASE_URL"),
        "sqlite:///<data>/tracker.db",
        f"sqlite:///{data / 'tracker.db'}",
    )
    if ":memory:" in url or url in {"sqlite://", "sqlite:///"}:
        read.problems.append("TRACKER_DATABASE_URL must be durable: a file or PostgreSQL.")
    elif not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        read.problems.append(
            "TRACKER_DATABASE_URL must begin with sqlite:/// or postgresql://."
        )
    return url


def _base_url_problem(text: str) -> str | None:
    if not text:
        return "is missing: the public address, for example https://tracker.example.org."
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return "must be an http or https address."
    if parts.scheme not in {"http", "https"} or not host:
        return "must be an http or https address."
    if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username:
        return "must have no path, query or user name."
    is_private = host in LOOPBACK or host.endswith(".onion")
    if parts.scheme == "http" and not is_private:
        return "must be https unless it is a loopback or onion address."
    return None


def _secret_problem(text: str) -> str | None:
    if len(text) < MIN_SECRET_LENGTH:
        return f"must have at least {MIN_SECRET_LENGTH} characters; there is no default."
    if len(set(text)) < 10:
        return "repeats itself; draw a random one."
    return None


def _file_problem(text: str) -> str | None:
    return "cannot be read." if text and not os.access(text, os.R_OK) else None


def _security_problem(text: str) -> str | None:
    return None if text in SMTP_SECURITY else f"must be one of {', '.join(SMTP_SECURITY)}."


def _mail_from_problem(text: str) -> str | None:
    if text and (
        text.count("@") != 1 or not text.isascii() or any(c in text for c in " <>,\r\n")
    ):
        return "must be a plain address such as alerts@example.org."
    return None


def _limit_problem(text: str) -> str | None:
    try:
        parse(text)
    except ValueError:
        return "must be a limit such as '60 per 10 minutes'."
    return None


def _site_name_problem(text: str) -> str | None:
    if not text or len(text) > 60 or not text.isprintable():
        return "must be 1 to 60 printable characters."
    return None
