"""Words of a text: split, counted and numbered, as bytes, at the speed of reading.

Words end at the bytes at which fastText's do: space, tab, line feed, vertical tab, form feed,
carriage return and NUL (`Dictionary::readWord`); a line feed also ends a sentence. Any other byte
belongs to a word, so text need not be valid UTF-8.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from . import compiled

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

FNV_START, FNV_PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)


@compiled.part
def separates(byte: int) -> bool:
    """Whether a word ends before that byte."""
    return byte == 32 or 9 <= byte <= 13 or byte == 0


AT, END, TOKENS, SENTENCES, WORDS, BEFORE = range(6)
"""What the places of `split`'s state mean: where it is in the text, where that ends, how many tokens,
sentences and words there are, and how many tokens there were before `tokens`."""


@compiled.cached(
    "boolean(uint8[::1], uint8[::1], int64[:,::1], int32[::1], int32[::1], int64[::1], int64[::1])"
)
def split(
    text: Bytes,
    kept: Bytes,
    entries: npt.NDArray[np.int64],
    table: npt.NDArray[np.int32],
    tokens: npt.NDArray[np.int32],
    ends: Ints,
    state: Ints,
) -> bool:
    """True once `text` is read from state[AT] to state[END]; False where something else was full.

    Word number n is `kept[entries[0, n]:entries[0, n + 1]]`, seen `entries[1, n]` times; `table` finds
    words by hash (open addressing, a power of two, -1 empty); `tokens` are their numbers in order;
    sentence number s ends before token number `ends[s]` of all.
    """
    mask = np.uint64(table.shape[0] - 1)
    most_words = min(entries.shape[1] - 1, table.shape[0] // 2)
    at, end, token, ended, words = (
        state[AT],
        state[END],
        state[TOKENS],
        state[SENTENCES],
        state[WORDS],
    )
    whole = True
    while at < end:
        if separates(text[at]):
            if text[at] == 10:
                if ended == ends.shape[0]:
                    whole = False
                    break
                if state[BEFORE] + token > (ends[ended - 1] if ended else 0):
                    ends[ended] = state[BEFORE] + token
                    ended += 1
            at += 1
            continue
        stop, digest = at, FNV_START
        while stop < end and not separates(text[stop]):
            digest = (digest ^ np.uint64(text[stop])) * FNV_PRIME
            stop += 1
        size = stop - at
        slot = (digest ^ (digest >> np.uint64(29))) & mask
        while table[slot] >= 0:
            first = entries[0, table[slot]]
            if entries[0, table[slot] + 1] - first == size:
                same = 0
                while same < size and kept[first + same] == text[at + same]:
                    same += 1
                if same == size:
                    break
            slot = (slot + np.uint64(1)) & mask
        if token == tokens.shape[0]:
            whole = False
            break
        if table[slot] < 0:
            first = entries[0, words]
            if words == most_words or first + size > kept.shape[0]:
                whole = False
                break
            for n in range(size):
                kept[first + n] = text[at + n]
            entries[0, words + 1] = first + size
            table[slot] = words
            words += 1
        entries[1, table[slot]] += 1
        tokens[token] = table[slot]
        token += 1
        at = stop
    state[AT], state[TOKENS], state[SENTENCES], state[WORDS] = at, token, ended, words
    return whole


@compiled.cached("void(uint8[::1], int64[::1], int64, int32[::1])")
def rehash(kept: Bytes, starts: Ints, words: int, table: npt.NDArray[np.int32]) -> None:
    """`table`, all -1 before, finds the words."""
    mask = np.uint64(table.shape[0] - 1)
    for word in range(words):
        digest = FNV_START
        for n in range(starts[word], starts[word + 1]):
            digest = (digest ^ np.uint64(kept[n])) * FNV_PRIME
        slot = (digest ^ (digest >> np.uint64(29))) & mask
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = word


@compiled.cached("int64(uint8[::1], int64[::1], int64, int64, int64, int32[::1], int64[::1])")
def pieces(
    kept: Bytes,
    starts: Ints,
    least: int,
    most: int,
    buckets: int,
    rows: npt.NDArray[np.int32],
    row_starts: Ints,
) -> int:
    """How many rows all words have: their own, and those of the n-grams of `least` to `most`
    characters of `<word>`, which follow all words' by their
    hash.

    As fastText's `Dictionary::computeSubwords` and `hash` (FNV-1a, over bytes as signed characters):
    an n-gram of one character at either end is none; a character begins at each byte that is no
    continuation of UTF-8. With an empty `rows` they are only counted.
    """
    total, first = 0, starts.shape[0] - 1
    buffer = np.empty(1024, np.uint8)
    for word in range(starts.shape[0] - 1):
        row_starts[word] = total
        if rows.shape[0]:
            rows[total] = word
        total += 1
        size = starts[word + 1] - starts[word]
        if size + 2 > buffer.shape[0]:
            buffer = np.empty(2 * size + 2, np.uint8)
        buffer[0], buffer[size + 1] = 60, 62
        for n in range(size):
            buffer[n + 1] = kept[starts[word] + n]
        size += 2
        for begin in range(size):
            if buffer[begin] & 0xC0 == 0x80:
                continue
            digest, at, characters = np.uint32(2166136261), begin, 1
            while at < size and characters <= most:
                while True:
                    byte = buffer[at]
                    signed = (
                        np.uint32(byte) if byte < 128 else np.uint32(byte) | np.uint32(0xFFFFFF00)
                    )
                    digest = np.uint32(np.uint32(digest ^ signed) * np.uint32(16777619))
                    at += 1
                    if at == size or buffer[at] & 0xC0 != 0x80:
                        break
                if characters >= least and not (characters == 1 and (begin == 0 or at == size)):
                    if rows.shape[0]:
                        rows[total] = first + np.int64(digest) % buckets
                    total += 1
                characters += 1
    row_starts[starts.shape[0] - 1] = total
    return total
