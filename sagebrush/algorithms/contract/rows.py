"""A sparse matrix by NumPy alone, and how parts of matrices become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]
else:  # NumPy of before 1.20, in the environments of old images, has no types for arrays
    Floats = Ints = np.ndarray


@dataclass(frozen=True)
class Rows:
    """A matrix as compressed rows: row i has values at `columns[ends[i]:ends[i + 1]]`."""

    data: Floats
    columns: Ints
    ends: Ints
    width: int

    def __len__(self) -> int:
        return len(self.ends) - 1


Matrix = Union[Floats, Rows]


class WrongWidth(ValueError):
    """Parts of a matrix have not all the width that they must have; the text says which."""


def row_of(matrix: Matrix, place: int) -> int:
    """The row that the value at `place` of `values(matrix)` belongs to."""
    if isinstance(matrix, Rows):
        return int(np.searchsorted(matrix.ends, place, side="right")) - 1
    return place // matrix.shape[1]


def width_of(matrix: Matrix) -> int:
    """The number of columns."""
    return matrix.width if isinstance(matrix, Rows) else matrix.shape[1]


def values(matrix: Matrix) -> Floats:
    """All values that the matrix holds, of one axis."""
    return matrix.data if isinstance(matrix, Rows) else matrix.reshape(-1)


def first_not_finite(matrix: Matrix) -> tuple[int, float] | None:
    """(row, value) of the first value that is NaN or infinite."""
    every = values(matrix)
    bad = np.flatnonzero(~np.isfinite(every))
    return (row_of(matrix, int(bad[0])), float(every[bad[0]])) if len(bad) else None


def sparse(matrix: Matrix) -> Rows:
    """The matrix as compressed rows, without its zeros where it was dense."""
    if isinstance(matrix, Rows):
        return matrix
    row, columns = np.nonzero(matrix)
    ends = np.concatenate(([0], np.cumsum(np.bincount(row, minlength=len(matrix)))))
    return Rows(matrix[row, columns], columns.astype(np.int64), ends, matrix.shape[1])


def joined(parts: Sequence[Matrix], width: int | None) -> Matrix:
    """The rows of all parts, one after another: dense where all are. Raises WrongWidth.

    Without `width` it is that of the widest sparse part; dense parts have one width.
    """
    dense = [part.shape[1] for part in parts if not isinstance(part, Rows)]
    least = max((part.width for part in parts if isinstance(part, Rows)), default=0)
    if len(set(dense)) > 1:
        raise WrongWidth(f"{dense[0]} and {next(d for d in dense if d != dense[0])} features")
    wide = width if width is not None else max([*dense, least])
    if dense and dense[0] != wide:
        raise WrongWidth(f"{dense[0]} features where feature_dim is {wide}")
    if least > wide:
        raise WrongWidth(f"feature {least - 1} where feature_dim is {wide}")
    if len(dense) == len(parts):
        return np.concatenate([part for part in parts if not isinstance(part, Rows)])
    each = [sparse(part) for part in parts]
    starts = np.cumsum([0, *(len(part.data) for part in each)])
    ends = [part.ends[1:] + start for part, start in zip(each, starts.tolist())]
    return Rows(
        np.concatenate([part.data for part in each]),
        np.concatenate([part.columns for part in each]),
        np.concatenate([np.zeros(1, np.int64), *ends]),
        wide,
    )
