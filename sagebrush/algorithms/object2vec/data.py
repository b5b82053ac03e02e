"""Object2Vec's channels: JSON Lines of labelled pairs of token sequences, as arrays.

Source: Amazon SageMaker AI Developer Guide, Data Formats for Object2Vec Training.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from contract.channels import Channel
from contract.errors import ClientError

from .parameters import Parameters

SIDES = ("in0", "in1")
LARGEST = float(np.finfo(np.float32).max)
"""Of a label, which is kept as float32."""


@dataclass(frozen=True)
class Sequences:
    """Many token sequences: sequence i is `ids[starts[i] : starts[i] + lengths[i]]`."""

    ids: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]

    def take(
        self, which: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(ids, lengths) of those sequences, one behind the other."""
        lengths = self.lengths[which]
        ends = np.cumsum(lengths)
        places = np.arange(ends[-1] if len(ends) else 0)
        places += np.repeat(self.starts[which] - (ends - lengths), lengths)
        return self.ids[places].astype(np.int64), lengths


@dataclass(frozen=True)
class Pairs:
    """A channel's pairs."""

    sides: tuple[Sequences, Sequences]
    labels: npt.NDArray[np.float32]
    """Classes as whole numbers, or scores."""

    def __len__(self) -> int:
        return len(self.labels)


def sequences(lists: Iterable[list[int]]) -> Sequences:
    """Those sequences as arrays."""
    ids, lengths = array("i"), array("q")
    for each in lists:
        ids.extend(each)
        lengths.append(len(each))
    return _packed(ids, lengths)


def _packed(ids: array[int], lengths: array[int]) -> Sequences:
    sizes = np.array(lengths, dtype=np.int64)
    return Sequences(np.array(ids, dtype=np.int32), np.cumsum(sizes) - sizes, sizes)


def read(channel: Channel, wanted: Parameters) -> Pairs:
    """The channel's pairs, their sequences no longer than `max_seq_len`. Raises ClientError with file
    and line for what is no labelled pair, and for ids beyond the vocabulary."""
    ids, lengths = (array("i"), array("i")), (array("q"), array("q"))
    labels = array("f")
    for name, source in channel.files():
        for number, line in _lines(source):
            where = f"{name}, line {number} of the channel {channel.name!r}"
            sample = _json(line, where)
            labels.append(_label(sample, wanted, where))
            for side in (0, 1):
                tokens = checked(sample, side, wanted, where)[: wanted.encoders[side].max_seq_len]
                ids[side].extend(tokens)
                lengths[side].append(len(tokens))
    if not labels:
        raise ClientError(f"The channel {channel.name!r} holds no pair, only empty lines")
    return Pairs(
        (_packed(ids[0], lengths[0]), _packed(ids[1], lengths[1])),
        np.array(labels, dtype=np.float32),
    )


def _lines(source: BinaryIO) -> Iterable[tuple[int, bytes]]:
    """The lines that hold something, with their numbers from 1."""
    for number, line in enumerate(source, 1):
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line.isspace():
            yield number, line


def _json(line: bytes, where: str) -> dict[str, Any]:
    try:
        sample = json.loads(line)
    except UnicodeDecodeError as error:
        raise ClientError(f"{where}: not UTF-8 ({error})") from None
    except (ValueError, RecursionError) as error:
        raise ClientError(f"{where}: not JSON ({error})") from None
    if not isinstance(sample, dict):
        raise ClientError(
            f'{where}: not an object like {{"label": 1, "in0": [6, 17], "in1": [16]}}'
        )
    return sample


def checked(sample: dict[str, Any], side: int, wanted: Parameters, where: str) -> list[int]:
    """The ids of one side of a sample; raises ClientError.

    The words about ids beyond the vocabulary are AWS's (aws/sagemaker-python-sdk, issue 834).
    """
    tokens = listed(sample, side, where)
    size = wanted.encoders[side].vocab_size
    if (largest := max(tokens)) >= size:
        raise ClientError(
            f'Inconsistent vocab for {SIDES[side]} found. Vocab id "{largest}" is not less than'
            f" vocab_size={size} ({where})"
        )
    return tokens


def listed(sample: dict[str, Any], side: int, where: str) -> list[int]:
    """The ids of one side of a sample, at least one, from 0 up to any number; raises ClientError."""
    name = SIDES[side]
    if name not in sample:
        raise ClientError(f"{where}: {name!r} is missing")
    tokens = sample[name]
    if not isinstance(tokens, list) or not all(type(each) is int for each in tokens):
        raise ClientError(f"{where}: {name!r} must be a list of integer ids, like [6, 17, 606]")
    if not tokens:
        raise ClientError(f"{where}: {name!r} is an empty list")
    if (least := min(tokens)) < 0:
        raise ClientError(
            f'Inconsistent vocab for {name} found. Vocab id "{least}" is negative ({where})'
        )
    return tokens


def _label(sample: dict[str, Any], wanted: Parameters, where: str) -> float:
    """The label as a number; raises ClientError where it is no class, or no number."""
    if "label" not in sample:
        raise ClientError(f"{where}: 'label' is missing")
    label = sample["label"]
    if isinstance(label, bool) or not isinstance(label, (int, float)) or not abs(label) <= LARGEST:
        raise ClientError(f"{where}: 'label' must be a number, not {json.dumps(label)}")
    if not wanted.regression and (label != int(label) or not 0 <= label < wanted.num_classes):
        raise ClientError(
            f"{where}: the label {json.dumps(label)} is no class from 0 to num_classes - 1 ="
            f" {wanted.num_classes - 1}; for scores set output_layer to mean_squared_error"
        )
    return float(label)
