"""Channels and inference requests as matrices: recordIO-protobuf, CSV, JSON and JSON Lines.

Source: Amazon SageMaker AI Developer Guide, "Common data formats for training" and "... for inference".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Union

import numpy as np

from . import bodies, csv_rows, errors, record_rows, rows
from .channels import CSV, RECORDIO_PROTOBUF, Channel
from .errors import ClientError
from .rows import Floats, Rows

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingImports]

Features = Union[Floats, "csr_matrix"]


@dataclass(frozen=True)
class Samples:
    """Samples, one a row: float32, dense or sparse as they came; wide and almost empty CSV is sparse."""

    features: Features
    labels: Floats | None
    """Of one axis where a sample has one label; None where samples have none."""

    def __len__(self) -> int:
        return self.features.shape[0]  # pyright: ignore[reportOptionalSubscript]


def read(
    channel: Channel, feature_dim: int | None = None, label_size: int = 0, epoch: int = 0
) -> Samples:
    """All samples of a channel; raises ClientError in AWS's words, with file and line or record.

    `feature_dim` is the width that is expected; without it, that of the data. `label_size` counts where
    the content type does not say `label_size`; CSV in files with one column more than `feature_dim` has a
    label in the first then, as AWS has it by default. `epoch` is which stream is read in Pipe mode. Without
    a content type the channel is recordIO-protobuf.
    """
    features, labels = read_rows(channel, feature_dim, label_size, epoch)
    return Samples(scipy(features), labels)


def read_rows(
    channel: Channel, feature_dim: int | None = None, label_size: int = 0, epoch: int = 0
) -> tuple[rows.Matrix, Floats | None]:
    """As `read`, by NumPy alone: sparse features as `Rows`."""
    kind = channel.content_type or RECORDIO_PROTOBUF
    if kind not in (RECORDIO_PROTOBUF, CSV):
        raise ClientError(
            f"No iterator has been registered for ContentType ('{kind}', '1.0'); use"
            f" {RECORDIO_PROTOBUF} or {CSV}"
        )
    given = channel.parameters.get("label_size", str(label_size))
    if not given.isdecimal() or len(given) > 9:
        raise errors.unreadable(channel.name, kind, f"label_size={given} is not a whole number")
    found = list(_parts(channel, kind, int(given), epoch))
    if not found:
        raise errors.empty(channel.name, "the channel holds no sample")
    try:
        features = rows.joined([part for part, _ in found], feature_dim)
    except rows.WrongWidth as error:
        unsaid = not label_size and not channel.streamed and "label_size" not in channel.parameters
        widths = {rows.width_of(part) for part, _ in found}
        if kind == CSV and unsaid and feature_dim is not None and widths == {feature_dim + 1}:
            return read_rows(channel, feature_dim, 1)
        raise errors.unreadable(channel.name, kind, str(error)) from None
    labels = [part for _, part in found if part is not None]
    if len(labels) < len(found) or len({part.shape[1:] for part in labels}) > 1:
        return features, None
    return features, np.concatenate(labels)


def _parts(
    channel: Channel, kind: str, label_size: int, epoch: int
) -> Iterator[tuple[rows.Matrix, Floats | None]]:
    """(features, labels) of the channel's files, part after part, all numbers finite."""
    for name, source in channel.files(epoch):
        seen = 0
        try:
            for features, labels, lines in _of_file(source, kind, label_size):
                if bad := rows.first_not_finite(features):
                    where = f"line {lines[bad[0]]}" if lines else f"record {seen + bad[0]}"
                    raise errors.NotFinite(bad[1], f"{name}, {where}")
                seen += len(features)
                yield features, labels
        except errors.NotFinite as error:
            raise errors.not_finite(channel.name, error.value, str(error)) from None
        except ClientError as error:
            raise errors.unreadable(channel.name, kind, f"{name}, {error}") from None


def _of_file(
    source: BinaryIO, kind: str, label_size: int
) -> Iterator[tuple[rows.Matrix, Floats | None, list[int]]]:
    """(features, labels, numbers of CSV's lines), part after part."""
    if kind == CSV:
        yield from csv_rows.parts(source, label_size)
        return
    for features, labels in record_rows.parts(source):
        yield features, labels, []


def parse(body: bytes | str, content_type: str, feature_dim: int) -> Features:
    """The samples of an inference request, one a row, of that width; raises BadRequest (400, 415).

    text/csv, application/json (`{"instances": [{"features": [...]}, {"data": {"features": {"values":
    [...], "keys": [...], "shape": [...]}}}]}`), application/jsonlines, application/x-recordio-protobuf.
    """
    return scipy(bodies.parse(body, content_type, feature_dim))


def scipy(matrix: rows.Matrix) -> Features:
    """The matrix as SciPy's where it is sparse."""
    if not isinstance(matrix, Rows):
        return matrix
    from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingImports]

    shape = (len(matrix), matrix.width)
    made: Any = csr_matrix((matrix.data, matrix.columns, matrix.ends), shape=shape)
    made.sum_duplicates()
    return made
