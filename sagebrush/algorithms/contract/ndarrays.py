"""MXNet's file of arrays (`mx.nd.save`, `mx.nd.load`), which AWS's models of LDA and NTM are.

Source: github.com/apache/mxnet, src/ndarray/ndarray.cc: `NDArray::Save` and `NDArray::Load`, version 2
(storage type, 64-bit dimensions), and the two older versions for reading. Little-endian.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Union

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]
else:  # NumPy of before 1.20 has no types for arrays
    Array = np.ndarray

LIST = 0x112
"""What the file begins with."""
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
TYPES: Mapping[int, str] = {
    0: "<f4", 1: "<f8", 2: "<f2", 3: "|u1", 4: "<i4", 5: "|i1", 6: "<i8",
}  # fmt: skip
"""MXNet's number of a type -> NumPy's name."""
_CPU = (1, 0)
"""Device type and id of the memory that arrays are saved from."""
Arrays = Union[Sequence[Array], Mapping[str, Array]]


def save(file: Path | BinaryIO, arrays: Arrays) -> None:
    """The file holds the arrays as `mx.nd.save` writes them. Raises ValueError for a type that MXNet
    does not have, and for an array without elements or axes, which MXNet reads as none."""
    names = list(arrays) if isinstance(arrays, Mapping) else []
    each = list(arrays.values()) if isinstance(arrays, Mapping) else list(arrays)
    parts = [struct.pack("<QQQ", LIST, 0, len(each)), *map(_written, each)]
    parts.append(struct.pack("<Q", len(names)))
    for name in names:
        parts.append(struct.pack("<Q", len(name.encode())) + name.encode())
    if isinstance(file, Path):
        file.write_bytes(b"".join(parts))
    else:
        file.write(b"".join(parts))


def load(file: Path | BinaryIO) -> list[Array] | dict[str, Array]:
    """The arrays of the file: a list, or by name where they have names. Raises ValueError."""
    source = io.BytesIO(file.read_bytes()) if isinstance(file, Path) else file
    header, _, count = _unpack(source, "<QQQ")
    if header != LIST:
        raise ValueError("not a file of MXNet's arrays")
    arrays = [_read(source) for _ in range(count)]
    (count,) = _unpack(source, "<Q")
    names = [_take(source, _unpack(source, "<Q")[0]).decode() for _ in range(count)]
    if not names:
        return arrays
    if len(names) != len(arrays):
        raise ValueError(f"{len(names)} names for {len(arrays)} arrays")
    return dict(zip(names, arrays))


def _written(array: Array) -> bytes:
    little = array.dtype.newbyteorder("<")
    number = next((n for n, name in TYPES.items() if np.dtype(name) == little), None)
    if number is None:
        raise ValueError(f"MXNet has no array of {array.dtype}")
    if not array.size or not array.ndim:
        raise ValueError(f"MXNet cannot hold an array of shape {array.shape}")
    head = struct.pack("<IiI", V2, 0, array.ndim) + struct.pack(f"<{array.ndim}q", *array.shape)
    return head + struct.pack("<iii", *_CPU, number) + array.astype(little, order="C").tobytes()


def _read(source: BinaryIO) -> Array:
    (magic,) = _unpack(source, "<I")
    if magic in (V2, V3) and (storage := _unpack(source, "<i")[0]) != 0:
        raise ValueError(f"a sparse array (storage type {storage}) is not read")
    if magic in (V1, V2, V3):
        (axes,), size = _unpack(source, "<I"), "q"
    else:
        axes, size = magic, "I"
    if axes > 32:
        raise ValueError("not an array of MXNet's")
    shape = _unpack(source, f"<{axes}{size}") if axes else ()
    if not axes and magic != V3:
        return np.zeros(0, np.float32)
    *_, number = _unpack(source, "<iii")
    if number not in TYPES:
        raise ValueError(f"an array of MXNet's type {number} is not read")
    kind = np.dtype(TYPES[number])
    count = 1
    for dimension in shape:
        count *= dimension
    data = _take(source, count * kind.itemsize)
    return np.frombuffer(data, kind).reshape(shape).copy()


def _unpack(source: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(form, _take(source, struct.calcsize(form)))


def _take(source: BinaryIO, size: int) -> bytes:
    found = source.read(size) if size >= 0 else b""
    if len(found) != size:
        raise ValueError("the file of MXNet's arrays ends early")
    return found
