"""Requests as XGBoost's matrices."""

from __future__ import annotations

import csv
import tempfile
from typing import Any

from sagemaker_inference._formats import formats
from sagemaker_inference.errors import UnsupportedFormatError

LIBSVM = ("text/libsvm", "text/x-libsvm")


def csv_to_dmatrix(obj: bytes | str, dtype: Any = None) -> Any:
    """The DMatrix of CSV rows without labels; empty cells are missing. Raises BadBody."""
    import numpy
    import xgboost  # pyright: ignore[reportMissingImports]

    text = (obj.decode() if isinstance(obj, bytes) else obj).strip()
    rows = [line.strip("\r") for line in text.split("\n")]
    try:
        found = csv.Sniffer().sniff(rows[0][:512]).delimiter
    except csv.Error:
        found = ","
    delimiter = found if not found.isalnum() and found not in ".-+" else ","
    cells = [[cell.strip() or "nan" for cell in row.split(delimiter)] for row in rows]
    try:
        return xgboost.DMatrix(numpy.array(cells).astype(dtype or "float32"))
    except ValueError as error:
        raise formats.BadBody(f"The body is not valid text/csv: {error}") from error


def libsvm_to_dmatrix(obj: bytes | str) -> Any:
    """The DMatrix of libsvm rows, each with a label, which is not looked at. Raises BadBody."""
    from sagemaker_xgboost_container.data_utils import get_dmatrix

    with tempfile.NamedTemporaryFile(suffix=".libsvm") as file:
        file.write(obj.encode() if isinstance(obj, str) else obj)
        file.flush()
        try:
            return get_dmatrix(file.name, "libsvm")
        except ValueError as error:
            raise formats.BadBody(f"The body is not valid libsvm: {error}") from error


def decode(obj: bytes | str, content_type: str) -> Any:
    """The DMatrix of a request's body; raises UnsupportedFormatError (415)."""
    kind = formats.base(content_type)
    if kind == formats.CSV:
        return csv_to_dmatrix(obj)
    if kind in LIBSVM:
        return libsvm_to_dmatrix(obj)
    raise UnsupportedFormatError(content_type)
