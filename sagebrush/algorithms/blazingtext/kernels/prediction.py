"""Predictions of fastText's models in one pass: from bytes of text to probabilities of labels."""

from __future__ import annotations

import numpy as np

from . import compiled
from .labelled import FACTOR, SPREAD, Array, begins, grown, hashed, is_space
from .supervised import softmax

_LABEL = np.frombuffer(b"__label__", np.uint8)
AHEAD = 128
"""Rows that are looked up before they are read: the processor then waits for many at once."""
MOST = 1024
"""Tokens for which there is room at first."""


@compiled.part
def found(
    text: Array, start: int, end: int, h: np.uint32, names: Array, starts: Array, table: Array
) -> int:
    """The number of the word that is the token from `start` to `end`, of hash `h`; -1 for none."""
    mask = np.int64(len(table) - 1)
    slot = np.int64(np.uint32(h * SPREAD) ^ (h >> np.uint32(15))) & mask
    while table[slot] >= 0:
        word = table[slot]
        first = starts[word]
        if starts[word + 1] - first == end - start:
            same = True
            for i in range(end - start):
                if names[first + i] != text[start + i]:
                    same = False
                    break
            if same:
                return word
        slot = (slot + 1) & mask
    return -1


@compiled.cached("void(Array(uint8, 1, 'C', True), int64[::1], int32[::1])")
def fill(names: Array, starts: Array, table: Array) -> None:
    """`table` finds the words; it is larger than they are many, a power of two, and -1 before."""
    mask = np.int64(len(table) - 1)
    for word in range(len(starts) - 1):
        h = hashed(names, starts[word], starts[word + 1])
        slot = np.int64(np.uint32(h * SPREAD) ^ (h >> np.uint32(15))) & mask
        while table[slot] >= 0:
            slot = (slot + 1) & mask
        table[slot] = word


@compiled.part
def add_ngrams(
    hashes: Array, count: int, longest: int, bucket: int, entry: Array, hidden: Array
) -> int:
    """`hidden` has the rows of all n-grams of the `count` words more; how many they are."""
    rows, some, added = np.empty(AHEAD, np.int64), 0, 0
    for first in range(count):
        h = np.uint64(np.int64(np.int32(hashes[first])))
        for j in range(first + 1, min(count, first + longest)):
            h = h * FACTOR + np.uint64(np.int64(np.int32(hashes[j])))
            rows[some] = np.int64(h % np.uint64(bucket))
            some += 1
            if some == AHEAD:
                add(rows, some, entry, hidden)
                added += some
                some = 0
    add(rows, some, entry, hidden)
    return added + some


@compiled.part
def add(rows: Array, count: int, entry: Array, hidden: Array) -> None:
    """`hidden` has these rows more."""
    for i in range(count):
        row = rows[i]
        for d in range(len(hidden)):
            hidden[d] += entry[row, d]


_SHAPE = (
    "void(Array(uint8, 1, 'C', True), Array(uint8, 1, 'C', True), int64[::1], int32[::1], int64, "
    "int64, int64, Array(float32, 2, 'C', True, aligned={}), float32[:,::1], float32[:,::1], int64[::1], float32[::1])"
)


@compiled.cached(_SHAPE.format(True), _SHAPE.format(False))
def probabilities(
    text: Array,
    names: Array,
    starts: Array,
    table: Array,
    last: int,
    longest: int,
    bucket: int,
    entry: Array,
    output: Array,
    shares: Array,
    best: Array,
    highest: Array,
) -> None:
    """A row of `shares` holds the probabilities of the labels for each line of `text`, which ends with
    a line's end; `best` is the most probable label, -1 where nothing is known of the line, and
    `highest` its probability. Of fewer rows than lines the last one is used again.

    `last` is the number of the word `</s>`, -1 for none.
    """
    labels, dim, known = output.shape[0], entry.shape[1], len(starts) - 1
    hidden, bits = np.empty(dim, np.float32), np.empty(labels, np.int32)
    powers = bits.view(np.float32)
    hashes, numbers = np.empty(MOST, np.uint32), np.empty(MOST, np.int64)
    ending = np.uint32(0xD79C9359)
    line, count, rows, start, cut = 0, 0, 0, -1, False
    hidden[:] = np.float32(0)
    for i in range(len(text)):
        byte = text[i]
        if not is_space(byte):
            if start < 0:
                start = i
            continue
        if start >= 0 and not cut:
            h = hashed(text, start, i)
            word = found(text, start, i, h, names, starts, table)
            if i - start == 4 and h == ending and text[start] == 60:
                cut = True
            else:
                if count + 2 >= len(hashes):
                    hashes, numbers = grown(hashes), grown(numbers)
                if word >= 0:
                    numbers[rows] = word
                    rows += 1
                if word >= 0 or not begins(text, start, i, _LABEL):
                    hashes[count] = h
                    count += 1
        start = -1
        if byte != 10:
            continue
        if last >= 0:
            numbers[rows] = last
            rows += 1
        hashes[count] = ending
        count += 1
        add(numbers, rows, entry, hidden)
        if longest > 1:
            rows += add_ngrams(hashes, count, longest, bucket, entry[known:], hidden)
        best[line] = -1
        if rows:
            own = shares[min(line, len(shares) - 1)]
            share = np.float32(1) / np.float32(rows)
            for c in range(labels):
                score = np.float32(0)
                for d in range(dim):
                    score += output[c, d] * hidden[d]
                own[c] = score * share
            softmax(own, bits, powers)
            best[line] = np.argmax(own)
            highest[line] = own[best[line]]
        hidden[:] = np.float32(0)
        line += 1
        count, rows, cut = 0, 0, False
