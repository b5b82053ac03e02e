"""How the learning rate changes from checkpoint to checkpoint."""

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

    def after(self, checkpoint: int, improved: bool) -> float:
        """The rate after a checkpoint (from 1 on), which was the best so far or not."""
        del checkpoint
        self.waited = 0 if improved else self.waited + 1
        if self.waited >= self.patience:
            self.rate, self.waited = self.rate * self.factor, 0
        return self.rate


@dataclass
class FixedRate:
    """Halved after `half_life` checkpoints: `first` / (1 + decay * t), or by t's square root."""

    first: float
    half_life: int
    root: bool = False

    def after(self, checkpoint: int, improved: bool) -> float:
        """The rate after that many checkpoints."""
        del improved
        if self.root:
            return self.first / math.sqrt(1 + 3 * checkpoint / self.half_life)
        return self.first / (1 + checkpoint / self.half_life)


def schedule(
    kind: str, rate: float, factor: float, patience: int, half_life: int
) -> Plateau | FixedRate:
    """The schedule of `lr_scheduler_type`."""
    if kind == "plateau_reduce":
        return Plateau(rate, factor, patience)
    return FixedRate(rate, half_life, kind == "fixed_rate_inv_sqrt_t")
