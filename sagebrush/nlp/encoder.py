"""Texts through the shared encoder: one pass gives what all heads say, for any number of analyses.

    encoder = Encoder(folder)
    readings = encoder.read(["I love Berlin.", "..."])
    sentiment.scores(readings)

A text is read in windows (`text/windows`). Each window goes through the graph by itself or with windows
of the same text alone: ONNX Runtime rounds activations by the greatest one of a run, and no answer
shall depend on other texts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from .spans import Span
from .syntax.states import States
from .text.sentences import sentences
from .text.tokens import BEGIN, END, Reader, Tokens
from .text.windows import sentence_around, windows
from .threads import ALONE, Threads

GRAPH = "encoder.onnx"
SETTINGS = "encoder.json"
TOKENIZER = "encoder-tokenizer.json"
STATES = "states."
"""How the outputs begin that hold the states after some of its layers."""
LAYERS = (2, 4)
"""Those that syntax is learned from."""
TOGETHER = 8
"""Windows of one text that go through the graph together."""


@dataclass(frozen=True)
class HeadSettings:
    """What the file beside the graph says of a head: its classes in the order of its logits."""

    name: str
    kind: str
    classes: tuple[str, ...]
    temperature: float


@dataclass(frozen=True)
class Window:
    """A piece of a text with the logits of each head: [classes], or [tokens, classes] for words."""

    tokens: Tokens
    logits: Mapping[str, numpy.ndarray]


@dataclass(frozen=True)
class Reading:
    """A text with its windows; without any where it has only spaces."""

    text: str
    windows: tuple[Window, ...]
    heads: Mapping[str, HeadSettings]


class Encoder:
    """The graph of the encoder, loaded; may be used by several threads."""

    def __init__(self, folder: Path, threads: Threads = ALONE) -> None:
        """Several texts are read at once on the threads. Raises FileNotFoundError where the folder lacks one of the encoder's files."""
        # What decodes readings needs no runtime.
        import onnxruntime  # pyright: ignore[reportMissingImports]

        told: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        self.heads = {
            each["name"]: HeadSettings(
                each["name"], each["kind"], tuple(each["classes"]), float(each["temperature"])
            )
            for each in told["heads"]
        }
        self._reader = Reader(folder / TOKENIZER)
        self._threads = threads
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # `threads` says why
        options.inter_op_num_threads = 1
        graph = (folder / GRAPH).read_bytes()
        self.identity = hashlib.sha256(graph).hexdigest()
        """Of the graph: what was learned from the states of one is of no use with those of another."""
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        names = [each.name for each in self._session.get_outputs()]
        self.width = next(
            each.shape[-1] for each in self._session.get_outputs() if each.name.startswith(STATES)
        )
        """Of a token's state."""
        self._names = [name for name in names if not name.startswith(STATES)]

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Each text with the logits of all heads for each of its windows."""
        return self._threads.map(self._reading, self._tokens(texts))

    def _reading(self, given: tuple[str, Tokens]) -> Reading:
        text, pieces = given[0], windows(*given)
        logits = self._answers(pieces, [None] * len(pieces), self._names)
        found = tuple(Window(piece, each) for piece, each in zip(pieces, logits, strict=True))
        return Reading(text, found, self.heads)

    def _tokens(self, texts: Sequence[str]) -> list[tuple[str, Tokens]]:
        return list(zip(texts, self._reader.read(texts), strict=True))

    def hidden(self, texts: Sequence[str], layers: Sequence[int] = LAYERS) -> list[States]:
        """The states of each text's tokens after these layers, of those that the graph tells, side by
        side."""
        return self.of_tokens(texts, [f"{STATES}{layer}" for layer in layers])

    def of_tokens(self, texts: Sequence[str], names: Sequence[str]) -> list[States]:
        """What these outputs of the graph say of each text's tokens, side by side: states after layers
        (STATES and the layer's number), logits of heads for words."""

        def told(given: tuple[str, Tokens]) -> States:
            pieces = windows(*given)
            found = self._answers(pieces, [None] * len(pieces), names)
            values = [numpy.concatenate([each[name] for name in names], 1) for each in found]
            return States(
                _joined([piece.begins for piece in pieces]),
                _joined([piece.ends for piece in pieces]),
                numpy.concatenate(values or [numpy.zeros((0, 0), numpy.float32)]),
            )

        return self._threads.map(told, self._tokens(texts))

    def summaries(
        self, texts: Sequence[str], layers: Sequence[int], heads: Sequence[str] = ()
    ) -> numpy.ndarray:
        """A row for each text: the mean of its tokens' states after each of these layers, the greatest of
        each after the last, and the logits of heads of whole texts, mean of its windows. Zeros for a
        text without tokens."""
        names = [f"{STATES}{layer}" for layer in layers]

        def summary(given: tuple[str, Tokens]) -> numpy.ndarray | None:
            pieces = windows(*given)
            told = self._answers(pieces, [None] * len(pieces), [*names, *heads])
            return _summary(told, names, heads) if told else None

        found = self._threads.map(summary, self._tokens(texts))
        width = next((len(each) for each in found if each is not None), 0)
        none = numpy.zeros(width, numpy.float32)
        return numpy.array([none if each is None else each for each in found], numpy.float32)

    def towards(self, reading: Reading, targets: Sequence[Span], head: str) -> numpy.ndarray:
        """The logits of a head for targets, [targets, classes]: what its sentence says of each span.

        A target that has no token (a text of control characters, say) gets the logits 0.
        """
        parts = sentences(reading.text)
        told = numpy.zeros((len(targets), len(self.heads[head].classes)), numpy.float32)
        places: list[int] = []
        pieces: list[Tokens] = []
        for at, target in enumerate(targets):
            piece = _around([each.tokens for each in reading.windows], target, parts)
            if piece is not None:
                places.append(at)
                pieces.append(piece)
        for at, each in zip(
            places, self._answers(pieces, [targets[at] for at in places], [head]), strict=True
        ):
            told[at] = each[head]
        return told

    def _answers(
        self, pieces: Sequence[Tokens], targets: Sequence[Span | None], names: Sequence[str]
    ) -> list[dict[str, numpy.ndarray]]:
        """What the heads `names` say of each piece."""
        told: list[dict[str, numpy.ndarray]] = [{} for _ in pieces]

        def run(chosen: Sequence[int]) -> Sequence[numpy.ndarray]:
            given = _padded([pieces[at] for at in chosen], [targets[at] for at in chosen])
            return self._session.run(names, given)

        groups = list(_groups(pieces))
        for chosen, outputs in zip(groups, self._threads.map(run, groups), strict=True):
            for name, output in zip(names, outputs, strict=True):
                for row, at in enumerate(chosen):
                    found = output[row]
                    told[at][name] = found[1 : 1 + len(pieces[at])] if found.ndim > 1 else found
        return told


def _summary(
    told: Sequence[Mapping[str, numpy.ndarray]], layers: Sequence[str], heads: Sequence[str]
) -> numpy.ndarray:
    states = [numpy.concatenate([each[name] for each in told]) for name in layers]
    parts = [each.mean(0) for each in states] + [states[-1].max(0)]
    parts += [numpy.mean([each[head] for each in told], 0) for head in heads]
    return numpy.concatenate(parts)


def _joined(places: Sequence[numpy.ndarray]) -> numpy.ndarray:
    return numpy.concatenate(places) if places else numpy.zeros(0, numpy.int64)


def _around(
    pieces: Sequence[Tokens], target: Span, parts: Sequence[tuple[int, int]]
) -> Tokens | None:
    """The sentence around the target, in the window that holds most of its tokens."""
    best: tuple[int, Tokens, int] | None = None
    for piece in pieces:
        inside = numpy.flatnonzero((piece.begins < target.end) & (piece.ends > target.begin))
        if len(inside) and (best is None or len(inside) > best[0]):
            best = len(inside), piece, int(inside[0])
    return sentence_around(best[1], best[2], parts) if best else None


def _groups(pieces: Sequence[Tokens]) -> Iterator[list[int]]:
    """Indices of pieces that go together: at most TOGETHER, of like length."""
    order = sorted(range(len(pieces)), key=lambda at: len(pieces[at]))
    for start in range(0, len(order), TOGETHER):
        yield order[start : start + TOGETHER]


def _padded(pieces: Sequence[Tokens], targets: Sequence[Span | None]) -> dict[str, numpy.ndarray]:
    length = max(len(each) for each in pieces) + 2
    ids, types, shapes = numpy.zeros((3, len(pieces), length), numpy.int32)
    for row, (piece, target) in enumerate(zip(pieces, targets, strict=True)):
        count = len(piece)
        ids[row, 0], ids[row, count + 1] = BEGIN, END
        ids[row, 1 : count + 1] = piece.ids
        shapes[row, 1 : count + 1] = piece.shapes
        if target is not None:
            types[row, 1 : count + 1] = (piece.begins < target.end) & (piece.ends > target.begin)
    return {"ids": ids, "types": types, "shapes": shapes}
