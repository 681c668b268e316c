"""A demo with few supporters, loaded once and read by many tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tracker.app import create_app
from tracker.demo import folder as folders
from tracker.demo.folder import Demo
from tracker.demo.loader import load
from tracker.demo.supporters import Size
from tracker.extensions import db
from tracker.settings import load as load_settings

PASSWORD = "abcde-fghjk-mnpqr-stuvw"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    made = Demo(
        tmp_path_factory.mktemp("demo"), secret="0123456789abcdef" * 3, password=PASSWORD
    )
    made.ports = {"site": 8000, "mailbox": 8001, "smtp": 8025}
    return made


@pytest.fixture(scope="session")
def loaded(demo: Demo) -> Iterator[Flask]:
    folders.claim(demo.folder)
    app = create_app(load_settings(demo.environment()))
    app.testing = True
    load(app, password=PASSWORD, size=Size.SMALL)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "var"
