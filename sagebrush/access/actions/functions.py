"""What the rows of functions and layers are called, for access checks, gates and their service alike."""

from __future__ import annotations

FUNCTION, VERSION = "lambda-function", "lambda-version"
"""Functions, and their published versions, whose rows are named `NAME:NUMBER`."""
LAYER, LAYER_VERSION = "lambda-layer", "lambda-layer-version"
"""Layers, whose rows hold the last number, and their versions, whose rows are named `NAME:NUMBER`."""
MAPPING = "event-source-mapping"
"""Event source mappings, by UUID."""
