"""JSON and CBOR documents between the wire and an operation's parameters, driven by shapes."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sagebrush.aws.scalars import (
    SPECIAL_FLOATS,
    TYPE_WORDS,
    BadValue,
    blob,
    bounded,
    epoch,
    epoch_seconds,
    float_text,
    moment,
    raw,
    time,
    time_text,
)
from sagebrush.aws.shapes import Node
from sagebrush.errors import AwsError, Doc
from sagebrush.protocol import cbor

_DEEPEST_DOCUMENT = 100
Walker = Callable[[Node, Any], Any]


def malformed(message: str) -> AwsError:
    """The error for a body that is not what its shape says."""
    return AwsError("SerializationException", message)


# ---- reading ---------------------------------------------------------------------------------


def read_json(node: Node, body: bytes) -> Any:
    """The parameters in a JSON body; an empty body is `{}`. Raises SerializationException."""
    try:
        return read(node, parse_json(body))
    except BadValue as error:
        raise malformed(str(error)) from error
    except RecursionError as error:
        raise malformed("The request body is nested too deeply") from error


def parse_json(body: bytes) -> Any:
    """The document in `body`; raises BadValue when it is not strict JSON in UTF-8."""
    if not body:
        return {}
    try:
        found = json.loads(body.decode(), parse_constant=_no_constant, parse_float=_finite)
        if b"\\ud" in body or b"\\uD" in body:
            # Half a surrogate pair decodes, but can be neither stored nor answered.
            json.dumps(found, ensure_ascii=False).encode()
    except ValueError as error:
        raise BadValue(f"Could not parse the request body into JSON: {error}") from error
    return found


def _no_constant(word: str) -> Any:
    raise ValueError(f"unexpected {word}")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} is out of range")
    return value


def read_cbor(node: Node, body: bytes) -> Any:
    """The parameters in a CBOR body; an empty body is `{}`. Raises SerializationException."""
    try:
        return read(node, cbor.loads(body) if body else {})
    except BadValue as error:
        raise malformed(str(error)) from error
    except RecursionError as error:
        raise malformed("The request body is nested too deeply") from error


def read(node: Node, value: Any) -> Any:
    """A decoded document as parameters of `node`'s shape: wire names become member names.

    Members of no shape and nulls are left out. Raises BadValue on another type.
    """
    return _READERS[node.kind](node, value)


def _refusal(kind: str, value: Any) -> BadValue:
    if isinstance(value, dict):
        return BadValue("Start of structure or map found where not expected.")
    if isinstance(value, list):
        return BadValue("Start of list found where not expected")
    if isinstance(value, bool):
        found = "TRUE_VALUE" if value else "FALSE_VALUE"
    else:
        found = "NUMBER_VALUE" if isinstance(value, int | float) else "STRING_VALUE"
    return BadValue(f"{found} can not be converted to {TYPE_WORDS[kind]}")


def _read_structure(node: Node, value: Any) -> Doc:
    if not isinstance(value, dict):
        raise BadValue("Expected a structure, found another type")
    out: Doc = {}
    by_wire = node.by_wire
    for wire, item in value.items():
        if item is not None and (found := by_wire.get(wire)):
            name, member = found
            out[name] = _READERS[member.kind](member, item)
    return out


def _read_list(node: Node, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise BadValue("Expected list or null")
    element = node.element
    reader = _READERS[element.kind]
    return [None if item is None else reader(element, item) for item in value]


def _read_map(node: Node, value: Any) -> Doc:
    if not isinstance(value, dict):
        raise BadValue("Expected map or null")
    element = node.element
    reader = _READERS[element.kind]
    for key in value:
        if not isinstance(key, str):
            raise _refusal("string", key)
    return {key: None if item is None else reader(element, item) for key, item in value.items()}


def _read_string(node: Node, value: Any) -> str:
    if isinstance(value, str):
        return value
    raise _refusal("string", value)


def _read_integer(node: Node, value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return bounded(node.kind, value)
    raise _refusal(node.kind, value)


def _read_float(node: Node, value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as error:
            raise _refusal(node.kind, value) from error
    if isinstance(value, str) and value in SPECIAL_FLOATS:
        return SPECIAL_FLOATS[value]
    raise _refusal(node.kind, value)


def _read_boolean(node: Node, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _refusal("boolean", value)


def _read_timestamp(node: Node, value: Any) -> datetime:
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return epoch(float(value))
        except OverflowError as error:
            raise _refusal("timestamp", value) from error
    if isinstance(value, str):
        return time(value)
    raise _refusal("timestamp", value)


def _read_blob(node: Node, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return blob(value)
    raise _refusal("blob", value)


def _read_document(node: Node, value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST_DOCUMENT:
        raise BadValue("The document is nested too deeply")
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in below:
        _read_document(node, item, depth + 1)
    return value


_READERS: dict[str, Walker] = {
    "structure": _read_structure,
    "list": _read_list,
    "map": _read_map,
    "string": _read_string,
    "integer": _read_integer,
    "long": _read_integer,
    "float": _read_float,
    "double": _read_float,
    "boolean": _read_boolean,
    "timestamp": _read_timestamp,
    "blob": _read_blob,
    "jsonvalue": _read_document,
    "document": _read_document,
}


# ---- writing ---------------------------------------------------------------------------------

_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def write_json(node: Node | None, value: Any) -> bytes:
    """The JSON body that carries `value`; members that the shape lacks are left out."""
    return _dumps({} if node is None else to_json(node, value)).encode()


def write_cbor(node: Node | None, value: Any) -> bytes:
    """The CBOR body that carries `value`; members that the shape lacks are left out."""
    return cbor.dumps({} if node is None else to_cbor(node, value))


def to_json(node: Node, value: Any) -> Any:
    """`value` as a JSON document: wire names, base64 bytes, times as epoch seconds."""
    return _walk(node, value, _JSON)


def to_cbor(node: Node, value: Any) -> Any:
    """`value` as a CBOR document: wire names; bytes and times stay what they are."""
    return _walk(node, value, _CBOR)


def _walk(node: Node, value: Any, leaves: dict[str, Walker]) -> Any:
    kind = node.kind
    if kind == "structure":
        members = node.members
        out: Doc = {}
        for name, item in value.items():
            if item is not None and (member := members.get(name)):
                leaf = leaves.get(member.kind)
                out[member.wire] = leaf(member, item) if leaf else _walk(member, item, leaves)
        return out
    if kind == "list":
        return [None if item is None else _walk(node.element, item, leaves) for item in value]
    if kind == "map":
        element = node.element
        return {
            str(key): None if item is None else _walk(element, item, leaves)
            for key, item in value.items()
        }
    return leaves[kind](node, value)


def _string(node: Node, value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _same(node: Node, value: Any) -> Any:
    return value


def _time(node: Node, value: Any) -> Any:
    if node.time_format in ("", "unixtimestamp"):
        return epoch_seconds(value)
    return time_text(value, node.time_format)


_JSON: dict[str, Walker] = {
    "string": _string,
    "integer": lambda node, value: int(value),
    "long": lambda node, value: int(value),
    "float": lambda node, value: float_text(value),
    "double": lambda node, value: float_text(value),
    "boolean": lambda node, value: bool(value),
    "timestamp": _time,
    "blob": lambda node, value: base64.b64encode(raw(value)).decode(),
    "jsonvalue": _same,
    "document": _same,
}
_CBOR: dict[str, Walker] = _JSON | {
    "float": lambda node, value: float(value),
    "double": lambda node, value: float(value),
    "timestamp": lambda node, value: moment(value),
    "blob": lambda node, value: raw(value),
}
