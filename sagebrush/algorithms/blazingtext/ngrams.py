"""Word n-grams of whole texts, hashed as fastText hashes them, with NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from . import fasttext_model

Ints = npt.NDArray[np.int64]
PREFIX = b"__label__"
EOS = fasttext_model.EOS.encode()
BLOCK = 1 << 20
"""Tokens that are hashed at a time: bounds the memory that it takes."""


def sentences(text: Path) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """(words with the end-of-sentence word, labels) of each line, split as fastText splits."""
    with text.open("rb") as source:
        for line in source:
            tokens = line.split()
            labels = [t for t in tokens if t.startswith(PREFIX)]
            words = [t for t in tokens if not t.startswith(PREFIX)] if labels else tokens
            yield [*words, EOS], labels


def hashed(hashes: Ints, ends: Ints, longest: int, buckets: int) -> tuple[Ints, Ints]:
    """Buckets of all n-grams of 2 to `longest` words and where each sentence's end.

    `hashes` are the words' of all sentences, `ends` the bounds of the sentences in it.
    """
    count = len(ends) - 1
    sentence = np.repeat(np.arange(count), np.diff(ends))
    plain = hashes.astype(np.uint64)
    running = plain
    owners, found = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for n in range(1, min(longest, len(hashes))):
        running = running[:-1] * np.uint64(116049371) + plain[n:]
        whole = sentence[:-n] == sentence[n:]
        owners.append(sentence[:-n][whole])
        found.append((running[whole] % np.uint64(buckets)).astype(np.int64))
    owner, bucket = np.concatenate(owners), np.concatenate(found)
    order = np.argsort(owner, kind="stable")
    return bucket[order], np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=count))))


def seen(text: Path, longest: int, buckets: int) -> npt.NDArray[np.bool_]:
    """For each bucket, whether an n-gram of `text` falls into it."""
    found = np.zeros(buckets, bool)
    known: dict[bytes, int] = {}
    block: list[int] = []
    ends = [0]

    def flush() -> None:
        found[hashed(np.array(block, np.int64), np.array(ends), longest, buckets)[0]] = True
        block.clear()
        ends[1:] = []

    for words, _ in sentences(text):
        for word in words:
            if (value := known.get(word)) is None:
                value = known[word] = fasttext_model.token_hash(word)
            block.append(value)
        ends.append(len(block))
        if len(block) > BLOCK:
            flush()
    flush()
    return found
