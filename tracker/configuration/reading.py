"""Reads one environment and gathers all that is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from tracker.configuration.documented import DOCUMENTED

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Reader:
    """Reads one environment and gathers what is wrong with it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Take the variables; a name that is no setting is a problem already."""
        self.environ = environ
        self.problems: list[str] = []
        self.defaults = {row.name: row.default for row in DOCUMENTED}
        known = set(self.defaults) | {f"{name}_FILE" for name in self.defaults}
        self.problems += [
            f"{name} is not a setting; see docs/settings.md."
            for name in sorted(environ)
            if name.startswith("TRACKER_") and not name.startswith("TRACKER_TEST_")
            if name not in known
        ]

    def text(self, name: str) -> str:
        """Give a value, from ``NAME_FILE`` where that is set, else the default."""
        file = self.environ.get(f"{name}_FILE")
        if file:
            try:
                return Path(file).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError):
                self.problems.append(f"{name}_FILE cannot be read.")
                return ""
        return self.environ.get(name, self.defaults[name] or "").strip()

    def number(self, name: str, *, least: int, most: int) -> int:
        """Give a whole number inside its limits."""
        text = self.text(name)
        if text.isascii() and text.isdecimal() and least <= int(text) <= most:
            return int(text)
        self.problems.append(f"{name} must be a whole number from {least} to {most}.")
        return least

    def check(self, name: str, rule: Callable[[str], str | None]) -> str:
        """Give a text that ``rule`` finds nothing to say against."""
        text = self.text(name)
        problem = rule(text)
        if problem:
            self.problems.append(f"{name} {problem}")
        return text


def file_problem(text: str) -> str | None:
    """Say what is wrong with the path of a file, which may be empty."""
    return "cannot be read." if text and not os.access(text, os.R_OK) else None
