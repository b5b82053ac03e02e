"""What models of a framework import, imported once in the process that they are forked from."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from pathlib import Path

IMPORTS = {
    "sklearn": (
        "numpy",
        "scipy.sparse",
        "joblib",
        "sklearn.pipeline",
        "sklearn.linear_model",
        "sklearn.ensemble",
        "sklearn.svm",
        "sklearn.neighbors",
        "sklearn.preprocessing",
        "sklearn.feature_extraction.text",
    ),
    "xgboost": ("numpy", "xgboost"),
    "pytorch": ("numpy", "torch"),
    "huggingface": ("numpy", "torch", "transformers.pipelines"),
    "blazingtext": ("numpy",),
}
"""Framework, or built-in algorithm -> modules. TensorFlow's threads do not outlive a fork: its
models import it themselves."""
STANDARD = ("json", "csv", "pickle", "inspect", "importlib.util", "mmap", "traceback")


def load(name: str, code: Path | None = None) -> None:
    """The modules are imported, as far as they are installed; `code`: the built-in algorithm's own."""
    if code is not None:
        sys.path.insert(0, str(code))
    for module in (*STANDARD, *IMPORTS.get(name, ())):
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    gc.collect()
    gc.freeze()  # so that no later collection touches, and copies, what forks share
