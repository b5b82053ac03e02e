"""What a graph says of examples, and the figures of that: by task, data set and label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import onnxruntime  # pyright: ignore[reportMissingImports]

from .. import calibration, decoding
from ..spans import Span
from . import figures
from .encoding import Encoded, first_pieces, padded
from .tasks import Kind, Task

Logits = Sequence[numpy.ndarray]
"""Of each example: [classes], or [words, classes] for TOKENS."""


def session(file: Path, threads: int = 1) -> Any:
    """The graph in a file, loaded."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        file.read_bytes(), options, providers=["CPUExecutionProvider"]
    )


def answers(
    graph: Any, task: Task, examples: Sequence[Encoded], together: int = 1
) -> list[numpy.ndarray]:
    """What the graph says of each example: one at a time, as inference does, or several of like length,
    which changes nothing where weights are float32."""
    told: list[numpy.ndarray] = [numpy.zeros(0)] * len(examples)
    order = sorted(range(len(examples)), key=lambda at: len(examples[at]))
    for start in range(0, len(order), together):
        chosen = order[start : start + together]
        rows = padded([examples[at] for at in chosen]).astype(numpy.int32)
        outputs = graph.run([task.name], dict(zip(("ids", "types", "shapes"), rows, strict=True)))[
            0
        ]
        for at, logits in zip(chosen, outputs, strict=True):
            told[at] = logits[examples[at].places] if task.kind is Kind.TOKENS else logits
    return told


def measure(task: Task, examples: Sequence[Encoded], logits: Logits) -> dict[str, float]:
    """The figures of a task, named `SET FIGURE`."""
    by_source: dict[str, list[int]] = {}
    for at, each in enumerate(examples):
        by_source.setdefault(each.example.source, []).append(at)
    told: dict[str, float] = {}
    for source, chosen in sorted(by_source.items()):
        found = _MEASURES[task.kind](
            task, [examples[at] for at in chosen], [logits[at] for at in chosen]
        )
        told |= {f"{source} {name}": value for name, value in found.items()}
    return told


def _single(task: Task, examples: Sequence[Encoded], logits: Logits) -> dict[str, float]:
    """Among the labels that the set knows (a binary set is judged by two of them), and by the label that
    is told: the likeliest of all."""
    truth = [each.example.labels[0] for each in examples]
    asked = [label for label in task.labels if label in set(truth)]
    places = [task.labels.index(label) for label in asked]
    told = [asked[int(row[places].argmax())] for row in logits]
    first = [task.labels[int(row.argmax())] for row in logits]
    found = {
        "accuracy": figures.accuracy(truth, told),
        "accuracy of the label told": figures.accuracy(truth, first),
        "macro F1": figures.macro_f1(truth, told, asked),
        "macro recall": figures.macro_recall(truth, told),
    }
    shares = figures.recalls(truth, first)
    return found | {f"{label} recall, as told": value for label, value in shares.items()}


def _multiple(task: Task, examples: Sequence[Encoded], logits: Logits) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score  # pyright: ignore[reportMissingImports]

    told: dict[str, float] = {}
    values = numpy.stack(logits)
    allowed = numpy.concatenate([each.allowed for each in examples])
    for at, label in enumerate(task.labels):
        known = allowed[:, at] >= 0
        truth, found = allowed[known, at] > 0, values[known, at] > 0
        if truth.any():
            hits = float((truth & found).sum())
            told[f"{label} F1"] = figures.f1(hits, float(truth.sum()), float(found.sum()))
            if not truth.all():
                told[f"{label} AUC"] = float(roc_auc_score(truth, values[known, at]))
    return told


def words(example: Encoded) -> list[tuple[int, int]]:
    """The offsets of the words that TOKENS logits are about."""
    tokens = example.tokens
    starts = first_pieces(tokens)
    last = numpy.append(starts[1:] - 1, len(tokens) - 1)
    return list(zip(tokens.begins[starts].tolist(), tokens.ends[last].tolist(), strict=True))


def _tokens(task: Task, examples: Sequence[Encoded], logits: Logits) -> dict[str, float]:
    """F1 of whole spans, of the labels that the set holds; what was cut off counts as missed."""
    truth: list[list[Span]] = []
    told: list[list[Span]] = []
    for each, row in zip(examples, logits, strict=True):
        known = each.example.known
        spans = decoding.spans(row, words(each), task.labels)
        truth.append(list(each.example.spans))
        told.append([span for span in spans if known is None or span.label in known])
    there = {span.label for spans in truth for span in spans} | {"all"}
    found = figures.span_f1(truth, told)
    return {f"{label} F1": value for label, value in found.items() if label in there}


_MEASURES = {
    Kind.SINGLE: _single,
    Kind.TARGET: _single,
    Kind.MULTIPLE: _multiple,
    Kind.TOKENS: _tokens,
}


def calibrated(
    task: Task, examples: Sequence[Encoded], logits: Logits
) -> tuple[float, float, float]:
    """The temperature, found on every second example, and the expected calibration error on the others
    before and after."""
    fit, check = slice(0, None, 2), slice(1, None, 2)
    if task.kind is Kind.MULTIPLE:
        values = numpy.stack(logits)
        allowed = numpy.concatenate([each.allowed for each in examples])
        known = allowed >= 0
        heat = calibration.temperature_of_labels(values[fit], allowed[fit] > 0, known[fit])

        def error(value: float) -> float:
            chances = calibration.sigmoid(values[check], value)[known[check]]
            return calibration.expected_error(chances, allowed[check][known[check]] > 0)

        return heat, error(1.0), error(heat)
    rows, truth = _rows(task, examples[fit], logits[fit])
    heat = calibration.temperature(rows, truth)
    rows, truth = _rows(task, examples[check], logits[check])

    def error_of(value: float) -> float:
        chances = calibration.softmax(rows, value)
        return calibration.expected_error(chances.max(-1), chances.argmax(-1) == truth)

    return heat, error_of(1.0), error_of(heat)


def _rows(
    task: Task, examples: Sequence[Encoded], logits: Logits
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Logits and the right class of each text, target or word of which it is known."""
    rows = numpy.concatenate([numpy.atleast_2d(each) for each in logits])
    allowed = numpy.concatenate([each.allowed for each in examples])
    sure = allowed.sum(-1) == 1
    if task.kind is Kind.TOKENS:  # nearly all words are surely outside
        sure &= (allowed[:, 0] == 0) | (rows.argmax(-1) > 0)
    return rows[sure], allowed[sure].argmax(-1)


def agreement(task: Task, first: Logits, second: Logits) -> float:
    """The part of equal answers of two graphs."""
    if task.kind is Kind.MULTIPLE:
        return float(((numpy.stack(first) > 0) == (numpy.stack(second) > 0)).mean())
    same = [
        (numpy.atleast_2d(a).argmax(-1) == numpy.atleast_2d(b).argmax(-1))
        for a, b in zip(first, second, strict=True)
    ]
    return float(numpy.concatenate(same).mean())
