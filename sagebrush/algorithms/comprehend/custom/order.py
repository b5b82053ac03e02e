"""What the training program is told of a custom model: its arguments, which one document was cut into.

The other side is `services/comprehend/training/program.py`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Order:
    """A model to train."""

    kind: str
    """`document-classifier` or `entity-recognizer`."""
    language: str
    mode: str
    """MULTI_CLASS or MULTI_LABEL; "" for a recognizer."""
    data: Mapping[str, Any]
    """InputDataConfig, as the request has it."""
    output: tuple[str, str] | None
    """The bucket and the key of the user's `output.tar.gz`; None where none is wanted."""
    model: str
    """The URL that takes the model's archive by PUT."""
    metadata: str
    """The URL that takes the document of ClassifierMetadata or RecognizerMetadata by PUT."""


def read(arguments: Sequence[str]) -> Order:
    """The order that the arguments tell of."""
    found = json.loads(base64.urlsafe_b64decode("".join(arguments)))
    output = found["Output"]
    return Order(
        found["Kind"],
        found["LanguageCode"],
        found["Mode"] or "",
        found["InputDataConfig"],
        (output["Bucket"], output["Key"]) if output else None,
        found["Model"],
        found["Metadata"],
    )
