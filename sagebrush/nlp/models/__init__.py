"""The models' files with their cards, and where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def folder(environ: Mapping[str, str]) -> Path:
    """Where the models are: this folder, or SAGEBRUSH_MODELS."""
    return Path(environ.get("SAGEBRUSH_MODELS") or Path(__file__).parent)
