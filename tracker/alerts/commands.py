"""``tracker mail receive`` and ``fetch``: what comes back. Neither needs a private key."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter

import click
from flask import current_app
from flask.cli import with_appcontext

from tracker.alerts.receiving import receive
from tracker.database import DatabaseBusy
from tracker.mail import bounces, imap
from tracker.mail.bounces import ReportKind
from tracker.mail.mailbox import MailboxTrouble
from tracker.settings import Settings

NO_RETURN = "TRACKER_RETURN_ADDRESS is not set: nothing can come back to it."


@click.command("receive")
@with_appcontext
def receive_one() -> None:
    """Take one message from standard input: a bounce, a complaint, or a wish to unsubscribe.

    For a pipe of Postfix or Exim that writes the envelope's recipient into a header
    (Delivered-To or X-Original-To; as an argument every user of the machine could read it).
    Exit status 75 asks the mail server to try again later.
    """
    settings: Settings = current_app.config["TRACKER"]
    if not settings.return_address:
        raise click.ClickException(NO_RETURN)
    raw = sys.stdin.buffer.read(bounces.LONGEST)
    # What is longer is read to its end: a server whose pipe breaks would send it again.
    while sys.stdin.buffer.read(1 << 16):
        pass
    try:
        click.echo(_told(receive(raw)))
    except Exception as error:  # noqa: BLE001 - a traceback would be mailed to the sender
        click.echo(f"It cannot be taken now: {type(error).__name__}", err=True)
        sys.exit(os.EX_TEMPFAIL)


@click.command("fetch")
@click.option("--every", type=click.IntRange(10, 86_400), help="Seconds; without it, once.")
@with_appcontext
def fetch(every: int | None) -> None:
    """Empty the mailbox of TRACKER_IMAP_*; each message is deleted once it has been taken."""
    settings: Settings = current_app.config["TRACKER"]
    if not settings.return_address:
        raise click.ClickException(NO_RETURN)
    if settings.imap is None:
        raise click.ClickException("TRACKER_IMAP_HOST is not set: there is no mailbox to read.")
    stopping = threading.Event()
    if every is not None:
        signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    while not stopping.is_set():
        _fetch_once(settings, is_repeated=every is not None)
        if every is None:
            return
        stopping.wait(every)


def _fetch_once(settings: Settings, *, is_repeated: bool) -> None:
    found: Counter[ReportKind] = Counter()
    if settings.imap is None:
        return
    try:
        number = imap.fetch(settings.imap, take=lambda raw: found.update(receive(raw)))
    except (MailboxTrouble, DatabaseBusy) as trouble:
        if not is_repeated:
            raise click.ClickException(str(trouble)) from trouble
        click.echo(str(trouble), err=True)
        return
    click.echo(f"{number} messages. {_told(found)}")


def _told(found: Counter[ReportKind]) -> str:
    parts = [f"{kind.value}: {number}" for kind, number in sorted(found.items(), key=str)]
    return ", ".join(parts) or "Nothing that says something."
