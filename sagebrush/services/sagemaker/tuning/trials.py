"""The trials of a tuning job: their training jobs, their results and their descriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sagebrush.engine import children
from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from sagebrush.services.sagemaker.jobs import steps
from sagebrush.services.sagemaker.training import cluster, metrics
from sagebrush.services.sagemaker.training.operations import KIND as TRAINING_JOBS
from sagebrush.services.sagemaker.tuning.plan import PLANNED, Entry, plan_of
from sagebrush.store.rows import Row
from sagebrush.store.series import Metric
from sagebrush.tuning.ask import COMPLETE, FAILED, PRUNED, RUNNING, Trial
from sagebrush.tuning.space import Space, parse
from sagebrush.world import Ctx, World

OBJECTIVE = "_tuning_objective_metric"
"""The hyperparameter that tells a trial what its tuning job looks at."""
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
"""Members of a definition that are members of CreateTrainingJob too."""


@dataclass(frozen=True)
class Definition:
    """One training job definition of a tuning job, with its ranges and its objective."""

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
        """The hyperparameters that are the same in every trial."""
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


def request(definition: Definition, job: str, config: Mapping[str, str]) -> Doc:
    """CreateTrainingJob's request for a trial.

    Each trial stores its checkpoints under its own name; otherwise it would resume from another's.
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
    """The ResourceConfig of a definition: of several acceptable instance types, the first."""
    tuning = doc.get("HyperParameterTuningResourceConfig")
    if not tuning:
        return doc.get("ResourceConfig")
    chosen = tuning.get("InstanceConfigs", [tuning])[0]
    found = {
        "InstanceType": chosen.get("InstanceType"),
        "InstanceCount": chosen.get("InstanceCount"),
        "VolumeSizeInGB": chosen.get("VolumeSizeInGB") or tuning.get("VolumeSizeInGB") or 1,
        "VolumeKmsKeyId": tuning.get("VolumeKmsKeyId"),
    }
    return {k: v for k, v in found.items() if v is not None}


# Results -----------------------------------------------------------------------------------------


def job_of(world: World, row: Row, entry: Entry) -> Row | None:
    """The trial's training job, where it exists and belongs to this tuning job."""
    return children.find(world, row, TRAINING_JOBS, entry.name)


def in_order(trials: Sequence[Entry]) -> list[Entry]:
    """The trials whose objective counts, in the order in which they ended."""
    return sorted((t for t in trials if t.succeeded), key=lambda t: t.order)


def best(trials: Sequence[Entry], maximize: bool) -> Entry | None:
    """The trial with the best value, the earliest of equal ones; None without any."""
    done = in_order(trials)
    if not done:
        return None
    return (max if maximize else min)(done, key=lambda t: t.value or 0.0)


def final(job: Row, metric: str) -> float | None:
    """The last value of the metric that a training job reported."""
    if (value := metrics.last(job, metric)) is not None:
        return value
    for each in job.doc.get("FinalMetricDataList", ()):
        if each["MetricName"] == metric:
            return each["Value"]
    return None


def curve(world: World, row: Row, entry: Entry, metric: str) -> tuple[float, ...]:
    """The metric's values as the trial reported them; those of ended trials are cached in
    memory."""
    known = world.curves
    key = (row.id, entry.name)
    if key not in known:
        wanted = Metric(cluster.GROUP, metric, {"TrainingJobName": entry.name})
        points = world.series.query(row.account, row.region, wanted, 0.0, float("inf"))
        found = tuple(point.value for point in points)
        if not entry.ended:
            return found
        known[key] = found
    return known[key]


def forget(world: World, row: Row) -> None:
    """Nothing about the tuning job's trials is cached in memory."""
    known = world.curves
    for key in [key for key in list(known) if key[0] == row.id]:
        known.pop(key, None)


def trial(entry: Entry, values: tuple[float, ...] = ()) -> Trial:
    """The entry as a strategy sees it."""
    if not entry.ended:
        return Trial(entry.config, RUNNING, None, values)
    if not entry.succeeded:
        return Trial(entry.config, FAILED)
    return Trial(entry.config, PRUNED if entry.early else COMPLETE, entry.value, values)


# Descriptions -------------------------------------------------------------------------------------


def counters(trials: Sequence[Entry]) -> Doc:
    """TrainingJobStatusCounters and ObjectiveStatusCounters."""
    made = [t for t in trials if t.status != PLANNED]
    failed = [t for t in made if t.status == "Failed"]
    good = sum(t.succeeded for t in made)
    over = sum(t.ended for t in made)
    return {
        "TrainingJobStatusCounters": {
            "Completed": sum(t.status == "Completed" for t in made),
            "InProgress": len(made) - over,
            "RetryableError": sum(t.retry for t in failed),
            "NonRetryableError": sum(not t.retry for t in failed),
            "Stopped": sum(t.status == "Stopped" for t in made),
        },
        "ObjectiveStatusCounters": {
            "Succeeded": good,
            "Pending": len(made) - over,
            "Failed": over - good,
        },
    }


def summary(row: Row, definition: Definition, entry: Entry, job: Row) -> Doc:
    """A HyperParameterTrainingJobSummary."""
    found: Doc = {
        "TrainingJobName": entry.name,
        "TrainingJobArn": job.doc["TrainingJobArn"],
        "TuningJobName": row.name,
        "TrainingJobStatus": job.status,
        "TunedHyperParameters": entry.config,
        "ObjectiveStatus": "Pending",
    }
    for member in ("CreationTime", "TrainingStartTime", "TrainingEndTime", "FailureReason"):
        if member in job.doc:
            found[member] = job.doc[member]
    if definition.name:
        found["TrainingJobDefinitionName"] = definition.name
    if job.status in steps.ENDED:
        value = final(job, definition.metric) if job.status != "Failed" else None
        found["ObjectiveStatus"] = "Failed" if value is None else "Succeeded"
        if value is not None:
            found["FinalHyperParameterTuningJobObjectiveMetric"] = {
                "Type": definition.kind,
                "MetricName": definition.metric,
                "Value": value,
            }
    return found


def gone(ctx: Ctx, row: Row, entry: Entry) -> Doc:
    """The summary of a trial whose training job was deleted."""
    return {
        "TrainingJobName": entry.name,
        "TrainingJobArn": TRAINING_JOBS.arn(ctx, entry.name),
        "TuningJobName": row.name,
        **({"CreationTime": moment(entry.created)} if entry.created else {}),
        "TrainingJobStatus": entry.status,
        "TunedHyperParameters": entry.config,
    }


def tags(row: Row) -> list[Doc]:
    """The tuning job's tags, which each of its training jobs gets too."""
    return [{"Key": key, "Value": value} for key, value in plan_of(row).get("tags", {}).items()]
