"""`mx.nd`: arrays, their files, and softmax, over NumPy.

Source: MXNet 1.9's Python API (`mxnet.ndarray`), by its documentation.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["NDArray", "array", "load", "save", "softmax"]


class NDArray:
    """Numbers in memory; `asnumpy` gives them."""

    def __init__(self, values: Any) -> None:
        self._values = values

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._values.shape

    @property
    def dtype(self) -> type:
        """NumPy's type of a number."""
        return self._values.dtype.type

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return self._values.size

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return self._values.ndim

    @property
    def T(self) -> NDArray:
        """The array with its axes in the other order."""
        return NDArray(self._values.T)

    def asnumpy(self) -> Any:
        """A NumPy array of its own with the same numbers."""
        return self._values.copy()

    def asscalar(self) -> Any:
        """The one number. Raises ValueError where there are several."""
        return self._values.item()

    def astype(self, dtype: Any) -> NDArray:
        """The same numbers in another type."""
        return NDArray(self._values.astype(dtype))

    def reshape(self, *shape: Any) -> NDArray:
        """The same numbers in other axes."""
        return NDArray(self._values.reshape(*shape))

    def __getitem__(self, key: Any) -> NDArray:
        # MXNet has no arrays without axes: one number is an array of length 1
        return NDArray(np.atleast_1d(self._values[key]))

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[NDArray]:
        return (self[at] for at in range(len(self)))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self._values, dtype=dtype)

    def __repr__(self) -> str:
        return f"\n{self._values}\n<NDArray {'x'.join(map(str, self.shape))} @cpu(0)>"


def array(source_array: Any, ctx: Any = None, dtype: Any = None) -> NDArray:
    """The numbers as an array: float32, or the type of a NumPy array or NDArray given."""
    if isinstance(source_array, NDArray):
        source_array = source_array.asnumpy()
    typed = dtype or (source_array.dtype if isinstance(source_array, np.ndarray) else np.float32)
    return NDArray(np.array(source_array, dtype=typed))


def load(fname: str) -> list[NDArray] | dict[str, NDArray]:
    """The arrays of the file: a list, or by name where they have names. Raises ValueError."""
    found = _files().load(Path(fname))
    if isinstance(found, dict):
        return {name: NDArray(values) for name, values in found.items()}
    return [NDArray(values) for values in found]


def save(fname: str, data: Any) -> None:
    """The file holds an array, a list of them, or them by name, as MXNet writes it. Raises ValueError."""
    if isinstance(data, dict):
        _files().save(Path(fname), {name: each.asnumpy() for name, each in data.items()})
    else:
        several = [data] if isinstance(data, NDArray) else data
        _files().save(Path(fname), [each.asnumpy() for each in several])


def softmax(data: NDArray, axis: int = -1) -> NDArray:
    """Exponentials that add up to 1 along the axis."""
    values = data.asnumpy()
    powers = np.exp(values - values.max(axis=axis, keepdims=True))
    return NDArray(powers / powers.sum(axis=axis, keepdims=True))


def _files() -> ModuleType:
    """What the algorithms write these files with, which lies beside the toolkit wherever that is."""
    place = Path(__file__).resolve().parents[3] / "algorithms" / "contract" / "ndarrays.py"
    spec = importlib.util.spec_from_file_location("_sagebrush_ndarrays", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
