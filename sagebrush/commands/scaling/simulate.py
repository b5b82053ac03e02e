"""`scaling simulate`: traffic against a policy: capacity, what exceeds it, and what it costs."""

from __future__ import annotations

import argparse
import datetime as dt
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagebrush.commands import pictures, places, running
from sagebrush.commands.job import costs, facts
from sagebrush.commands.pictures import GREY, INK, WARM, Line, Panel, Picture
from sagebrush.commands.running import CommandError
from sagebrush.commands.scaling import given
from sagebrush.commands.scaling.simulation import Run, Scenario, Traffic, simulate

Doc = dict[str, Any]
DAY = 86400.0
SHOWN = 40
"""Changes that are printed at most."""


@dataclass(frozen=True)
class Question:
    """What is simulated, and how its outcome is weighed."""

    scenario: Scenario
    capacity: float
    """Requests a minute that one instance takes."""
    type: str
    """Of the instances; "" where nobody said."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `scaling simulate`."""
    parser.add_argument("name", nargs="?", default="", help="an endpoint here: its recorded traffic,"
                        " policies and instance type, as far as nothing else is given")  # fmt: skip
    parser.add_argument("--traffic", type=Path, help="a CSV of time and requests instead")
    parser.add_argument("--policy", type=Path, help="a JSON file of policies in AWS's form instead")
    parser.add_argument(
        "--hours", type=float, default=24.0, help="of recorded traffic (default 24)"
    )
    parser.add_argument("--variant", default="", help="of the endpoint, where it has several")
    parser.add_argument("--min", type=int, help="the minimum capacity (default 1)")
    parser.add_argument("--max", type=int, help="the maximum capacity (default 4)")
    parser.add_argument("--initial", type=int, help="instances at the start (default: the minimum)")
    parser.add_argument("--startup", type=float, default=0.0, metavar="S",
                        help="seconds until an added instance serves (default 0)")  # fmt: skip
    parser.add_argument("--latency-ms", type=float, default=100.0, metavar="MS",
                        help="of a request, for metrics of concurrency (default 100)")  # fmt: skip
    parser.add_argument("--capacity", type=float, metavar="N", help="requests a minute that one"
                        " instance takes (default: the target of invocations)")  # fmt: skip
    parser.add_argument("--type", default="", help="the instance type, for its price")
    parser.add_argument("-o", "--output", type=Path, help="a PNG with the picture of it")
    places.add_argument(parser)


def run(args: argparse.Namespace) -> int:
    """The table is printed, and the picture is in the file."""
    question = asked(args)
    began = time.perf_counter()
    found = simulate(question.scenario)
    took = 1000 * (time.perf_counter() - began)
    for line in told(question, found):
        print(line)
    print(f"replayed in {took:.0f} ms")
    if args.output:
        pictures.draw(picture(question, found), args.output, running.settings())
        print(args.output)
    return 0


# What is asked ------------------------------------------------------------------------------------


def asked(args: argparse.Namespace) -> Question:
    """The question that the arguments ask. Raises CommandError."""
    if not args.name and not (args.traffic and args.policy):
        raise CommandError("give the name of an endpoint, or --traffic and --policy")
    if args.startup < 0 or args.latency_ms <= 0 or args.hours <= 0:
        raise CommandError("--startup must not be negative; --hours and --latency-ms must be more")
    known = _Known(args) if args.name else None
    traffic = given.traffic_of(args.traffic) if args.traffic or known is None else known.traffic()
    scaling = given.scaling_of(args.policy) if args.policy or known is None else known.scaling()
    least = args.min if args.min is not None else scaling.get("MinCapacity", 1)
    most = args.max if args.max is not None else scaling.get("MaxCapacity", max(4, least))
    if not 0 <= least <= most:
        raise CommandError("the minimum must be at least 0, and not more than the maximum")
    rules = scaling["policies"]
    capacity = args.capacity or _capacity(rules)
    scenario = Scenario(
        traffic, least, most, rules, scaling["actions"], args.initial, args.startup,
        args.latency_ms / 1000,
    )  # fmt: skip
    kind = args.type or (known.type if known is not None else "")
    return Question(scenario, capacity, kind)


class _Known:
    """The endpoint of a running server."""

    def __init__(self, args: argparse.Namespace) -> None:
        from sagebrush.commands.scaling import recorded

        self._recorded = recorded
        self._args = args
        self._endpoint = recorded.endpoint(args)
        self._variant = self._endpoint.variant(args.variant)

    @property
    def type(self) -> str:
        return self._endpoint.type_of(self._variant)

    def traffic(self) -> Traffic:
        """The invocations of the last hours, a minute each."""
        end = time.time()
        window = self._recorded.Window(end - 3600 * self._args.hours, end)
        points = self._endpoint.series(self._variant, "Invocations", "Sum", window)
        if not points:
            hours = self._args.hours
            raise CommandError(f"{self._args.name} had no requests within the last {hours:g} hours")
        return given.of_minutes(points, points[0][0], end)

    def scaling(self) -> Doc:
        """The endpoint's target, policies and actions, as `given.scaling_of` has a file's."""
        found = self._endpoint.scaling(self._variant)
        rules = tuple(given.rule(policy, "") for policy in found["policies"])
        bounds = {m: found["target"][m] for m in ("MinCapacity", "MaxCapacity")}
        return {"policies": rules, "actions": tuple(found["actions"]), **bounds}


def _capacity(rules: tuple[given.Rule, ...]) -> float:
    """The target of a policy of invocations per instance; NaN without one."""
    for rule in rules:
        watched = {alarm["MetricName"] for alarm in rule.alarms}
        if "TargetValue" in rule.config and watched <= {
            "InvocationsPerInstance",
            "InvocationsPerCopy",
        }:
            return float(rule.config["TargetValue"])
    return math.nan


# What is told -------------------------------------------------------------------------------------


def told(question: Question, found: Run) -> list[str]:
    """The outcome as lines."""
    total, seconds = sum(found.requests), found.step * len(found.requests)
    peak = max(found.requests, default=0.0) * 60 / found.step
    scenario = question.scenario
    lines = [
        f"{total:,.0f} requests in {seconds / 3600:.1f} hours, at most {peak:,.0f} a minute;"
        f" {scenario.least} to {scenario.most} instances, which"
        f" {'serve at once' if not scenario.startup else f'need {scenario.startup:g} s to serve'}",
        "",
    ]
    lines += _changes(found)
    lines += ["", *_weighed(question, found, peak)]
    return lines


def _changes(found: Run) -> list[str]:
    if not found.events:
        return [f"the capacity stays at {found.serving[0] if found.serving else 0}"]
    width = 16 if found.step >= 60 else 19
    lines = [f"{'time (UTC)':{width}}  instances  requests/min  cause"]
    day = "%Y-%m-%d " if found.start >= 2 * DAY else " " * 11
    form = day + ("%H:%M" if found.step >= 60 else "%H:%M:%S")
    for event in found.events[:SHOWN]:
        when = dt.datetime.fromtimestamp(event.at, dt.UTC).strftime(form)
        place = min(int((event.at - found.start) // found.step), len(found.requests)) - 1
        load = found.requests[max(place, 0)] * 60 / found.step
        lines.append(f"{when}  {event.before:>3} -> {event.after:<3} {load:>12,.0f}  {event.cause}")
    if len(found.events) > SHOWN:
        lines.append(f"and {len(found.events) - SHOWN} more")
    return lines


def _weighed(question: Question, found: Run, peak: float) -> list[str]:
    """Requests above capacity, hours and costs, beside those of fixed fleets."""
    capacity, seconds = question.capacity, found.step * len(found.requests)
    fleets = [("scaled by the policy", found.hours, found.above(capacity))]
    sizes = {f"fixed at the maximum ({question.scenario.most})": question.scenario.most}
    if capacity == capacity:
        needed = max(1, math.ceil(peak / capacity))
        sizes[f"fixed for the peak ({needed})"] = needed
    for name, size in sizes.items():
        fixed = Run(found.start, found.step, found.requests, [size] * len(found.requests))
        fleets.append((name, size * seconds / 3600, fixed.above(capacity)))
    lines = [f"{'':30} {'instance-hours':>14} {'above capacity':>15} {'on AWS':>10}"]
    for name, hours, above in fleets:
        over = f"{above:,.0f}" if above == above else "-"
        lines.append(f"{name:30} {hours:>14,.1f} {over:>15} {_price(question.type, hours):>10}")
    if capacity == capacity:
        lines.append(f"one instance takes {capacity:g} requests a minute (--capacity)")
    if question.type:
        lines.append(f"{question.type}: {costs.basis([question.type])}")
    else:
        lines.append("say --type for a price")
    return lines


def _price(kind: str, hours: float) -> str:
    amount = costs.priced([(kind, 1)], 3600 * hours) if kind else None
    return "-" if amount is None else facts.dollars(amount)


def picture(question: Question, found: Run) -> Picture:
    """Traffic with what the fleet can take, and instances."""
    times = [found.start + n * found.step for n in range(len(found.requests))]
    scale = 60 / found.step
    lines = [Line("requests", times, [r * scale for r in found.requests], INK, "area")]
    if question.capacity == question.capacity:
        able = [n * question.capacity for n in found.serving]
        lines.append(Line("what the instances take", times, able, WARM, "step"))
    instances = [
        Line("paid", times, found.billed, GREY, "step"),
        Line("serving", times, found.serving, INK, "step"),
    ]
    hours = f"{found.hours:,.1f} instance-hours"
    price = _price(question.type, found.hours)
    title = f"Scaling simulated: {hours}" + (f", {price} on AWS" if price != "-" else "")
    return Picture(
        title,
        (
            Panel("Requests", "a minute", lines),
            Panel("Instances", "instances", instances, whole=True),
        ),
    )
