"""The package `nlp`, which lies beside the algorithms: imported from its folder, wherever that is."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

BESIDE = Path(__file__).resolve().parents[2]
MODELS = "SAGEBRUSH_MODELS"
"""The variable that names the folder of the models."""


def nlp() -> ModuleType:
    """The package, whose modules `importlib.import_module("nlp.analyser")` finds from now on."""
    if "nlp" in sys.modules:
        return sys.modules["nlp"]
    folder = BESIDE / "nlp"
    spec = importlib.util.spec_from_file_location(
        "nlp", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["nlp"] = module
    spec.loader.exec_module(module)
    return module


def models() -> Path:
    """The folder of the models, which the server names (`services.comprehend.fleet`)."""
    return Path(os.environ[MODELS])


def encoder(folder: Path | None = None) -> Any:
    """The shared encoder (`nlp.encoder`) on the processors of this process; raises FileNotFoundError
    where the folder, by default that of the models, lacks a file of it."""
    nlp()
    threads = importlib.import_module("nlp.threads").allowed()
    return importlib.import_module("nlp.encoder").Encoder(folder or models(), threads)
