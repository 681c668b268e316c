"""``tracker demo``: start it, load its campaigns, replay eight weeks of one of them."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from tracker.app import create_app
from tracker.demo import content
from tracker.demo import folder as folders
from tracker.demo.copying import prepare
from tracker.demo.crew import Trouble
from tracker.demo.folder import ORGANISER, Demo, FolderRefused
from tracker.demo.ledger import balances, table
from tracker.demo.loader import load as load_all
from tracker.demo.processes import Company, ProcessDied, answer
from tracker.demo.replay import Replay
from tracker.demo.supporters import Size
from tracker.settings import load as load_settings

SITE_PORT = 8000
_PORTS = {"site": "site", "mailbox": "demo mailbox", "smtp": "mail catcher"}
DEFAULT_SIGNATURES = 300
"""Signatures of a replay where the real number is not known."""


class Stopped(Exception):
    """Somebody asked the demo to stop."""


@click.group("demo")
def demo_cli() -> None:
    """The real campaigns, generated supporters, and a mailbox for every mail.

    Everything lies in the folder TRACKER_DATA (default ./var); no other setting is read.
    """


def _loopback(_context: click.Context, _option: click.Parameter, host: str) -> str:
    name = "127.0.0.1" if host == "localhost" else host
    try:
        address = ipaddress.IPv4Address(name)
    except ValueError:
        raise click.BadParameter("must be an IPv4 address of this machine.") from None
    if not address.is_loopback:
        raise click.BadParameter("the demo answers on this machine only: 127.0.0.1.")
    return name


_size = click.option(
    "--supporters",
    type=click.Choice([size.value for size in Size]),
    default=Size.FULL.value,
    show_default=True,
    help="How many to generate at the first start; 'small' is for tests.",
)


@demo_cli.command("start")
@click.option("--fresh", is_flag=True, help="Delete what an earlier demo made, and begin anew.")
@click.option("--port", type=click.IntRange(1, 65300), help="The site's port (default 8000).")
@click.option("--host", default="127.0.0.1", callback=_loopback, help="Loopback address.")
@_size
def start(fresh: bool, port: int | None, host: str, supporters: str) -> None:
    """Start site, worker and demo mailbox; Ctrl-C stops all of them."""
    folder = _folder()
    with _sentences(), _stoppable():
        if importlib.util.find_spec("aiosmtpd") is None:
            raise click.ClickException("aiosmtpd is missing: install the extra 'demo'.")
        folders.claim(folder, fresh=fresh)
        with folders.alone(folder) as lock:
            if fresh:
                folders.clear(folder)
            demo = _prepared(folder, host=host, port=port)
            _run(demo, lock, size=Size(supporters))


@demo_cli.command("load")
@_size
def load(supporters: str) -> None:
    """Load the campaigns without starting anything; a second time changes nothing."""
    folder = _folder()
    with _sentences(), _stoppable():
        folders.claim(folder)
        with folders.alone(folder):
            demo = _prepared(folder, host="127.0.0.1", port=None)
            _load(demo, Size(supporters))


@demo_cli.command("replay")
@click.argument("slug")
@click.option(
    "--signatures",
    type=click.IntRange(20, 200_000),
    help="How many sign and confirm (default: as many as really did).",
)
def replay(slug: str, signatures: int | None) -> None:
    """Replay the campaign SLUG, for example amar-fayaz, on the running demo.

    Weeks in minutes, on a fresh copy: signatures through the public form, confirmations out
    of the delivered mails, endorsements, updates and alerts. Ends with a table of what was
    owed and what was found, and fails where a line does not balance.
    """
    story = content.story(slug)
    if story is None or len(story.updates) < 2:
        raise click.BadParameter("there is no such campaign, or it has too short a timeline.")
    with _sentences(), _stoppable():
        demo = _running(_folder())
        number = signatures or story.facts["figures"].get("signatures", DEFAULT_SIGNATURES)
        app = create_app(load_settings(demo.environment()))
        play = Replay(demo, story, prepare(app, story), signatures=number)
        if not _played(play):
            raise click.ClickException("The replay does not balance.")


def _running(folder: Path) -> Demo:
    demo = folders.read(folder)
    if demo is None or answer(f"{demo.site}/healthz") != 200:
        raise FolderRefused(
            f"No demo is running in {folder}. Start it first: python3 dev.py demo"
        )
    return demo


def _played(play: Replay) -> bool:
    """Run a replay, print its table, and say whether it balances."""
    trouble = None
    try:
        play.run()
    except Trouble as reason:
        trouble = reason
    lines = play.ledger.lines()
    click.echo(f"\n{table(lines)}\n\n{play.rates()}")
    if trouble is not None:
        click.echo(f"It ended before its time: {trouble}", err=True)
    return trouble is None and balances(lines)


def _folder() -> Path:
    return Path(os.environ.get("TRACKER_DATA") or "var").absolute()


def _prepared(folder: Path, *, host: str, port: int | None) -> Demo:
    """Give the demo with ports that are free, and say where one is not the one expected."""
    demo = folders.read_or_make(folder)
    site = port or demo.ports.get("site", SITE_PORT)
    wanted = {"mailbox": site + 1, "smtp": site + 25, **demo.ports, "site": site}
    found: dict[str, int] = {}
    for name, told in _PORTS.items():
        found[name] = folders.free_port(host, wanted[name], taken=set(found.values()))
        if found[name] != wanted[name]:
            click.echo(f"Port {wanted[name]} is in use; the {told} takes {found[name]}.")
    demo.host, demo.ports = host, found
    demo.save()
    return demo


def _load(demo: Demo, size: Size) -> bool:
    app = create_app(load_settings(demo.environment()))
    return load_all(app, password=demo.password, size=size)


def _run(demo: Demo, lock: int, *, size: Size) -> None:
    is_one_time = _load(demo, size)
    company = Company(demo, lock)
    try:
        company.start_all()
        folders.note(lock, [os.getpid(), *company.pids()])
        _tell(demo, is_one_time=is_one_time)
        while True:
            company.check()
            time.sleep(0.5)
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        company.stop_all()


def _tell(demo: Demo, *, is_one_time: bool) -> None:
    """Print where everything is."""
    password = f"{demo.password}  (one-time)" if is_one_time else "the one you chose"
    for line in (
        "",
        "The demo is running. Ctrl-C stops it; the next start keeps its data.",
        "",
        f"  Site          {demo.site}/",
        f"  Organisers    {demo.site}/en/organisers/sign-in",
        f"    address     {ORGANISER}",
        f"    password    {password}",
        f"  Demo mailbox  {demo.mailbox}/",
        f"  Partner site  {demo.mailbox}/partner",
        "",
        "In another terminal: python3 dev.py tracker demo replay amar-fayaz",
        "",
    ):
        click.echo(line)


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def _stoppable() -> Iterator[None]:
    """End quietly on Ctrl-C and its like."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Stopped

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    except Stopped:
        click.echo("\nStopped.")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _sentences() -> Iterator[None]:
    """Tell in a sentence why something cannot be done, and exit non-zero."""
    try:
        yield
    except (FolderRefused, ProcessDied, Trouble) as reason:
        raise click.ClickException(str(reason)) from None
