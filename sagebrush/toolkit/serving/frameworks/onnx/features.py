"""Texts into the vectors of their tokens: feature-extraction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagebrush.toolkit.serving import formats
from sagebrush.toolkit.serving.frameworks.onnx.model import Model
from sagebrush.toolkit.serving.frameworks.onnx.together import Texts
from sagebrush.toolkit.serving.frameworks.onnx.tokens import cut


class FeatureExtraction:
    """The graph's first output, as transformers' pipeline gives the model's."""

    OUTPUTS = ()

    def __init__(self, model: Model) -> None:
        self.model = model

    def __call__(
        self,
        inputs: Any,
        truncation: Any = None,
        tokenize_kwargs: Mapping[str, Any] | None = None,
        return_tensors: Any = None,
    ) -> Any:
        """`[[vector of a token, …]]` for a text; a list of such for a list of texts.

        `return_tensors` is of no account: the answer is lists.
        """
        given = dict(tokenize_kwargs or {})
        if truncation is not None:
            if "truncation" in given:
                raise formats.BadBody("truncation is given twice, once in tokenize_kwargs")
            given["truncation"] = truncation
        texts = inputs if isinstance(inputs, list) else [inputs]
        encodings = self.model.encode(texts, cut(given))
        told = []
        rows = self.model.run(encodings, self.model.outputs[:1])
        for encoding, [array] in zip(encodings, rows):
            vectors = array[: len(encoding.ids)] if array.ndim == 2 else array
            told.append([vectors.tolist()])
        return told if isinstance(inputs, list) else told[0]

    def joiner(self) -> Texts | None:
        """How several requests are predicted together; None where that would change answers."""
        return None if self.model.rounds else Texts()

    def single(self, row: Any, parameters: Mapping[str, Any]) -> Any:
        """The answer to a text by itself."""
        return row
