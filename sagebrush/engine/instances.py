"""What an instance type promises: vCPUs, memory and GPUs, as AWS publishes them."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("instances.json")
SIZES = {"nano": 0.25, "micro": 0.5, "small": 1, "medium": 1, "large": 2, "xlarge": 4}
"""vCPUs of a size; `<n>xlarge` has 4n."""
PER_CPU = {"c": 2, "m": 4, "r": 8, "x": 16, "t": 4, "g": 4, "p": 8, "inf": 2, "trn": 4}
"""GiB of memory a vCPU, by the family's letters, where the table lacks the type."""


@dataclass(frozen=True)
class Instance:
    """An instance type: vCPUs, bytes of memory, number of GPUs."""

    name: str
    cpus: float
    memory: int
    gpus: int = 0


@functools.cache
def _table() -> dict[str, list[float]]:
    return json.loads(TABLE.read_text())


def instance(name: str) -> Instance:
    """The instance type `name` (`ml.m5.large`).

    From the table of AWS's published figures, else by the rule of its family and size; raises
    LookupError for a name that is no instance type.
    """
    found = _table().get(name[3:]) if name.startswith("ml.") else None
    if found:
        return Instance(name, found[0], int(found[1] * 2**30), int(found[2]) if found[2:] else 0)
    m = re.fullmatch(r"ml\.([a-z]+)(\d*)[a-z0-9-]*\.(?:(\d*)(xlarge)|([a-z]+))", name)
    if not m:
        raise LookupError(f"{name} is not an instance type")
    cpus = SIZES["xlarge"] * int(m[3] or 1) if m[4] else SIZES.get(m[5], 2)
    per_cpu = PER_CPU.get(m[1], PER_CPU.get(m[1][0], 4))
    return Instance(name, cpus, int(cpus * per_cpu * 2**30))
