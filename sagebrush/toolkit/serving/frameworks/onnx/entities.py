"""Names and other classes of tokens: token-classification.

Grouping follows transformers' TokenClassificationPipeline, whose answers these equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Callable

import numpy

from sagebrush.toolkit.serving import formats
from sagebrush.toolkit.serving.frameworks.onnx.model import Model, softmax
from sagebrush.toolkit.serving.frameworks.onnx.tokens import Cut

STRATEGIES = ("none", "simple", "first", "average", "max")
WORDS = ("first", "average", "max")
"""Strategies by which the tokens of a word get one class."""


@dataclass(frozen=True)
class Token:
    """A token that is not special, with the probability of each class."""

    index: int
    word: str
    start: int
    end: int
    scores: Any
    continues: bool
    """Whether it continues the word of the token before."""


class TokenClassification:
    """The class of each token, or of each group of tokens."""

    OUTPUTS = ("logits",)

    def __init__(self, model: Model) -> None:
        self.model = model

    def __call__(
        self,
        inputs: Any,
        aggregation_strategy: str = "none",
        ignore_labels: Sequence[str] = ("O",),
        stride: int | None = None,
        is_split_into_words: bool = False,
        delimiter: str | None = None,
    ) -> Any:
        """A list for a text, a list of lists for several, and for texts that are lists of words.

        Of `{"entity", "score", "index", "word", "start", "end"}` for each token whose class is not
        among `ignore_labels`; with an `aggregation_strategy` of `{"entity_group", "score", "word",
        "start", "end"}`. With `stride` a text that is too long is looked at in windows.
        """
        strategy = aggregation_strategy.lower()
        if strategy not in STRATEGIES:
            raise formats.BadBody(f"aggregation_strategy {strategy!r} is none of {STRATEGIES}")
        if stride is not None and strategy == "none":
            raise formats.BadBody("stride needs an aggregation_strategy other than none")
        if is_split_into_words:
            several = bool(inputs) and all(isinstance(each, list) for each in inputs)
        else:
            several = isinstance(inputs, list)
        cut = Cut("longest_first", stride=stride or 0, words=is_split_into_words)
        encodings = self.model.encode(inputs if several else [inputs], cut)
        found = []
        for text, first in zip(inputs if several else [inputs], encodings):
            spaced = " " if delimiter is None else delimiter
            windows = [first, *(first.overflowing if stride is not None else ())]
            rows = self._windows(text, windows, spaced, strategy)
            found.append([row for row in rows if _name(row) not in ignore_labels])
        return found if several or is_split_into_words else found[0]

    def _windows(
        self, text: Any, windows: Sequence[Any], spaced: str, strategy: str
    ) -> list[dict[str, Any]]:
        """What is found in the windows of one text; what two of them overlap on, once."""
        starts = None
        if isinstance(text, list):
            ends = numpy.cumsum([len(word) + len(spaced) for word in text])
            starts, text = [0, *(int(end) for end in ends)], spaced.join(text)
        rows: list[dict[str, Any]] = []
        for window, [logits] in zip(windows, self.model.run(windows, self.OUTPUTS)):
            tokens = list(self._tokens(text, window, softmax(logits), starts))
            rows += self._grouped(tokens, strategy)
        return rows if len(windows) == 1 else _longest(rows)

    def _tokens(
        self, text: str, window: Any, scores: Any, starts: list[int] | None
    ) -> Iterable[Token]:
        unknown = self.model.tokens.id_of("unk_token")
        for at, number in enumerate(window.ids):
            if window.special_tokens_mask[at]:
                continue
            start, end = window.offsets[at]
            word_id = window.word_ids[at]
            if starts is not None and word_id is not None:  # offsets are those in the word
                start, end = start + starts[word_id], end + starts[word_id]
            word, part = window.tokens[at], text[start:end]
            if self.model.tokens.subwords:
                continues = len(word) != len(part)
            else:
                continues = start > 0 and " " not in text[start - 1 : start + 1]
            if number == unknown:
                word, continues = part, False
            yield Token(at, word, start, end, scores[at], continues)

    def _grouped(self, tokens: Sequence[Token], strategy: str) -> list[dict[str, Any]]:
        if strategy in WORDS:
            words = _split(tokens, lambda _, token: token.continues)
            return self._groups([self._word(word, strategy) for word in words])
        rows = [self._row(token.scores, token.word, token.start, token.end) for token in tokens]
        if strategy == "simple":
            return self._groups(rows)
        order = ("entity", "score", "index", "word", "start", "end")
        indexed = [{**row, "index": t.index} for row, t in zip(rows, tokens)]
        return [{name: row[name] for name in order} for row in indexed]

    def _row(self, scores: Any, word: str, start: int, end: int) -> dict[str, Any]:
        best = int(scores.argmax())
        score = float(scores[best])
        return {
            "entity": self.model.label(best),
            "score": score,
            "word": word,
            "start": start,
            "end": end,
        }

    def _word(self, tokens: Sequence[Token], strategy: str) -> dict[str, Any]:
        """The tokens of one word as one."""
        if strategy == "first":
            scores = tokens[0].scores
        elif strategy == "max":
            scores = max(tokens, key=lambda token: token.scores.max()).scores
        else:
            scores = numpy.mean([token.scores for token in tokens], axis=0)
        word = self.model.tokens.joined([token.word for token in tokens])
        return self._row(scores, word, tokens[0].start, tokens[-1].end)

    def _groups(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Neighbours of one class as one group, which B- ends."""

        def belongs(before: dict[str, Any], row: dict[str, Any]) -> bool:
            begins = row["entity"].startswith("B-")
            return not begins and _tag(row["entity"]) == _tag(before["entity"])

        return [
            {
                "entity_group": group[0]["entity"].split("-", 1)[-1],
                "score": float(numpy.mean([row["score"] for row in group])),
                "word": self.model.tokens.joined([row["word"] for row in group]),
                "start": group[0]["start"],
                "end": group[-1]["end"],
            }
            for group in _split(rows, belongs)
        ]


def _tag(entity: str) -> str:
    return entity[2:] if entity.startswith(("B-", "I-")) else entity


def _name(row: dict[str, Any]) -> str:
    return row.get("entity") or row.get("entity_group", "")


def _split(rows: Sequence[Any], belongs: Callable[[Any, Any], bool]) -> list[list[Any]]:
    """The rows in groups: each row begins one unless it belongs to the row before."""
    groups: list[list[Any]] = []
    for row in rows:
        if groups and belongs(groups[-1][-1], row):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _longest(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of groups that overlap the longest, and of those the likeliest."""
    kept: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda row: row["start"]):
        if not kept or not kept[-1]["start"] <= row["start"] < kept[-1]["end"]:
            kept.append(row)
            continue
        before = kept[-1]
        grown = (row["end"] - row["start"]) - (before["end"] - before["start"])
        if grown > 0 or (grown == 0 and row["score"] > before["score"]):
            kept[-1] = row
    return kept
