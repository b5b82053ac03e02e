"""aialgs.data.Record, the protocol buffer of AWS's algorithms, read and written by NumPy.

Source: Amazon SageMaker AI Developer Guide, "Common data formats for training" (the .proto), and the
protocol buffers' encoding (protobuf.dev/programming-guides/encoding). Repeated numbers are read in
both forms, packed and one by one; unknown fields are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .errors import ClientError

if TYPE_CHECKING:
    import numpy.typing as npt

KINDS: Mapping[int, np.dtype[Any]] = {
    2: np.dtype("<f4"),
    3: np.dtype("<f8"),
    7: np.dtype("<i4"),
}
"""Field of `Value` -> what its tensor's values are."""
_BYTES = 9
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5


@dataclass(frozen=True)
class Tensor:
    """Values; where `keys` is given, they are those at these places of the last axis, else all."""

    values: npt.NDArray[Any]
    """float32, float64 or int32, of one axis."""
    keys: npt.NDArray[np.uint64] | None = None
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Record:
    """One observation: named tensors (or bytes) as features and labels."""

    features: Mapping[str, Tensor | bytes]
    label: Mapping[str, Tensor | bytes]
    uid: str = ""
    metadata: str = ""
    configuration: str = ""


class Raw(NamedTuple):
    """A tensor whose numbers are still bytes: what reads many records puts them together first."""

    field: int
    """Of `Value`: a key of KINDS; 9 for bytes."""
    values: bytes
    keys: bytes
    shape: bytes


class Pieces(NamedTuple):
    """A record whose tensors are still bytes."""

    features: dict[str, Raw]
    label: dict[str, Raw]
    text: dict[int, str]


def decode(payload: bytes) -> Record:
    """The record that the bytes are; raises ClientError where they are none."""
    found = pieces(payload)
    return Record(
        {name: _tensor(raw, name) for name, raw in found.features.items()},
        {name: _tensor(raw, name) for name, raw in found.label.items()},
        *(found.text.get(field, "") for field in (3, 4, 5)),
    )


def pieces(payload: bytes) -> Pieces:
    """The record's parts, tensors still as bytes; raises ClientError."""
    found = Pieces({}, {}, {})
    for field, body in _fields(payload, 0, len(payload)):
        if field in (1, 2) and isinstance(body, tuple):
            name, raw = _entry(payload, *body)
            (found.features if field == 1 else found.label)[name] = raw
        elif field in (3, 4, 5) and isinstance(body, tuple):
            found.text[field] = _text(payload[slice(*body)])
    return found


def varints(data: bytes) -> npt.NDArray[np.uint64]:
    """The numbers of packed varints; raises ClientError for one that does not end."""
    octets = np.frombuffer(data, np.uint8)
    if not len(octets):
        return np.zeros(0, np.uint64)
    ends = np.flatnonzero(octets < 0x80)
    if len(ends) == len(octets):
        return octets.astype(np.uint64)
    if not len(ends) or ends[-1] != len(octets) - 1:
        raise _malformed("a number does not end")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > 10:
        raise _malformed("a number has more than ten bytes")
    numbers = (octets[starts] & 0x7F).astype(np.uint64)
    for place in range(1, int(lengths.max())):
        longer = np.flatnonzero(lengths > place)
        part = (octets[starts[longer] + place] & 0x7F).astype(np.uint64)
        numbers[longer] |= part << np.uint64(7 * place)
    return numbers


def values(field: int, data: bytes) -> npt.NDArray[Any]:
    """The values of a tensor, of the type that the field of `Value` says; raises ClientError."""
    kind = KINDS[field]
    if field == 7:
        return varints(data).astype(np.int64).astype(np.int32)
    if len(data) % kind.itemsize:
        raise _malformed("the values of a tensor are cut off")
    return np.frombuffer(data, kind)


def _tensor(raw: Raw, name: str) -> Tensor | bytes:
    """The tensor, whose keys and shape fit its values; raises ClientError."""
    if raw.field == _BYTES:
        return raw.values
    numbers = values(raw.field, raw.values)
    shape = tuple(varints(raw.shape).tolist())
    # A sparse tensor without a value may still have a shape; a dense one of that shape has values.
    if not raw.keys and (len(numbers) or not shape):
        total = 1
        for size in shape:
            total *= size
        if shape and total != len(numbers):
            raise _malformed(f"{name!r}: {len(numbers)} values where the shape is {list(shape)}")
        return Tensor(numbers, None, shape)
    keys = varints(raw.keys)
    if len(keys) != len(numbers):
        raise _malformed(f"{name!r}: {len(keys)} keys for {len(numbers)} values")
    if shape and len(keys) and int(keys.max()) >= shape[-1]:
        raise _malformed(f"{name!r}: key {int(keys.max())} where the shape is {list(shape)}")
    return Tensor(numbers, keys, shape)


def _entry(data: bytes, at: int, end: int) -> tuple[str, Raw]:
    """One pair of the map `features` or `label`."""
    name, raw = "", Raw(2, b"", b"", b"")
    for field, body in _fields(data, at, end):
        if not isinstance(body, tuple):
            continue
        if field == 1:
            name = _text(data[slice(*body)])
        elif field == 2:
            raw = _value(data, *body)
    return name, raw


def _value(data: bytes, at: int, end: int) -> Raw:
    found = Raw(2, b"", b"", b"")
    for field, body in _fields(data, at, end):
        if not isinstance(body, tuple):
            continue
        if field in KINDS:
            parts: list[list[bytes]] = [[], [], []]
            for inner, place in _fields(data, *body):
                if 1 <= inner <= 3:
                    # Not packed, a number's own bytes are one after another, as if it were.
                    piece = place if isinstance(place, bytes) else data[slice(*place)]
                    parts[inner - 1].append(piece)
            found = Raw(field, *(b"".join(part) for part in parts))
        elif field == _BYTES:
            whole = [
                data[slice(*place)]
                for inner, place in _fields(data, *body)
                if inner == 1 and isinstance(place, tuple)
            ]
            found = Raw(_BYTES, b"".join(whole), b"", b"")
    return found


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, bytes | tuple[int, int]]]:
    """(number, place or bytes) of each field between two places of `data`: the place of one with a
    length, the bytes of a number. Raises ClientError."""
    while at < end:
        tag = data[at]
        at += 1
        if tag >= 0x80:
            tag, at = _varint(data, at - 1, end)
        kind = tag & 7
        if kind == _LENGTH:
            size = data[at] if at < end else 0x80
            at += 1
            if size >= 0x80:
                size, at = _varint(data, at - 1, end)
            if size > end - at:
                raise _malformed("it ends early")
            yield tag >> 3, (at, at + size)
            at += size
            continue
        begun = at
        if kind == _VARINT:
            at = _varint(data, at, end)[1]
        elif kind in (_EIGHT, _FOUR):
            at += 8 if kind == _EIGHT else 4
        else:
            raise _malformed(f"wire type {kind}")
        if at > end:
            raise _malformed("it ends early")
        yield tag >> 3, data[begun:at]


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """(the number, the place behind it)."""
    number = shift = 0
    while at < end and shift < 70:
        octet = data[at]
        at += 1
        number |= (octet & 0x7F) << shift
        if octet < 0x80:
            return number, at
        shift += 7
    raise _malformed("a number does not end")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _malformed(f"a name is not UTF-8 ({error})") from None


def _malformed(why: str) -> ClientError:
    return ClientError(f"not a Record of recordIO-protobuf: {why}")


# Writing ------------------------------------------------------------------------------------------


def encode(record: Record) -> bytes:
    """The record's bytes, numbers packed. Raises ValueError for values of another type than
    float32, float64 and int32."""
    parts = []
    for field, entries in ((1, record.features), (2, record.label)):
        for name, value in entries.items():
            parts.append(_framed(field, _framed(1, name.encode()) + _framed(2, _written(value))))
    texts = (record.uid, record.metadata, record.configuration)
    parts += [_framed(field, text.encode()) for field, text in zip((3, 4, 5), texts) if text]
    return b"".join(parts)


def _written(value: Tensor | bytes) -> bytes:
    if isinstance(value, bytes):
        return _framed(_BYTES, _framed(1, value))
    field = next((f for f, kind in KINDS.items() if kind == value.values.dtype), None)
    if field is None:
        raise ValueError(f"a tensor of {value.values.dtype} is not in a Record")
    flat = np.ascontiguousarray(value.values).reshape(-1)
    numbers = _packed(flat.astype(np.int64)) if field == 7 else flat.astype(KINDS[field]).tobytes()
    body = _framed(1, numbers) if numbers else b""
    if value.keys is not None and len(value.keys):
        body += _framed(2, _packed(value.keys))
    if value.shape:
        body += _framed(3, _packed(np.array(value.shape)))
    return _framed(field, body)


def _packed(numbers: npt.NDArray[Any]) -> bytes:
    """The numbers as varints; negative ones, as protocol buffers have them, in ten bytes."""
    unsigned = numbers.astype(np.uint64)
    if not len(unsigned) or int(unsigned.max()) < 0x80:
        return unsigned.astype(np.uint8).tobytes()
    return b"".join(map(_as_varint, unsigned.tolist()))


def _as_varint(number: int) -> bytes:
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _framed(field: int, body: bytes) -> bytes:
    return _as_varint(field << 3 | _LENGTH) + _as_varint(len(body)) + body
