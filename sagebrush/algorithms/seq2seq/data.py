"""Pairs of sequences from RecordIO-protobuf, and their batches by length.

Source: Amazon SageMaker AI Developer Guide, Sequence-to-Sequence Algorithm, Input/Output Interface;
Sockeye (Hieber et al. 2017) for the buckets.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from contract import errors, record_protobuf, recordio
from contract.channels import RECORDIO_PROTOBUF, Channel
from contract.errors import ClientError
from contract.record_protobuf import Tensor

Ints = npt.NDArray[np.int64]
WINDOW = 16
"""Batches whose pairs are sorted together."""


@dataclass(frozen=True)
class Pairs:
    """Sequences and what they become, as numbers of the vocabularies, without begin and end."""

    sources: Sequence[Ints]
    targets: Sequence[Ints]

    def __len__(self) -> int:
        return len(self.sources)

    def longest(self) -> tuple[int, int]:
        """The length of the longest source, and that of the longest target."""
        return max(map(len, self.sources)), max(map(len, self.targets))


@dataclass(frozen=True)
class Batch:
    """Pairs of similar length, padded with 0."""

    sources: Ints
    """(pairs, longest source)"""
    source_lengths: Ints
    inputs: Ints
    """(pairs, longest target + 1): begin, then the target"""
    labels: Ints
    """the same shape: the target, then end"""


@dataclass(frozen=True)
class Limits:
    """How long sequences may be, and how large their numbers."""

    source: int
    target: int
    source_words: int
    target_words: int


def read(channel: Channel, limits: Limits) -> Pairs:
    """The channel's pairs, cut to the limits; raises ClientError for what is not such data.

    Pairs with an empty side are left out, which is told.
    """
    sources: list[Ints] = []
    targets: list[Ints] = []
    empty = 0
    for name, stream in channel.files():
        for number, features in enumerate(_features(stream, channel.name, name), 1):
            where = f"{name}, record {number}"
            source = sequence(features.get("source"), "source", limits.source_words, where)
            target = sequence(features.get("target"), "target", limits.target_words, where)
            if not len(source) or not len(target):
                empty += 1
                continue
            sources.append(source[: limits.source])
            targets.append(target[: limits.target])
    if not sources:
        raise ClientError(
            f"The channel {channel.name!r} has no record with a source and a target sequence"
        )
    if empty:
        print(f"{channel.name}: {empty} records with an empty source or target were left out")
    return Pairs(sources, targets)


def _features(stream: BinaryIO, channel: str, name: str) -> Iterator[Mapping[str, Tensor | bytes]]:
    """The features of each record; raises ClientError, which names channel and file."""
    number = 0
    try:
        for payload in recordio.records(stream):
            found = record_protobuf.decode(payload).features
            number += 1
            yield found
    except ClientError as error:
        cause = str(error)
        if not cause.startswith("record "):
            cause = f"record {number}: {cause}"
        raise errors.unreadable(channel, RECORDIO_PROTOBUF, f"{name}, {cause}") from None


def sequence(found: Tensor | bytes | None, name: str, words: int, where: str) -> Ints:
    """The numbers of one sequence; raises ClientError where they are none of the vocabulary's."""
    if found is None:
        raise ClientError(f"{where}: it has no feature {name!r}")
    if isinstance(found, bytes) or found.values.dtype.kind != "i":
        raise ClientError(f"{where}: the feature {name!r} must be an int32 tensor of tokens")
    values = found.values.astype(np.int64)
    if len(values) and (int(values.max()) >= words or int(values.min()) < 0):
        wrong = int(values.max()) if int(values.max()) >= words else int(values.min())
        raise ClientError(
            f"{where}: the token {wrong} of {name!r} is not in the vocabulary, which has {words}"
        )
    return values


def buckets(pairs: Pairs, longest: tuple[int, int], width: int) -> list[tuple[int, int]]:
    """The (source, target) lengths of the buckets: the side that is longer on average grows by
    `width`, the other by as much less as it is shorter.
    """
    ratio = sum(map(len, pairs.targets)) / sum(map(len, pairs.sources))
    steps = (width / ratio, float(width)) if ratio >= 1 else (float(width), width * ratio)
    found = []
    count = 1
    while True:
        size = tuple(
            min(most, max(1, round(step * count)))
            for step, most in zip(steps, longest, strict=True)
        )
        found.append((size[0], size[1]))
        if size == longest:
            return found
        count += 1


def batches(
    pairs: Pairs, sizes: Sequence[tuple[int, int]], size: int, chance: random.Random | None
) -> Iterator[list[int]]:
    """Numbers of the pairs of each batch of up to `size`: pairs of one bucket, the buckets mixed, in
    an order of `chance`; in their own order of length without.

    Of several buckets, the pairs of WINDOW batches that chance put together are dealt out by length:
    less of a batch is padding than where it holds any of its bucket.
    """
    held: dict[int, list[int]] = {}
    ends = np.array(sizes)
    lengths = np.array(
        [(len(s), len(t)) for s, t in zip(pairs.sources, pairs.targets, strict=True)]
    )
    for number, fits in enumerate((lengths[:, None, :] <= ends[None]).all(axis=2).argmax(axis=1)):
        held.setdefault(int(fits), []).append(number)
    found = []
    for bucket in sorted(held):
        members = held[bucket]
        if chance is None:
            members.sort(key=lambda each: (len(pairs.sources[each]), len(pairs.targets[each])))
        else:
            chance.shuffle(members)
            if len(sizes) > 1:
                members = _by_length(pairs, members, size * WINDOW)
        found += [members[start : start + size] for start in range(0, len(members), size)]
    if chance is not None:
        chance.shuffle(found)
    yield from found


def _by_length(pairs: Pairs, members: Sequence[int], window: int) -> list[int]:
    """The members, each `window` of them sorted by the lengths of their targets and sources."""
    found: list[int] = []
    for start in range(0, len(members), window):
        found += sorted(
            members[start : start + window],
            key=lambda each: (len(pairs.targets[each]), len(pairs.sources[each])),
        )
    return found


def sizes(pairs: Pairs, wanted: Mapping[str, Any]) -> list[tuple[int, int]]:
    """The buckets that the hyperparameters ask for: one of all lengths without bucketing."""
    if not wanted["bucketing_enabled"]:
        return [pairs.longest()]
    return buckets(pairs, pairs.longest(), wanted["bucket_width"])


def largest(pairs: Pairs, wanted: Mapping[str, Any]) -> int:
    """The target tokens, with padding and end, of a batch among the largest."""
    found = batches(pairs, sizes(pairs, wanted), wanted["batch_size"], None)
    return max(len(each) * (max(len(pairs.targets[n]) for n in each) + 1) for each in found)


def batch(pairs: Pairs, members: Sequence[int], begin: int, end: int) -> Batch:
    """The pairs with these numbers as one padded batch."""
    sources = [pairs.sources[each] for each in members]
    targets = [pairs.targets[each] for each in members]
    width = max(map(len, targets)) + 1
    inputs = np.zeros((len(members), width), np.int64)
    labels = np.zeros((len(members), width), np.int64)
    inputs[:, 0] = begin
    for row, target in enumerate(targets):
        inputs[row, 1 : len(target) + 1] = target
        labels[row, : len(target)] = target
        labels[row, len(target)] = end
    lengths = np.array([len(each) for each in sources], np.int64)
    return Batch(padded(sources), lengths, inputs, labels)


def padded(sequences: Sequence[Ints]) -> Ints:
    """(sequences, the longest) with 0 behind the shorter ones."""
    found = np.zeros((len(sequences), max(map(len, sequences))), np.int64)
    for row, each in enumerate(sequences):
        found[row, : len(each)] = each
    return found
