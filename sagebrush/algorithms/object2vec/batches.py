"""Batches of pairs: shuffled, by length where bucketing is on, with negative samples drawn.

Source: Amazon SageMaker AI Developer Guide, Object2Vec Hyperparameters (bucket_width, mini_batch_size,
negative_sampling_rate). Everything is a few array operations an epoch, and no process of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .data import Pairs

Indices = npt.NDArray[np.int64]
PADDED = 1 << 15
"""Tokens, with padding, at a time where nothing is learnt: an hcnn of AWS's sizes takes half a gibibyte
for them, whatever a request or a validation channel holds."""


@dataclass(frozen=True)
class Epoch:
    """The samples of one epoch: sample i is sequence `left[i]` of in0 with `right[i]` of in1."""

    left: Indices
    right: Indices
    labels: npt.NDArray[np.float32]


def drawn(pairs: Pairs, negatives: int, chance: np.random.Generator) -> Epoch:
    """The pairs themselves, and `negatives` for each whose label is not 0: its in0 with the in1 of
    another pair, labelled 0."""
    each = np.arange(len(pairs))
    if not negatives or len(pairs) < 2:
        return Epoch(each, each, pairs.labels)
    left = np.repeat(each[pairs.labels != 0], negatives)
    # Never its own: one of the others, all alike.
    right = (left + chance.integers(1, len(pairs), len(left))) % len(pairs)
    return Epoch(
        np.concatenate([each, left]),
        np.concatenate([each, right]),
        np.concatenate([pairs.labels, np.zeros(len(left), np.float32)]),
    )


def shuffled(
    pairs: Pairs, epoch: Epoch, size: int, width: int, chance: np.random.Generator
) -> Iterator[Indices]:
    """The epoch's samples in batches of `size`, in random order; with a bucket `width` above 0, a batch
    holds pairs alone whose lengths fall into the same steps of that width."""
    order = chance.permutation(len(epoch.labels))
    if not width:
        yield from _cut(order, size)
        return
    steps = [
        (side.lengths[which] - 1) // width
        for side, which in zip(pairs.sides, (epoch.left, epoch.right))
    ]
    key = steps[0] * (int(steps[1].max()) + 1) + steps[1]
    order = order[np.argsort(key[order], kind="stable")]
    bounds = np.flatnonzero(np.diff(key[order])) + 1
    found = [batch for bucket in np.split(order, bounds) for batch in _cut(bucket, size)]
    for number in chance.permutation(len(found)):
        yield found[number]


def by_length(lengths: npt.NDArray[np.int64], size: int) -> Iterator[Indices]:
    """All, the shortest first: for measuring and predicting, where the order does not matter. At most
    `size` at a time, and no more tokens, with padding, than PADDED, but for a single one that is longer."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        some = order[start : start + size]
        padded = lengths[some] * np.arange(1, len(some) + 1)
        count = max(1, int(np.searchsorted(padded, PADDED, "right")))
        yield some[:count]
        start += count


def _cut(order: Indices, size: int) -> Iterator[Indices]:
    for start in range(0, len(order), size):
        yield order[start : start + size]
