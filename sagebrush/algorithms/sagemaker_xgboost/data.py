"""A channel's files as one table: CSV, libsvm, Parquet or recordIO-protobuf, the label first.

Source: Amazon SageMaker AI Developer Guide, "Input/Output Interface for the XGBoost Algorithm"; content
types and messages as github.com/aws/sagemaker-xgboost-container has them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from contract import matrices, record_rows
from contract.channels import Channel
from contract.errors import ClientError

from . import log, tables

CSV, LIBSVM, PARQUET, RECORDIO = "csv", "libsvm", "parquet", "recordio-protobuf"
CONTENT_TYPES = {
    "csv": CSV,
    "libsvm": LIBSVM,
    "parquet": PARQUET,
    "recordio-protobuf": RECORDIO,
    "text/csv": CSV,
    "text/libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    "application/x-parquet": PARQUET,
    "application/x-recordio-protobuf": RECORDIO,
}
CHANNELS = ("train", "validation", "code")


@dataclass(frozen=True)
class Table:
    """Samples, one a row."""

    features: Any
    """float32: an array in which NaN is missing, or SciPy's compressed rows, where what is not there is
    missing."""
    labels: np.ndarray
    weights: np.ndarray | None = None
    groups: np.ndarray | None = None
    """Of a ranking: the query (qid) of each row."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def width(self) -> int:
        """How many features a sample has."""
        return self.features.shape[1]


def check(channels: Mapping[str, Channel]) -> None:
    """Raises ClientError for channels that the algorithm lacks or cannot read."""
    if "train" not in channels:
        raise ClientError("Missing required channel: train")
    for name, channel in channels.items():
        if name not in CHANNELS:
            raise ClientError(f"Extraneous channel found: {name}")
        if name != "code" and content_type(channel) == LIBSVM and channel.streamed:
            raise ClientError("Pipe mode not supported for LibSVM.")


def content_type(channel: Channel) -> str:
    """CSV, LIBSVM (the default), PARQUET or RECORDIO; raises ClientError for another."""
    given = channel.content_type
    if given and given not in CONTENT_TYPES:
        raise ClientError(f"{given} is not an accepted ContentType: {', '.join(CONTENT_TYPES)}.")
    kind = CONTENT_TYPES.get(given, LIBSVM)
    size = channel.parameters.get("label_size", "1")
    if kind == CSV and size != "1":
        raise ClientError(
            f"{given};label_size={size} is not an accepted csv ContentType. Optional parameter"
            " label_size must be equal to 1"
        )
    return kind


def read(channel: Channel, weighted: bool = False) -> Table | None:
    """The channel's samples; None where it holds no data. Raises ClientError.

    `weighted`: in CSV the second column is each row's weight.
    """
    kind = content_type(channel)
    readers = {CSV: _csv, LIBSVM: _libsvm, PARQUET: _parquet, RECORDIO: _recordio}
    try:
        found = [table for table in readers[kind](channel, weighted and kind == CSV) if len(table)]
        return joined(found, kind) if found else None
    except (ValueError, OSError, OverflowError) as error:
        raise failed(kind, error) from None


def failed(kind: str, why: object) -> ClientError:
    """The error for data that cannot be read."""
    return ClientError(f"Failed to load {kind} data with exception:\n{why}")


def _sources(channel: Channel) -> Iterator[tuple[str, BinaryIO]]:
    """(name, open file) of each data file, also in sub-folders; or the stream. Files whose names begin
    with a dot or an underscore hold no data."""
    if channel.streamed:
        yield from channel.files()
        return
    for path in _paths(channel.folder):
        with path.open("rb") as source:
            yield str(path.relative_to(channel.folder)), source


def _paths(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in found if path.name[0] not in "._" and path.stat().st_size]


def _csv(channel: Channel, weighted: bool) -> Iterator[Table]:
    delimiter = ""
    for name, source in _sources(channel):
        if not delimiter:
            delimiter = tables.delimiter(tables.first_line(source))
            log.info(f"Determined delimiter of CSV input is '{delimiter}'")
        path = channel.folder / name
        try:
            numbers = tables.csv(
                source, delimiter, None if channel.streamed else functools.partial(open, path, "rb")
            )
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        yield _labelled(numbers, weighted, name)


def _parquet(channel: Channel, weighted: bool) -> Iterator[Table]:
    for name, source in _sources(channel):
        for numbers in tables.parquet(source):
            yield _labelled(numbers, weighted, name)


def _libsvm(channel: Channel, _weighted: bool) -> Iterator[Table]:
    from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingImports]

    for name, source in _sources(channel):
        try:
            found = tables.libsvm(source)
        except ValueError as error:
            raise ClientError(str(error).replace("{file}", name.rpartition("/")[2])) from None
        shape = (len(found.labels), found.width)
        features = csr_matrix((found.values, found.columns, found.ends), shape=shape)
        yield Table(features, found.labels, found.weights, found.groups)


def _recordio(channel: Channel, _weighted: bool) -> Iterator[Table]:
    for name, source in _sources(channel):
        for features, labels in record_rows.parts(source):
            if labels is None:
                raise ValueError(f"{name}: a record has no label")
            yield Table(matrices.scipy(features), labels.reshape(-1).astype(np.float32))


def _labelled(numbers: np.ndarray, weighted: bool, name: str) -> Table:
    """A matrix as a table: the label, perhaps the weight, the features."""
    if numbers.shape[1] < 2 + weighted:
        raise ValueError(
            f"{name}: {numbers.shape[1]} columns: the label comes first,"
            f"{' then the weight,' if weighted else ''} then the features"
        )
    weights = np.ascontiguousarray(numbers[:, 1]) if weighted else None
    if weights is not None and not (weights >= 0).all():  # NaN is not either
        raise ValueError(
            f"{name}: with csv_weights the second column is each row's weight: a number, none negative"
        )
    return Table(numbers[:, 1 + weighted :], np.ascontiguousarray(numbers[:, 0]), weights)


def joined(parts: list[Table], kind: str = CSV) -> Table:
    """The rows of all parts. Raises ClientError for widths that differ and labels that are no numbers."""
    labels = np.concatenate([part.labels for part in parts])
    bad = np.flatnonzero(~np.isfinite(labels))
    if len(bad):
        raise failed(
            kind,
            f"Label contains NaN, infinity or a value too large (row {bad[0] + 1} of the channel,"
            f" {len(bad)} in all): every row begins with its label, a number",
        )
    widths = {part.width for part in parts}
    if all(isinstance(part.features, np.ndarray) for part in parts):
        if len(widths) > 1:
            raise failed(kind, f"files differ in their columns: {sorted(w + 1 for w in widths)}")
        features = np.concatenate([part.features for part in parts])
    else:
        from scipy.sparse import vstack  # pyright: ignore[reportMissingImports]

        features = vstack([widened(part.features, max(widths)) for part in parts], format="csr")
    return Table(features, labels, _column(parts, "weights"), _column(parts, "groups"))


def _column(parts: list[Table], name: str) -> np.ndarray | None:
    found = [getattr(part, name) for part in parts]
    return None if any(each is None for each in found) else np.concatenate(found)


def widened(features: Any, width: int) -> Any:
    """Sparse features with that many columns; an array as it is."""
    if isinstance(features, np.ndarray) or features.shape[1] >= width:
        return features
    from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingImports]

    shape = (features.shape[0], width)
    return csr_matrix((features.data, features.indices, features.indptr), shape=shape)
