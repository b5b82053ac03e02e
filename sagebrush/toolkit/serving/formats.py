"""Bodies of inference requests and answers: decode and encode the formats served by default.

The formats and their NumPy results are those of AWS's inference toolkit ("Common Data Formats for
Inference" in the SageMaker guide). NumPy is used where the environment has it.
"""

from __future__ import annotations

import io
import json
from typing import Any

try:
    import numpy
except ImportError:  # an environment may lack it
    numpy = None

JSON = "application/json"
JSON_LINES = "application/jsonlines"
CSV = "text/csv"
TEXT = "text/plain"
NPY = "application/x-npy"
OCTETS = "application/octet-stream"
ANY = "*/*"
UTF8 = (JSON, CSV)
"""What AWS's toolkits hand to user functions as text."""


class UnsupportedFormat(Exception):
    """A content type or an accept type that is not served; `status` is 415 or 406."""

    def __init__(self, content_type: str, status: int = 415) -> None:
        what = "Content type" if status == 415 else "Accept type"
        super().__init__(f"{what} {content_type} is not supported by this framework.")
        self.status = status


class BadBody(Exception):
    """The body is not what its content type says."""


def base(content_type: str) -> str:
    """`text/csv` of `text/csv; header=present`, in lower case; `application/x-jsonlines` is folded."""
    kind = content_type.split(";", 1)[0].strip().lower()
    return JSON_LINES if kind in ("application/x-jsonlines", "application/x-ndjson") else kind


def decode(body: bytes | str, content_type: str) -> Any:
    """The decoded `body`: an array for JSON lists, CSV and NPY, else JSON's own values, or text.

    Raises UnsupportedFormat (415) and BadBody.
    """
    body = body.encode() if isinstance(body, str) else body
    reader = {JSON: _json, JSON_LINES: _json_lines, CSV: _csv, NPY: _npy, TEXT: _text,
              OCTETS: bytes}.get(base(content_type))  # fmt: skip
    if reader is None:
        raise UnsupportedFormat(content_type, 415)
    try:
        return reader(body)
    except (ValueError, EOFError) as error:
        raise BadBody(f"The body is not valid {base(content_type)}: {error}") from error


def encode(value: Any, accept: str) -> tuple[bytes, str]:
    """(`value` in the first served format that `accept` lists, its content type); JSON for any.

    Raises UnsupportedFormat (406).
    """
    for choice in accept.split(","):
        kind = base(choice)
        kind = JSON if kind in ("", ANY, "application/*") else kind
        if kind in (TEXT, OCTETS, CSV) and isinstance(value, (str, bytes)):
            return (value.encode() if isinstance(value, str) else value), kind
        writer = _WRITERS.get(kind)
        if writer is not None:
            return writer(value), kind
    raise UnsupportedFormat(accept, 406)


def array(value: Any) -> Any:
    """`value` as an array when NumPy is there and it is a regular list; else as it is."""
    if numpy is None or not isinstance(value, list):
        return value
    try:
        return numpy.array(value)
    except ValueError:  # ragged
        return value


def plain(value: Any) -> Any:
    """`value` for `json.dumps(default=…)`: arrays and NumPy numbers as Python's own."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, bytes):
        return value.decode()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _json(body: bytes) -> Any:
    return array(json.loads(body))


def _json_lines(body: bytes) -> list[Any]:
    return [json.loads(line) for line in body.splitlines() if line.strip()]


def _text(body: bytes) -> str:
    return body.decode()


def _csv(body: bytes) -> Any:
    if numpy is None:
        return [line.split(",") for line in body.decode().splitlines() if line]
    # As AWS's toolkit: numbers, NaN for anything else; one row or one column is a flat array.
    return numpy.genfromtxt(io.StringIO(body.decode()), delimiter=",")


def _npy(body: bytes) -> Any:
    if numpy is None:
        raise UnsupportedFormat(NPY, 415)
    # Pickled objects in a request would run the caller's code, so they stay refused.
    return numpy.load(io.BytesIO(body), allow_pickle=False)


def _to_json(value: Any) -> bytes:
    return json.dumps(value, default=plain).encode()


def _to_json_lines(value: Any) -> bytes:
    rows = value.tolist() if hasattr(value, "tolist") else value
    rows = rows if isinstance(rows, (list, tuple)) else [rows]
    return b"".join(json.dumps(row, default=plain).encode() + b"\n" for row in rows)


def _to_csv(value: Any) -> bytes:
    rows = value.tolist() if hasattr(value, "tolist") else value
    rows = rows if isinstance(rows, (list, tuple)) else [rows]
    cells = (row if isinstance(row, (list, tuple)) else [row] for row in rows)
    return "".join(",".join(map(str, row)) + "\n" for row in cells).encode()


def _to_npy(value: Any) -> bytes:
    if numpy is None:
        raise UnsupportedFormat(NPY, 406)
    out = io.BytesIO()
    numpy.save(out, numpy.asarray(value), allow_pickle=False)
    return out.getvalue()


def _to_text(value: Any) -> bytes:
    return str(value).encode()


_WRITERS = {
    JSON: _to_json,
    JSON_LINES: _to_json_lines,
    CSV: _to_csv,
    NPY: _to_npy,
    TEXT: _to_text,
}
