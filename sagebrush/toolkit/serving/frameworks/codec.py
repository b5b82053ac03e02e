"""Bodies as the Hugging Face inference toolkit reads and writes them (its decoder_encoder)."""

from __future__ import annotations

import base64
import csv
import datetime
import io
import json
from typing import Any

from sagebrush.toolkit.serving import formats

IMAGES = ("image/", "application/x-image")
AUDIO = ("audio/", "application/x-audio")
HEADERS = ("question", "context", "inputs")
"""Words of which a CSV's first line must have one."""


def decode(content: bytes | str, content_type: str = formats.JSON) -> Any:
    """The decoded body, `{"inputs": …}` unless JSON says otherwise.

    Plain text and JSON Lines are additions; the rest is the toolkit's. Raises UnsupportedFormat and
    BadBody.
    """
    kind = formats.base(content_type)
    if kind.startswith(IMAGES):
        return {"inputs": _image(_raw(content))}
    if kind.startswith(AUDIO):
        return {"inputs": _raw(content)}
    if kind == formats.NPY:
        return {"inputs": formats.decode(content, kind)}
    reader = {formats.JSON: json.loads, formats.CSV: _csv, formats.JSON_LINES: _lines,
              formats.TEXT: lambda text: {"inputs": text}}.get(kind)  # fmt: skip
    if reader is None:
        raise formats.UnsupportedFormat(content_type, 415)
    try:
        return reader(_raw(content).decode())
    except ValueError as error:
        raise formats.BadBody(f"The body is not valid {kind}: {error}") from error


def encode(content: Any, accept: str = formats.JSON) -> tuple[bytes, str]:
    """(`content` in the first served format of `accept`, its content type).

    Raises UnsupportedFormat (406).
    """
    for choice in accept.split(","):
        kind = formats.base(choice)
        if kind in (formats.JSON, formats.ANY, "application/*", ""):
            return to_json(content).encode(), formats.JSON
        if kind == formats.CSV:
            return _to_csv(content).encode(), kind
        if kind == formats.JSON_LINES:
            rows = content if isinstance(content, list) else [content]
            return b"".join(to_json(row).encode() + b"\n" for row in rows), kind
        if kind == formats.NPY:
            return formats.encode(content, kind)
    raise formats.UnsupportedFormat(accept, 406)


def to_json(content: Any) -> str:
    """`content` as short JSON: what a pipeline may answer, pictures as PNG in base64."""
    return json.dumps(
        content, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return str(value)
    if hasattr(value, "save") and hasattr(value, "convert"):  # PIL's Image
        out = io.BytesIO()
        value.save(out, format="PNG")
        return base64.b64encode(out.getvalue()).decode()
    return formats.plain(value)


def _raw(content: bytes | str) -> bytes:
    return content.encode() if isinstance(content, str) else bytes(content)


def _image(body: bytes) -> Any:
    from PIL import Image, UnidentifiedImageError  # pyright: ignore[reportMissingImports]

    try:
        return Image.open(io.BytesIO(body)).convert("RGB")
    except UnidentifiedImageError as error:
        raise formats.BadBody(f"The body is no picture: {error}") from error


def _csv(text: str) -> dict[str, Any]:
    first = (text.splitlines() or [""])[0].lower()
    if not any(word in first for word in HEADERS):
        raise formats.BadBody(
            "You need to provide the correct CSV with Header columns to use it with the inference"
            " toolkit default handler."
        )
    rows = list(csv.DictReader(io.StringIO(text)))
    if rows and "inputs" in rows[0]:
        return {"inputs": [row["inputs"] for row in rows]}
    return {"inputs": rows}


def _lines(text: str) -> dict[str, Any]:
    """Each line an input, or an object with `inputs`; parameters are those of the first line."""
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    inputs = [r["inputs"] if isinstance(r, dict) and "inputs" in r else r for r in rows]
    first = rows[0] if rows and isinstance(rows[0], dict) else {}
    return {"inputs": inputs, "parameters": first.get("parameters")}


def _to_csv(content: Any) -> str:
    rows = content if isinstance(content, list) else [content]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise formats.BadBody("This prediction is no list of objects: it cannot be written as CSV")
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
