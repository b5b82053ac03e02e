"""Samples out of recordIO-protobuf: the numbers of many records are decoded at a time.

Source: Amazon SageMaker AI Developer Guide, "Common data formats for training": a record's tensor is
named `values`, in features and in labels.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from . import record_protobuf, recordio
from .errors import ClientError
from .record_protobuf import KINDS, Pieces, Raw
from .rows import Floats, Matrix, Rows

if TYPE_CHECKING:
    import numpy.typing as npt

NAME = "values"
BATCH = 16384
"""Records that are decoded at a time."""
INT32 = 7
WIDEST = 2**48
"""The largest dimension that is taken for one."""


def parts(source: BinaryIO) -> Iterator[tuple[Matrix, Floats | None]]:
    """(features, labels) of some thousand records after another; labels are None where a record has
    none. Raises ClientError, which names the record by its number from 0 on."""
    found = _pieces(source)
    begun = 0
    while batch := list(itertools.islice(found, BATCH)):
        features = [_tensor(each.features, begun + n) for n, each in enumerate(batch)]
        labels = [each.label.get(NAME) for each in batch]
        known = [raw for raw in labels if raw is not None and raw.values]
        yield _matrix(features, begun), _labels(known) if len(known) == len(batch) else None
        begun += len(batch)


def _pieces(source: BinaryIO) -> Iterator[Pieces]:
    for number, payload in enumerate(recordio.records(source)):
        try:
            yield record_protobuf.pieces(payload)
        except ClientError as error:
            raise ClientError(f"record {number}: {error}") from None


def _tensor(features: dict[str, Raw], number: int) -> Raw:
    """The tensor of a record's features: `values`, or the only one."""
    raw = features.get(NAME)
    if raw is None:
        if len(features) != 1:
            raise ClientError(f"record {number}: it has no feature '{NAME}'")
        raw = next(iter(features.values()))
    if raw.field not in KINDS:
        raise ClientError(f"record {number}: the feature is no tensor of numbers")
    return raw


def _matrix(raws: Sequence[Raw], begun: int) -> Matrix:
    """The features of consecutive records, the first of which is number `begun`."""
    numbers, counts = _numbers(raws, begun)
    known = {raw.shape: n for n, raw in enumerate(raws)}
    widths = {shape: _last(shape, begun + n) for shape, n in known.items()}
    shapes = [widths[raw.shape] for raw in raws]
    filled = np.array([bool(raw.keys) for raw in raws])
    # A record without a value is a sparse one of zeros, if it has a shape.
    dense = ~filled & (counts > 0)
    if dense.all():
        for n, (count, shape) in enumerate(zip(counts.tolist(), shapes)):
            if count != counts[0] or shape not in (0, count):
                expected = shape if shape not in (0, count) else counts[0]
                raise ClientError(
                    f"record {begun + n}: {count} values where {expected} are expected"
                )
        return numbers.reshape(len(raws), -1)
    columns, keys = _varints([raw.keys for raw in raws], begun)
    if dense.any():  # both in one file: the dense ones have every key
        columns, keys = _with_dense(columns, keys, counts, dense), np.where(dense, counts, keys)
    for wrong in np.flatnonzero(keys != counts)[:1].tolist():
        raise ClientError(f"record {begun + wrong}: {keys[wrong]} keys for {counts[wrong]} values")
    ends = np.concatenate(([0], np.cumsum(counts)))
    limit = np.repeat(np.array([shape or WIDEST for shape in shapes]), counts)
    # A key of 2**63 and more is negative here.
    for wrong in np.flatnonzero((columns < 0) | (columns >= limit))[:1].tolist():
        number = int(np.searchsorted(ends, wrong, side="right")) - 1
        raise ClientError(
            f"record {begun + number}: key {int(columns[wrong]) % 2**64} where the shape is"
            f" [{shapes[number]}]"
        )
    width = max([*shapes, int(columns.max(initial=-1)) + 1])
    return Rows(numbers, columns, ends, width)


def _numbers(raws: Sequence[Raw], begun: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """(the values of all records, how many each has)."""
    fields = {raw.field for raw in raws}
    if fields == {INT32}:
        found, counts = _varints([raw.values for raw in raws], begun)
        return found.astype(np.int32).astype(np.float32), counts
    if len(fields) == 1:
        kind = KINDS[fields.pop()]
        sizes = np.array([len(raw.values) for raw in raws])
        for wrong in np.flatnonzero(sizes % kind.itemsize)[:1].tolist():
            raise ClientError(f"record {begun + wrong}: the values are cut off")
        joined = np.frombuffer(b"".join([raw.values for raw in raws]), kind)
        return _single(joined), sizes // kind.itemsize
    each = [record_protobuf.values(raw.field, raw.values) for raw in raws]
    return _single(np.concatenate(each)), np.array([len(one) for one in each])


def _single(numbers: npt.NDArray[Any]) -> Floats:
    """The numbers as float32; what is too large for it is infinite, and refused as such."""
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32)


def _varints(
    pieces: Sequence[bytes], begun: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(the numbers of all pieces, how many each has); none goes on in the next piece."""
    for n, piece in enumerate(pieces):
        if piece and piece[-1] >= 0x80:
            raise ClientError(f"record {begun + n}: a number does not end")
    joined = b"".join(pieces)
    ends = np.cumsum([0, *map(len, pieces)])
    done = np.concatenate(([0], np.cumsum(np.frombuffer(joined, np.uint8) < 0x80)))
    try:
        numbers = record_protobuf.varints(joined).astype(np.int64)
    except ClientError as error:
        raise ClientError(f"records {begun} to {begun + len(pieces) - 1}: {error}") from None
    return numbers, np.diff(done[ends])


def _with_dense(
    columns: npt.NDArray[np.int64], keys: npt.NDArray[np.int64], counts: Any, dense: Any
) -> npt.NDArray[np.int64]:
    """The columns of all records, those of dense ones put in."""
    ends = np.cumsum(keys)
    found = [
        np.arange(count) if whole else columns[end - some : end]
        for count, whole, some, end in zip(counts, dense, keys, ends)
    ]
    return np.concatenate(found).astype(np.int64)


def _last(shape: bytes, number: int) -> int:
    """The last dimension of a shape; 0 where there is none."""
    if not shape:
        return 0
    try:
        width = int(record_protobuf.varints(shape)[-1])
    except ClientError as error:
        raise ClientError(f"record {number}: {error}") from None
    if width > WIDEST:
        raise ClientError(f"record {number}: the shape is [{width}]")
    return width


def _labels(raws: Sequence[Raw]) -> Floats | None:
    """The labels of records that all have some: of one axis where each has one number; None where
    they differ in size."""
    if any(raw.field not in KINDS for raw in raws):
        return None
    each = [record_protobuf.values(raw.field, raw.values).astype(np.float32) for raw in raws]
    if len({len(one) for one in each}) > 1:
        return None
    together = np.stack(each)
    return together[:, 0] if together.shape[1] == 1 else together
