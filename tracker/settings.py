"""Every setting: ``TRACKER_*`` read once, checked, frozen; all problems are told together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from limits import parse
from werkzeug.sansio.utils import host_is_trusted

MIN_SECRET_LENGTH = 32
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
SMTP_SECURITY = ("starttls", "tls", "none")


class SettingsError(Exception):
    """The environment does not describe a safe installation; ``problems`` says each reason."""

    def __init__(self, problems: list[str]) -> None:
        """Keep every problem, so that one start shows them all."""
        self.problems = problems
        super().__init__("Cannot start:\n" + "\n".join(f"- {problem}" for problem in problems))


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
    smtp_host: str
    smtp_port: int
    smtp_security: str
    smtp_user: str | None
    smtp_password: str | None
    smtp_ca_file: Path | None
    smtp_timeout: int
    mail_from: str | None
    cancel_window: int
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
    Documented("TRACKER_MAIL_FROM", "", "Sender address; the worker needs it."),
    Documented("TRACKER_CANCEL_WINDOW", "600", "Seconds an alert waits and can be stopped."),
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
        smtp_host=read.text("TRACKER_SMTP_HOST"),
        smtp_port=read.number("TRACKER_SMTP_PORT", least=1, most=65535),
        smtp_security=read.check("TRACKER_SMTP_SECURITY", _security_problem),
        smtp_user=read.text("TRACKER_SMTP_USER") or None,
        smtp_password=read.text("TRACKER_SMTP_PASSWORD") or None,
        smtp_ca_file=_optional_path(read.check("TRACKER_SMTP_CA_FILE", _file_problem)),
        smtp_timeout=read.number("TRACKER_SMTP_TIMEOUT", least=1, most=300),
        mail_from=read.check("TRACKER_MAIL_FROM", _mail_from_problem) or None,
        cancel_window=read.number("TRACKER_CANCEL_WINDOW", least=0, most=86400),
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
    if settings.smtp_security == "none" and settings.smtp_host not in LOOPBACK:
        yield "TRACKER_SMTP_SECURITY may be 'none' to a loopback host only."
    hosts, base = settings.allowed_hosts, settings.base_url
    if hosts and not _base_url_problem(base) and not host_is_trusted(settings.host, hosts):
        yield "TRACKER_ALLOWED_HOSTS must name the host of TRACKER_BASE_URL."


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
