"""A custom model that answers texts, as the analyser does for its one task, and files.

Source: API reference, ClassifyDocument and DetectEntities with EndpointArn.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .. import package
from . import pages
from .pages import Doc

SETTINGS = "custom.json"
"""The file that makes a model's folder that of a custom model."""
CLASSIFIER = "document-classifier"
NATIVE = "SEMI_STRUCTURED_DOCUMENT"
"""The DocumentType of a classifier that was trained on files."""
WARNING = (
    "INFERENCING_NATIVE_DOCUMENT_WITH_PLAINTEXT_TRAINED_MODEL",
    "The document is a native document, and the model was trained on plain text.",
)
OTHER_WARNING = (
    "INFERENCING_PLAINTEXT_WITH_NATIVE_TRAINED_MODEL",
    "The document is plain text, and the model was trained on native documents.",
)
"""Of DocumentType: the other kind than the model was trained on (API reference, WarningsListItem)."""


class Model(Protocol):
    """A trained model (`nlp.custom.model`)."""

    def answer(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """A document for each text."""
        ...


@dataclass(frozen=True)
class Custom:
    """A custom model; `answer` has the arguments of the analyser's, since jobs use either."""

    kind: str
    native: bool
    """Whether it was trained on files rather than on plain text."""
    model: Model

    def answer(self, task: str, language: str, texts: Sequence[str]) -> list[dict[str, Any]]:
        """A document for each text, of the one task that the model has."""
        return self.model.answer(texts)

    def read(self, body: bytes) -> Doc:
        """What ClassifyDocument or DetectEntities answers of the file, or `Unreadable` with a reason and
        words that have nothing of it."""
        documents = importlib.import_module("nlp.documents")
        try:
            file = documents.read(body, documents.SYNCHRONOUS)
        except documents.Unreadable as error:
            return {"Unreadable": {"Reason": error.reason, "Message": str(error)}}
        numbers = pages.readable(file)
        answers = self.model.answer([file.pages[number - 1] for number in numbers])
        found = pages.described(file)
        for number, answer in zip(numbers, answers, strict=True):
            for member, values in self.of_page(file, number, answer).items():
                found.setdefault(member, []).extend(values)
        return found

    def of_page(self, file: pages.File, page: int, answer: Doc) -> Doc:
        """The lists that one page adds to the file's answer."""
        if self.kind == CLASSIFIER:
            return {**pages.numbered(answer, page), "Warnings": self._warnings(file, page)}
        if file.kind == pages.PLAIN:
            return answer
        lines = pages.lines(file.pages[page - 1])
        return {
            "Entities": pages.referring(answer["Entities"], lines),
            "Blocks": pages.blocks(lines, page),
        }

    def _warnings(self, file: pages.File, page: int) -> list[Doc]:
        plain = file.kind == pages.PLAIN
        if plain != self.native:
            return []
        code, words = OTHER_WARNING if plain else WARNING
        return [{"Page": page, "WarnCode": code, "WarnMessage": words}]


def load(folder: Path) -> Custom:
    """The custom model in the folder, over the shared encoder."""
    encoder = package.encoder()
    model = importlib.import_module("nlp.custom.model").load(folder, encoder)
    settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    return Custom(settings["Kind"], settings.get("DocumentType") == NATIVE, model)
