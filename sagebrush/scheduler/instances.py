"""What an instance type promises: vCPUs, memory and GPUs, as AWS publishes them, and what it costs.

The catalogue is data (instances.json): every type that SageMaker's API lists, with the date and the
source of its prices. A type that is not there does not exist.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("instances.json")


@dataclass(frozen=True)
class Instance:
    """An instance type: vCPUs, bytes of memory, number of GPUs, bytes of memory of each GPU (0 where
    it has none, or that is not known)."""

    name: str
    cpus: float
    memory: int
    gpus: int = 0
    gpu_memory: int = 0
    price: float | None = None
    """US dollars an hour, on demand, in us-east-1, on the day `priced`; None: not known."""
    spot_price: float | None = None
    """The same as managed spot training, as SPOT_BY says; None: not known."""
    priced: str = ""
    """The day of the list that has the price, YYYY-MM-DD; "" without one."""


@functools.cache
def _catalogue() -> dict[str, Any]:
    return json.loads(TABLE.read_text())


PRICES_OF: str = _catalogue()["prices"]["of"]
"""The day of the price list, YYYY-MM-DD; some types have an older one. The sources stand in the file."""
SPOT_BY: str = _catalogue()["prices"]["spot"]
"""Where spot prices come from: no list of them is published, so that they are a documented discount."""


def named(name: str) -> bool:
    """Whether there is an instance type of that name."""
    return name in _catalogue()["types"]


def instance(name: str) -> Instance:
    """The instance type `name` (`ml.m5.large`). Raises LookupError for what is no instance type."""
    found = _catalogue()["types"].get(name)
    if found is None:
        raise LookupError(f"{name} is not an instance type")
    price = found.get("price")
    spot = (
        None if price is None else round(price * (1 - _catalogue()["prices"]["spot_discount"]), 4)
    )
    return Instance(
        name,
        found["cpus"],
        int(found["memory"] * 2**30),
        found.get("gpus", 0),
        int(found.get("gpu_memory", 0) * 2**30),
        price,
        spot,
        "" if price is None else found.get("of", PRICES_OF),
    )
