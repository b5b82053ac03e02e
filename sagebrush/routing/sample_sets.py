"""Samples of metrics as sets, whose sums, averages and counts are exact; pure."""

from __future__ import annotations

import math
from collections.abc import Iterator

WIDTH = 1.1
"""The upper bound of a group of samples over its lower one."""
_ln, _PER_LN = math.log, 1 / math.log(WIDTH)


class Spread:
    """Values grouped so that each group's differ by less than WIDTH; the least and the greatest."""

    __slots__ = ("_groups", "_least", "_most")

    def __init__(self) -> None:
        self._groups: dict[int, list[float]] = {}
        """The whole part of a value's logarithm -> number and sum."""
        self._least, self._most = math.inf, 0.0

    def add(self, value: float) -> None:
        """The value, which is not negative, is one of them."""
        key = int(_ln(value) * _PER_LN) if value > 1 else 0
        group = self._groups.get(key)
        if group is None:
            self._groups[key] = [1, value]
        else:
            group[0] += 1
            group[1] += value
        if value < self._least:
            self._least = value
        if value > self._most:
            self._most = value

    def sets(self) -> Iterator[tuple[float, int]]:
        """(mean, number) of groups, in ascending order; the least and the greatest are alone."""
        alone = [self._least] if self._groups else []
        groups = [list(self._groups[key]) for key in sorted(self._groups)]
        if sum(number for number, _ in groups) > 1:
            alone.append(self._most)
        for group, value in zip((groups[:1], groups[-1:]), alone, strict=False):
            group[0][0] -= 1
            group[0][1] -= value
        inner = [(total / number, int(number)) for number, total in groups if number]
        return iter([*((v, 1) for v in alone[:1]), *inner, *((v, 1) for v in alone[1:])])


class Samples:
    """Values of one metric: the time of the first, their number and sum, the least and the greatest."""

    __slots__ = ("at", "count", "least", "most", "total")

    def __init__(self, at: float) -> None:
        self.at = at
        self.count, self.total = 0, 0.0
        self.least, self.most = math.inf, -math.inf

    def add(self, value: float) -> None:
        """The value is one of them."""
        self.count += 1
        self.total += value
        self.least, self.most = min(self.least, value), max(self.most, value)
