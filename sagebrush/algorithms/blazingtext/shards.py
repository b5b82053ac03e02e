"""The text of a training on several instances: which part each learns from, with one vocabulary."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .parameters import WordParameters
from .peers import Peers


def part(corpus: Any, rank: int, hosts: int) -> Any:
    """The `rank`-th of `hosts` equal parts of a text that all of them have. The vocabulary is the
    whole text's; a sentence that lies over a bound is cut there.
    """
    size = len(corpus.ids)
    begin, end = size * rank // hosts, size * (rank + 1) // hosts
    ends = corpus.ends[(corpus.ends > begin) & (corpus.ends < end)] - begin
    bounds = np.concatenate((ends, [end - begin])).astype(np.int64)
    return dataclasses.replace(corpus, ids=corpus.ids[begin:end].copy(), ends=bounds)


def merged(corpus: Any, group: Peers, min_count: int) -> Any:
    """This host's text in terms of the vocabulary of all hosts' texts, where each has its own.

    `corpus` holds every word of it. Words that occur less than `min_count` times in all are left out.
    """
    body = group.exchange(
        _told(corpus.words, corpus.counts), lambda parts: vocabulary(parts, min_count)
    )
    words, counts = _read(body)
    numbers = {word: number for number, word in enumerate(words)}
    own = np.array([numbers.get(word, -1) for word in corpus.words], np.int32)
    ids = own[corpus.ids]
    kept = ids >= 0
    ends = np.concatenate(([0], np.cumsum(kept)))[corpus.ends]
    return dataclasses.replace(
        corpus,
        ids=ids[kept],
        ends=np.unique(ends[ends > 0]).astype(np.int64),
        words=words,
        counts=np.array(counts, np.int64),
    )


def updates(
    corpus: Any, wanted: WordParameters, parts: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """How often each word is a centre, and how often a word that is predicted or a negative sample, in
    one of `parts` equal parts of the whole text, about.
    """
    counts = np.asarray(corpus.counts, np.float64)
    share = counts / counts.sum()
    kept = np.sqrt(wanted.sampling_threshold / share) + wanted.sampling_threshold / share
    centres = counts * np.minimum(kept, 1) / parts
    likely = counts**0.75
    negatives = centres.sum() * wanted.negative_samples * likely / likely.sum()
    return centres, centres + negatives


def vocabulary(parts: Sequence[bytes], min_count: int) -> bytes:
    """The vocabulary of several texts' vocabularies, most frequent first, as it is sent."""
    total: Counter[bytes] = Counter()
    for one in parts:
        words, counts = _read(one)
        for word, count in zip(words, counts, strict=True):
            total[word] += count
    kept = [(word, count) for word, count in total.most_common() if count >= min_count]
    if not kept:
        return _told([], [])
    return _told([word for word, _ in kept], [count for _, count in kept])


def _told(words: Sequence[bytes], counts: Sequence[int]) -> bytes:
    # No word holds a newline.
    return json.dumps([int(count) for count in counts]).encode() + b"\n" + b"\n".join(words)


def _read(body: bytes) -> tuple[list[bytes], list[int]]:
    head, _, rest = body.partition(b"\n")
    counts = json.loads(head)
    return (rest.split(b"\n") if counts else []), counts
