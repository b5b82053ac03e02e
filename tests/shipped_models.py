"""Where tests find Comprehend's models: those that come with Sagebrush, or those of SAGEBRUSH_MODELS."""

from __future__ import annotations

import os
from pathlib import Path

from sagebrush.settings import Settings


def folder() -> Path:
    """The folder of the models."""
    return Settings.load({}, None, models=os.environ.get("SAGEBRUSH_MODELS", "")).models_folder
