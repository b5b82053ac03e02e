"""A custom model that was trained, loaded from its folder."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from ..encoder import Encoder

SETTINGS = "custom.json"
MODULES = {"document-classifier": "classifier", "entity-recognizer": "recognizer"}
"""`Kind` of the settings -> the module whose `load(folder, settings, encoder)` loads the model."""


class CustomModel(Protocol):
    """Texts to documents of AWS's shape: those of ClassifyDocument, or of DetectEntities."""

    def answer(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """One for each text."""
        ...


class OtherEncoder(Exception):
    """The model was trained on the states of another encoder, and would answer at random on this one's."""


def load(folder: Path, encoder: Encoder) -> CustomModel:
    """The model in the folder. Raises FileNotFoundError where there is none, and OtherEncoder."""
    settings: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    if settings["Encoder"] != encoder.identity:
        raise OtherEncoder("The model was trained with another encoder: train it again.")
    module = importlib.import_module(f".{MODULES[settings['Kind']]}", __package__)
    return module.load(folder, settings, encoder)
