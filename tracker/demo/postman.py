"""Reads the demo mailbox for the replay: what came, for whom, and which link is in it."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tracker.demo.letterbox import parsed

POLL_SECONDS = 0.1

_UNSUBSCRIBE = re.compile(r"^List-Unsubscribe: <([^>]+)>", re.M)
_CONFIRM = re.compile(r"https?://\S+/confirm/(?:signature|subscription|endorsement)/\S+")


@dataclass(frozen=True)
class Letter:
    """One mail as a supporter reads it."""

    to: str
    subject: str
    list_name: str
    is_bulk: bool
    confirm_url: str | None
    unsubscribe_url: str

    @property
    def language(self) -> str:
        """Give the language of the mail: the first part of its links' addresses."""
        return urlsplit(self.unsubscribe_url).path.split("/")[1]


class Postman:
    """Brings every new mail of one campaign to ``take``, in the order they came."""

    def __init__(self, mailbox: str, *, list_name: str, take: Callable[[Letter], None]) -> None:
        """Begin after the newest mail there is now."""
        self.mailbox, self.list_name, self.take = mailbox, list_name, take
        self._last = int(self._ask(0, limit=1)["newest"])
        self._stopping = threading.Event()
        self.trouble: Exception | None = None
        self._thread = threading.Thread(target=self._walk, daemon=True, name="postman")
        self._thread.start()

    def stop(self) -> None:
        """Bring what is there and go home."""
        self._stopping.set()
        self._thread.join(30)

    def _walk(self) -> None:
        try:
            while True:
                is_last = self._stopping.is_set()
                found = self._ask(self._last, limit=500)
                for message in found["messages"]:
                    self._bring(message)
                self._last = found["last"]
                if not found["messages"]:
                    if is_last:
                        return
                    time.sleep(POLL_SECONDS)
        except Exception as error:  # noqa: BLE001 - told by the replay, whatever it is
            self.trouble = error

    def _bring(self, message: dict[str, Any]) -> None:
        raw: str = message["raw"]
        head = raw.partition("\r\n\r\n")[0]
        if f"\r\nList-Id: <{self.list_name}." not in head:
            return
        unsubscribe = _UNSUBSCRIBE.search(head)
        is_bulk = "\r\nPrecedence: bulk" in head
        self.take(
            Letter(
                to=message["recipient"],
                subject=" ".join(message["subject"].split()),
                list_name=self.list_name,
                is_bulk=is_bulk,
                confirm_url=None if is_bulk else _confirm_url(raw),
                unsubscribe_url=unsubscribe[1] if unsubscribe else "",
            )
        )

    def _ask(self, after: int, *, limit: int) -> dict[str, Any]:
        url = f"{self.mailbox}/api/messages?after={after}&limit={limit}"
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own mailbox, by http
            found: dict[str, Any] = json.load(answer)
        return found


def _confirm_url(raw: str) -> str | None:
    body = parsed(raw.encode("latin-1")).get_body(("plain",))
    link = _CONFIRM.search(str(body.get_content())) if body is not None else None
    return link[0] if link else None
