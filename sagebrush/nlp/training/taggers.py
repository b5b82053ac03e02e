"""The last step for taggers: how sure their spans are, and the figures of what is then found.

finished = finish(graph, tasks, reader, say)      # of the tasks of kind TOKENS
confidence.save(folder / confidence.FILE, {name: each.confidence for name, each in finished.items()})
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .. import personal
from ..confidence import Confidence
from ..pii import find
from ..spans import Span
from ..text.tokens import Reader
from . import confidence, evaluation, pii_figures
from .confidence import Answer
from .encoding import encode
from .tasks import Kind, Task

Say = Callable[[str], None]


@dataclass(frozen=True)
class Finished:
    """What is fitted for a tagger, and the figures of the spans that are then told."""

    confidence: Confidence
    figures: dict[str, float]


def answers(graph: Any, task: Task, reader: Reader) -> list[Answer]:
    """What the graph says of the task's validation examples."""
    examples = encode(task, task.valid, reader)
    logits = evaluation.answers(graph, task, examples)
    return [
        Answer(each.example, evaluation.words(each), rows)
        for each, rows in zip(examples, logits, strict=True)
    ]


def finish(graph: Any, tasks: Sequence[Task], reader: Reader, say: Say) -> dict[str, Finished]:
    """What is fitted for each tagger, by its head's name, with its figures, which are said as well.

    The calibration error is that of a fit on every second example, over the others.
    """
    finished = {}
    for task in tasks:
        if task.kind is Kind.TOKENS:
            told = answers(graph, task, reader)
            half = confidence.fit(told[::2], task.labels)
            rest = confidence.found(told[1::2], task.labels, half)
            error = confidence.calibration_error(*confidence.outcomes(told[1::2], rest))
            fitted = confidence.fit(told, task.labels)
            say(f"{task.name}: {fitted}")
            figures = {"calibration error of spans": error, **figured(task, told, fitted)}
            for name, value in figures.items():
                say(f"  {name:44} {value:.3f}")
            finished[task.name] = Finished(fitted, figures)
    return finished


def figured(task: Task, told: Sequence[Answer], fitted: Confidence) -> dict[str, float]:
    """The figures of spans: of each set, and of personal data also beside its rules."""
    spans = confidence.found(told, task.labels, fitted)
    figures = {
        f"{source} {label} F1": value
        for source, found in confidence.by_set(told, spans).items()
        for label, value in found.items()
    }
    if task.name == personal.HEAD:
        texts = [each.example.text for each in told]
        truth = [each.example.spans for each in told]
        tagger = [personal.in_aws(text, each) for text, each in zip(texts, spans, strict=True)]
        for name, found in (
            ("tagger alone", tagger),
            ("rules alone", find(texts)),
            ("DetectPiiEntities", find(texts, tagger)),
        ):
            figures |= {f"{name}: {what}": value for what, value in _of(texts, truth, found)}
    return figures


def _of(
    texts: Sequence[str], truth: Sequence[Sequence[Span]], found: Sequence[Sequence[Span]]
) -> Iterator[tuple[str, float]]:
    """(what, value) of personal data in AWS's types."""
    words = pii_figures.words(texts, truth, found)
    for label, value in pii_figures.exact(texts, truth, found).items():
        yield f"{label}, exact F1", value
    yield "all, touching F1", pii_figures.touching(truth, found)
    yield "words F1", words["F1"]
    yield "words F2", words["F2"]
