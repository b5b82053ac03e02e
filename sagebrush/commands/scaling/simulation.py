"""Traffic replayed against scaling policies: pure, by the functions that the server itself uses.

Alarms are judged by `cloudwatch.alarms.evaluation`, policies by `autoscaling.decisions`, scheduled
actions by `autoscaling.schedules`; only the metrics are modelled here, out of the traffic and of the
instances that serve it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from sagebrush.errors import Doc
from sagebrush.services.autoscaling import decisions, readings, schedules
from sagebrush.services.autoscaling.decisions import Change, Policy, Signal, Target
from sagebrush.services.cloudwatch.alarms import evaluation
from sagebrush.services.cloudwatch.alarms.evaluation import Datapoint

ZEROLESS = ("InvocationsPerInstance", "Invocations")
"""Metrics that have no datapoint where nothing happened, as SageMaker's."""
PER_COPY = "InvocationsPerCopy"
CONCURRENT = ("ConcurrentRequestsPerModel", "ConcurrentRequestsPerCopy")
UTILISED = "ServerlessProvisionedConcurrencyUtilization"
MODELLED = (*ZEROLESS, PER_COPY, *CONCURRENT, UTILISED)
"""The metrics that a simulation knows."""


@dataclass(frozen=True)
class Traffic:
    """Requests in equal spans of `step` seconds from `start` on, in seconds since the epoch."""

    start: float
    step: float
    counts: tuple[float, ...]

    @property
    def end(self) -> float:
        return self.start + self.step * len(self.counts)

    def requests(self, begin: float, seconds: float) -> float:
        """The requests of a span that is no longer than a step and lies within one."""
        place = int((begin - self.start) // self.step)
        inside = 0 <= place < len(self.counts)
        return self.counts[place] * seconds / self.step if inside else 0.0


@dataclass(frozen=True)
class Rule:
    """A policy and the alarms that call it, as AWS's documents."""

    name: str
    kind: str
    """Its PolicyType."""
    config: Doc
    alarms: tuple[Doc, ...]
    """Of a target tracking policy: the high one, and the low one where it scales in."""


@dataclass(frozen=True)
class Scenario:
    """What is replayed."""

    traffic: Traffic
    least: int
    most: int
    rules: tuple[Rule, ...]
    actions: tuple[Doc, ...] = ()
    """Scheduled actions."""
    initial: int | None = None
    """The capacity at the beginning; None: the least."""
    startup: float = 0.0
    """Seconds until an added instance serves."""
    latency: float = 0.1
    """Seconds of a request, for metrics of concurrency."""


@dataclass(frozen=True)
class Event:
    """A change of the capacity."""

    at: float
    before: int
    after: int
    cause: str


@dataclass
class Run:
    """What happened. One element a span of `step` seconds."""

    start: float
    step: float
    requests: list[float] = field(default_factory=list)
    serving: list[int] = field(default_factory=list)
    """Instances that answer."""
    billed: list[int] = field(default_factory=list)
    """Instances that are paid: those that start too."""
    events: list[Event] = field(default_factory=list)

    def above(self, capacity: float) -> float:
        """The requests above what the instances can take, `capacity` requests a minute each (NaN:
        nobody knows)."""
        if capacity != capacity:
            return math.nan
        most = capacity * self.step / 60
        pairs = zip(self.requests, self.serving, strict=True)
        return sum(max(0.0, r - n * most) for r, n in pairs)

    @property
    def hours(self) -> float:
        """Instance-hours that are paid."""
        return sum(self.billed) * self.step / 3600


def simulate(scenario: Scenario) -> Run:
    """The traffic is replayed from its start to its end."""
    return _Simulation(scenario).run()


class _Simulation:
    def __init__(self, scenario: Scenario) -> None:
        self.of = scenario
        periods = [_period(alarm) for rule in scenario.rules for alarm in rule.alarms]
        self.conditions = {
            alarm["AlarmName"]: evaluation.condition_of(alarm)
            for rule in scenario.rules
            for alarm in rule.alarms
        }
        self.step = 10.0 if any(p < 60 for p in periods) else min(60.0, scenario.traffic.step)
        self.run_ = Run(scenario.traffic.start, self.step)
        self.least, self.most = scenario.least, scenario.most
        self.desired = self.serving = self._bounded(scenario.initial or 0)
        self.ready = -math.inf
        """When the last instances that were added serve."""
        self.last: Change | None = None
        self.states: dict[str, str] = {}
        self.known: dict[tuple[str, str, float, int], Datapoint] = {}
        """Datapoints of what is over, which does not change."""
        self.fires = [(schedules.timetable(a), a) for a in scenario.actions]

    def run(self) -> Run:
        now = self.of.traffic.start
        while now < self.of.traffic.end:
            self._serve(now)
            now += self.step
            self._scale(now)
        return self.run_

    def _bounded(self, capacity: int) -> int:
        return min(max(capacity, self.least), self.most)

    def _serve(self, now: float) -> None:
        if now >= self.ready or self.desired < self.serving:
            self.serving = self.desired
        self.run_.requests.append(self.of.traffic.requests(now, self.step))
        self.run_.serving.append(self.serving)
        self.run_.billed.append(max(self.desired, self.serving))

    def _scale(self, now: float) -> None:
        self._fire(now)
        if now < self.ready:
            self._judge(now)  # the endpoint is Updating: its service takes no other change
            return
        if self.last is not None and self.last.ended is None:
            self.last = Change(*_fields(self.last), ended=now, cooldown=self.last.cooldown)
        self._enforce(now)
        policies = self._judge(now)
        target = Target(self.desired, self.least, self.most)
        wish = decisions.decide(target, policies, self.last, now).wish
        if wish is None:
            return
        self.last = Change(wish.base, self.desired, wish.capacity, None, wish.cooldown)
        self._change(now, wish.capacity, f"{wish.policy} ({wish.alarm})")
        if now >= self.ready:
            self.last = Change(*_fields(self.last), ended=now, cooldown=wish.cooldown)

    def _change(self, now: float, capacity: int, cause: str) -> None:
        self.run_.events.append(Event(now, self.desired, capacity, cause))
        if capacity > self.desired:
            self.ready = now + self.of.startup
        self.desired = capacity

    def _fire(self, now: float) -> None:
        """Scheduled actions of the last step have set the bounds."""
        for table, action in self.fires:
            if table.due(now - self.step, now) is not None:
                wanted = action["ScalableTargetAction"]
                self.least, self.most = schedules.bounds(wanted, self.least, self.most)

    def _enforce(self, now: float) -> None:
        """The capacity is within the bounds."""
        if (bounded := self._bounded(self.desired)) != self.desired:
            side = "minimum" if bounded > self.desired else "maximum"
            self._change(now, bounded, f"{side} capacity was set to {bounded}")

    # Alarms ---------------------------------------------------------------------------------------

    def _judge(self, now: float) -> list[Policy]:
        """The policies with what their alarms are at `now`."""
        found: list[Policy] = []
        for rule in self.of.rules:
            signals = [self._signal(rule, alarm, now) for alarm in rule.alarms]
            if rule.kind == "StepScaling":
                found.append(readings.stepping(rule.name, rule.config, signals))
            else:
                high, low = [*signals, None, None][:2]
                found.append(readings.tracking(rule.name, rule.config, high, low))
        return found

    def _signal(self, rule: Rule, alarm: Doc, now: float) -> Signal:
        period, name = _period(alarm), alarm["AlarmName"]
        condition = self.conditions[name]
        due = now % evaluation.interval(period, condition.periods) == 0
        points: list[Datapoint] = []
        if due:
            within = evaluation.range_at(now, period, condition.periods)
            points = list(self._points(alarm, within))
            state = evaluation.evaluate(points, condition).state
            self.states[name] = state or self.states.get(name, evaluation.INSUFFICIENT)
        member = readings.ACTIONS[self.states.get(name, evaluation.INSUFFICIENT)]
        calls = member == "AlarmActions" if rule.kind != "StepScaling" else _calls(alarm, member)
        below = condition.operator.startswith("LessThan")
        if not (due and calls):
            return Signal(name, False, condition.threshold, below)
        values = [(p.at, p.value) for p in points if p.value is not None][-condition.periods :]
        return Signal(name, True, condition.threshold, below, tuple(values))

    def _points(self, alarm: Doc, within: evaluation.Range) -> Iterator[Datapoint]:
        for number in range(within.count):
            begin = within.start + number * within.period
            key = (alarm["MetricName"], alarm.get("Statistic", ""), begin, within.period)
            point = self.known.get(key)
            if point is None:
                point = Datapoint(begin, self._value(alarm, begin, within.period))
                self.known[key] = point
            yield point

    def _value(self, alarm: Doc, begin: float, period: int) -> float | None:
        """The metric's datapoint of the period, by the model of it; None where it has none."""
        first = round((begin - self.run_.start) / self.step)
        end = min(first + round(period / self.step), len(self.run_.requests))
        spans = range(max(first, 0), end)
        metric = alarm["MetricName"]
        per = [
            self._sample(metric, n)
            for n in spans
            if self.run_.serving[n] or metric == "Invocations"
        ]
        if not per or (metric in ZEROLESS and not any(per)):
            return None
        if alarm.get("Statistic") == "Sum":
            return sum(per)
        return max(per) if alarm.get("Statistic") == "Maximum" else sum(per) / len(per)

    def _sample(self, metric: str, span: int) -> float:
        requests = self.run_.requests[span]
        if metric == "Invocations":
            return requests
        if metric in CONCURRENT or metric == UTILISED:
            requests *= self.of.latency / self.step
        return requests / self.run_.serving[span]


def _fields(change: Change) -> tuple[int, int, int]:
    return change.base, change.before, change.after


def _calls(alarm: Doc, member: str) -> bool:
    """Whether an alarm of a step policy calls it in the state of that member of actions; without any
    actions, which a file need not give, in ALARM."""
    named = [m for m in readings.ACTIONS.values() if alarm.get(m)]
    return member in (named or ["AlarmActions"])


def _period(alarm: Doc) -> int:
    return int(alarm["Period"])
