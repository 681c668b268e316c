"""Each setting with its default and meaning: the table of docs/settings.md."""

from __future__ import annotations

from typing import NamedTuple

MIN_SECRET_LENGTH = 32


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
        "How long a silent worker keeps what it claimed; a working one renews it.",
    ),
    Documented("TRACKER_DEMO", "no", "Says on each page that this is a demonstration."),
)
