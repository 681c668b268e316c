"""``tracker campaigns``: look after what is derived from campaigns."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from tracker.campaigns import index

campaigns_cli = AppGroup("campaigns", help="The campaigns and the search over them.")


@campaigns_cli.command("reindex")
def reindex() -> None:
    """Write the words of every campaign anew; the worker does so by itself where needed."""
    click.echo(f"{index.renew(everything=True)} campaigns indexed")
