"""The likeliest tokens in place of a mask: fill-mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from sagebrush.toolkit.serving import formats
from sagebrush.toolkit.serving.frameworks.onnx.model import Model, softmax
from sagebrush.toolkit.serving.frameworks.onnx.tokens import Cut, cut
from sagebrush.toolkit.serving.handler import NoHandler


class FillMask:
    """Fills every mask of a text by itself."""

    OUTPUTS = ("logits",)

    def __init__(self, model: Model) -> None:
        """Raises NoHandler for a tokenizer without a mask."""
        self.model = model
        mask = model.tokens.id_of("mask_token")
        if mask is None:
            raise NoHandler(f"{model.tokens.folder}: its tokenizer has no mask_token")
        self._mask = mask

    def __call__(
        self,
        inputs: Any,
        top_k: int | None = None,
        targets: str | list[str] | None = None,
        tokenizer_kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """`{"score", "token", "token_str", "sequence"}` of the `top_k` (5) likeliest tokens.

        A list of them for a text with one mask, a list of lists for several masks, and a list of
        those for several texts. With `targets` only these words are looked at.
        """
        wanted = None if targets is None else self._targets(targets)
        texts = inputs if isinstance(inputs, list) else [inputs]
        encodings = self.model.encode(texts, cut(tokenizer_kwargs or {}))
        for each in encodings:
            if self._mask not in each.ids:
                token = self.model.tokens.special("mask_token")
                raise formats.BadBody(f"No mask_token ({token}) found on the input")
        rows = self.model.run(encodings, self.OUTPUTS)
        top = 5 if top_k is None else top_k
        found = [
            self._filled(each.ids, logits, top, wanted) for each, [logits] in zip(encodings, rows)
        ]
        return found if len(found) != 1 else found[0]

    def _filled(self, ids: list[int], logits: Any, top: int, wanted: list[int] | None) -> Any:
        places = [at for at, number in enumerate(ids) if number == self._mask]
        found = []
        for at in places:
            scores = softmax(logits[at])
            known = numpy.arange(len(scores)) if wanted is None else numpy.array(wanted)
            best = numpy.argsort(-scores[known], kind="stable")[:top]
            found.append(
                [self._row(ids, at, int(known[n]), scores, len(places) == 1) for n in best]
            )
        return found[0] if len(found) == 1 else found

    def _row(self, ids: list[int], at: int, token: int, scores: Any, only: bool) -> dict[str, Any]:
        tokens = self.model.tokens
        text = [*ids[:at], token, *ids[at + 1 :]]
        pad = tokens.id_of("pad_token")
        # The other masks of a text with several are special tokens, and are to stay.
        sequence = tokens.decode([each for each in text if each != pad], skip_special=only)
        return {
            "score": float(scores[token]),
            "token": token,
            "token_str": tokens.decode([token]),
            "sequence": sequence,
        }

    def _targets(self, given: str | list[str]) -> list[int]:
        """The tokens of these words: the first of a word that is not in the vocabulary."""
        found = []
        for word in [given] if isinstance(given, str) else given:
            token = self.model.tokens.core.token_to_id(word)
            if token is None:
                [encoding] = self.model.encode([word], Cut(special=False))
                token = encoding.ids[0] if encoding.ids else None
            if token is not None:
                found.append(token)
        if not found:
            raise formats.BadBody("At least one target must be provided when passed.")
        return sorted(set(found))
