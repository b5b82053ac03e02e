"""How busy this machine is, for limits of time: several workers, and more than tests, share it."""

from __future__ import annotations

import os


def crowding() -> float:
    """How many processes have wanted each core in the last minute, at least 1."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 1.0
    return max(1.0, load / (os.cpu_count() or 1))
