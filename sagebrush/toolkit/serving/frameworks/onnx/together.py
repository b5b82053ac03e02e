"""Texts of several requests through the graph at once.

The answers differ from those to one text by itself by rounding only (some 1e-7). Not so with a
graph whose activations are rounded by the batch's range: each text goes through that one alone.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Any


class Texts:
    """How several requests are predicted in one call: the model server's interface of joiners."""

    size = 32
    """Requests of a batch, at most."""

    def key(self, data: Any, content_type: str) -> Hashable | None:
        """Requests with equal keys, which are of equal parameters, may be predicted together; those
        with None, which are no text or texts, only alone."""
        inputs = data.get("inputs") if isinstance(data, dict) else None
        texts = inputs if isinstance(inputs, list) else [inputs]
        if not texts or not all(isinstance(text, str) for text in texts):
            return None
        try:
            return json.dumps(data.get("parameters") or {}, sort_keys=True)
        except TypeError:
            return None

    def predict(self, inputs: Sequence[Any], model: Any) -> Sequence[Any]:
        """What the model answers to each of `inputs`; raises what it raises."""
        given = [each["inputs"] for each in inputs]
        parts = [each if isinstance(each, list) else [each] for each in given]
        parameters = inputs[0].get("parameters") or {}
        told = model([text for part in parts for text in part], **parameters)
        found: list[Any] = []
        start = 0
        for each, part in zip(given, parts):
            mine = told[start : start + len(part)]
            start += len(part)
            found.append(mine if isinstance(each, list) else model.single(mine[0], parameters))
        return found
