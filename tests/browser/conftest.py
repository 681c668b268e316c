"""A real Chromium before a real server, with the real worker and real SMTP behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import pytest
from flask import Flask
from flask_migrate import upgrade
from playwright.sync_api import Browser, BrowserContext, Page
from werkzeug.serving import make_server

from tests.conftest import environment
from tests.support import browser as browsers
from tests.support import factories, requirements
from tests.support.sink import Mail, Sink, free_port
from tracker.app import create_app
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign
from tracker.campaigns.status import Certainty, Status
from tracker.campaigns.translations import translate
from tracker.core.throttle import throttle
from tracker.database import write_mode
from tracker.demo import folder as folders
from tracker.demo.folder import Demo
from tracker.demo.loader import load as load_demo
from tracker.demo.supporters import Size
from tracker.extensions import db, writing
from tracker.settings import load
from tracker.worker import Worker

PATIENCE = 20.0


@dataclass
class Site:
    """A running site; ``mail_to`` waits for a mail."""

    url: str
    app: Flask
    sink: Sink

    def mail_to(self, address: str, *, number: int = 1) -> Mail:
        """Give the ``number``-th mail to an address, waiting for it."""
        until = monotonic() + PATIENCE
        while monotonic() < until:
            found = self.sink.to(address)
            if len(found) >= number:
                return found[number - 1]
            sleep(0.05)
        raise AssertionError(f"no mail number {number} to {address}")

    def link(self, mail: Mail, part: str) -> str:
        """Give the address in a mail that contains ``part``."""
        return next(word for word in mail.text.split() if part in word)


def follow(page: Page, selector: str) -> None:
    """Click and wait until what comes is there whole, not only its address."""
    with page.expect_navigation():
        page.click(selector)


def sign_in(page: Page, site: Site, lang: str = "en") -> None:
    """Sign in as the organiser of the campaign."""
    page.goto(f"{site.url}/{lang}/organisers/sign-in")
    page.fill("#email", "organiser@example.org")
    page.fill("#password", factories.PASSWORD)
    follow(page, "main form button[type=submit]")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    requirements.need("browser")
    with browsers.browser() as found:
        yield found


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, sink_server: Sink) -> Iterator[Site]:
    requirements.need("browser")
    port = free_port()
    data: Path = tmp_path_factory.mktemp("browser")
    values = {
        "TRACKER_SMTP_PORT": str(sink_server.port),
        "TRACKER_BASE_URL": f"http://127.0.0.1:{port}",
        "TRACKER_SIGN_LIMIT": "500 per minute",
    }
    app = create_app(load({**environment(data), **values}))
    with app.app_context():
        upgrade()
    server = make_server("127.0.0.1", port, app, threaded=True)
    worker = Worker(app)
    threads = [
        threading.Thread(target=server.serve_forever),
        threading.Thread(target=worker.run),
    ]
    for thread in threads:
        thread.start()
    yield Site(f"http://127.0.0.1:{port}", app, sink_server)
    worker.stopping.set()
    server.shutdown()
    for thread in threads:
        thread.join(PATIENCE)
    server.server_close()
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """The site with one live campaign, ``amar-fayaz``, partly in Arabic."""
    throttle.forget()
    running.sink.clear()
    try:
        with running.app.app_context():
            _make_campaign()
        yield running
    finally:
        # Also where making it failed: one failure must not become one in each test after it.
        with running.app.app_context(), write_mode(), db.engine.begin() as connection:
            for table in reversed(db.metadata.sorted_tables):
                if table.name != "outbox_keys":
                    connection.execute(table.delete())


def _make_campaign() -> None:
    with writing():
        campaign = factories.a_campaign()
        factories.an_organiser()
    _wait_for_keys(campaign.id)
    with writing():
        campaign = db.session.get_one(Campaign, campaign.id)
        campaigns.publish(campaign)
        factories.an_update(campaign, to=Status.MISSING, certainty=Certainty.REPORTED)
        translate(
            campaign,
            "ar",
            {
                "title": (campaign.title, "الحرية لعمار فياز"),
                "summary": (campaign.summary, "اختُطف ليلًا."),
            },
        )


def _wait_for_keys(campaign_id: int) -> None:
    until = monotonic() + PATIENCE
    while monotonic() < until:
        if db.session.get_one(Campaign, campaign_id).public_key is not None:
            return
        db.session.rollback()
        sleep(0.05)
    raise AssertionError("the worker made no keys")


@pytest.fixture(scope="session")
def demo_site(tmp_path_factory: pytest.TempPathFactory, sink_server: Sink) -> Iterator[Site]:
    """The real campaigns with few generated supporters, to be read only."""
    requirements.need("browser")
    demo = Demo(tmp_path_factory.mktemp("demo"), secret="0123456789abcdef" * 3, password="")
    port = free_port()
    demo.ports = {"site": port, "mailbox": 1, "smtp": sink_server.port}
    folders.claim(demo.folder)
    app = create_app(load({**demo.environment(), "TRACKER_DEMO": "no"}))
    load_demo(app, password=factories.PASSWORD, size=Size.SMALL)
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Site(f"http://127.0.0.1:{port}", app, sink_server)
    server.shutdown()
    thread.join(PATIENCE)
    server.server_close()
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages as a visitor; ``script=False`` switches JavaScript off."""
    contexts: list[BrowserContext] = []

    def run(*, width: int = 1280, script: bool = True, scheme: str = "light") -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 800},
            java_script_enabled=script,
            color_scheme=scheme,  # type: ignore[arg-type]  # one of two words
        )
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        return context.new_page()

    yield run
    for context in contexts:
        context.close()
