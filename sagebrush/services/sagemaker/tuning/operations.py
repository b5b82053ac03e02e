"""Hyperparameter tuning jobs: create, describe, list, stop, delete. Their life: `life`."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind
from sagebrush.errors import Doc
from sagebrush.services.sagemaker.jobs import steps
from sagebrush.services.sagemaker.jobs.steps import ENDED
from sagebrush.services.sagemaker.training.operations import KIND as TRAINING_JOBS
from sagebrush.services.sagemaker.tuning import checks, life, trials
from sagebrush.services.sagemaker.tuning.facts import TUNING_JOB
from sagebrush.services.sagemaker.tuning.plan import PLANNED, Entry, Plan, trials_of, warm_of
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

KIND = Kind(
    TUNING_JOB.kind,
    TUNING_JOB.noun,
    running=TUNING_JOB,
    missing="Amazon SageMaker can't find a tuning job called {name}. Type another name.",
    missing_code="ResourceNotFound",
    exists="A hyperparameter tuning job with the name, {name}, already exists. Choose a different"
    " name.",
    exists_code="ResourceInUse",
    cased=False,  # "The name is not case sensitive" (API reference)
    summary=(
        "Strategy",
        "HyperParameterTuningEndTime",
        "TrainingJobStatusCounters",
        "ObjectiveStatusCounters",
        "ResourceLimits",
    ),
    reconcile=life.reconcile,
    fail=life.fail,
)
RUNNING = ("InProgress", "Stopping")
WORDS = "hyperparameter tuning job"
"""Its name in AWS's messages."""


def create_hyper_parameter_tuning_job(ctx: Ctx, request: Doc) -> Doc:
    """The tuning job exists, InProgress. Raises ValidationException, ResourceInUse or
    ResourceLimitExceeded."""
    prepared, definitions = checks.validate(request)
    kinds.check_new(ctx, KIND, request)
    prepared = checks.check(ctx, prepared, definitions)
    warm = [entry.stored() for entry in _warm(ctx, prepared)]
    _check_room((ctx.account, ctx.region), ctx.world.rows)
    name = request["HyperParameterTuningJobName"]
    config = prepared["HyperParameterTuningJobConfig"]
    doc = {
        "Strategy": config["Strategy"],
        "ResourceLimits": config["ResourceLimits"],
        **trials.counters(()),
    }
    seed = zlib.crc32(f"{name} {ctx.world.clock()}".encode())
    plan: Plan = {"trials": [], "seed": seed, "warm": warm, "more": True}
    row = kinds.draft(ctx, KIND, prepared, "InProgress", doc, {**plan})
    row = kinds.insert(ctx, KIND, row, partial(_check_room, (ctx.account, ctx.region)))
    return {"HyperParameterTuningJobArn": row.doc["HyperParameterTuningJobArn"]}


def _check_room(place: tuple[str, str], rows: Reader) -> None:
    """Raises ResourceLimitExceeded where as many tuning jobs run as an account may have in a region."""
    found = rows.select(KIND.name, RUNNING)
    running = sum((row.account, row.region) == place for row in found)
    if running >= checks.AT_ONCE:
        checks.limit("Number of parallel hyperparameter tuning jobs",
                            checks.AT_ONCE, running, 1, "Tuning Jobs")  # fmt: skip


def _warm(ctx: Ctx, request: Doc) -> list[Entry]:
    """The entries of the parents' trials; none without a warm start."""
    start = request.get("WarmStartConfig")
    if not start:
        return []
    names = [
        parent.get("HyperParameterTuningJobName", "")
        for parent in start["ParentHyperParameterTuningJobs"]
    ]
    found = [(n, ctx.world.rows.get(ctx.account, ctx.region, KIND.name, n)) for n in names]
    return checks.warm(request, checks.parents(request, found, KIND.missing))


def describe_hyper_parameter_tuning_job(ctx: Ctx, request: Doc) -> Doc:
    """The tuning job's document, with its best trial."""
    row = kinds.find(ctx, KIND, request["HyperParameterTuningJobName"])
    found = kinds.describe(KIND, row)
    definitions = trials.definitions(row.doc)
    entries, maximize = trials_of(row), definitions[0].maximize
    best = trials.best(entries, maximize)
    if best:
        found["BestTrainingJob"] = _summary(ctx, row, best)
    kind = row.doc.get("WarmStartConfig", {}).get("WarmStartType")
    if kind == "IdenticalDataAndAlgorithm":
        overall = trials.best([*warm_of(row), *entries], maximize)
        if overall:
            found["OverallBestTrainingJob"] = _summary(ctx, _owner(ctx, row, overall), overall)
    end = row.doc.get("HyperParameterTuningEndTime")
    until = end.timestamp() if end else ctx.world.clock()
    found["ConsumedResources"] = {"RuntimeInSeconds": max(0, round(until - row.created))}
    return found


def _owner(ctx: Ctx, row: Row, entry: Entry) -> Row:
    """The tuning job to which a trial belongs, where it still exists."""
    name = entry.parent
    parent = ctx.world.rows.get(ctx.account, ctx.region, KIND.name, name) if name else None
    return parent or row


def _summary(ctx: Ctx, row: Row, entry: Entry) -> Doc:
    """A trial's summary; where its training job was deleted, from what the entry keeps."""
    job = ctx.world.rows.get(row.account, row.region, TRAINING_JOBS.name, entry.name)
    own = next((each for each in trials_of(row) if each.name == entry.name), entry)
    if job is None:
        return trials.gone(ctx, row, own)
    definition = trials.definitions(row.doc)[own.definition]
    return trials.summary(row, definition, own, job)


def list_hyper_parameter_tuning_jobs(ctx: Ctx, request: Doc) -> Doc:
    """A page of the tuning jobs."""
    return kinds.list_page(ctx, KIND, request)


def list_training_jobs_for_hyper_parameter_tuning_job(ctx: Ctx, request: Doc) -> Doc:
    """A page of the tuning job's trials, by name unless SortBy is given.

    Trials without a final objective value come last when they are sorted by it.
    """
    row = kinds.find(ctx, KIND, request["HyperParameterTuningJobName"])
    definitions = trials.definitions(row.doc)
    jobs = {
        job.name: job
        for job in ctx.world.rows.select(
            TRAINING_JOBS.name, parent=row.doc["HyperParameterTuningJobArn"]
        )
    }
    found = [
        trials.summary(row, definitions[entry.definition], entry, jobs[entry.name])
        for entry in trials_of(row)
        if entry.status != PLANNED and entry.name in jobs
    ]
    wanted = request.get("StatusEquals")
    found = [each for each in found if wanted in (None, each["TrainingJobStatus"])]
    page, token = kinds.paginate(
        _sorted(found, request.get("SortBy", "Name"), request.get("SortOrder") == "Descending"),
        request.get("NextToken"),
        request.get("MaxResults", 10),
    )
    return {"TrainingJobSummaries": page, **({"NextToken": token} if token else {})}


def _sorted(found: list[Doc], by: str, down: bool) -> list[Doc]:
    keys: dict[str, Callable[[Doc], Any]] = {
        "Name": lambda each: each["TrainingJobName"],
        "CreationTime": lambda each: (each["CreationTime"], each["TrainingJobName"]),
        "Status": lambda each: (each["TrainingJobStatus"], each["TrainingJobName"]),
    }
    if by in keys:
        return sorted(found, key=keys[by], reverse=down)
    member = "FinalHyperParameterTuningJobObjectiveMetric"
    valued = [each for each in found if member in each]
    valued.sort(key=lambda each: each[member]["Value"], reverse=down)
    return [*valued, *(each for each in found if member not in each)]


def stop_hyper_parameter_tuning_job(ctx: Ctx, request: Doc) -> None:
    """The tuning job is Stopping, and so are its trials. Raises ValidationException once it has
    ended."""
    steps.stop(ctx, KIND, request["HyperParameterTuningJobName"], WORDS)


def delete_hyper_parameter_tuning_job(ctx: Ctx, request: Doc) -> None:
    """The ended tuning job is deleted; its training jobs and their artifacts stay.

    Raises ValidationException while it runs.
    """

    def require_free(row: Row) -> None:
        if row.status not in ENDED:
            raise steps.rejected(WORDS, row)

    name = request["HyperParameterTuningJobName"]
    steps.delete(ctx, KIND, name, require_free, trials.forget)
