"""What joins processes into one group that trains one model, by what this XGBoost has for it.

`joined`, `rank`, `size`, `broadcast`, `total` and `keep` are the same for all versions: `communicator`
has them by the collective of 2.1 and newer, `rabit` by that of older ones.
"""

from __future__ import annotations

import re

import xgboost  # pyright: ignore[reportMissingImports]

if tuple(map(int, re.findall(r"\d+", xgboost.__version__)[:2])) >= (2, 1):
    from .communicator import broadcast, joined, keep, rank, size, total
else:
    from .rabit import broadcast, joined, keep, rank, size, total

__all__ = ["broadcast", "joined", "keep", "rank", "size", "total"]
