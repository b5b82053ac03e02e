"""How many waiting requests one worker gets at once: pure functions over counts and times.

A batch forms from what waits while the workers are busy, so an idle server answers a lone request
at once. Where the user did not choose the size, it is bounded by what the batch adds to a request's
time: `ADDED` seconds beyond an answer of its own, or what the oldest has waited already.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

SIZE, DELAY = "SAGEBRUSH_BATCH_SIZE", "SAGEBRUSH_BATCH_DELAY_MS"
"""Variables of the environment, and attributes of the user's module, of the same names."""
LARGEST = 128
"""Requests of one batch, at most: each is an open connection handed to the worker."""
LONGEST_DELAY = 0.25
"""Seconds that a request may be asked to wait for others."""
ADDED = 0.05
"""Seconds that a batch of a size that the user did not choose may add to a request's time."""
DECAY = 0.98
"""What a measured batch still counts after another one: about the last fifty count."""
KNOWN = 0.2
"""Variance of batch sizes above which the cost of one more request is read from the measurements."""


@dataclass(frozen=True)
class Rule:
    """How requests are taken together: at most `size`, those that wait, or come in `delay` seconds.

    `fixed`: the user chose the size, so that it is not adapted.
    """

    size: int = 1
    delay: float = 0.0
    fixed: bool = False


def rule(environ: Mapping[str, str], module: Any, default: int) -> Rule:
    """The rule by the environment, else by the module's attributes, else of size `default`.

    Raises ValueError for what is no number of requests or milliseconds.
    """
    size, delay = _number(environ, module, SIZE), _number(environ, module, DELAY)
    if size is not None and size < 1:
        raise ValueError(f"{SIZE} must be 1 or more, not {size:g}")
    if delay is not None and delay < 0:
        raise ValueError(f"{DELAY} must not be negative: {delay:g}")
    return Rule(
        min(LARGEST, int(size if size is not None else default)),
        min(LONGEST_DELAY, (delay or 0.0) / 1000),
        size is not None,
    )


def _number(environ: Mapping[str, str], module: Any, name: str) -> float | None:
    said = environ.get(name) or getattr(module, name, None)
    if said in (None, ""):
        return None
    try:
        found = float(said)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, not {said!r}") from None
    if not math.isfinite(found):
        raise ValueError(f"{name} must be a number, not {said!r}")
    return found


class Pace(NamedTuple):
    """What batches took: sums over (requests, seconds), the older the less they count."""

    weight: float = 0.0
    counts: float = 0.0
    seconds: float = 0.0
    squares: float = 0.0
    products: float = 0.0

    def after(self, count: int, took: float) -> Pace:
        """The pace with one more batch of `count` requests that took `took` seconds."""
        return Pace(
            self.weight * DECAY + 1,
            self.counts * DECAY + count,
            self.seconds * DECAY + took,
            self.squares * DECAY + count * count,
            self.products * DECAY + count * took,
        )

    def each(self) -> float | None:
        """Seconds that one more request adds to a batch, None where nothing was measured.

        The slope of the measured batches; while all had about one size, as if nothing were shared.
        """
        if not self.weight:
            return None
        mean, time = self.counts / self.weight, self.seconds / self.weight
        variance = self.squares / self.weight - mean * mean
        if variance < KNOWN:
            return time / mean
        slope = (self.products / self.weight - mean * time) / variance
        return min(max(slope, 0.0), time / mean)

    def takes(self, count: int) -> float | None:
        """Seconds that a batch of `count` requests takes, None where nothing was measured."""
        each = self.each()
        if each is None:
            return None
        return self.seconds / self.weight + each * (count - self.counts / self.weight)

    def varied(self) -> bool:
        """Whether sizes differed enough to tell what one more request costs."""
        if not self.weight:
            return False
        mean = self.counts / self.weight
        return self.squares / self.weight - mean * mean >= KNOWN


def size(rule: Rule, pace: Pace, waited: float) -> int:
    """The largest batch now: the user's own size, else one that adds at most ADDED seconds, or as
    long as the oldest request has `waited`: where many wait, all are answered sooner that way.

    Two are tried while nothing tells whether a batch costs less than its requests one by one.
    """
    if rule.fixed or rule.size == 1:
        return rule.size
    each = pace.each()
    if each is None:
        return min(2, rule.size)
    allowed = 1 + int(min(max(ADDED, waited) / each, LARGEST)) if each > 0 else LARGEST
    return min(rule.size, max(allowed, 1 if pace.varied() else 2))


def share(waiting: int, idle: int, largest: int) -> int:
    """Requests for the next of `idle` workers: what waits is spread over them."""
    return min(largest, -(-waiting // max(idle, 1)))


def hold(rule: Rule, waiting: int, first: float, before: float, now: float) -> float:
    """Seconds that the waiting requests are still held for others to join them, 0 for none.

    `first`: when the oldest of them came, `before`: when the request before it came. Where none
    came in the last `delay` seconds before it the server idles, and nobody waits.
    """
    if not rule.delay or waiting >= rule.size or first - before > rule.delay:
        return 0.0
    return max(0.0, first + rule.delay - now)
