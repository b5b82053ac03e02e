"""When training ends before the last epoch.

Source: Amazon SageMaker AI Developer Guide, NTM Hyperparameters (num_patience_epochs, tolerance); the lines
are those of AWS's algorithm (github.com/apache/mxnet, issue 16230).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """The losses so far, and how many epochs in a row did not improve on them."""

    epochs: int
    """num_patience_epochs."""
    tolerance: float
    """The relative change that counts as an improvement."""
    losses: tuple[float, ...] = ()
    bad: int = 0

    @property
    def window(self) -> Sequence[float]:
        """The last losses that the next one is compared with."""
        return self.losses[-self.epochs :]

    @property
    def exhausted(self) -> bool:
        """Whether training is to end."""
        return self.bad >= self.epochs

    def after(self, loss: float) -> Patience:
        """The state after one more epoch with that loss."""
        losses = (*self.losses, loss)
        if not self.losses:
            return Patience(self.epochs, self.tolerance, losses)
        least = min(self.window)
        improved = least - loss > self.tolerance * abs(least)
        return Patience(self.epochs, self.tolerance, losses, 0 if improved else self.bad + 1)

    def told(self, loss: float) -> list[str]:
        """What the log says of an epoch with that loss, before it is counted."""
        if not self.losses:
            return []
        least, after = min(self.window), self.after(loss)
        lines = [
            f"patience losses:{list(self.window)} min patience loss:{least} current loss:{loss}"
            f" absolute loss difference:{abs(least - loss)}"
        ]
        if after.bad:
            lines.append(f"Bad epoch: loss has not improved (enough). Bad count:{after.bad}")
        if after.exhausted:
            lines.append("Bad epochs exceeded patience. Stopping training early!")
        return lines
