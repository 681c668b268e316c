"""Logs without people in them: what looks like an address, a token or an IP is removed."""

from __future__ import annotations

import logging
import re
import time

SAY_SECONDS = 60.0
"""One and the same trouble is logged at most this often."""

_PEOPLE = re.compile(
    r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)*"  # e-mail addresses (RFC 5321 atoms)
    r"|(?<![\w-])[A-Za-z0-9_-]{43}(?![\w-])"  # tokens of links
    r"|\\x[0-9a-f]{32,}"  # tags and hashes, as PostgreSQL writes them
    r"|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])"  # IPv4
    r"|(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])",  # IPv6
    re.IGNORECASE,
)


class ScrubbingFormatter(logging.Formatter):
    """Formats a record, traceback included, and removes what could name somebody."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line without addresses and tokens."""
        return _PEOPLE.sub("[removed]", super().format(record))


def handler() -> logging.Handler:
    """Give a handler that writes scrubbed lines to standard error."""
    made = logging.StreamHandler()
    made.setFormatter(
        ScrubbingFormatter(
            "%(asctime)s %(levelname)s %(name)s: %(message)s",
            # With a T before it, a time is not taken for an IPv6 address.
            datefmt="%Y-%m-%dT%H:%M:%S",
        )
    )
    return made


class Seldom:
    """Logs one kind of trouble, at most once in :data:`SAY_SECONDS`."""

    def __init__(self, log: logging.Logger) -> None:
        """Take the log."""
        self._log, self._at = log, -SAY_SECONDS

    def warn(self, text: str, *values: object) -> bool:
        """Log, and say whether that was done."""
        if time.monotonic() - self._at < SAY_SECONDS:
            return False
        self._at = time.monotonic()
        self._log.warning(text, *values)
        return True
