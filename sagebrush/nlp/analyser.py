"""Texts in, Comprehend's documents out: what its operations and its jobs share.

Each task is named after the operation that asks for it, and answers what that operation's output
holds (Amazon Comprehend API reference). Offsets are Unicode code points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Doc = dict[str, Any]
Task = Callable[[Sequence[str], str], list[Doc]]
"""(texts, language code) -> a document for each text."""


class UnknownTask(ValueError):
    """There is no such task."""


class ModelMissing(Exception):
    """The models' folder lacks a file that the task needs. `args`: its name."""


class Analyser:
    """Comprehend's tasks over the models of one folder, each loaded when it is first needed."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._tasks: Mapping[str, Task] = {}

    def answer(self, task: str, language: str, texts: Sequence[str]) -> list[Doc]:
        """A document for each text. Raises UnknownTask and ModelMissing."""
        found = self._tasks.get(task)
        if found is None:
            raise UnknownTask(task)
        return found(texts, language)
