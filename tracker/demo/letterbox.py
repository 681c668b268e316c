"""Where the demo mailbox keeps its mails: one SQLite file of its own."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS mails (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    message_id TEXT NOT NULL,
    received_at TEXT NOT NULL,
    raw BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS mails_recipient ON mails (recipient, id);
"""

Arrived = tuple[str, bytes]
"""A recipient and the message as it came over SMTP."""


@dataclass(frozen=True)
class Mail:
    """One mail as the list shows it."""

    id: int
    recipient: str
    subject: str
    message_id: str
    received_at: str


class Letterbox:
    """The mails of one demo; each thread opens its own."""

    def __init__(self, path: Path) -> None:
        """Open the file, made when missing."""
        self._connection = sqlite3.connect(path, timeout=10, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def put(self, arrived: Iterable[Arrived]) -> None:
        """Store mails in one transaction; returning means that they are committed."""
        rows = [_row(recipient, raw) for recipient, raw in arrived]
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(
            "INSERT INTO mails (recipient, subject, message_id, received_at, raw)"
            " VALUES (?, ?, ?, ?, ?)",
            rows,
        )
        self._connection.execute("COMMIT")

    def newest(self, to: str, *, limit: int, offset: int) -> list[Mail]:
        """Give the newest mails whose recipient contains ``to``."""
        return self._mails(
            "WHERE instr(recipient, ?) ORDER BY id DESC LIMIT ? OFFSET ?", to, limit, offset
        )

    def after(self, last: int, *, limit: int, to: str = "") -> list[tuple[Mail, bytes]]:
        """Give the mails that came after the one numbered ``last``, oldest first, whole."""
        mails = self._mails(
            "WHERE id > ? AND (? = '' OR recipient = ?) ORDER BY id LIMIT ?",
            last,
            to,
            to,
            limit,
        )
        return [(mail, self.raw(mail.id) or b"") for mail in mails]

    def count(self, to: str) -> int:
        """Give how many mails went to recipients containing ``to``."""
        query = "SELECT count(*) FROM mails WHERE ? = '' OR instr(recipient, ?)"
        return int(self._connection.execute(query, (to, to)).fetchone()[0])

    def last(self) -> int:
        """Give the number of the newest mail; 0 where there is none."""
        return int(
            self._connection.execute("SELECT coalesce(max(id), 0) FROM mails").fetchone()[0]
        )

    def mail(self, number: int) -> Mail | None:
        """Give one mail."""
        return next(iter(self._mails("WHERE id = ?", number)), None)

    def raw(self, number: int) -> bytes | None:
        """Give one mail as it came."""
        query = "SELECT raw FROM mails WHERE id = ?"
        found = self._connection.execute(query, (number,)).fetchone()
        return zlib.decompress(found[0]) if found else None

    def _mails(self, tail: str, *values: object) -> list[Mail]:
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(
                f"SELECT id, recipient, subject, message_id, received_at FROM mails {tail}",  # noqa: S608 - our own text
                values,
            )
            return [Mail(*row) for row in cursor]


def parsed(raw: bytes) -> EmailMessage:
    """Give a message with its headers decoded and its parts apart."""
    return email.message_from_bytes(raw, policy=email.policy.default)


def _row(recipient: str, raw: bytes) -> tuple[str, str, str, str, bytes]:
    # Of a mail that nobody opens, only the head is read.
    head = parsed(raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    moment = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    subject, number = (str(head.get(name, "")) for name in ("Subject", "Message-ID"))
    return recipient, subject, number, moment, zlib.compress(raw, 1)
