"""What training a custom model gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Trained:
    """A trained model, in memory."""

    metadata: Mapping[str, Any]
    """ClassifierMetadata or RecognizerMetadata of AWS's API."""
    model: Mapping[str, bytes]
    """Name in the model's archive -> content; `custom.json` is always one (`nlp.custom`)."""
    outputs: Mapping[str, bytes] = field(default_factory=dict)
    """Name in the user's `output.tar.gz` -> content."""
    warning: str = ""
    """Why the model is TRAINED_WITH_WARNING; "" where it is TRAINED."""
