"""Chromium for the tests: the system's own, driven by Playwright, which downloads nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)


def unavailable() -> str | None:
    """Say why no browser can be used; ``None`` where one could be started just now."""
    return _try_once()[1]


def description() -> str:
    """Say which browser will be used."""
    return f"Chromium {_try_once()[0]} ({executable()})"


@contextmanager
def browser() -> Iterator[Browser]:
    """Give a running Chromium with a profile of its own, closed at the end.

    Raises Playwright's ``Error`` where it cannot be started.
    """
    # Chromium refuses its sandbox to root; everybody else keeps it.
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable(), args=list(flags))
        try:
            yield chromium
        finally:
            chromium.close()


def executable() -> str | None:
    """Give the path of the first browser that is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@cache
def _try_once() -> tuple[str | None, str | None]:
    """Give the version that started, or why none did; a file being there proves nothing."""
    if executable() is None:
        return None, f"none of {', '.join(NAMES)} is installed"
    try:
        with browser() as chromium:
            return chromium.version, None
    except Exception as problem:  # noqa: BLE001 - a missing libatomic1 kills Playwright in its own ways
        first = str(problem).strip().partition("\n")[0]
        return None, f"{executable()} or Playwright's driver (needs libatomic1) fails: {first}"
