"""What a training leaves: a folder that Transformers loads, the labels, and the code that answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from .base_model import LABELS

PACKAGES = ("contract", Path(__file__).parent.name)
ENTRY = "inference.py"


def save(folder: Path, network: Any, tokens: Any, labels: tuple[str, ...], length: int) -> None:
    """The model's files are in `folder`; `length` is how many tokens of a text count."""
    network.save_pretrained(str(folder), safe_serialization=True)
    tokens.save_pretrained(str(folder))
    told = {"labels": list(labels), "max_seq_length": length}
    (folder / LABELS).write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")
    _code(folder / "code")


def _code(into: Path) -> None:
    """This script's own files are in `into`, with the entry point at its top."""
    here = Path(__file__).resolve().parent
    kept = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in PACKAGES:
        shutil.copytree(here.parent / name, into / name, ignore=kept, dirs_exist_ok=True)
    shutil.copy(here / ENTRY, into / ENTRY)
