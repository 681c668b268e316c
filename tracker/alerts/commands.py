"""``tracker mail receive`` and ``fetch``: what comes back. Neither needs a private key."""

from __future__ import annotations

import sys
import time
from collections import Counter

import click
from flask import current_app
from flask.cli import with_appcontext

from tracker.alerts.receiving import receive
from tracker.configuration.mail import Imap
from tracker.database import AWAY
from tracker.mail import bounces, imap
from tracker.mail.bounces import ReportKind
from tracker.mail.mailbox import MailboxTrouble
from tracker.settings import Settings

NO_RETURN = "TRACKER_RETURN_ADDRESS is not set: nothing can come back to it."
DATABASE_AWAY = "The database cannot be used now. Try again later."


@click.command("receive")
@with_appcontext
def receive_one() -> None:
    """Take one message from standard input: a bounce, a complaint, or a wish to unsubscribe.

    For a pipe of Postfix or Exim that writes the envelope's recipient into a header
    (Delivered-To or X-Original-To; as an argument every user of the machine could read it).
    Whatever fails ends with status 75, which asks the mail server to try again later.
    """
    settings: Settings = current_app.config["TRACKER"]
    if not settings.return_address:
        raise click.ClickException(NO_RETURN)
    raw = sys.stdin.buffer.read(bounces.LONGEST)
    # What is longer is read to its end: a server whose pipe breaks would send it again.
    while sys.stdin.buffer.read(1 << 16):
        pass
    click.echo(_told(receive(raw)))


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
    while True:
        _fetch_once(settings.imap, is_repeated=every is not None)
        if every is None:
            return
        # Whatever ends the process here or within a message loses none.
        time.sleep(every)


def _fetch_once(mailbox: Imap, *, is_repeated: bool) -> None:
    """Empty the mailbox; where that fails, say so, and end with a status unless repeated."""
    found: Counter[ReportKind] = Counter()
    try:
        done = imap.fetch(mailbox, take=lambda raw: found.update(receive(raw)))
    except MailboxTrouble as trouble:
        if not is_repeated:
            raise click.ClickException(str(trouble)) from trouble
        click.echo(str(trouble), err=True)
    except AWAY:
        if not is_repeated:
            raise
        click.echo(DATABASE_AWAY, err=True)
    else:
        click.echo(f"{done.taken} messages. {_told(found)}")
        if done.left:
            click.echo(f"{done.left} messages could not be taken and stay there.", err=True)
            if not is_repeated:
                sys.exit(1)


def _told(found: Counter[ReportKind]) -> str:
    parts = [f"{kind.value}: {number}" for kind, number in sorted(found.items(), key=str)]
    return ", ".join(parts) or "Nothing that says something."
