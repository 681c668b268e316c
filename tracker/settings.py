"""Every setting: ``TRACKER_*`` read once, checked, frozen; all problems are told together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from limits import parse
from werkzeug.sansio.utils import host_is_trusted

from tracker.configuration import mail
from tracker.configuration.documented import MIN_SECRET_LENGTH
from tracker.configuration.reading import LOOPBACK, Reader


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
    relays: tuple[mail.Relay, ...]
    provider_limits: Mapping[str, float]
    mail_from: str | None
    return_address: str | None
    imap: mail.Imap | None
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


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Give the settings from ``environ`` (default: the process's own).

    Raises :class:`SettingsError` naming every problem at once.
    """
    read = Reader(os.environ if environ is None else environ)
    data = Path(read.text("TRACKER_DATA")).absolute()
    settings = Settings(
        base_url=read.check("TRACKER_BASE_URL", _base_url_problem).rstrip("/").lower(),
        allowed_hosts=_hosts(read),
        secret=read.check("TRACKER_SECRET", _secret_problem),
        data=data,
        keystore=Path(_or(read.text("TRACKER_KEYSTORE"), "<data>/keys", data / "keys")),
        database_url=_database_url(read, data),
        site_name=read.check("TRACKER_SITE_NAME", _site_name_problem),
        relays=mail.relays(read),
        provider_limits=mail.provider_limits(read),
        mail_from=mail.sender(read),
        return_address=mail.return_address(read),
        imap=mail.imap(read),
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


def _queue_problem(text: str) -> str | None:
    if text in {"", "<beside the database>"} or text.startswith(("redis://", "rediss://")):
        return None
    return "must begin with redis:// or rediss://."


def _or(text: str, placeholder: str, fallback: object) -> str:
    return str(fallback) if text in {"", placeholder} else text


def _yes(read: Reader, name: str) -> bool:
    text = read.check(name, lambda t: None if t in {"yes", "no"} else "must be yes or no.")
    return text == "yes"


def _hosts(read: Reader) -> tuple[str, ...]:
    text = read.text("TRACKER_ALLOWED_HOSTS")
    hosts = tuple(host.strip().lower() for host in text.split(",") if host.strip())
    if not hosts:
        read.problems.append("TRACKER_ALLOWED_HOSTS is missing: host names, comma separated.")
    elif any("*" in host or "/" in host or host.startswith(".") for host in hosts):
        read.problems.append("TRACKER_ALLOWED_HOSTS takes exact host names, no patterns.")
        return ()
    return hosts


def _database_url(read: Reader, data: Path) -> str:
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
