"""The demo's mail catcher: takes every mail over SMTP on loopback and delivers none.

A process of its own: ``python -m tracker.demo.catcher FILE HOST SMTP-PORT PAGE-PORT SITE``. It
answers 250 only after the mail's row is committed, so that the replay can count on it. Being
another origin than the site, its pages also hold the site of a partner.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from tracker.demo.letterbox import Arrived, Letterbox
from tracker.demo.mailbox import create_mailbox

MAX_MAIL = 4 * 1024 * 1024
"""Largest mail taken, in bytes."""
_MOST_AT_ONCE = 200


class Keeper:
    """Takes mails from all connections and commits those that wait together."""

    def __init__(self, letterbox: Letterbox) -> None:
        """Take where the mails are kept."""
        self.letterbox = letterbox
        self._waiting: asyncio.Queue[tuple[list[Arrived], asyncio.Future[None]]]
        self._waiting = asyncio.Queue()

    async def handle_DATA(  # noqa: N802 - the name aiosmtpd looks for
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Store one mail for each of its recipients, then say so."""
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._waiting.put(([(to, raw) for to in envelope.rcpt_tos], stored))
        await stored
        return "250 OK"

    async def keep(self) -> None:
        """Commit what waits, again and again."""
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < _MOST_AT_ONCE and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            try:
                self.letterbox.put([mail for mails, _ in batch for mail in mails])
            except Exception as error:  # noqa: BLE001 - the senders are told and try again
                for _, stored in batch:
                    stored.set_exception(error)
                continue
            for _, stored in batch:
                if not stored.cancelled():
                    stored.set_result(None)


class _QuietHandler(WSGIRequestHandler):
    """Serves pages and logs no request: addresses stand in them."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@asynccontextmanager
async def catching(path: Path, host: str, port: int) -> AsyncIterator[None]:
    """Take mails inside."""
    loop = asyncio.get_running_loop()
    keeper = Keeper(Letterbox(path))
    keeping = asyncio.create_task(keeper.keep())

    def receiver() -> SMTP:
        # Named, because aiosmtpd would ask the resolver for a name otherwise.
        return SMTP(keeper, hostname="localhost", data_size_limit=MAX_MAIL, loop=loop)

    server = await loop.create_server(receiver, host, port)
    try:
        yield
    finally:
        server.close()
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping
        keeper.letterbox.close()


def page_server(path: Path, host: str, port: int, *, site: str) -> BaseWSGIServer:
    """Give the server of the mailbox's pages, bound and ready to serve."""
    pages = create_mailbox(path, site=site)
    return make_server(host, port, pages, threaded=True, request_handler=_QuietHandler)


async def _run(path: Path, host: str, smtp_port: int, page_port: int, site: str) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    # The pages come last: whoever sees them answer may send mail at once.
    async with catching(path, host, smtp_port):
        pages = page_server(path, host, page_port, site=site)
        threading.Thread(target=pages.serve_forever, daemon=True, name="pages").start()
        await stopping.wait()
        pages.shutdown()


def main(arguments: list[str]) -> int:
    """Run the catcher and give the exit status."""
    path, host, smtp_port, page_port, site = arguments
    # aiosmtpd logs the addresses of each mail at INFO.
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_run(Path(path), host, int(smtp_port), int(page_port), site))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
