"""Spans of a context that answer a question: question-answering."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from sagebrush.toolkit.serving.frameworks import tasks
from sagebrush.toolkit.serving.frameworks.onnx.model import Model, softmax
from sagebrush.toolkit.serving.frameworks.onnx.tokens import Cut

FORBIDDEN = -10000.0
"""The logit of a token that no answer may begin or end with."""


class QuestionAnswering:
    """As `tasks.QuestionAnswering`, by a graph."""

    OUTPUTS = ("start_logits", "end_logits")

    def __init__(self, model: Model) -> None:
        self.model = model

    def __call__(self, inputs: Any, **parameters: Any) -> Any:
        """`{"score", "start", "end", "answer"}` for each question, a list where several are given.

        Parameters are those of `tasks.QuestionAnswering`.
        """
        found = [self._one(asked, parameters) for asked in tasks.questions(inputs)]
        return found if isinstance(inputs, list) and len(found) != 1 else found[0]

    def _one(self, asked: dict[str, str], parameters: Mapping[str, Any]) -> Any:
        limit = int(parameters.get("max_seq_len") or 384)
        limit = min(limit, self.model.tokens.limit or limit)
        stride = int(parameters.get("doc_stride") or min(limit // 2, 128))
        pair = (asked["question"], asked["context"])
        [first] = self.model.encode([pair], Cut("only_second", limit, stride))
        windows = [first, *first.overflowing]
        spans, null = [], 1.0
        longest = int(parameters.get("max_answer_len") or 15)
        for window, [starts, ends] in zip(windows, self.model.run(windows, self.OUTPUTS)):
            mask = [part == 1 for part in window.sequence_ids]
            chances = [_chances(each[: len(mask)], mask) for each in (starts, ends)]
            null = min(null, chances[0][0] * chances[1][0])
            chances[0][0] = chances[1][0] = 0.0
            places = [_place(window, n) if inside else None for n, inside in enumerate(mask)]
            spans += tasks.spans(chances[0], chances[1], longest, places)
        if parameters.get("handle_impossible_answer"):
            spans.append((null, 0, 0))
        return tasks.ranked(spans, asked["context"], parameters)


def _chances(logits: Any, mask: list[bool]) -> list[float]:
    """The probability of each token; the first, [CLS], is that of no answer here."""
    allowed = numpy.array(mask)
    allowed[0] = True
    return softmax(numpy.where(allowed, logits, FORBIDDEN)).tolist()


def _place(window: Any, token: int) -> tuple[int, int] | None:
    """The characters of the whole word that a token of the context is part of."""
    word = window.token_to_word(token)
    chars = window.word_to_chars(word, 1) if word is not None else None
    return chars or window.token_to_chars(token)
