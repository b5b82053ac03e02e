"""Parts of speech and noun phrases of English texts, with confidence.

    tagger = Tagger(folder, encoder)
    tagger.tag(["My grandmother moved her couch."])   # [[Token(0, 2, "PRON", 0.99), ...]]

The tags are those of Universal Dependencies as Amazon Comprehend names them (Developer Guide, "Analyze
syntax"): X is `O`. What the encoder reads of a text goes into a small network of its own file, which was
learned from a treebank under CC BY-SA 4.0 (`models/syntax.md`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import onnxruntime  # pyright: ignore[reportMissingImports]

from ..calibration import softmax
from ..spans import Span
from ..text.sentences import parts
from ..threads import ALONE, Threads
from .analysis import Analysis, Token, joined
from .features import COUNT, features
from .phrases import PHRASE, phrases
from .states import Hidden, States, of_tokens
from .tokens import tokens

GRAPH = "syntax.onnx"
SETTINGS = "syntax.json"
PART = 10_000
"""Characters that are read together: their states take 100 MB at most, of words of one letter."""
BETWEEN = 2
"""Empty places between texts: as many as the network's convolutions reach to one side."""


class Tagger:
    """The network of syntax over an encoder's states; may be used by several threads."""

    def __init__(self, folder: Path, encoder: Hidden, threads: Threads = ALONE) -> None:
        """Raises FileNotFoundError where the folder lacks a file of it."""
        told: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        self._tags = tuple(told["tags"])
        self._width = int(told["width"])
        self._temperatures = float(told["temperature"]), float(told["phrase_temperature"])
        self._encoder = encoder
        self._threads = threads
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            (folder / GRAPH).read_bytes(), options, providers=["CPUExecutionProvider"]
        )

    def tag(self, texts: Sequence[str]) -> list[list[Token]]:
        """The tokens of each text with their tags."""
        return [list(each.tokens) for each in self.analyse(texts)]

    def analyse(self, texts: Sequence[str]) -> list[Analysis]:
        """Tokens and noun phrases of each text; no text's answer depends on another one.

        Each is read by itself, and in parts of PART characters: a token's states take kilobytes.
        """
        pieces = [
            (at, begin, text[begin:end])
            for at, text in enumerate(texts)
            for begin, end in parts(text, PART)
        ]
        found = self._threads.map(self._part, [piece for _, _, piece in pieces])
        together: list[list[Analysis]] = [[] for _ in texts]
        for (at, begin, _), each in zip(pieces, found, strict=True):
            together[at].append(each.after(begin))
        return [joined(each) for each in together]

    def _part(self, text: str) -> Analysis:
        return self._analysis(text, tokens(text), *self._encoder.hidden([text]))

    def _analysis(self, text: str, places: list[tuple[int, int]], states: States) -> Analysis:
        if not places:
            return Analysis((), ())
        tags, chunks = self.answers(stacked([(text, places, states)], self._width))
        tags, chunks = tags[: len(places)], chunks[: len(places)]
        likely = softmax(tags, self._temperatures[0])
        best = likely.argmax(1)
        return Analysis(
            tuple(
                Token(begin, end, self._tags[kind], float(likely[at, kind]))
                for at, ((begin, end), kind) in enumerate(zip(places, best.tolist(), strict=True))
            ),
            tuple(
                Span(places[first][0], places[last - 1][1], PHRASE, score)
                for first, last, score in phrases(softmax(chunks, self._temperatures[1]))
            ),
        )

    def answers(self, inputs: Mapping[str, numpy.ndarray]) -> tuple[numpy.ndarray, numpy.ndarray]:
        """The network's logits of tags and of noun phrases for what `stacked` made."""
        tags, chunks = self._session.run(["tags", "phrases"], dict(inputs))
        return tags, chunks


def stacked(
    given: Sequence[tuple[str, list[tuple[int, int]], States]], width: int
) -> dict[str, numpy.ndarray]:
    """The network's inputs: the texts' tokens one after the other, BETWEEN empty places after each."""
    looks, states, real = [], [], []
    for text, places, hidden in given:
        gap = numpy.zeros((BETWEEN, COUNT), numpy.int32)
        looks += [features(text, places), gap]
        states += [of_tokens(hidden, places, width), numpy.zeros((BETWEEN, width), numpy.float32)]
        real += [numpy.ones((len(places), 1)), numpy.zeros((BETWEEN, 1))]
    return {
        "looks": numpy.concatenate(looks),
        "states": numpy.concatenate(states),
        "real": numpy.concatenate(real).astype(numpy.float32),
    }
