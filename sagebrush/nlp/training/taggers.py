"""The last step for taggers: how sure their spans are, and the figures of what is then found.

fitted = finish(graph, tasks, reader, say)      # of the tasks of kind TOKENS
confidence.save(folder / confidence.FILE, fitted)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def answers(graph: Any, task: Task, reader: Reader) -> list[Answer]:
    """What the graph says of the task's validation examples."""
    examples = encode(task, task.valid, reader)
    logits = evaluation.answers(graph, task, examples)
    return [
        Answer(each.example, evaluation.words(each), rows)
        for each, rows in zip(examples, logits, strict=True)
    ]


def finish(graph: Any, tasks: Sequence[Task], reader: Reader, say: Say) -> dict[str, Confidence]:
    """What is fitted for each tagger, by its head's name; its figures are said.

    The calibration error is that of a fit on every second example, over the others.
    """
    fitted = {}
    for task in tasks:
        if task.kind is Kind.TOKENS:
            told = answers(graph, task, reader)
            half = confidence.fit(told[::2], task.labels)
            rest = confidence.found(told[1::2], task.labels, half)
            error = confidence.calibration_error(*confidence.outcomes(told[1::2], rest))
            fitted[task.name] = confidence.fit(told, task.labels)
            say(f"{task.name}: {fitted[task.name]}, calibration error {error:.3f}")
            figured(task, told, fitted[task.name], say)
    return fitted


def figured(task: Task, told: Sequence[Answer], fitted: Confidence, say: Say) -> None:
    """The figures of spans are said: of each set, and of personal data also beside its rules."""
    spans = confidence.found(told, task.labels, fitted)
    for source, figures in confidence.by_set(told, spans).items():
        line = ", ".join(f"{label} {value:.3f}" for label, value in figures.items())
        say(f"  {source}: {line}")
    if task.name == personal.HEAD:
        texts = [each.example.text for each in told]
        truth = [each.example.spans for each in told]
        tagger = [personal.in_aws(text, each) for text, each in zip(texts, spans, strict=True)]
        for name, found in (
            ("tagger", tagger),
            ("rules", find(texts)),
            ("both", find(texts, tagger)),
        ):
            say(f"  {name}: {_line(texts, truth, found)}")


def _line(
    texts: Sequence[str], truth: Sequence[Sequence[Span]], found: Sequence[Sequence[Span]]
) -> str:
    exact = pii_figures.exact(texts, truth, found)
    words = pii_figures.words(texts, truth, found)
    return (
        f"exact F1 {exact.get('all', 0.0):.3f}, touching F1 {pii_figures.touching(truth, found):.3f},"
        f" words F1 {words['F1']:.3f} F2 {words['F2']:.3f}; exact by type: "
        + ", ".join(f"{label} {value:.3f}" for label, value in exact.items() if label != "all")
    )
