"""``tracker mail``: try and examine the connection, see what waits, suppress an address."""

from __future__ import annotations

import ipaddress
import secrets

import click
from flask import current_app
from flask.cli import AppGroup

from tracker.configuration.mail import Relay
from tracker.core import addresses
from tracker.extensions import writing
from tracker.mail import doctor, findings, queries, services
from tracker.mail.connection import PermanentFailure, RelayTrouble, TemporaryFailure, mail
from tracker.mail.dns import Resolver
from tracker.mail.models import SuppressionReason
from tracker.mail.rendering import Letter, render
from tracker.sealing import tags
from tracker.sealing.keystore import Keystore
from tracker.settings import Settings

mail_cli = AppGroup("mail", help="The post office.")


@mail_cli.command("test")
@click.argument("address")
@click.option("--language", default="en", help="Language of the mail.")
@click.option("--relay", "name", help="Which mail server, where several are set.")
def test(address: str, language: str, name: str | None) -> None:
    """Send one test mail to ADDRESS over the configured server."""
    settings = _sending_settings()
    relay = _relay(settings, name)
    letter = Letter(
        to=_deliverable(address),
        language=language,
        template="test",
        message_id=f"test-{secrets.token_hex(8)}",
        list_name="test",
        unsubscribe="test",
    )
    try:
        with mail.connect(relay) as connection:
            connection.deliver(
                render(letter), sender=settings.mail_from or "", recipient=letter.to
            )
    except (RelayTrouble, TemporaryFailure, PermanentFailure) as error:
        raise click.ClickException(f"The mail server did not take it: {error}") from error
    click.echo("The mail server has taken the mail.")


@mail_cli.command("doctor")
@click.argument("address", required=False)
@click.option("--selector", help="DKIM selector, where no test mail comes back to tell it.")
@click.option("--nameserver", metavar="IP[:PORT]", help="Ask this DNS server.")
@click.option(
    "--wait",
    default=doctor.WAIT,
    type=click.FloatRange(0, 3600),
    help="Seconds to wait for the test mail.",
)
@click.pass_context
def examine(
    context: click.Context,
    address: str | None,
    *,
    selector: str | None,
    nameserver: str | None,
    wait: float,
) -> None:
    """Say what is wrong with our mail: SPF, DKIM, DMARC, PTR, TLS, and a test mail.

    The test mail goes to ADDRESS, by default to the mailbox of the return address, where it is
    read and deleted. Exit status: 0 all is well, 1 something is wrong, 3 nothing wrong was
    found but something could not be checked.
    """
    case = doctor.Case(
        settings=_sending_settings(),
        resolver=Resolver(_nameserver(nameserver) if nameserver else None),
        address=_deliverable(address) if address else None,
        selector=selector,
        wait=wait,
    )
    found = []
    for finding in doctor.examine(case):
        found.append(finding)
        click.echo(f"{finding.level.upper():8}{finding.check}: {finding.sentence}")
    context.exit(findings.exit_status(found))


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


@mail_cli.command("allow")
@click.argument("address")
def allow(address: str) -> None:
    """Let ADDRESS get mail again, whatever it was suppressed for."""
    key = Keystore(current_app.config["TRACKER"].keystore).site_key()
    with writing():
        lifted = services.allow(tags.tag(key, _deliverable(address)))
    click.echo("Done." if lifted else "It was not suppressed.")


def _sending_settings() -> Settings:
    settings: Settings = current_app.config["TRACKER"]
    if not settings.mail_from:
        raise click.ClickException("TRACKER_MAIL_FROM is not set.")
    return settings


def _relay(settings: Settings, name: str | None) -> Relay:
    for relay in settings.relays:
        if name in (None, relay.name):
            return relay
    known = ", ".join(relay.name for relay in settings.relays)
    raise click.ClickException(f"There is no mail server called {name!r}; there is: {known}.")


def _deliverable(address: str) -> str:
    try:
        return addresses.deliverable(address)
    except addresses.BadAddress as error:
        raise click.ClickException("ADDRESS is no e-mail address.") from error


def _nameserver(text: str) -> tuple[str, int]:
    """Give address and port of a DNS server, written as 192.0.2.1, 192.0.2.1:53 or [::1]:53."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = text, "53"
    host = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise click.ClickException("--nameserver takes IP or IP:PORT.") from error
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
        raise click.ClickException("--nameserver takes a port from 1 to 65535.")
    return host, int(port)
