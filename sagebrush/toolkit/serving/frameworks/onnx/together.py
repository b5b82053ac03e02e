"""Texts of several requests through the graph at once.

The answers differ from those to one text by itself by rounding only (some 1e-7). Not so with a
graph whose activations are rounded by the batch's range: each text goes through that one alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from sagebrush.toolkit.serving import joint
from sagebrush.toolkit.serving.frameworks.together import texts_key


class Texts:
    """How several requests are predicted in one call: the model server's interface of joiners."""

    size = joint.SIZE

    def key(self, data: Any, content_type: str) -> Hashable | None:
        """The parameters; None where the inputs are no text or texts."""
        return texts_key(data)

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
