"""Examples as arrays: what goes into the encoder, and the classes that its answers may have."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy

from ..spans import Span
from ..text.tokens import BEGIN, END, Reader, Tokens
from .tasks import Example, Kind, Task

LONGEST = 128
"""Tokens of an example; the rest of it is cut off."""
AT_ONCE = 1000
"""Examples whose tokens the tokenizer holds in its own, large form."""


@dataclass(frozen=True)
class Encoded:
    """An example as the encoder reads it, with [CLS] and [SEP]: arrays over its tokens.

    `allowed` is [rows, classes]: the classes of which one holds. Rows are one for SINGLE, MULTIPLE
    (where it holds 0 or 1, and -1 for what is not known) and TARGET, and one for each of `places` for
    TOKENS. `places` are the tokens that are read: the first of each word, those of a target, or none.
    """

    example: Example
    tokens: Tokens
    ids: numpy.ndarray
    types: numpy.ndarray
    shapes: numpy.ndarray
    places: numpy.ndarray
    allowed: numpy.ndarray

    def __len__(self) -> int:
        return len(self.ids)


def encode(task: Task, examples: Sequence[Example], reader: Reader) -> list[Encoded]:
    """The examples that have tokens (and, for TARGET, a target among the first LONGEST ones)."""
    told = []
    for example, tokens in zip(
        examples, reader.read([each.text for each in examples]), strict=True
    ):
        tokens = _window(tokens, example) if task.kind is Kind.TARGET else tokens
        tokens = tokens.part(0, LONGEST - 2)
        if len(tokens):
            places = _places(task, example, tokens)
            if task.kind is not Kind.TARGET or len(places):
                told.append(_encoded(task, example, tokens, places))
    return told


def _window(tokens: Tokens, example: Example) -> Tokens:
    """Tokens around the target, where there are too many."""
    room = LONGEST - 2
    if len(tokens) <= room:
        return tokens
    first = int(numpy.searchsorted(tokens.begins, example.spans[0].begin))
    start = max(0, min(first - room // 2, len(tokens) - room))
    return tokens.part(start, start + room)


def _places(task: Task, example: Example, tokens: Tokens) -> numpy.ndarray:
    if task.kind is Kind.TOKENS:
        return first_pieces(tokens) + 1
    if task.kind is Kind.TARGET:
        return covered(tokens, example.spans[0]) + 1
    return numpy.zeros(0, numpy.int64)


def first_pieces(tokens: Tokens) -> numpy.ndarray:
    """The indices of the tokens that begin a word."""
    return numpy.flatnonzero(numpy.diff(tokens.words, prepend=-1))


def covered(tokens: Tokens, span: Span) -> numpy.ndarray:
    """The indices of the tokens that share a code point with the span."""
    return numpy.flatnonzero((tokens.begins < span.end) & (tokens.ends > span.begin))


def _encoded(task: Task, example: Example, tokens: Tokens, places: numpy.ndarray) -> Encoded:
    ids = numpy.concatenate(([BEGIN], tokens.ids, [END])).astype(numpy.int64)
    shapes = numpy.concatenate(([0], tokens.shapes, [0])).astype(numpy.int64)
    types = numpy.zeros_like(ids)
    if task.kind is Kind.TARGET:
        types[places] = 1
    return Encoded(example, tokens, ids, types, shapes, places, _allowed(task, example, tokens))


def _allowed(task: Task, example: Example, tokens: Tokens) -> numpy.ndarray:
    if task.kind is Kind.TOKENS:
        return _word_classes(task, example, tokens)
    row = numpy.zeros((1, len(task.labels)), numpy.float32)
    known = example.known
    if task.kind is Kind.MULTIPLE and known is not None:
        row[0, [at for at, label in enumerate(task.labels) if label not in known]] = -1
    for label in example.labels or (known if task.kind is Kind.SINGLE and known else ()):
        row[0, task.labels.index(label)] = 1
    return row


def _word_classes(task: Task, example: Example, tokens: Tokens) -> numpy.ndarray:
    """For each word the classes that it may have, as a row of 0 and 1."""
    starts = first_pieces(tokens)
    begins = tokens.begins[starts]
    ends = tokens.ends[numpy.append(starts[1:] - 1, len(tokens) - 1)]
    told = numpy.zeros((len(starts), len(task.classes)), numpy.float32)
    told[:, 0] = 1
    if example.known is not None:
        for at, label in enumerate(task.labels):
            if label not in example.known:
                told[:, 1 + 2 * at : 3 + 2 * at] = 1
    for span in example.spans:
        words = numpy.flatnonzero((begins < span.end) & (ends > span.begin))
        at = 1 + 2 * task.labels.index(span.label)
        told[words] = 0
        told[words[:1], at] = 1
        told[words[1:], at + 1] = 1
    return told


def batches(
    examples: Sequence[Encoded], tokens: int, chance: random.Random
) -> Iterator[list[Encoded]]:
    """One pass over the examples in random order, in batches of about `tokens` tokens and of texts
    that are equally long, so that there is next to no padding."""
    order = list(range(len(examples)))
    chance.shuffle(order)
    lengths = [len(each) for each in examples]
    chunk = max(1, 40 * tokens // max(1, sum(lengths) // max(1, len(lengths))))
    made: list[list[Encoded]] = []
    for start in range(0, len(order), chunk):
        batch: list[Encoded] = []
        for at in sorted(order[start : start + chunk], key=lengths.__getitem__):
            if batch and (len(batch) + 1) * lengths[at] > tokens:
                made.append(batch)
                batch = []
            batch.append(examples[at])
        made.append(batch)
    chance.shuffle(made)
    yield from made


def padded(batch: Sequence[Encoded]) -> numpy.ndarray:
    """Ids, token types and shapes, [3, texts, tokens]; shorter texts end with 0."""
    length = max(len(each) for each in batch)
    told = numpy.zeros((3, len(batch), length), numpy.int64)
    for row, each in enumerate(batch):
        told[0, row, : len(each)] = each.ids
        told[1, row, : len(each)] = each.types
        told[2, row, : len(each)] = each.shapes
    return told
