"""How well and how fast a model answers, by the very functions that serve it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

SINGLE = 100
"""Texts that are sent one by one to learn the time of one."""
WARM = 3
"""Calls before anything is measured."""
SPAN = 2.0
"""Seconds after which no further text is sent one by one."""
TOGETHER = 16
"""Texts of one request when throughput is measured."""


@dataclass(frozen=True)
class Measured:
    """What a model does with the given texts."""

    accuracy: float | None
    """The share of right answers; None where the right ones are not known."""
    agreement: float
    """How far its answers are those of the model before; 1 is the same."""
    milliseconds: float
    """The median time of one text by itself."""
    per_second: float
    """Texts a second in requests of 16."""

    def doc(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def asked(
    task: str, rows: Sequence[Mapping[str, str]], labels: Sequence[str]
) -> Callable[..., Any]:
    """A function of (model, rows) -> its comparable answers for `task`, one for each row."""
    texts = _pairs if task == "question-answering" else _texts
    more: dict[str, Any] = {
        "text-classification": {"truncation": True},
        "zero-shot-classification": {"candidate_labels": list(labels)},
        "token-classification": {"ignore_labels": []},
        "feature-extraction": {"truncation": True},
        "question-answering": {},
        "fill-mask": {"tokenizer_kwargs": {"truncation": True}, "top_k": 1},
    }[task]

    def answers(model: Any, part: Sequence[Mapping[str, str]]) -> list[Any]:
        told = model(texts(part), **more)
        if task in ("fill-mask", "question-answering") and len(part) == 1:
            told = [told]  # both unwrap a list of one
        return [_answer(task, each) for each in told]

    return answers


def _texts(rows: Sequence[Mapping[str, str]]) -> list[Any]:
    return [row["text"] for row in rows]


def _pairs(rows: Sequence[Mapping[str, str]]) -> list[Any]:
    return [{"question": row["question"], "context": row["context"]} for row in rows]


def _answer(task: str, told: Any) -> Any:
    if task == "text-classification":
        return told["label"]
    if task == "zero-shot-classification":
        return told["labels"][0]
    if task == "token-classification":
        return [each["entity"] for each in told]
    if task == "question-answering":
        return told["answer"]
    if task == "fill-mask":
        first = told[0]
        return (first[0] if isinstance(first, list) else first)["token_str"]
    [vectors] = told
    return [statistics.fmean(column) for column in zip(*vectors)]


def measured(
    model: Any,
    ask: Callable[..., list[Any]],
    rows: Sequence[Mapping[str, str]],
    before: Sequence[Any] | None,
    progress: Callable[[float], None],
) -> tuple[Measured, list[Any]]:
    """What `model` does with `rows`, and its answers. `before` are the answers to agree with: None
    for its own. `progress` hears the share that is done."""
    for row in rows[:WARM]:
        ask(model, [row])
    answers: list[Any] = []
    began = time.perf_counter()
    for start in range(0, len(rows), TOGETHER):
        answers += ask(model, rows[start : start + TOGETHER])
        progress(0.8 * len(answers) / len(rows))
    per_second = len(rows) / (time.perf_counter() - began)
    times, until = [], time.perf_counter() + SPAN
    for row in rows[:SINGLE]:
        start = time.perf_counter()
        ask(model, [row])
        times.append(1000 * (time.perf_counter() - start))
        if time.perf_counter() > until:
            break
    progress(1.0)
    found = Measured(
        accuracy(answers, rows),
        agreement(answers, answers if before is None else before),
        statistics.median(times),
        per_second,
    )
    return found, answers


def accuracy(answers: Sequence[Any], rows: Sequence[Mapping[str, str]]) -> float | None:
    """The share of rows whose `label` is the answer; None where rows have no label."""
    if not rows or any("label" not in row for row in rows):
        return None
    right = sum(a == row["label"] for a, row in zip(answers, rows, strict=True))
    return right / len(rows)


def agreement(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    """The share of equal answers; of tokens for lists of classes; the mean cosine for vectors."""
    found: list[float] = []
    for one, other in zip(ours, theirs, strict=True):
        if isinstance(one, list) and one and isinstance(one[0], float):
            found.append(_cosine(one, other))
        elif isinstance(one, list):
            found += [float(a == b) for a, b in zip(one, other)]
        else:
            found.append(float(one == other))
    return statistics.fmean(found) if found else 1.0


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    inner = sum(a * b for a, b in zip(one, other, strict=True))
    sizes = sum(a * a for a in one) ** 0.5 * sum(b * b for b in other) ** 0.5
    return inner / sizes if sizes else 1.0
