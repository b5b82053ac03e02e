"""Features turned and scaled so that none varies much more than another: linear models then learn in few
steps, and also from directions in which texts differ little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy

LEAST = 0.03
"""What is added to each direction's deviation, as a share of the greatest: directions with less are noise."""


@dataclass(frozen=True)
class Whitening:
    """whitened = (features - `mean`) @ `turn`."""

    mean: numpy.ndarray
    turn: numpy.ndarray

    def apply(self, features: numpy.ndarray) -> None:
        """The features are whitened, in place."""
        for start in range(0, len(features), 4096):
            part = slice(start, start + 4096)
            features[part] = (features[part] - self.mean) @ self.turn

    def undone(
        self, weights: numpy.ndarray, bias: numpy.ndarray
    ) -> tuple[numpy.ndarray, numpy.ndarray]:
        """The weights and the bias of features as they were, from those of whitened ones."""
        found = self.turn @ weights
        return found, bias - self.mean @ found


def of(features: numpy.ndarray) -> Whitening:
    """The whitening of these features, [documents, features]; a whitened row's length is about 1."""
    mean = features.mean(0, dtype=float)
    spread = (features.T @ features).astype(float) / len(features) - numpy.outer(mean, mean)
    variances, directions = numpy.linalg.eigh(spread)
    deviations = numpy.sqrt(numpy.maximum(variances, 0))
    scale = deviations + max(LEAST * deviations.max(), 1e-9)
    turn = directions / scale / numpy.sqrt(len(mean))
    return Whitening(mean.astype(numpy.float32), turn.astype(numpy.float32))
