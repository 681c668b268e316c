"""The console script: all commands, also those that need the worker's keys."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

import click
from flask import current_app
from flask.cli import FlaskGroup, with_appcontext

from tracker.alerts.commands import DATABASE_AWAY, fetch, receive_one
from tracker.app import create_app
from tracker.campaigns.commands import campaigns_cli
from tracker.core import logs
from tracker.database import AWAY, NotDurable
from tracker.demo.commands import demo_cli
from tracker.mail.commands import mail_cli
from tracker.organisers.commands import organisers_cli
from tracker.sealing.keystore import UnsafeKeystore
from tracker.settings import SettingsError
from tracker.worker import Worker, forbid_core_dumps, stop_on_signals, tune_collector


@click.group(
    cls=FlaskGroup,
    create_app=create_app,
    add_default_commands=False,
    add_version_option=False,
    load_dotenv=False,
    set_debug_flag=False,
)
def tracker() -> None:
    """Run and look after a solidarity tracker."""


@tracker.command("work")
@with_appcontext
def work() -> None:
    """Send mail and keep house until stopped."""
    logging.basicConfig(level=logging.INFO, handlers=[logs.handler()])
    forbid_core_dumps()
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # werkzeug's proxy
    if not app.config["TRACKER"].mail_from:
        raise SettingsError(["TRACKER_MAIL_FROM is missing: the worker needs a sender."])
    worker = Worker(app)
    tune_collector()
    with stop_on_signals(worker):
        worker.run()


tracker.add_command(organisers_cli)
tracker.add_command(campaigns_cli)
mail_cli.add_command(receive_one)
mail_cli.add_command(fetch)
tracker.add_command(mail_cli)
tracker.add_command(demo_cli)


def main() -> None:
    """Run a command; problems with the settings are told in sentences, not as a traceback."""
    if sys.argv[1:3] == ["mail", "receive"]:
        _receive()
    try:
        tracker(prog_name="tracker")
    except (SettingsError, NotDurable, UnsafeKeystore) as problem:
        click.echo(problem, err=True)
        sys.exit(2)
    except AWAY:
        click.echo(DATABASE_AWAY, err=True)
        sys.exit(os.EX_TEMPFAIL)


def _receive() -> NoReturn:
    """Run ``mail receive``: by any other status than 0 or 75 a mail server loses the message.

    And what it says could be mailed to the sender: no traceback.
    """
    try:
        tracker(prog_name="tracker", standalone_mode=False)
    except (SettingsError, NotDurable, click.ClickException) as problem:
        click.echo(problem, err=True)
    except AWAY:
        click.echo(DATABASE_AWAY, err=True)
    except Exception as error:  # noqa: BLE001 - see above
        click.echo(f"It cannot be taken now: {type(error).__name__}", err=True)
    else:
        sys.exit(0)
    sys.exit(os.EX_TEMPFAIL)
