"""A visit to each mail server: what its TLS is like, and whether a test mail arrives."""

from __future__ import annotations

import secrets
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from tracker.configuration.mail import Imap, Relay
from tracker.configuration.reading import LOOPBACK
from tracker.core import clock
from tracker.mail import mailbox
from tracker.mail.connection import (
    PermanentFailure,
    RelayTrouble,
    TemporaryFailure,
    VerifiedConnection,
    mail,
)
from tracker.mail.findings import Finding, Level
from tracker.mail.rendering import Letter, render

_PATIENCE = 20
"""Seconds of silence after which a server is given up, whatever the settings allow."""
_SOON_DAYS = 14
_SILENT = "is silent: look at host, port, security and the firewall."
_PAUSE = 2.0
"""Seconds between two looks into the mailbox."""


@dataclass(kw_only=True)
class Visit:
    """What one mail server said; ``message_id`` is that of the test mail it has taken."""

    relay: Relay
    findings: list[Finding] = field(default_factory=list)
    message_id: str | None = None


def visit(relay: Relay, *, sender: str, to: str | None) -> Visit:
    """Connect as mail does, look at the certificate, hand over a test mail where it may go."""
    made = Visit(relay=relay)
    try:
        with mail.connect(replace(relay, timeout=min(relay.timeout, _PATIENCE))) as connection:
            made.findings += _tls(relay, connection)
            if to is not None:
                _hand_over(made, connection, sender=sender, to=to)
    except RelayTrouble as trouble:
        made.findings.append(_wrong("mail server", f"{_called(relay)} {_why(relay, trouble)}"))
    return made


def collect(
    imap: Imap, message_ids: Mapping[str, str], *, wait: float
) -> Iterator[tuple[str, bytes]]:
    """Give each test mail's name and header as it arrives, and delete it from the mailbox.

    ``message_ids`` are those of the mails by name. It ends when all are there or ``wait``
    seconds are over; at least one look is taken. Raises :class:`.MailboxTrouble`.
    """
    missing, deadline = dict(message_ids), time.monotonic() + wait
    with mailbox.troubles(), mailbox.connect_imap(imap, timeout=_PATIENCE) as client:
        mailbox.select(client, imap.folder)
        while missing:
            for name, message_id in tuple(missing.items()):
                uid = mailbox.find(client, message_id)
                if uid is not None:
                    del missing[name]
                    header = mailbox.headers(client, uid)
                    mailbox.delete(client, uid)
                    yield name, header
            if time.monotonic() >= deadline:
                return
            if missing:
                time.sleep(min(_PAUSE, max(deadline - time.monotonic(), 0)))


# --- TLS -------------------------------------------------------------------------------------


def _tls(relay: Relay, connection: VerifiedConnection) -> Iterator[Finding]:
    wire = connection.host.sock if connection.host is not None else None
    if not isinstance(wire, ssl.SSLSocket):
        yield Finding(
            Level.UNKNOWN,
            "TLS",
            f"{_called(relay)} is on this machine and spoken to without TLS. Whether mail"
            " leaves it encrypted is up to that server and cannot be seen from here.",
        )
        return
    certificate = wire.getpeercert() or {}
    left = _days(certificate, "notAfter", since=clock.now().timestamp())
    if left < min(_SOON_DAYS, _lifetime(certificate) / 3):
        yield _wrong(
            "TLS",
            f"The certificate of {_called(relay, begins=False)} expires in {int(left)} days."
            " Renew it, or no mail leaves from then on.",
        )
        return
    yield Finding(
        Level.GOOD,
        "TLS",
        f"{_called(relay)} speaks {wire.version()}; its certificate is trusted and good for"
        f" {int(left)} more days.",
    )


def _days(certificate: Mapping[str, object], name: str, *, since: float) -> float:
    return (ssl.cert_time_to_seconds(str(certificate[name])) - since) / 86_400


def _lifetime(certificate: Mapping[str, object]) -> float:
    begin = ssl.cert_time_to_seconds(str(certificate["notBefore"]))
    return _days(certificate, "notAfter", since=begin)


def _why(relay: Relay, trouble: RelayTrouble) -> str:
    """Say why a server cannot be used, from the error that broke the connection."""
    match trouble.__cause__:
        case smtplib.SMTPException() as error:
            return _why_not_spoken(error)
        case ssl.SSLCertVerificationError() as error:
            return (
                f"shows a certificate that cannot be trusted ({error.verify_message}). Give it"
                " one for the name in the settings, or name its authority as CA file."
            )
        case ssl.SSLError():
            return (
                f"does not speak TLS as it is set ({relay.security}): starttls belongs to ports"
                " 587 and 25, tls to port 465."
            )
        case socket.gaierror():
            return "has a name that cannot be found."
        case TimeoutError():
            return _SILENT
        case OSError():
            return "cannot be reached: look at host and port, and whether it runs."
        case _:
            return f"does not take our mail ({trouble})."


def _why_not_spoken(error: smtplib.SMTPException) -> str:
    match error:
        case smtplib.SMTPNotSupportedError() if "STARTTLS" in str(error):
            return "offers no STARTTLS, so that it was told nothing and gets no mail."
        case smtplib.SMTPAuthenticationError():
            return "does not accept the user name and password."
        case smtplib.SMTPServerDisconnected() if isinstance(error.__context__, TimeoutError):
            return _SILENT
        case smtplib.SMTPServerDisconnected():
            return "breaks the connection off: look at port and security (tls or starttls)."
        case smtplib.SMTPResponseException():
            return f"answers with {error.smtp_code} before any mail is sent."
        case _:
            return "offers no way to sign in with user name and password."


# --- the test mail ---------------------------------------------------------------------------


def _hand_over(made: Visit, connection: VerifiedConnection, *, sender: str, to: str) -> None:
    letter = Letter(
        to=to,
        language="en",
        template="test",
        message_id=f"{mailbox.DOCTOR}{secrets.token_hex(16)}",
        list_name="test",
        unsubscribe="test",
    )
    try:
        connection.deliver(render(letter), sender=sender, recipient=to)
    except (RelayTrouble, TemporaryFailure, PermanentFailure) as failure:
        made.findings.append(_refused(made.relay, failure, sender=sender, to=to))
    else:
        made.message_id = letter.message_id


def _refused(
    relay: Relay,
    failure: RelayTrouble | TemporaryFailure | PermanentFailure,
    *,
    sender: str,
    to: str,
) -> Finding:
    if isinstance(failure, TemporaryFailure):
        return Finding(
            Level.UNKNOWN,
            "test mail",
            f"{_called(relay)} wants the test mail later ({failure.code}). Try again then.",
        )
    if isinstance(failure, RelayTrouble):
        why = f"does not take mail from {sender} ({failure}); it must be allowed to send it"
    elif failure.is_about_us:
        why = f"refuses mail from us ({failure.code}): look at its rules for {sender}"
    elif "+" in to:
        why = (
            f"refuses {to} ({failure.code}). The return address must take name+anything too;"
            " in Postfix that is recipient_delimiter = +"
        )
    else:
        why = f"refuses {to} ({failure.code})"
    return _wrong("test mail", f"{_called(relay)} {why}.")


def _called(relay: Relay, *, begins: bool = True) -> str:
    article = "The" if begins else "the"
    return f"{article} mail server {relay.name!r} ({relay.host}:{relay.port})"


def is_local(relay: Relay) -> bool:
    """Say whether a mail server runs on this machine, so that its own address is not known."""
    return relay.host in LOOPBACK


def missing(relay: Relay, *, wait: float) -> Finding:
    """Say that the test mail did not come back, and where to look."""
    return Finding(
        Level.UNKNOWN,
        "test mail",
        f"{_called(relay)} took the test mail, but it did not arrive within {wait:g} seconds."
        " Look into the spam folder, and whether the mailbox takes name+anything.",
    )


def _wrong(check: str, sentence: str) -> Finding:
    return Finding(Level.WRONG, check, sentence)
