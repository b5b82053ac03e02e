"""Figures and a file's digest as the last lines of a model's card."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path


def card(text: str, figures: Mapping[str, float], explained: Mapping[str, str], file: Path) -> str:
    """The card: what is said of the model, its figures in the words of `explained`, its file."""
    rows = [f"| {explained[name]} | {100 * value:.2f} % |" for name, value in figures.items()]
    size = file.stat().st_size
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return "\n".join(
        (text, "## Figures", "| what | measured |", "|---|---|", *rows, "", "## File",
         f"`{file.name}`: {size:,} bytes, SHA-256 {digest}", "")
    )  # fmt: skip
