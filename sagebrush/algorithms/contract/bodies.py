"""The samples of an inference request, in each content type that AWS's algorithms have.

Source: Amazon SageMaker AI Developer Guide, "Common data formats for inference".
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import csv_rows, record_rows, rows
from .channels import CSV, RECORDIO_PROTOBUF, content_type
from .errors import BadRequest, ClientError
from .rows import Matrix, Rows

JSON = "application/json"
JSON_LINES = "application/jsonlines"
LINES = (JSON_LINES, "application/x-jsonlines", "application/x-json-lines")
"""The names of JSON Lines: AWS's, and those that clients use."""


def parse(body: bytes | str, kind: str, feature_dim: int) -> Matrix:
    """The samples, one a row, of the width `feature_dim`; raises BadRequest."""
    data = body.encode() if isinstance(body, str) else body
    base, parameters = content_type(kind or CSV)
    if base == CSV:
        found = _csv(data, parameters.get("label_size", "0"))
    elif base == RECORDIO_PROTOBUF:
        found = _records(data)
    elif base == JSON:
        found = _instances([*_json_instances(data)])
    elif base in LINES:
        found = _instances(_json_lines(data))
    else:
        raise BadRequest(
            f"Content type {kind} is not supported: use {CSV}, {JSON}, {JSON_LINES} or"
            f" {RECORDIO_PROTOBUF}",
            415,
        )
    if not found:
        raise BadRequest("The body holds no sample")
    try:
        matrix = rows.joined(found, feature_dim)
    except rows.WrongWidth as error:
        raise BadRequest(f"The model cannot take the samples: {error}") from None
    if bad := rows.first_not_finite(matrix):
        raise BadRequest(f"Sample {bad[0]} holds {bad[1]}, which is not a finite number")
    return matrix


def _csv(data: bytes, label_size: str) -> list[Matrix]:
    if not label_size.isdecimal() or len(label_size) > 9:
        raise BadRequest(f"label_size={label_size} is not a whole number")
    try:
        return [features for features, *_ in csv_rows.parts(io.BytesIO(data), int(label_size))]
    except ClientError as error:
        raise BadRequest(f"The body is not CSV of numbers: {error}") from None


def _records(data: bytes) -> list[Matrix]:
    try:
        return [features for features, _ in record_rows.parts(io.BytesIO(data))]
    except ClientError as error:
        raise BadRequest(f"The body is not recordIO-protobuf: {error}") from None


def _json_instances(data: bytes) -> Sequence[Any]:
    request = _json(data, "The body")
    found = request.get("instances") if isinstance(request, dict) else None
    if not isinstance(found, list):
        raise BadRequest('The body must be {"instances": [{"features": [1.5, 2.0]}]}')
    return found


def _json_lines(data: bytes) -> list[Any]:
    lines = data.split(b"\n")
    return [_json(line, f"Line {n}") for n, line in enumerate(lines, 1) if line.strip()]


def _json(data: bytes, what: str) -> Any:
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{what} is not JSON: {error}") from None


def _instances(instances: Sequence[Any]) -> list[Matrix]:
    elements = [_element(each, place) for place, each in enumerate(instances)]
    if elements and not any(isinstance(each, Mapping) for each in elements):
        widths = {len(each) for each in elements}
        if len(widths) == 1 and widths != {0}:
            return [_numbers(elements, "The instances", 2)]
    return [_row(each, place) for place, each in enumerate(elements)]


def _element(instance: Any, place: int) -> Any:
    """An instance's numbers, as a list or as keys, values and shape."""
    found = instance
    if isinstance(found, dict) and "data" in found:
        found = found["data"]
    if isinstance(found, dict) and "values" not in found:
        found = found.get("features", next(iter(found.values()), None) if len(found) == 1 else None)
    if not isinstance(found, (list, dict)):
        raise BadRequest(
            f'instances[{place}] must be {{"features": [1.5, 2.0]}} or {{"data": {{"features":'
            ' {"values": [1.5], "keys": [0], "shape": [2]}}}'
        )
    return found


def _row(element: Any, place: int) -> Matrix:
    """One instance as a matrix of one row."""
    where = f"instances[{place}]"
    if isinstance(element, list):
        return _numbers([element], where, 2)
    values = _numbers(element.get("values", []), f"{where}: values", 1)
    if not element.get("keys"):
        if not values.size and (width := _whole(element.get("shape", []), where)):
            return Rows(values, np.zeros(0, np.int64), np.zeros(2, np.int64), width[-1])
        return values.reshape(1, -1)
    keys = np.array(_whole(element["keys"], where), np.int64)
    shape = _whole(element.get("shape", []), where)
    if len(keys) != len(values):
        raise BadRequest(f"{where}: {len(keys)} keys for {len(values)} values")
    width = shape[-1] if shape else int(keys.max()) + 1
    if int(keys.max()) >= width:
        raise BadRequest(f"{where}: key {int(keys.max())} where the shape is {shape}")
    return Rows(values, keys, np.array([0, len(keys)]), width)


def _numbers(given: Any, what: str, axes: int) -> Any:
    try:
        found = np.array(given if given else [], dtype=None if given else np.float32)
    except (ValueError, OverflowError):  # lists of lists of unlike lengths
        found = np.zeros(0, object)
    if found.dtype.kind not in "iuf" or found.ndim != axes:
        raise BadRequest(f"{what} must be a list of numbers")
    with np.errstate(over="ignore"):  # infinite then, and refused as such
        return found.astype(np.float32)


def _whole(given: Any, what: str) -> list[int]:
    if not isinstance(given, list) or any(
        isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < 2**31 for n in given
    ):
        raise BadRequest(f"{what}: keys and shape must be lists of whole numbers from 0 on")
    return given
