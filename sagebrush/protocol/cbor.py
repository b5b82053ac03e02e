"""CBOR (RFC 8949) as Smithy's rpc-v2-cbor uses it: the only tag is 1, a time in epoch seconds."""

from __future__ import annotations

from typing import Any

import cbor2

from sagebrush.aws.scalars import BadValue

_MAX_DEPTH = 100
_OTHER_TAGS = (0, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004)
"""Tags that the library would decode: cyclic references, regular expressions, big numbers."""


def _refuse(_item: Any, _immutable: bool) -> Any:
    raise ValueError("unexpected tag")


_SEMANTICS: dict[int, Any] = dict.fromkeys(_OTHER_TAGS, _refuse)


def loads(body: bytes) -> Any:
    """The one data item in `body`; raises BadValue for anything malformed."""
    try:
        return cbor2.loads(body, semantic_decoders=_SEMANTICS, max_depth=_MAX_DEPTH)
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise BadValue(f"Could not parse the request body into CBOR: {error}") from error


def dumps(value: Any) -> bytes:
    """`value` as CBOR, times as epoch seconds."""
    return cbor2.dumps(value, datetime_as_timestamp=True)
