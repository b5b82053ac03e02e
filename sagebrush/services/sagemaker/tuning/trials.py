"""The trials of a tuning job: what the job's row keeps of each, and each as a training job.

An entry of the row's plan is short, since a job may have thousands: `n` the training job's name,
`d` the place of its definition, `c` what it tunes, `s` its status (`planned` until the training job
is made), `v` the objective's last value, `o` the order in which it ended, `e` the epochs that early
stopping has looked at, `k` what Hyperband keeps of it, `early` that it was stopped early, `retry`
that AWS would call its failure retryable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from sagebrush.services.sagemaker.jobs import steps as job_steps
from sagebrush.services.sagemaker.training import (
    cluster as training_cluster,
)
from sagebrush.services.sagemaker.training import (
    operations as training,
)
from sagebrush.store.rows import Row
from sagebrush.store.series import Metric
from sagebrush.tuning.ask import COMPLETE, FAILED, PRUNED, RUNNING, Trial
from sagebrush.tuning.space import Space, parse
from sagebrush.world import Ctx, World

OBJECTIVE = "_tuning_objective_metric"
"""The hyperparameter that tells a trial what its tuning job looks at."""
PLANNED = "planned"
LIVE = (PLANNED, "InProgress", "Stopping")
CURVES = "tuning_curves"
PASSED = (
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "VpcConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "RetryStrategy",
    "Environment",
)
"""Members that a definition has as CreateTrainingJob does."""


@dataclass(frozen=True)
class Definition:
    """One training job definition of a tuning job, and what is searched and looked at in it."""

    name: str
    doc: Doc
    space: Space
    metric: str
    kind: str
    """`Maximize` or `Minimize`."""

    @property
    def maximize(self) -> bool:
        return self.kind == "Maximize"

    @property
    def static(self) -> dict[str, str]:
        """The hyperparameters that every trial has alike."""
        return self.doc.get("StaticHyperParameters", {})


def pieces(request: Doc) -> list[tuple[Doc, Doc, Doc | None]]:
    """(definition, ranges, objective) of each training job definition of a request."""
    config = request["HyperParameterTuningJobConfig"]
    alone = [request["TrainingJobDefinition"]] if "TrainingJobDefinition" in request else []
    found = []
    for each in [*alone, *request.get("TrainingJobDefinitions", ())]:
        ranges = each.get("HyperParameterRanges") or config.get("ParameterRanges") or {}
        objective = each.get("TuningObjective") or config.get("HyperParameterTuningJobObjective")
        found.append((each, ranges, objective))
    return found


def definitions(doc: Doc) -> list[Definition]:
    """The definitions of a tuning job; raises BadRange for ranges that cannot be searched."""
    return [
        Definition(
            each.get("DefinitionName", ""),
            each,
            parse(ranges),
            (objective or {}).get("MetricName", ""),
            (objective or {}).get("Type", "Maximize"),
        )
        for each, ranges, objective in pieces(doc)
    ]


def name(row: Row, number: int) -> str:
    """The training job's name of the trial `number`, from 1: the same whenever it is asked for.

    A tuning job that is made anew under an old name has other names for its trials.
    """
    text = f"{row.doc['HyperParameterTuningJobArn']} {row.created} {row.id} {number}"
    return f"{row.name}-{number:03d}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def request(definition: Definition, job: str, config: Mapping[str, str]) -> Doc:
    """CreateTrainingJob's request of a trial.

    Each trial keeps checkpoints of its own, beneath its name: they would be each other's otherwise.
    """
    doc = definition.doc
    algorithm = {k: v for k, v in doc["AlgorithmSpecification"].items() if v is not None}
    found: Doc = {
        "TrainingJobName": job,
        "HyperParameters": {**definition.static, **config},
        "AlgorithmSpecification": algorithm,
        **{member: doc[member] for member in PASSED if member in doc},
    }
    if size := resources(doc):
        found["ResourceConfig"] = size
    if checkpoints := doc.get("CheckpointConfig"):
        where = f"{checkpoints['S3Uri'].rstrip('/')}/{job}/"
        found["CheckpointConfig"] = {**checkpoints, "S3Uri": where}
    return found


def resources(doc: Doc) -> Doc | None:
    """The ResourceConfig of a definition: of several instance types that would do, the first."""
    own = doc.get("HyperParameterTuningResourceConfig")
    if not own:
        return doc.get("ResourceConfig")
    chosen = own.get("InstanceConfigs", [own])[0]
    found = {
        "InstanceType": chosen.get("InstanceType"),
        "InstanceCount": chosen.get("InstanceCount"),
        "VolumeSizeInGB": chosen.get("VolumeSizeInGB") or own.get("VolumeSizeInGB") or 1,
        "VolumeKmsKeyId": own.get("VolumeKmsKeyId"),
    }
    return {k: v for k, v in found.items() if v is not None}


# What became of them ------------------------------------------------------------------------------


def job_of(world: World, row: Row, entry: Doc) -> Row | None:
    """The trial's training job, where it is one of this tuning job."""
    found = world.rows.get(row.account, row.region, training.KIND.name, entry["n"])
    return found if found and found.parent == row.doc["HyperParameterTuningJobArn"] else None


def ended(entry: Doc) -> bool:
    """Whether the trial is over."""
    return entry["s"] not in LIVE


def succeeded(entry: Doc) -> bool:
    """Whether the trial's objective counts: it ended well, or was stopped, and has a value."""
    return entry["s"] in ("Completed", "Stopped") and entry.get("v") is not None


def in_order(trials: Sequence[Doc]) -> list[Doc]:
    """The trials whose objective counts, in the order of their ends."""
    return sorted((t for t in trials if succeeded(t)), key=lambda t: t.get("o", 0))


def best(trials: Sequence[Doc], maximize: bool) -> Doc | None:
    """The trial of the best value, of equals the earliest; None while there is none."""
    done = in_order(trials)
    if not done:
        return None
    return (max if maximize else min)(done, key=lambda t: t["v"])


def final(job: Row, metric: str) -> float | None:
    """The last value of the metric that a training job reported."""
    if found := job.plan.get("finals", {}).get(metric):
        return found[1]
    for each in job.doc.get("FinalMetricDataList", ()):
        if each["MetricName"] == metric:
            return each["Value"]
    return None


def curve(world: World, row: Row, entry: Doc, metric: str) -> tuple[float, ...]:
    """The metric's values as the trial reported them; those of trials that ended are remembered."""
    known: dict[tuple[int, str], tuple[float, ...]] = world.cache.setdefault(CURVES, {})
    key = (row.id, entry["n"])
    if key not in known:
        wanted = Metric(training_cluster.GROUP, metric, {"TrainingJobName": entry["n"]})
        points = world.series.query(row.account, row.region, wanted, 0.0, float("inf"))
        found = tuple(point.value for point in points)
        if not ended(entry):
            return found
        known[key] = found
    return known[key]


def forget(world: World, row: Row) -> None:
    """Nothing of the tuning job's trials is remembered in memory."""
    known = world.cache.get(CURVES, {})
    for key in [key for key in list(known) if key[0] == row.id]:
        known.pop(key, None)


def trial(entry: Doc, values: tuple[float, ...] = ()) -> Trial:
    """The entry as a strategy sees it."""
    if not ended(entry):
        return Trial(entry["c"], RUNNING, None, values)
    if not succeeded(entry):
        return Trial(entry["c"], FAILED)
    state = PRUNED if entry.get("early") else COMPLETE
    return Trial(entry["c"], state, entry["v"], values)


# What is told of them -----------------------------------------------------------------------------


def counters(trials: Sequence[Doc]) -> Doc:
    """TrainingJobStatusCounters and ObjectiveStatusCounters."""
    made = [t for t in trials if t["s"] != PLANNED]
    failed = [t for t in made if t["s"] == "Failed"]
    good = sum(map(succeeded, made))
    return {
        "TrainingJobStatusCounters": {
            "Completed": sum(t["s"] == "Completed" for t in made),
            "InProgress": sum(not ended(t) for t in made),
            "RetryableError": sum(bool(t.get("retry")) for t in failed),
            "NonRetryableError": sum(not t.get("retry") for t in failed),
            "Stopped": sum(t["s"] == "Stopped" for t in made),
        },
        "ObjectiveStatusCounters": {
            "Succeeded": good,
            "Pending": sum(not ended(t) for t in made),
            "Failed": sum(map(ended, made)) - good,
        },
    }


def summary(row: Row, definition: Definition, entry: Doc, job: Row) -> Doc:
    """A HyperParameterTrainingJobSummary."""
    found: Doc = {
        "TrainingJobName": entry["n"],
        "TrainingJobArn": job.doc["TrainingJobArn"],
        "TuningJobName": row.name,
        "TrainingJobStatus": job.status,
        "TunedHyperParameters": entry["c"],
        "ObjectiveStatus": "Pending",
    }
    for member in ("CreationTime", "TrainingStartTime", "TrainingEndTime", "FailureReason"):
        if member in job.doc:
            found[member] = job.doc[member]
    if definition.name:
        found["TrainingJobDefinitionName"] = definition.name
    if job.status in job_steps.ENDED:
        value = final(job, definition.metric) if job.status != "Failed" else None
        found["ObjectiveStatus"] = "Failed" if value is None else "Succeeded"
        if value is not None:
            found["FinalHyperParameterTuningJobObjectiveMetric"] = {
                "Type": definition.kind,
                "MetricName": definition.metric,
                "Value": value,
            }
    return found


def gone(ctx: Ctx, row: Row, entry: Doc) -> Doc:
    """What is left to tell of a trial whose training job was deleted."""
    return {
        "TrainingJobName": entry["n"],
        "TrainingJobArn": training.KIND.arn(ctx, entry["n"]),
        "TuningJobName": row.name,
        "CreationTime": moment(row.created),
        "TrainingJobStatus": entry["s"],
        "TunedHyperParameters": entry["c"],
    }


def tags(row: Row) -> list[Doc]:
    """The tuning job's tags, which each of its training jobs gets."""
    held: dict[str, Any] = row.plan.get("tags", {})
    return [{"Key": key, "Value": value} for key, value in held.items()]
