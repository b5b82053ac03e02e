"""Bounds of one search of a document by a JSONPath and the paths in its filters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sagebrush.asl import effort
from sagebrush.asl.failures import RUNTIME, StateError

VALUES = 3_000_000
"""Values that one search goes through at most, about a second; the largest input has 131,072."""
PATTERN_SECONDS = 1.0
"""Seconds that all regular expressions of a search take at most."""


@dataclass
class Left:
    """What a search of this path may still cost."""

    path: str
    values: int = VALUES
    seconds: float = PATTERN_SECONDS


@dataclass
class Search:
    """A document that is searched, and what the whole search may still cost."""

    document: Any
    left: Left

    def spend(self, values: int) -> None:
        """So many values are looked at. Raises StateError where these are too many."""
        self.left.values -= values
        if self.left.values < 0:
            raise self._exceeded()

    def counted(self, values: Iterable[Any]) -> Iterator[Any]:
        """The values, each of which counts."""
        for value in values:
            self.spend(1)
            yield value

    def matches(self, pattern: Any, text: str) -> bool:
        """Whether the pattern matches the whole text. Raises StateError where that takes too long."""
        if not hasattr(pattern, "fullmatch"):
            return False  # something else than a pattern is on the right
        begun = effort.seconds()
        try:
            return pattern.fullmatch(text, timeout=max(0.001, self.left.seconds)) is not None
        except TimeoutError:
            raise self._exceeded() from None
        finally:
            self.left.seconds -= effort.seconds() - begun

    def _exceeded(self) -> StateError:
        return StateError(
            RUNTIME, f"The evaluation of the JSONPath '{self.left.path}' takes too long"
        )
