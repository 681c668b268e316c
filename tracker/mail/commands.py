"""``tracker mail``: try the connection, see what waits, suppress an address."""

from __future__ import annotations

import secrets

import click
from flask import current_app
from flask.cli import AppGroup

from tracker.core import addresses
from tracker.extensions import writing
from tracker.mail import queries, services
from tracker.mail.connection import PermanentFailure, RelayTrouble, TemporaryFailure, mail
from tracker.mail.models import SuppressionReason
from tracker.mail.rendering import Letter, render
from tracker.sealing import tags
from tracker.sealing.keystore import Keystore

mail_cli = AppGroup("mail", help="The post office.")


@mail_cli.command("test")
@click.argument("address")
@click.option("--language", default="en", help="Language of the mail.")
def test(address: str, language: str) -> None:
    """Send one test mail to ADDRESS over the configured server."""
    settings = current_app.config["TRACKER"]
    if not settings.mail_from:
        raise click.ClickException("TRACKER_MAIL_FROM is not set.")
    letter = Letter(
        to=addresses.deliverable(address),
        language=language,
        template="test",
        message_id=f"test-{secrets.token_hex(8)}",
        list_name="test",
        unsubscribe="test",
    )
    try:
        with mail.connect() as connection:
            connection.deliver(render(letter), sender=settings.mail_from, recipient=letter.to)
    except (RelayTrouble, TemporaryFailure, PermanentFailure) as error:
        raise click.ClickException(f"The mail server did not take it: {error}") from error
    click.echo("The mail server has taken the mail.")


@mail_cli.command("waiting")
def waiting() -> None:
    """Say how many mails of each kind wait."""
    found = queries.count_waiting()
    for kind, count in sorted(found.items()):
        click.echo(f"{kind}: {count}")
    if not found:
        click.echo("Nothing waits.")


@mail_cli.command("suppress")
@click.argument("address")
def suppress(address: str) -> None:
    """Send nothing more to ADDRESS; only a keyed hash of it is kept."""
    key = Keystore(current_app.config["TRACKER"].keystore).site_key()
    with writing():
        services.suppress(
            tags.tag(key, addresses.deliverable(address)),
            SuppressionReason.OPERATOR,
            until=None,
        )
    click.echo("Done.")
