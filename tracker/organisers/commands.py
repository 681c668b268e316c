"""``tracker organisers``: make accounts."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from tracker.core import languages
from tracker.core.errors import Refused
from tracker.extensions import writing
from tracker.organisers import passwords, queries, services

organisers_cli = AppGroup("organisers", help="The people with accounts.")


@organisers_cli.command("invite")
@click.argument("email")
@click.option("--name", default="", help="Name shown to other organisers.")
@click.option("--admin", is_flag=True, help="May work on every campaign.")
def invite(email: str, name: str, admin: bool) -> None:
    """Make an account and print its one-time password."""
    password = passwords.one_time_password()
    hashed = passwords.hash_password(password)
    try:
        with writing():
            services.invite(email, name=name or email, password_hash=hashed, is_admin=admin)
    except Refused as refused:
        raise click.ClickException(languages.told(refused)) from None
    click.echo(f"One-time password for {email}: {password}")


@organisers_cli.command("deactivate")
@click.argument("email")
def deactivate(email: str) -> None:
    """Close an account and end its signed-in times."""
    with writing():
        organiser = queries.by_email(email)
        if organiser is None:
            raise click.ClickException("There is no such account.")
        services.deactivate(organiser)
    click.echo("Done.")
