"""The connection to the IMAP mailbox in which bounces and test mails arrive (RFC 9051)."""

from __future__ import annotations

import contextlib
import imaplib
import ssl
from collections.abc import Iterator

from tracker.configuration.mail import Imap
from tracker.configuration.reading import LOOPBACK

DOCTOR = "doctor-"
"""How the Message-ID of a test mail of ``tracker mail doctor`` begins; it fetches its own."""

_LONGEST_HEADER = 65_536


class MailboxTrouble(Exception):
    """The mailbox cannot be used now; the message is a sentence without names or secrets."""


@contextlib.contextmanager
def troubles() -> Iterator[None]:
    """Tell what goes wrong while talking to the mailbox as :class:`MailboxTrouble`.

    The server's own words are left out: they may carry addresses.
    """
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise MailboxTrouble(
            f"The certificate of the IMAP server cannot be trusted: {error.verify_message}."
        ) from error
    except ssl.SSLError as error:
        raise MailboxTrouble("The IMAP server does not speak TLS as it is set here.") from error
    except TimeoutError as error:
        raise MailboxTrouble("The IMAP server is silent.") from error
    except OSError as error:
        raise MailboxTrouble(
            f"The IMAP server cannot be reached ({type(error).__name__})."
        ) from error
    except imaplib.IMAP4.abort as error:
        raise MailboxTrouble("The IMAP server broke the connection off.") from error
    except imaplib.IMAP4.error as error:
        raise MailboxTrouble("The IMAP server refused what it was asked.") from error
    except ValueError as error:  # bytes that are no ASCII or no base64
        raise MailboxTrouble("What answers there is no IMAP server.") from error


def connect_imap(imap: Imap, *, timeout: float) -> imaplib.IMAP4:
    """Give a signed-in connection to the mailbox, with no folder chosen yet.

    ``timeout`` is seconds of silence. The caller ends it with ``logout()``, as ``with`` does.
    Raises :class:`MailboxTrouble`.
    """
    if imap.security == "none" and imap.host not in LOOPBACK:
        raise MailboxTrouble("Without TLS only an IMAP server on this machine is used.")
    with troubles():
        client = _opened(imap, timeout)
    try:
        _signed_in(client, imap)
    except BaseException:
        _hang_up(client)
        raise
    return client


def select(client: imaplib.IMAP4, folder: str) -> None:
    """Choose a folder. Raises :class:`MailboxTrouble`, also where it does not exist."""
    with troubles():
        answer, _ = client.select(f'"{folder}"')
    if answer != "OK":
        raise MailboxTrouble("The folder does not exist in the mailbox or cannot be opened.")


def find(client: imaplib.IMAP4, message_id: str) -> str | None:
    """Give the UID of the message whose Message-ID contains this text, if it is there.

    Raises :class:`MailboxTrouble`.
    """
    with troubles():
        client.noop()  # some servers tell of new messages only when they are asked something
        _, found = client.uid("SEARCH", "HEADER", "Message-ID", f'"{message_id}"')
    uids = (found[-1] or b"").split()
    return uids[0].decode("ascii", "replace") if uids else None


def headers(client: imaplib.IMAP4, uid: str) -> bytes:
    """Give the header of a message, clipped. Raises :class:`MailboxTrouble`."""
    with troubles():
        _, found = client.uid("FETCH", uid, f"(BODY.PEEK[HEADER]<0.{_LONGEST_HEADER}>)")
    for part in found:
        if isinstance(part, tuple):
            return bytes(part[1])
    raise MailboxTrouble("The IMAP server does not give the message.")


def delete(client: imaplib.IMAP4, uid: str) -> None:
    """Delete a message; no other one, whatever it is marked as (RFC 4315).

    Where the server cannot do that, it stays marked. Raises :class:`MailboxTrouble`.
    """
    with troubles():
        client.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")
        _, offers = client.capability()
        if b"UIDPLUS" in (offers[-1] or b"").upper().split():
            client.uid("EXPUNGE", uid)


def _opened(imap: Imap, timeout: float) -> imaplib.IMAP4:
    context = ssl.create_default_context(cafile=imap.ca_file)
    address = (imap.host, imap.port)
    if imap.security == "tls":
        return imaplib.IMAP4_SSL(*address, ssl_context=context, timeout=timeout)
    client = imaplib.IMAP4(*address, timeout=timeout)
    if imap.security == "starttls":
        try:
            _start_tls(client, context)
        except BaseException:
            _hang_up(client)
            raise
    return client


def _hang_up(client: imaplib.IMAP4) -> None:
    with contextlib.suppress(OSError):  # a failed handshake has taken the socket away
        client.shutdown()


def _start_tls(client: imaplib.IMAP4, context: ssl.SSLContext) -> None:
    if "STARTTLS" not in client.capabilities:
        raise MailboxTrouble("The IMAP server offers no STARTTLS; nothing was said to it.")
    client.starttls(ssl_context=context)


def _signed_in(client: imaplib.IMAP4, imap: Imap) -> None:
    try:
        with troubles():
            _sign_in(client, imap)
    except MailboxTrouble as trouble:
        cause = trouble.__cause__
        if type(cause) is not imaplib.IMAP4.error:
            raise
        raise MailboxTrouble(
            "The IMAP server does not accept the user name and password."
        ) from None


def _sign_in(client: imaplib.IMAP4, imap: Imap) -> None:
    if "AUTH=PLAIN" in client.capabilities:
        # Unlike LOGIN in imaplib, it takes any user name and password (RFC 4616).
        words = f"\0{imap.user}\0{imap.password}".encode()
        client.authenticate("PLAIN", lambda _: words)
    elif (imap.user + imap.password).isascii():
        client.login(imap.user, imap.password)
    else:
        raise MailboxTrouble("The IMAP server takes only ASCII in user name and password.")
