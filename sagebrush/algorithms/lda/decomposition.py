"""A symmetric tensor as a sum of rank-one terms, by alternating least squares with restarts.

The first factors are made orthogonal after each of a few first steps, as the whitened moment of LDA has
orthogonal terms. Restarts are compared after SCREENING iterations, and only the best goes on: to iterate
each to the end costs ten times as much and found no better minimum where it was measured.

Sources: Kolda and Bader, "Tensor Decompositions and Applications", SIAM Review 51 (2009), section 3.4,
which AWS names for its algorithm; Sharan and Valiant, "Orthogonalized ALS" (2017); Anandkumar et al.,
JMLR 15 (2014).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
ORTHOGONAL = 5
"""Steps after which the factors are made orthogonal; AWS's log says num_qr_iterations=5."""
SCREENING = 40
"""Iterations of each restart before they are compared."""
STAGNATION = 60
"""Iterations without a better error after which one ends."""
RIDGE = 1e-9


@dataclass(frozen=True)
class Terms:
    """The sum of `weights[i]` times the cube of column i of `vectors`; weights are positive."""

    weights: Floats
    vectors: Floats
    error: float
    """The norm of what is left, relative to the tensor's."""
    iterations: int
    converged: bool


@dataclass(frozen=True)
class Limits:
    """How much is tried."""

    restarts: int = 10
    iterations: int = 1000
    tolerance: float = 1e-8
    """Change of the error at which an iteration has converged."""
    svd: bool = True
    """Whether the first start is the tensor's leading singular vectors."""


def decompose(
    tensor: Floats, limits: Limits, report: Callable[[str], None] = lambda _line: None
) -> Terms:
    """As many terms as the tensor is wide, the best of all restarts; the same for the same tensor."""
    size = len(tensor)
    if not np.linalg.norm(tensor) > 0:  # nothing but two words in each document
        return Terms(np.ones(size), np.eye(size), 0.0, 0, True)
    random = np.random.default_rng(1)
    best: Terms | None = None
    for number in range(limits.restarts):
        report(f"Restart {number + 1}/{limits.restarts}")
        if number == 0 and limits.svd:
            start = np.linalg.svd(tensor.reshape(size, -1), full_matrices=False)[0]
            report("[CPDecomp] Using SVD initialization.")
        else:
            start = np.linalg.qr(random.standard_normal((size, size)))[0]
            report("[CPDecomp] Using random initialization.")
        found = iterate(tensor, start, min(SCREENING, limits.iterations), limits.tolerance)
        report(f"[CPDecomp] iter={found.iterations}, error={found.error:.12g}")
        if best is None or found.error < best.error:
            best = found
    assert best is not None
    left = limits.iterations - best.iterations
    if not best.converged and left > 0:
        more = iterate(tensor, best.vectors, left, limits.tolerance, orthogonal=0)
        steps = best.iterations + more.iterations
        best = min(more, best, key=lambda terms: terms.error)
        best = Terms(best.weights, best.vectors, best.error, steps, more.converged)
    if best.converged:
        report(f"Converged to local minimum in {best.iterations} iterations.")
    else:
        report(f"Stopped after {best.iterations} iterations.")
    report(f"Best reconstruction error: {best.error:.8g}")
    return best


def iterate(
    tensor: Floats, start: Floats, iterations: int, tolerance: float, orthogonal: int = ORTHOGONAL
) -> Terms:
    """The terms that alternating least squares reaches from the columns of `start`."""
    size = len(tensor)
    flat, square = tensor.reshape(size * size, size), float(np.linalg.norm(tensor)) ** 2
    vectors, before, last_better, step = start, np.inf, 0, 0
    best = Terms(np.ones(size), start, np.inf, 0, False)
    for step in range(iterations + 1):
        once = (flat @ vectors).reshape(size, size, size)
        seen = np.einsum("ijr,jr->ir", once, vectors)
        gram = vectors.T @ vectors
        projected = np.einsum("ir,ir->r", vectors, seen)
        weights = _solved(gram**3, projected)
        error = float(np.sqrt(max(square - projected @ weights, 0.0) / square))
        if error < best.error:
            signs = np.where(weights < 0, -1.0, 1.0)
            best = Terms(np.abs(weights), vectors * signs, error, step, False)
            last_better = step
        if step > orthogonal and abs(before - error) < tolerance:
            return Terms(best.weights, best.vectors, best.error, step, True)
        if step - last_better > STAGNATION:
            break
        before = error
        if step < orthogonal:
            vectors = np.linalg.qr(seen)[0]
        else:
            vectors = _unit(_solved(gram**2, seen.T).T)
    return Terms(best.weights, best.vectors, best.error, min(step, iterations), False)


def _solved(matrix: Floats, right: Floats) -> Floats:
    return np.linalg.solve(matrix + RIDGE * np.eye(len(matrix)), right)


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=0), 1e-300)
