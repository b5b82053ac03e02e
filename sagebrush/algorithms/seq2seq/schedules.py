"""How the learning rate changes from update to update (Sockeye 1's schedules)."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Plateau:
    """Multiplied by `factor` where the optimised metric did not improve for `patience`
    checkpoints."""

    rate: float
    factor: float
    patience: int
    waited: int = 0

    def at(self, update: int) -> float:
        """The rate of an update, from 1 on."""
        del update
        return self.rate

    def measured(self, improved: bool) -> None:
        """A checkpoint was the best so far or not."""
        self.waited = 0 if improved else self.waited + 1
        if self.waited >= self.patience:
            self.rate, self.waited = self.rate * self.factor, 0


@dataclass(frozen=True)
class FixedRate:
    """Half of the first rate after `half_life` updates: `first` / (1 + decay * t), or by t's square
    root."""

    first: float
    half_life: int
    root: bool = False

    def at(self, update: int) -> float:
        """The rate of an update, from 1 on."""
        if self.root:
            return self.first / math.sqrt(1 + 3 * update / self.half_life)
        return self.first / (1 + update / self.half_life)

    def measured(self, improved: bool) -> None:
        """Checkpoints change nothing."""
        del improved


def schedule(
    kind: str, rate: float, factor: float, patience: int, half_life: int
) -> Plateau | FixedRate:
    """The schedule of `lr_scheduler_type`; `half_life` is in updates, `patience` in checkpoints."""
    if kind == "plateau_reduce":
        return Plateau(rate, factor, patience)
    return FixedRate(rate, half_life, kind == "fixed_rate_inv_sqrt_t")
