"""Channels as XGBoost's matrices: CSV with the label first, libsvm, Parquet.

Source: the documentation of AWS's XGBoost container. xgboost is imported when a matrix is made.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CSV, LIBSVM, PARQUET = "csv", "libsvm", "parquet"


def get_content_type(content_type: str | None) -> str:
    """`csv`, `libsvm` or `parquet` of a channel's content type; raises ValueError for another."""
    named = (content_type or LIBSVM).partition(";")[0].strip().lower()
    kind = named.rpartition("/")[2]
    kind = kind[2:] if kind.startswith("x-") else kind
    if kind not in (CSV, LIBSVM, PARQUET):
        raise ValueError(
            f"{content_type} is not an accepted ContentType: {CSV}, {LIBSVM}, {PARQUET}"
        )
    return kind


def get_dmatrix(
    data_path: str | None, content_type: str | None, csv_weights: int = 0, is_pipe: bool = False
) -> Any:
    """The xgboost.DMatrix of all files of a channel; None where there is no channel, or no file.

    With `csv_weights` the second column of a CSV file is each row's weight. Raises ValueError for
    Pipe mode and other content types.
    """
    if is_pipe:
        raise ValueError("get_dmatrix reads files here: use File or FastFile mode")
    kind = get_content_type(content_type)
    files = _files(data_path)
    if not files:
        return None
    import xgboost  # pyright: ignore[reportMissingImports]

    if kind == LIBSVM:
        return _libsvm(files)
    import pandas  # pyright: ignore[reportMissingImports]

    if kind == PARQUET:
        table = pandas.concat([pandas.read_parquet(file) for file in files])
    else:
        read = [pandas.read_csv(file, header=None, sep=None, engine="python") for file in files]
        table = pandas.concat(read)
    values = table.to_numpy(dtype="float32")
    if csv_weights and kind == CSV:
        return xgboost.DMatrix(values[:, 2:], label=values[:, 0], weight=values[:, 1])
    return xgboost.DMatrix(values[:, 1:], label=values[:, 0])


def _libsvm(files: Sequence[Path]) -> Any:
    """The DMatrix of libsvm files, read as the built-in algorithm reads them. Raises ValueError."""
    import xgboost  # pyright: ignore[reportMissingImports]
    from numpy import concatenate
    from scipy.sparse import csr_matrix, vstack  # pyright: ignore[reportMissingImports]

    folder = str(Path(__file__).resolve().parents[3] / "algorithms")
    if folder not in sys.path:
        sys.path.append(folder)
    from sagemaker_xgboost import tables  # pyright: ignore[reportMissingImports]

    found = []
    for file in files:
        with file.open("rb") as source:
            try:
                found.append(tables.libsvm(source))
            except ValueError as error:
                raise ValueError(str(error).replace("{file}", file.name)) from None
    width = max(each.width for each in found)
    parts = [
        csr_matrix((each.values, each.columns, each.ends), shape=(len(each.labels), width))
        for each in found
    ]
    matrix = xgboost.DMatrix(
        vstack(parts, format="csr"), label=concatenate([each.labels for each in found])
    )
    if all(each.weights is not None for each in found):
        matrix.set_weight(concatenate([each.weights for each in found]))
    return matrix


def get_size(data_path: str | None, is_pipe: bool = False) -> int:
    """Bytes of all files of a channel; 0 where there is none."""
    return 1 if is_pipe else sum(file.stat().st_size for file in _files(data_path))


def _files(data_path: str | None) -> list[Path]:
    """The data files at a path or below it, none of whose names begins with a dot or underscore."""
    if not data_path or not os.path.exists(data_path):
        return []
    place = Path(data_path)
    found = [place] if place.is_file() else sorted(place.rglob("*"))
    return [file for file in found if file.is_file() and file.name[0] not in "._"]
