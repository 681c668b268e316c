"""Opening a connection blocks, so a helper thread does it."""

from __future__ import annotations

import smtplib
import threading
import time
from collections.abc import Callable

from tracker.mail.connection import RelayTrouble

OPENING_FACTOR = 3
"""Timeouts that connecting, securing and signing in may take together."""


class Opening:
    """One attempt to open a connection, in a thread of its own.

    Once finished, ``smtp`` is the open connection, or None and ``trouble`` says why.
    ``deadline`` is the moment of ``time.monotonic()`` at which it is to be abandoned.
    """

    def __init__(
        self,
        opener: Callable[[], smtplib.SMTP],
        *,
        timeout: float,
        report: Callable[[Opening], None],
        forget: Callable[[Opening], object],
    ) -> None:
        """Start nothing yet. The helper thread calls one of the two when it has finished.

        ``report`` hands it over; ``forget`` says that one abandoned before has ended.
        """
        self.begun_at = time.monotonic()
        self.deadline = self.begun_at + OPENING_FACTOR * timeout
        self.smtp: smtplib.SMTP | None = None
        self.trouble = "cannot connect"
        self._opener, self._report, self._forget = opener, report, forget
        self._lock = threading.Lock()
        self._is_abandoned = False
        self.is_noticed = False
        """Whether somebody took note of its silence."""

    @property
    def is_wanted(self) -> bool:
        """Say whether it has not been abandoned."""
        return not self._is_abandoned

    def start(self) -> None:
        """Begin, in a thread of its own."""
        # A daemon: a server that talks one byte at a time must not keep the worker from ending.
        threading.Thread(target=self._run, name="smtp-connect", daemon=True).start()

    def abandon(self) -> bool:
        """Want the connection no more; true the first time."""
        with self._lock:
            was_wanted = not self._is_abandoned
            self._is_abandoned = True
        return was_wanted

    def _run(self) -> None:
        smtp = None
        try:
            smtp = self._opener()
        except RelayTrouble as error:
            self.trouble = str(error)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            self.trouble = type(error).__name__
        finally:
            self._hand_over(smtp)

    def _hand_over(self, smtp: smtplib.SMTP | None) -> None:
        with self._lock:
            if self._is_abandoned:
                self._forget(self)
                if smtp is not None:
                    smtp.close()
                return
            self.smtp = smtp
            self._report(self)
