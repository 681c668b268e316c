"""A real database, real SMTP and the real worker for every test that asks for them.

The database is made by the migrations and wiped after each test. Every test with ``app`` runs
on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from sqlalchemy import delete
from werkzeug.test import TestResponse

from tests.support import factories, postgres, requirements
from tests.support.sink import Sink, running_sink
from tracker.app import create_app
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign
from tracker.core.throttle import throttle
from tracker.database import write_mode
from tracker.extensions import db, writing
from tracker.settings import Settings, load
from tracker.worker import Worker

BASE_URL = "http://127.0.0.1:8000"


def environment(data: Path, **values: str) -> dict[str, str]:
    """The variables of an installation for tests."""
    return {
        "TRACKER_BASE_URL": BASE_URL,
        "TRACKER_ALLOWED_HOSTS": "127.0.0.1",
        "TRACKER_SECRET": "0123456789abcdef0123456789abcdef",
        "TRACKER_DATA": str(data),
        "TRACKER_SMTP_HOST": "127.0.0.1",
        "TRACKER_SMTP_SECURITY": "none",
        "TRACKER_SMTP_TIMEOUT": "5",
        "TRACKER_MAIL_FROM": "alerts@example.org",
        **values,
    }


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    requirements.need("postgres")
    with postgres.server() as server:
        yield server


@pytest.fixture(scope="session")
def sink_server() -> Iterator[Sink]:
    with running_sink() as sink:
        yield sink


@pytest.fixture
def sink(sink_server: Sink) -> Sink:
    sink_server.clear()
    return sink_server


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sink_server: Sink
) -> Settings:
    data = tmp_path_factory.mktemp(request.param)
    values = {"TRACKER_SMTP_PORT": str(sink_server.port)}
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        values["TRACKER_DATABASE_URL"] = server.create_database()
    return load(environment(data, **values))


@pytest.fixture(scope="session")
def migrated_app(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    app.testing = True
    with app.app_context():
        upgrade()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def app(migrated_app: Flask, sink: Sink) -> Iterator[Flask]:
    throttle.forget()
    yield migrated_app
    with migrated_app.app_context():
        db.session.remove()
        with write_mode(), db.engine.begin() as connection:
            for table in reversed(db.metadata.sorted_tables):
                connection.execute(delete(table))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def given(app: Flask) -> Callable[..., Any]:
    """Store what a factory makes and hand it back detached."""

    def store(factory: Callable[..., Any], *args: Any, **values: Any) -> Any:
        with app.app_context():
            with writing():
                merged = [
                    db.session.merge(arg) if hasattr(arg, "__table__") else arg for arg in args
                ]
                made = factory(*merged, **values)
            db.session.refresh(made)
            db.session.expunge(made)
            return made

    return store


@pytest.fixture
def worker(app: Flask) -> Iterator[Worker]:
    worker = Worker(app)
    yield worker
    with app.app_context():
        worker.close()


@pytest.fixture
def work(app: Flask, worker: Worker) -> Callable[[], None]:
    """Let the worker do all there is to do."""

    def run() -> None:
        with app.app_context():
            for _ in range(200):
                if not worker.turn():
                    return
            raise AssertionError("the worker never comes to rest")

    return run


@pytest.fixture
def campaign(app: Flask, given: Callable[..., Any], publish: Callable[[int], None]) -> Campaign:
    """A live campaign about one person."""
    made: Campaign = given(factories.a_campaign)
    publish(made.id)
    with app.app_context():
        live = db.session.get_one(Campaign, made.id)
        db.session.expunge(live)
        return live


@pytest.fixture
def publish(app: Flask, worker: Worker) -> Callable[[int], None]:
    """Let the worker make the keys of a draft, then publish it."""

    def run(campaign_id: int) -> None:
        with app.app_context():
            worker.make_keys()
            with writing():
                campaigns.publish(db.session.get_one(Campaign, campaign_id))

    return run


def submit(client: FlaskClient, url: str, data: dict[str, Any], **extra: Any) -> TestResponse:
    """Send a form that carries a CSRF token: open its page first, as a browser does."""
    page = client.get(extra.pop("page", url))
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert found, f"no token on {url}: {page.status}"
    return client.post(url, data={**data, "csrf_token": found[1]}, **extra)


@pytest.fixture
def signed_in(client: FlaskClient, given: Callable[..., Any]) -> FlaskClient:
    """A browser in which an administrator is signed in."""
    organiser = given(factories.an_organiser)
    answer = submit(
        client,
        "/en/organisers/sign-in",
        {"email": organiser.email, "password": factories.PASSWORD},
    )
    assert answer.status_code == 302, answer.text
    return client


@dataclass(frozen=True)
class Person:
    """Somebody who signs."""

    email: str = "sara@example.org"
    name: str = "Sara Example"
    country: str = "DE"
    comment: str = ""


SIGNER = Person()


def sign(
    client: FlaskClient, slug: str, person: Person = SIGNER, lang: str = "en"
) -> TestResponse:
    """Fill in the form on a campaign's page."""
    return client.post(
        f"/{lang}/campaigns/{slug}/sign",
        data={
            "name": person.name,
            "email": person.email,
            "country": person.country,
            "town": "",
            "organisation": "",
            "comment": person.comment,
            "website": "",
        },
    )


def path_in(text: str, part: str) -> str:
    """Give the path of the first link in a mail that contains ``part``."""
    found = re.search(rf"{re.escape(BASE_URL)}(/[^\s\"<>]*{re.escape(part)}[^\s\"<>]*)", text)
    assert found, f"no link with {part} in: {text}"
    return found[1]


def confirm(
    client: FlaskClient,
    path: str,
    person: Person = SIGNER,
    *,
    alerts: str = "yes",
    shows_name: str = "no",
    hands_over: str = "no",
) -> TestResponse:
    """Answer the three questions and press the button."""
    return client.post(
        path,
        data={
            "name": person.name,
            "country": person.country,
            "town": "",
            "organisation": "",
            "comment": person.comment,
            "website": "",
            "alerts": alerts,
            "shows_name": shows_name,
            "hands_over": hands_over,
        },
    )
