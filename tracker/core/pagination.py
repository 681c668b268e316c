"""One page of a long list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some of the items, and where they stand; ``number`` counts from 1."""

    items: Sequence[T]
    number: int
    size: int
    total: int

    @property
    def last(self) -> int:
        """Give the number of the last page."""
        return max(1, -(-self.total // self.size))

    @property
    def previous(self) -> int | None:
        """Give the page before, if any."""
        return self.number - 1 if self.number > 1 else None

    @property
    def next(self) -> int | None:
        """Give the page after, if any."""
        return self.number + 1 if self.number < self.last else None
