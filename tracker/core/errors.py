"""A rule said no."""

from __future__ import annotations


class Refused(Exception):
    """A rule said no, in words fit for the person; shown as a page or beside a form.

    ``message`` may be a lazy translation: it is put into words when it is shown.
    """

    status = 409

    def __init__(self, message: object) -> None:
        """Keep the message for the person."""
        self.message = message
        super().__init__(message)


class TooMany(Refused):
    """Somebody asks too often; answered with 429."""

    status = 429

    def __init__(self, message: object, *, retry_after: int) -> None:
        """Keep also after how many seconds another try makes sense."""
        self.retry_after = retry_after
        super().__init__(message)


class NotReady(Refused):
    """The system cannot do this yet, through no fault of the person; answered with 503."""

    status = 503
