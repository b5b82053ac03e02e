"""Labelled text as numbers: tokens, sentences and hashed word n-grams, split and hashed as fastText does.

Bounds of parts are arrays with one more entry than there are parts, the first of them 0.
Source: fastText's dictionary.cc (Joulin et al. 2016, Bag of Tricks for Efficient Text Classification).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import compiled

Array = Any
"""An array as numba sees it; the signatures say of what."""
LAST = b"</s>"
"""The word that ends each sentence; its number is 0."""
_LAST = np.frombuffer(LAST, np.uint8)
_LABEL = np.frombuffer(b"__label__", np.uint8)
FACTOR = np.uint64(116049371)
"""By which fastText chains the hashes of an n-gram's words."""
SPREAD = np.uint32(2654435769)
"""Knuth's multiplier: takes a hash's entropy to its upper bits."""


@compiled.part
def is_space(byte: int) -> bool:
    """Whether the byte ends a word: the white space of fastText, and no other."""
    return byte == 32 or 9 <= byte <= 13 or byte == 0


@compiled.part
def begins(text: Array, start: int, end: int, word: Array) -> bool:
    """Whether the token from `start` to `end` begins with `word`."""
    if end - start < len(word):
        return False
    for i in range(len(word)):  # noqa: SIM110 (numba has no all)
        if text[start + i] != word[i]:
            return False
    return True


@compiled.part
def hashed(text: Array, start: int, end: int) -> Any:
    """fastText's hash of the token: FNV-1a in 32 bits over *signed* characters."""
    h = np.uint32(2166136261)
    for i in range(start, end):
        byte = np.uint32(text[i])
        if byte > 127:  # a negative char widens to 0xFFFFFF..
            byte |= np.uint32(0xFFFFFF00)
        h = np.uint32((h ^ byte) * np.uint32(16777619))
    return h


@compiled.cached("(uint8[::1],)")
def sizes(text: Array) -> tuple[int, int, int]:
    """(tokens, tokens that may be labels, lines) of the text."""
    tokens, labels, lines, inside = 0, 0, 1, False
    for i in range(len(text)):
        byte = text[i]
        if is_space(byte):
            inside = False
            lines += byte == 10
        elif not inside:
            inside = True
            tokens += 1
            labels += byte == _LABEL[0]
    return tokens, labels, lines


@compiled.part
def grown(values: Array) -> Array:
    """A copy with room for twice as many."""
    larger = np.zeros(2 * len(values), values.dtype)
    larger[: len(values)] = values
    return larger


@compiled.part
def same(text: Array, one: int, other: int, length: int) -> bool:
    """Whether the bytes at both places are the same."""
    for i in range(length):  # noqa: SIM110
        if text[one + i] != text[other + i]:
            return False
    return True


@compiled.cached("(uint8[::1], int64, int64, int64, int64)")
def encoded(text: Array, boundary: int, tokens: int, named: int, lines: int) -> Any:
    """The text's sentences: (words, bounds, labels, bounds, starts, lengths, hashes, counts, kept,
    left out).

    `text` begins with "</s>" and a line's end, which is no sentence. `words` and `labels` number
    distinct tokens in the order in which they come; `starts` and `lengths` say where each is in the
    text. Lines without a label or without a word are left out. `counts` are those of the sentences
    before `boundary`, of which `kept` are sentences; `left out` are lines before it and behind it.
    """
    room = np.int64(1) << 12
    table = np.full(4 * room, -1, np.int32)
    starts, lengths = np.zeros(room, np.int64), np.zeros(room, np.int64)
    hashes, counts = np.zeros(room, np.uint32), np.zeros(room, np.int64)
    words, ends = np.empty(tokens + lines, np.int32), np.zeros(lines + 1, np.int64)
    labels, label_ends = np.empty(named, np.int32), np.zeros(lines + 1, np.int64)
    distinct = word = label = sentences = kept = 0
    left_out = np.zeros(2, np.int64)
    start, cut, size = -1, False, len(text)
    for i in range(size + 1):
        byte = text[i] if i < size else np.uint8(10)
        if not is_space(byte):
            if start < 0:
                start = i
            continue
        if start >= 0:
            h = hashed(text, start, i)
            length = i - start
            mask = np.int64(len(table) - 1)
            slot = np.int64(np.uint32(h * SPREAD) ^ (h >> np.uint32(15))) & mask
            found = table[slot]
            while found >= 0 and not (
                hashes[found] == h
                and lengths[found] == length
                and same(text, starts[found], start, length)
            ):
                slot = (slot + 1) & mask
                found = table[slot]
            if found < 0:
                if distinct == room:
                    room *= 2
                    starts, lengths = grown(starts), grown(lengths)
                    hashes, counts = grown(hashes), grown(counts)
                    table = np.full(4 * room, -1, np.int32)
                    mask = np.int64(len(table) - 1)
                    for each in range(distinct):
                        g = hashes[each]
                        slot = np.int64(np.uint32(g * SPREAD) ^ (g >> np.uint32(15))) & mask
                        while table[slot] >= 0:
                            slot = (slot + 1) & mask
                        table[slot] = each
                    slot = np.int64(np.uint32(h * SPREAD) ^ (h >> np.uint32(15))) & mask
                    while table[slot] >= 0:
                        slot = (slot + 1) & mask
                found = np.int32(distinct)
                table[slot] = found
                starts[found], lengths[found], hashes[found] = start, length, h
                distinct += 1
            if found == 0:  # what stands behind the end of a sentence is none of it
                cut = True
            elif not cut and begins(text, start, i, _LABEL):
                labels[label] = found
                label += 1
            elif not cut:
                words[word] = found
                word += 1
            start = -1
        if byte == 10:
            first, first_label = ends[sentences], label_ends[sentences]
            if word > first and label > first_label:
                words[word] = 0
                word += 1
                sentences += 1
                ends[sentences], label_ends[sentences] = word, label
                if i < boundary:
                    kept = sentences
                    for each in range(first, word):
                        counts[words[each]] += 1
                    for each in range(first_label, label):
                        counts[labels[each]] += 1
            else:
                left_out[0 if i < boundary else 1] += word > first or label > first_label
                word, label = first, first_label
            cut = False
    return (
        words[:word],
        ends[: sentences + 1],
        labels[:label],
        label_ends[: sentences + 1],
        starts[:distinct],
        lengths[:distinct],
        hashes[:distinct],
        counts[:distinct],
        kept,
        left_out,
    )


@compiled.cached(
    "(int32[::1], int64[::1], uint32[::1], int32[::1], int64, int64, int32[::1], int64, int64)"
)
def features(
    words: Array,
    ends: Array,
    hashes: Array,
    rows: Array,
    longest: int,
    buckets: int,
    known: Array,
    fresh: int,
    learnt: int,
) -> Any:
    """The rows that stand for each sentence: (rows, bounds, sizes, number of rows).

    `rows` are those of the distinct words, -1 where a word has none. A bucket's row is
    `known[bucket] - 1`; buckets that have none are given the next ones, from `fresh` on, in the first
    `learnt` sentences, and are left out of later ones. `sizes` count those left out, as fastText
    divides by them too.
    """
    most = np.int64(0)
    for s in range(len(ends) - 1):
        n = ends[s + 1] - ends[s]
        most += n
        for k in range(1, min(longest, n)):
            most += n - k
    found, bounds = np.empty(most, np.int32), np.zeros(len(ends), np.int64)
    size = np.zeros(len(ends) - 1, np.int32)
    at = np.int64(0)
    for s in range(len(ends) - 1):
        first, last, count = ends[s], ends[s + 1], 0
        for i in range(first, last):
            row = rows[words[i]]
            if row >= 0:
                found[at] = row
                at += 1
                count += 1
        for i in range(first, last):
            h = np.uint64(np.int64(np.int32(hashes[words[i]])))
            for j in range(i + 1, min(last, i + longest)):
                h = h * FACTOR + np.uint64(np.int64(np.int32(hashes[words[j]])))
                bucket = np.int64(h % np.uint64(buckets))
                row = known[bucket] - 1
                if row < 0 and s < learnt:
                    row = fresh
                    fresh += 1
                    known[bucket] = np.int32(fresh)
                if row >= 0:
                    found[at] = row
                    at += 1
                count += 1
        size[s] = count
        bounds[s + 1] = at
    return found[:at], bounds, size, fresh


@compiled.cached("(int32[::1], int64[::1], int64, int64)")
def frequencies(rows: Array, bounds: Array, learnt: int, known: int) -> Any:
    """In how many of the first `learnt` sentences each of the `known` rows is."""
    found, last = np.zeros(known, np.int64), np.full(known, -1, np.int64)
    for s in range(learnt):
        for i in range(bounds[s], bounds[s + 1]):
            row = rows[i]
            if last[row] != s:
                last[row] = s
                found[row] += 1
    return found
