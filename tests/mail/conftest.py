"""Shorter waits, and a certificate, for what sends mail."""

from __future__ import annotations

import pytest

from tests.support.certificates import Certificate, make_certificate
from tracker.mail import channel, pipeline, pool


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules with shorter waits."""
    monkeypatch.setattr(pool, "PAUSES", (0.02, 0.05, 0.1))
    monkeypatch.setattr(channel, "FINAL_DOT_FACTOR", 1)
    monkeypatch.setattr(pipeline, "_TICK", 0.01)


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))
