"""`endpoints plot`: requests, latency percentiles, instances and scaling activities on one picture."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sagebrush.commands import pictures, places, running
from sagebrush.commands.pictures import GREEN, GREY, INK, WARM, Line, Panel, Picture
from sagebrush.commands.running import CommandError
from sagebrush.commands.scaling import recorded
from sagebrush.commands.scaling.recorded import Endpoint, Window

Doc = dict[str, Any]
MOST = 1440
"""Points of a line at most."""
PERCENTILES = (("p50", GREEN), ("p90", INK), ("p99", WARM))
Pairs = Sequence[tuple[float, float]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `endpoints plot`."""
    parser.add_argument("name", help="the endpoint")
    parser.add_argument("--hours", type=float, default=3.0, help="how far back (default 3)")
    parser.add_argument("--variant", default="", help="of the endpoint, where it has several")
    parser.add_argument("-o", "--output", type=Path, help="the file, .png (default: NAME.png)")
    places.add_argument(parser)


def run(args: argparse.Namespace) -> int:
    """The picture is in the file, whose name is printed."""
    path: Path = args.output or Path(f"{args.name}.png")
    if args.hours <= 0:
        raise CommandError("--hours must be more than 0")
    endpoint = recorded.endpoint(args)
    variant = endpoint.variant(args.variant)
    pictures.draw(
        drawn(endpoint, variant, window(time.time(), args.hours)), path, running.settings()
    )
    print(path)
    return 0


def window(now: float, hours: float) -> Window:
    """The last hours, in periods of whole minutes of which there are not too many."""
    period = 60 * max(1, round(hours * 3600 / 60 / MOST))
    start = (now - hours * 3600) // period * period
    return Window(start, now, period)


def drawn(endpoint: Endpoint, variant: str, of: Window) -> Picture:
    """The picture of a variant. Raises CommandError where nothing happened."""
    requests = endpoint.series(variant, "Invocations", "Sum", of)
    if not requests:
        raise CommandError(f"{endpoint.name} had no requests in that time")
    of = replace(of, start=max(of.start, requests[0][0] - of.period))
    errors = endpoint.series(variant, "InvocationModelErrors", "Sum", of)
    latencies = [
        Line(name, *_columns(endpoint.series(variant, "ModelLatency", name, of), 1e-3), colour)
        for name, colour in PERCENTILES
    ]
    activities = endpoint.activities(variant)
    marks = [(a["StartTime"].timestamp(), _short(a)) for a in activities]
    inside = [(at, words) for at, words in marks if at >= of.start]
    per_minute = 60 / of.period
    lines = [Line("requests", *_even(requests, of, per_minute), INK, "area")]
    if any(value for _, value in errors):
        lines.append(Line("errors of the model", *_even(errors, of, per_minute), WARM))
    concurrent = endpoint.series(variant, "ConcurrentRequestsPerModel", "Maximum", of)
    return Picture(
        f"{endpoint.name}, {variant}",
        (
            Panel("Requests", "a minute", lines),
            Panel("Model latency", "milliseconds", latencies, logarithmic=_wide(latencies)),
            Panel(
                "Requests in flight at the busiest instance",
                "requests",
                [Line("in flight", *_columns(concurrent), GREY, "step")],
            ),
            Panel(
                "Instances",
                "instances",
                [_instances(endpoint, variant, of)],
                inside,
                whole=True,
            ),
        ),
    )


def _columns(pairs: Pairs, scale: float = 1.0) -> tuple[list[float], list[float | None]]:
    return [at for at, _ in pairs], [value * scale for _, value in pairs]


def _even(pairs: Pairs, of: Window, scale: float) -> tuple[list[float], list[float | None]]:
    """Every period of the window, and the end of the last one: what is missing is 0."""
    known = dict(pairs)
    number = int((of.end - of.start) // of.period) + 1
    times = [of.start + n * of.period for n in range(number)]
    values = [known.get(at, 0.0) * scale for at in times]
    return [*times, of.end], [*values, values[-1]]


def _wide(lines: Sequence[Line]) -> bool:
    """Whether the lines are best seen on a logarithmic scale."""
    values = [v for line in lines for v in line.values if v]
    return bool(values) and max(values) > 50 * min(values)


def _instances(endpoint: Endpoint, variant: str, of: Window) -> Line:
    """The instances that took requests, as each request's share tells: Invocations over
    InvocationsPerInstance; none while an asynchronous endpoint's requests wait without capacity;
    what scaling activities led to; now, those that DescribeEndpoint tells."""
    every = dict(endpoint.series(variant, "Invocations", "Sum", of))
    shares = endpoint.series(variant, "InvocationsPerInstance", "Sum", of)
    found = {at: every[at] / share for at, share in shares if share and at in every}
    waits = endpoint.series("", "HasBacklogWithoutCapacity", "Minimum", of)
    found |= {at: 0.0 for at, value in waits if value}
    for each in endpoint.activities(variant):
        if each["StatusCode"] == "Successful" and each["EndTime"].timestamp() >= of.start:
            found[each["EndTime"].timestamp()] = float(_wanted(each))
    (now,) = [v for v in endpoint.doc["ProductionVariants"] if v["VariantName"] == variant]
    found[of.end] = float(now.get("CurrentInstanceCount", 0))
    return Line("instances", *_columns(sorted(found.items())), INK, "step")


def _wanted(activity: Doc) -> str:
    """The capacity that the activity set."""
    return activity["Description"].rstrip(".").rsplit(" ", 1)[-1]


def _short(activity: Doc) -> str:
    """An activity in a few letters: `to 3`, and what became of it where that was not well."""
    wanted, code = _wanted(activity), activity["StatusCode"]
    return f"to {wanted}" if code in ("Successful", "InProgress") else f"to {wanted}: {code}"
