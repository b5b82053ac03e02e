"""Logits of words as spans: the best sequence of O, B- and I- in which I- follows its own label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from .spans import Span


def best(logits: numpy.ndarray) -> numpy.ndarray:
    """The classes of the best allowed sequence; `logits` is [words, 1 + 2 * labels]: O, B-, I-, B-, ..."""
    words, classes = logits.shape
    if not words:
        return numpy.zeros(0, numpy.int64)
    inside = numpy.arange(2, classes, 2)
    logs = logits - logits.max(-1, keepdims=True)
    logs = logs - numpy.log(numpy.exp(logs).sum(-1, keepdims=True))
    score = logs[0].copy()
    score[inside] = -1e9
    back = numpy.zeros((words, classes), numpy.int64)
    for at in range(1, words):
        top = int(score.argmax())
        came = numpy.full(classes, top)
        value = numpy.full(classes, score[top])
        begun, held = score[inside - 1], score[inside]
        came[inside] = numpy.where(begun >= held, inside - 1, inside)
        value[inside] = numpy.maximum(begun, held)
        back[at] = came
        score = value + logs[at]
    told = numpy.zeros(words, numpy.int64)
    told[-1] = score.argmax()
    for at in range(words - 1, 0, -1):
        told[at - 1] = back[at, told[at]]
    return told


def spans(
    logits: numpy.ndarray,
    words: Sequence[tuple[int, int]],
    labels: Sequence[str],
    temperature: float = 1.0,
) -> list[Span]:
    """The spans of the best sequence; `words` are the offsets of the rows of `logits`.

    A span's score is the least probability, over its words, of its label (B- and I- together).
    """
    classes = best(logits)
    scaled = logits / temperature
    shifted = numpy.exp(scaled - scaled.max(-1, keepdims=True))
    chances = shifted / shifted.sum(-1, keepdims=True)
    told: list[Span] = []
    at = 0
    while at < len(classes):
        if classes[at] == 0:
            at += 1
            continue
        kind = (int(classes[at]) - 1) // 2
        last = at
        while last + 1 < len(classes) and classes[last + 1] == 2 * kind + 2:
            last += 1
        both = chances[at : last + 1, 2 * kind + 1 : 2 * kind + 3].sum(-1)
        told.append(Span(words[at][0], words[last][1], labels[kind], float(both.min())))
        at = last + 1
    return told
