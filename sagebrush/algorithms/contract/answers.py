"""Predictions in the form that the request accepts: JSON, JSON Lines, CSV, recordIO-protobuf.

Source: Amazon SageMaker AI Developer Guide, "Common data formats for inference", and the algorithms'
"... response formats": `{"predictions": [{"topic_weights": [0.1, 0.9]}]}`; a record's label has a
tensor for each of a prediction's names.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import recordio
from .bodies import JSON, JSON_LINES, LINES
from .channels import CSV, RECORDIO_PROTOBUF
from .errors import BadRequest
from .record_protobuf import Record, Tensor, encode

ANY = ("", "*/*", "application/*")


def render(
    rows: Sequence[Mapping[str, Any]], accept: str = JSON, names: Sequence[str] | None = None
) -> tuple[bytes | str, str]:
    """(body, content type) of predictions, one a row; raises BadRequest (406).

    A row's values are numbers, texts, or (nested) lists or arrays of numbers. `names` are those that CSV
    and recordIO-protobuf have, in this order; without, all. Of several accepted types the first that is
    known counts.
    """
    kind = _kind(accept)
    if kind == JSON:
        return json.dumps({"predictions": [_plain(row) for row in rows]}), JSON
    if kind == JSON_LINES:
        return "".join(json.dumps(_plain(row)) + "\n" for row in rows), JSON_LINES
    if kind == CSV:
        return "".join(",".join(_cells(row, names)) + "\n" for row in rows), CSV
    out = io.BytesIO()
    for row in rows:
        label = {name: _tensor(row[name]) for name in names or row}
        recordio.write(out, encode(Record({}, label)))
    return out.getvalue(), RECORDIO_PROTOBUF


def _kind(accept: str) -> str:
    for each in accept.split(","):
        base = each.partition(";")[0].strip().lower()
        if base in ANY:
            return JSON
        if base in LINES:
            return JSON_LINES
        if base in (JSON, CSV, RECORDIO_PROTOBUF):
            return base
    raise BadRequest(
        f"Accept type {accept} is not supported: use {JSON}, {JSON_LINES}, {CSV} or"
        f" {RECORDIO_PROTOBUF}",
        406,
    )


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _listed(value) for name, value in row.items()}


def _listed(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_listed(each) for each in value]
    return value


def _cells(row: Mapping[str, Any], names: Sequence[str] | None) -> list[str]:
    cells: list[str] = []
    for name in names or row:
        cells += [str(each) for each in np.asarray(row[name]).reshape(-1).tolist()]
    return cells


def _tensor(value: Any) -> Tensor | bytes:
    if isinstance(value, (str, bytes)):
        return value.encode() if isinstance(value, str) else value
    found = np.asarray(value, np.float32)
    return Tensor(found.reshape(-1), None, found.shape if found.ndim > 1 else ())
