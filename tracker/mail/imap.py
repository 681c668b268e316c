"""Empty the mailbox in which bounces arrive: a message is deleted once it has been taken."""

from __future__ import annotations

import contextlib
import datetime as dt
import imaplib
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from tracker.configuration.mail import Imap
from tracker.core import clock
from tracker.database import AWAY
from tracker.mail.bounces import LONGEST
from tracker.mail.mailbox import DOCTOR, MailboxTrouble, connect_imap, select, troubles

log = logging.getLogger(__name__)

_AHEAD = 10
"""How many times the limit is looked at: messages that cannot be taken must block no others."""


class Emptied(NamedTuple):
    """How many messages were taken, and how many had to stay."""

    taken: int
    left: int


def fetch(
    imap: Imap, *, take: Callable[[bytes], None], limit: int = 500, timeout: float = 20
) -> Emptied:
    """Hand each message to ``take``, delete it, and give how many were taken and how many not.

    ``take`` commits before it returns. What it raises on stays in the mailbox, is logged and
    met again in the next run; after ``limit`` taken or ``limit`` left the run ends, and at once
    where the database is away (``database.AWAY``, which is raised on). A broken
    connection can bring a message twice. Of a message at most ``bounces.LONGEST`` bytes are
    fetched; ``timeout`` is seconds of silence. Messages that others marked as deleted go too
    (EXPUNGE, RFC 9051 §6.4.3). Raises :class:`~tracker.mail.mailbox.MailboxTrouble`.
    """
    client = connect_imap(imap, timeout=timeout)
    try:
        select(client, imap.folder)
        with troubles():
            done = _emptied(client, take, limit=limit)
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            client.logout()
        return done
    finally:
        with contextlib.suppress(OSError):  # after logout() there is nothing left to close
            client.shutdown()


def _emptied(client: imaplib.IMAP4, take: Callable[[bytes], None], *, limit: int) -> Emptied:
    taken = left = 0
    for uid in _waiting(client, most=_AHEAD * limit):
        raw = _message(client, uid)
        if raw is None:
            continue
        if _is_taken(raw, take, uid=uid):
            _ask(client, "STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")
            taken += 1
        else:
            left += 1
        if limit in (taken, left):
            break
    # Also removes what a run marked whose connection broke before it came to this line.
    if client.expunge()[0] != "OK":
        raise MailboxTrouble("The IMAP server deletes nothing in this folder.")
    return Emptied(taken, left)


def _waiting(client: imaplib.IMAP4, *, most: int) -> list[str]:
    """Give the UIDs of messages not yet taken among the first ``most``.

    A test mail that the doctor waits for is left to it for a day.
    """
    _, counts = client.response("EXISTS")
    count = min(int(counts[-1] or 0), most)
    if not count:
        return []
    yesterday = imaplib.Time2Internaldate(clock.now() - dt.timedelta(days=1))[1:12]
    wanted = f'1:{count} UNDELETED OR BEFORE {yesterday} NOT HEADER Message-ID "<{DOCTOR}"'
    answer = _ask(client, "SEARCH", wanted)
    return b" ".join(filter(None, answer)).decode("ascii").split()


def _message(client: imaplib.IMAP4, uid: str) -> bytes | None:
    """Give the beginning of a message; ``None`` where somebody has removed it meanwhile."""
    for item in _ask(client, "FETCH", uid, f"(BODY.PEEK[]<0.{LONGEST}>)"):
        if isinstance(item, tuple):
            raw: bytes = item[1]
            return raw[:LONGEST]
    return None


def _is_taken(raw: bytes, take: Callable[[bytes], None], *, uid: str) -> bool:
    try:
        take(raw)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - one message must not stop all others
        log.error("message %s stays in the mailbox: %s", uid, type(error).__name__)
        return False
    return True


def _ask(client: imaplib.IMAP4, command: str, *words: str) -> list[Any]:
    """Give the answer to a UID command; imaplib itself raises on BAD only."""
    answer, data = client.uid(command, *words)
    if answer != "OK":
        raise client.error(answer)
    return data
