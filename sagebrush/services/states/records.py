"""What is told of executions elsewhere: lines in CloudWatch Logs, metrics in CloudWatch.

Both are gathered in memory and stored by a thread of their own, so that no execution waits for them;
AWS promises neither to be complete. Source of the metrics: developer guide, "Monitoring Step Functions
metrics using Amazon CloudWatch" ("Execution metrics"); those of tasks are `task_metrics`'.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Iterable

from sagebrush.errors import Doc
from sagebrush.services.states.configuration import log_group
from sagebrush.services.states.task_metrics import Measured, TaskMetrics
from sagebrush.store.generations import Outdated
from sagebrush.store.series import Point
from sagebrush.store.streams import Gone, Stream
from sagebrush.world import World

log = logging.getLogger(__name__)

NAMESPACE = "AWS/States"
FLUSH = 10.0
"""Seconds between two writes of metrics."""
ALONE = 200
"""Durations of a state machine that one write keeps one by one, for percentiles; more become a set."""
MOST = 100_000
"""Lines that wait in memory; further ones are lost, and a warning says so."""
ENDS = {
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}
Place = tuple[str, str, str]
"""Account, region, and a name or an ARN."""
Series = tuple[str, str, str, str, str, bool]
"""Account, region, and what `Measured` says beside its value."""


class Records:
    """Lines and metrics on their way into the store. Thread-safe."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lines: dict[tuple[Place, str], list[tuple[int, str]]] = {}
        self._waiting = 0
        self._counts: dict[Place, dict[str, int]] = {}
        self._times: dict[Place, list[float]] = {}
        self._values: dict[Series, list[float]] = {}
        self.tasks = TaskMetrics()
        self._streams: dict[tuple[Place, str], Stream] = {}
        self._guard = threading.Lock()
        self._woken = threading.Event()
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="states-records", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """What was gathered is stored."""
        self._stop = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def empty(self) -> None:
        """All accounts were emptied: nothing is stored of what was gathered."""
        with self._guard:
            for each in (self._lines, self._counts, self._times, self._values, self._streams):
                each.clear()
            self._waiting = 0
        self.tasks.empty()

    # ---- gathering

    def write(self, machine: str, configuration: Doc, lines: list[tuple[int, str]]) -> None:
        """The lines are to be in the log group that the configuration names."""
        arn = configuration["destinations"][0]["cloudWatchLogsLogGroup"]["logGroupArn"]
        place = log_group(arn)
        if place is None or not lines:
            return
        region, account, group = place
        with self._guard:
            if self._waiting > MOST:
                return
            key = ((account, region, group), machine)
            self._lines.setdefault(key, []).extend(lines)
            self._waiting += len(lines)
            full = self._waiting > MOST
        if full:
            log.warning("more than %d lines of executions wait to be logged; some are lost", MOST)
        self._woken.set()

    def count(self, place: Place, metric: str) -> None:
        """One more of the metric, of the state machine of that ARN."""
        with self._guard:
            counts = self._counts.setdefault(place, {})
            counts[metric] = counts.get(metric, 0) + 1

    def ended(self, place: Place, status: str, seconds: float) -> None:
        """An execution of the state machine of that ARN ended after so many seconds."""
        with self._guard:
            counts = self._counts.setdefault(place, {})
            counts[ENDS[status]] = counts.get(ENDS[status], 0) + 1
            self._times.setdefault(place, []).append(seconds * 1000)

    def measure(self, account: str, region: str, found: list[Measured]) -> None:
        """The values of metrics of tasks are to be stored."""
        with self._guard:
            for each in found:
                series = (account, region, each.dimension, each.about, each.metric, each.time)
                self._values.setdefault(series, []).append(each.value)

    # ---- storing

    def _run(self) -> None:
        due = time.monotonic() + FLUSH
        while True:
            self._woken.wait(max(0.0, due - time.monotonic()))
            self._woken.clear()
            stop = self._stop
            try:
                self._flush_lines()
                if stop or time.monotonic() >= due:
                    due = time.monotonic() + FLUSH
                    self.flush_metrics()
            except Outdated:
                pass
            except Exception:
                log.exception("what executions tell could not be stored")
            if stop:
                return

    def _flush_lines(self) -> None:
        with self._guard:
            gathered, self._lines, self._waiting = self._lines, {}, 0
        for key, lines in gathered.items():
            try:
                self._world.streams.put(self._stream(*key), lines)
            except Gone:  # the group was deleted; executions go on without
                self._streams.pop(key, None)

    def _stream(self, place: Place, machine: str) -> Stream:
        """The stream of a state machine's executions, made anew by each server. Raises Gone."""
        found = self._streams.get((place, machine))
        if found is not None:
            return found
        stamp = time.strftime("%Y-%m-%d-%H-%M", time.gmtime(self._world.clock()))
        name = f"states/{machine}/{stamp}/{secrets.token_hex(4)}"
        self._world.streams.add_stream(*place, name)
        found = next(s for s in self._world.streams.streams(*place) if s.name == name)
        self._streams[place, machine] = found
        return found

    def flush_metrics(self) -> None:
        """The metrics that were gathered are stored."""
        now = self._world.clock()
        with self._guard:
            counts, self._counts = self._counts, {}
            times, self._times = self._times, {}
            values, self._values = self._values, {}
        for place, found in counts.items():
            account, region, arn = place
            points = list(_points(arn, now, found, times.get(place, [])))
            self._world.series.append(account, region, points)
        for (account, region, dimension, about, metric, time_), found in values.items():
            unit = "Milliseconds" if time_ else "Count"
            points = list(_series(metric, now, found, {dimension: about}, unit))
            self._world.series.append(account, region, points)


def _points(arn: str, now: float, counts: dict[str, int], times: list[float]) -> Iterable[Point]:
    about = {"StateMachineArn": arn}
    for metric, count in counts.items():
        yield Point(NAMESPACE, metric, now, float(count), about, "Count", float(count), 1.0, 1.0)
    yield from _series("ExecutionTime", now, times, about, "Milliseconds")


def _series(
    metric: str, now: float, values: list[float], about: dict[str, str], unit: str
) -> Iterable[Point]:
    alone = ALONE if unit != "Count" else 0
    for value in values[:alone]:
        yield Point(NAMESPACE, metric, now, value, about, unit)
    rest = values[alone:]
    if rest:
        total, low, high = sum(rest), min(rest), max(rest)
        yield Point(NAMESPACE, metric, now, total, about, unit, len(rest), low, high)
