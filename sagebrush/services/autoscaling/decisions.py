"""What a scalable target's policies make of their alarms and metrics: pure functions.

Nothing here reads a clock, a row or a metric: `decide` gets all of it and says the new capacity, or
why there is none. The server and `sagebrush scaling simulate` call the same functions. Source:
Application Auto Scaling User Guide, "How target tracking scaling for Application Auto Scaling works",
"How step scaling for Application Auto Scaling works", "Scaling activities". Where the guide leaves a
number open, docs/scaling.md says what was chosen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sagebrush.errors import Doc

AT_MAX, AT_MIN = "AlreadyAtMaxCapacity", "AlreadyAtMinCapacity"
AT_DESIRED, FLAPPING = "AlreadyAtDesiredCapacity", "AutoScalingAnticipatedFlapping"
UNSCALABLE = "TargetServicePutResourceAsUnscalable"
"""Reasons of activities that are not scaled (API reference, NotScaledReason)."""
_TINY = 1e-9
"""Keeps a quotient that is a whole number but for its last bit from being rounded up."""


@dataclass(frozen=True)
class Signal:
    """One alarm that may call a policy, and the metric that it watches."""

    alarm: str
    triggered: bool
    """Whether its state now is one in which its actions name the policy, and actions are enabled."""
    threshold: float
    below: bool = False
    """Whether it goes off when the metric is below the threshold."""
    readings: tuple[tuple[float, float], ...] = ()
    """(start, value) of the periods that it evaluates, oldest first, in seconds since the epoch; those
    without a datapoint are left out."""

    @property
    def values(self) -> tuple[float, ...]:
        """The values alone."""
        return tuple(value for _, value in self.readings)

    def since(self, time: float) -> tuple[float, ...]:
        """The values of periods that began at `time` or later."""
        return tuple(value for at, value in self.readings if at >= time)


@dataclass(frozen=True)
class Tracking:
    """A target tracking policy. Cooldowns in seconds."""

    name: str
    target: float
    out_cooldown: float = 300.0
    in_cooldown: float = 300.0
    scales_in: bool = True
    high: Signal | None = None
    low: Signal | None = None


@dataclass(frozen=True)
class Step:
    """A step adjustment; None is infinite. Bounds are relative to the alarm's threshold."""

    lower: float | None
    upper: float | None
    adjustment: int


@dataclass(frozen=True)
class Stepping:
    """A step scaling policy. `cooldown` in seconds."""

    name: str
    adjustment: str
    """`ChangeInCapacity`, `ExactCapacity` or `PercentChangeInCapacity`."""
    steps: tuple[Step, ...]
    magnitude: int = 0
    cooldown: float = 300.0
    aggregation: str = "Average"
    signals: tuple[Signal, ...] = ()


Policy = Tracking | Stepping


@dataclass(frozen=True)
class Target:
    """A scalable target as it is now."""

    current: int
    """Its capacity, as its service was last told."""
    least: int
    most: int
    in_suspended: bool = False
    out_suspended: bool = False


SET_BACK = 5.0
"""Seconds by which a clock goes back that was set; less is a correction."""


@dataclass(frozen=True)
class Change:
    """The last change of the capacity that a policy made. Times in seconds since the epoch."""

    base: int
    """The capacity that the change was worked out from."""
    before: int
    after: int
    ended: float | None
    """None while it goes on."""
    cooldown: float

    def cools(self, now: float) -> bool:
        """Whether its cooldown period is in effect."""
        if self.ended is None:
            return True
        return self.known(now) and now < self.ended + self.cooldown

    def known(self, now: float) -> bool:
        """Whether it is known when it ended: a time of the future is one of a clock that was set back
        since."""
        return self.ended is not None and self.ended <= now + SET_BACK


@dataclass(frozen=True)
class Note:
    """That a triggered policy does not scale, and why."""

    policy: str
    alarm: str
    code: str
    capacity: int

    @property
    def reason(self) -> Doc:
        """As AWS's NotScaledReason."""
        member = {AT_MAX: "MaxCapacity", AT_MIN: "MinCapacity"}.get(self.code, "CurrentCapacity")
        return {"Code": self.code, member: self.capacity}


@dataclass(frozen=True)
class Wish:
    """The capacity that a policy asks for, within the target's bounds."""

    policy: str
    alarm: str
    capacity: int
    cooldown: float
    base: int


@dataclass(frozen=True)
class Decision:
    """What is to be done: scale as `wish` has it (None: nothing), and what is noted."""

    wish: Wish | None = None
    notes: tuple[Note, ...] = ()


def tracked(capacity: int, value: float, target: float) -> int:
    """The capacity at which the metric would be at most its target: proportional, rounded up."""
    return max(0, math.ceil(capacity * value / target - _TINY))


def decide(target: Target, policies: Sequence[Policy], last: Change | None, now: float) -> Decision:
    """The new capacity, or none.

    Scale-out wins over scale-in, and of several policies the one with the largest capacity. Target
    tracking scales in only if every such policy whose scale-in is enabled is ready to; step scaling
    does so by itself. A scale-out's cooldown makes the next scale-out start from the capacity that
    the first one was worked out from, so that only a larger one adds; a scale-in's blocks scale-ins,
    and ends with the next scale-out. After a cooldown target tracking goes by what was measured since
    the change: a cooldown of 0 does not multiply what an earlier capacity was measured to lack.
    """
    cooling = last if last is not None and last.cools(now) else None
    base = cooling.base if cooling and cooling.after > cooling.before else target.current
    blocked = cooling is not None and cooling.after < cooling.before
    # What was measured before a change tells nothing of the capacity after it.
    since = -math.inf
    if last and last.ended is not None and last.known(now) and not cooling:
        since = last.ended
    ready = all(
        p.low is not None and p.low.triggered
        for p in policies
        if isinstance(p, Tracking) and p.scales_in
    )
    outs: list[Wish] = []
    ins: list[Wish] = []
    notes: list[Note] = []
    for policy in policies:
        for found in _asked(policy, target, (base, since), ready):
            if isinstance(found, Note):
                notes.append(found)
            elif found.capacity > target.current:
                outs.append(found)
            else:
                ins.append(found)
    if outs:
        chosen = None if target.out_suspended else max(outs, key=lambda w: w.capacity)
    elif ins:
        stopped = target.in_suspended or blocked
        chosen = None if stopped else max(ins, key=lambda w: w.capacity)
        if chosen is not None and _kept(notes, policies):
            chosen = None  # a policy that is ready needs all that there is
    else:
        chosen = None
    return Decision(chosen, tuple(_visible(notes, target, blocked)))


def _kept(notes: Sequence[Note], policies: Sequence[Policy]) -> bool:
    """Whether a target tracking policy asks for the present capacity: the largest of several."""
    tracking = {p.name for p in policies if isinstance(p, Tracking)}
    return any(n.code == FLAPPING and n.policy in tracking for n in notes)


def _visible(notes: Sequence[Note], target: Target, blocked: bool) -> list[Note]:
    """The notes of what neither a suspension nor a cooldown would have stopped anyway."""
    hidden = set()
    if target.out_suspended:
        hidden.add(AT_MAX)
    if target.in_suspended or blocked:
        hidden |= {AT_MIN, FLAPPING}
    return [note for note in notes if note.code not in hidden]


def _asked(
    policy: Policy, target: Target, start: tuple[int, float], ready: bool
) -> list[Wish | Note]:
    """What a policy's triggered alarms ask for; [] where nothing is to be said. `start`: from which
    capacity a scale-out is worked out, and since when datapoints count."""
    base, since = start
    if isinstance(policy, Tracking):
        found = _tracks_out(policy, target, start)
        if found is None and ready:
            found = _tracks_in(policy, target, since)
        return [found] if found is not None else []
    stepped = (_steps(policy, s, target, base) for s in policy.signals if s.triggered)
    return [found for found in stepped if found is not None]


def _tracks_out(policy: Tracking, target: Target, start: tuple[int, float]) -> Wish | Note | None:
    (base, since), high = start, policy.high
    values = high.since(since) if high is not None else ()
    if high is None or not high.triggered or not values:
        return None
    # From nothing no proportion leads anywhere: one is what a metric of it is counted for.
    wanted = tracked(max(base, 1), values[-1], policy.target)
    if wanted <= target.current:
        return None  # a cooldown is in effect, and the capacity that was added suffices
    if target.current >= target.most:
        return Note(policy.name, high.alarm, AT_MAX, target.most)
    capacity = min(wanted, target.most)
    return Wish(policy.name, high.alarm, capacity, policy.out_cooldown, base)


def _tracks_in(policy: Tracking, target: Target, since: float) -> Wish | Note | None:
    low = policy.low
    values = low.since(since) if low is not None else ()
    if not policy.scales_in or low is None or not low.triggered or not values:
        return None
    # The highest of the periods that the alarm saw: capacity goes slower than it comes.
    wanted = tracked(target.current, max(values), policy.target)
    if target.current <= target.least:
        return Note(policy.name, low.alarm, AT_MIN, target.least)
    if wanted >= target.current:
        return Note(policy.name, low.alarm, FLAPPING, target.current)
    capacity = max(wanted, target.least)
    return Wish(policy.name, low.alarm, capacity, policy.in_cooldown, target.current)


def _steps(policy: Stepping, signal: Signal, target: Target, base: int) -> Wish | Note | None:
    value = _aggregated(policy.aggregation, signal)
    step = chosen_step(policy.steps, value - signal.threshold, signal.below)
    if step is None:
        return None
    adds = step.adjustment > 0 and policy.adjustment != "ExactCapacity"
    start = base if adds else target.current
    wanted = adjusted(policy, step.adjustment, start)
    if wanted > target.current:
        if target.current >= target.most:
            return Note(policy.name, signal.alarm, AT_MAX, target.most)
        capacity = min(wanted, target.most)
        return Wish(policy.name, signal.alarm, capacity, policy.cooldown, start)
    if start != target.current:
        return None  # a cooldown is in effect, and at least as much was added
    if wanted == target.current:
        return Note(policy.name, signal.alarm, AT_DESIRED, target.current)
    if target.current <= target.least:
        return Note(policy.name, signal.alarm, AT_MIN, target.least)
    capacity = max(wanted, target.least)
    return Wish(policy.name, signal.alarm, capacity, policy.cooldown, start)


def _aggregated(aggregation: str, signal: Signal) -> float:
    """The metric as the policy sees it; the threshold itself where nothing was measured, as after
    SetAlarmState."""
    if not signal.values:
        return signal.threshold
    if aggregation == "Minimum":
        return min(signal.values)
    if aggregation == "Maximum":
        return max(signal.values)
    return sum(signal.values) / len(signal.values)


def chosen_step(steps: Sequence[Step], breach: float, below: bool) -> Step | None:
    """The step for a metric that is `breach` above the threshold (negative: below).

    Above the threshold lower bounds are inclusive and upper bounds exclusive, below it the other way
    round; at it the alarm's direction decides.
    """
    under = breach < 0 or (breach == 0 and below)
    for step in steps:
        low = -math.inf if step.lower is None else step.lower
        high = math.inf if step.upper is None else step.upper
        if low < breach <= high if under else low <= breach < high:
            return step
    return None


def adjusted(policy: Stepping, adjustment: int, capacity: int) -> int:
    """The capacity after an adjustment, before the target's bounds; not below 0."""
    if policy.adjustment == "ExactCapacity":
        return max(0, adjustment)
    if policy.adjustment == "ChangeInCapacity":
        return max(0, capacity + adjustment)
    share = capacity * adjustment / 100
    by = math.copysign(max(1, math.floor(abs(share) + _TINY)), share) if share else 0
    if adjustment and abs(by) < policy.magnitude:
        by = math.copysign(policy.magnitude, adjustment)
    return max(0, capacity + int(by))
