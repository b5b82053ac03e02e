"""The metric values in a training job's logs, on their way to CloudWatch and to
DescribeTrainingJob."""

from __future__ import annotations

from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from sagebrush.services.sagemaker.training import cluster
from sagebrush.services.sagemaker.training.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.store.series import Point
from sagebrush.workload import log_lines
from sagebrush.world import World


def read(world: World, row: Row) -> Doc:
    """Metric values in new lines of the logs are in the series; returns the plan's members to
    change.

    The plan's `finals` holds the last value of each metric: name -> [seconds since the epoch,
    value].
    """
    patterns = log_lines.compiled(row.doc["AlgorithmSpecification"].get("MetricDefinitions", ()))
    if not patterns:
        return {}
    offsets, finals = dict(plan_of(row).get("offsets") or {}), dict(plan_of(row).get("finals", {}))
    before = dict(offsets)
    found: list[tuple[str, float, float]] = []
    for member in cluster.members(row):
        offset = offsets.get(member.name, 0)
        while lines := world.backend.logs(member.key, offset):
            offset = lines[-1].offset + 1
            found += log_lines.values(lines, patterns)
        offsets[member.name] = offset
    if found:
        dimensions = {"TrainingJobName": row.name}
        points = [Point(cluster.GROUP, name, at, value, dimensions) for name, at, value in found]
        world.series.append(row.account, row.region, points)
    for name, at, value in sorted(found, key=lambda each: each[1]):
        finals[name] = [at, value]
    return {"offsets": offsets, "finals": finals} if offsets != before else {}


def final(row: Row) -> Doc:
    """FinalMetricDataList as a document's member; no member where the job reported no metric."""
    if not (finals := plan_of(row).get("finals")):
        return {}
    return {
        "FinalMetricDataList": [
            {"MetricName": name, "Value": value, "Timestamp": moment(at)}
            for name, (at, value) in finals.items()
        ]
    }


def last(row: Row, metric: str) -> float | None:
    """The last value of the metric that the job has reported so far; None before the first."""
    found = plan_of(row).get("finals", {}).get(metric)
    return found[1] if found else None


def seen(row: Row, name: str) -> int:
    """The offset up to which the log of the instance `name` was read."""
    return (plan_of(row).get("offsets") or {}).get(name, 0)
