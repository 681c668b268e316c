"""Says what is being done: one line that fills on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType

import click

_BAR = 24


class Step:
    """One line of what is being done, kept alive until it is done.

    On a terminal the line is rewritten; elsewhere a new line comes every few seconds, so that a
    log stays readable and nobody has to wonder.
    """

    def __init__(self, label: str, *, total: int = 0, every: float = 2.0) -> None:
        """Take what is done and, where it can be counted, how much there is."""
        self.label, self.total, self.every = label, total, every
        self.done, self.note = 0, ""
        self._started = self._told = time.monotonic()
        self._is_terminal = sys.stdout.isatty()

    def __enter__(self) -> Step:
        """Say that it begins."""
        self._write(f"{self.label} ...", is_last=not self._is_terminal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say that it is done, and how long it took; an error ends the line and goes on."""
        if error is not None:
            self._write(self._line(), is_last=True)
            return
        note = f" {self.note}" if self.note else ""
        self._write(f"{self.label}{note} – {self.seconds:.1f} s", is_last=True)

    @property
    def seconds(self) -> float:
        """Give how long it has been going on."""
        return time.monotonic() - self._started

    def reach(self, done: int, note: str = "") -> None:
        """Say how much is done by now."""
        self.done, self.note = done, note
        self.tick()

    def tick(self) -> None:
        """Say that it still goes on; called as often as convenient."""
        now = time.monotonic()
        if now - self._told < (0.1 if self._is_terminal else self.every):
            return
        self._told = now
        self._write(self._line(), is_last=not self._is_terminal)

    def _line(self) -> str:
        note = f"  {self.note}" if self.note else ""
        if not self.total:
            return f"{self.label} ... {self.seconds:.0f} s{note}"
        filled = min(_BAR, _BAR * self.done // self.total)
        bar = f"[{'#' * filled}{'-' * (_BAR - filled)}] " if self._is_terminal else ""
        return f"{self.label}  {bar}{self.done:,} of {self.total:,}{note}"

    def _write(self, line: str, *, is_last: bool) -> None:
        if self._is_terminal:
            # A line that wraps could not be rewritten.
            width = shutil.get_terminal_size().columns
            line = f"\r\x1b[2K{line if is_last else line[: width - 1]}"
        click.echo(line, nl=is_last)
        sys.stdout.flush()
