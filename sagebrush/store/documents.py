"""Documents of rows as they are stored: JSON, in which times and bytes keep their kind."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

Doc = dict[str, Any]


def dump(doc: Doc) -> str:
    """The document as it is stored: JSON, times and bytes as maps of one name that begins with `$`.

    A user's own map of such a name (hyperparameters, say) gets another `$` before it.
    """
    made = 0

    def encode(value: Any) -> Any:
        nonlocal made
        made += 1
        return _encode(value)

    text = json.dumps(doc, default=encode, separators=(",", ":"))
    if text.count('{"$') == made:
        return text
    return json.dumps(_escaped(doc), default=_encode, separators=(",", ":"))


def parse(text: str) -> Doc:
    """The document that `dump` wrote."""
    return json.loads(text, object_hook=_decode)


def _encode(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return {"$time": value.timestamp()}
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    raise TypeError(f"{type(value).__name__} cannot be stored")


def _escaped(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_escaped(each) for each in value]
    if not isinstance(value, dict):
        return value
    inner = {str(name): _escaped(each) for name, each in value.items()}
    name = next(iter(inner)) if len(inner) == 1 else ""
    return {f"${name}": inner[name]} if name.startswith("$") else inner


def _decode(value: Doc) -> Any:
    name = next(iter(value)) if len(value) == 1 else ""
    if not name.startswith("$"):
        return value
    try:
        if name == "$time":
            return dt.datetime.fromtimestamp(value[name], dt.UTC)
        if name == "$bytes":
            return bytes.fromhex(value[name])
    except (TypeError, ValueError, OverflowError, OSError):
        return value  # a user's own, stored by an earlier version
    return {name[1:]: value[name]} if name.startswith("$$") else value
