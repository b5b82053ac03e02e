"""Inference experiments: create, describe, list, update, start, stop, delete. Their life: `life`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind, moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker.hosting import endpoint
from sagebrush.services.sagemaker.inference_experiments import checks, configurations, life
from sagebrush.services.sagemaker.inference_experiments.facts import INFERENCE_EXPERIMENT
from sagebrush.services.sagemaker.inference_experiments.plan import plan_of
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

KIND = Kind(
    INFERENCE_EXPERIMENT.kind,
    INFERENCE_EXPERIMENT.noun,
    running=INFERENCE_EXPERIMENT,
    missing_code="ResourceNotFound",
    exists_code="ResourceInUse",
    summary=("Type", "Schedule", "StatusReason", "Description", "CompletionTime", "RoleArn"),
    reconcile=life.reconcile,
    fail=life.fail,
)


def create_inference_experiment(ctx: Ctx, request: Doc) -> Doc:
    """The experiment exists, Creating. Raises ValidationException or ResourceInUse."""
    checks.validate(request)
    schedule = checks.schedule(request.get("Schedule", {}), ctx.world.clock())
    kinds.check_new(ctx, KIND, request)
    checks.check(ctx, request)

    def alone(rows: Reader) -> None:
        checks.alone(ctx, request["EndpointName"], rows)

    row = kinds.draft(ctx, KIND, request, "Creating", {"Schedule": schedule})
    return _answer(kinds.insert(ctx, KIND, row, alone))


def describe_inference_experiment(ctx: Ctx, request: Doc) -> Doc:
    """The experiment's document, with what its variants and its endpoint are at."""
    row = kinds.find(ctx, KIND, request["Name"])
    plan = plan_of(row)
    ended = row.status in INFERENCE_EXPERIMENT.ended
    actions = plan.get("actions") or {configurations.shadow_of(row.doc): "Remove"}
    going = [name for name, action in actions.items() if action == "Remove"]
    kept = plan.get("kept", []) if ended else None
    metadata = {"EndpointName": row.doc["EndpointName"]}
    found = ctx.world.rows.get(ctx.account, ctx.region, endpoint.KIND.name, row.doc["EndpointName"])
    if found is not None:
        metadata |= {
            "EndpointConfigName": found.doc["EndpointConfigName"],
            "EndpointStatus": found.status,
            "FailureReason": found.doc.get("FailureReason"),
        }
    return {
        **kinds.describe(KIND, row),
        "EndpointMetadata": metadata,
        "ModelVariants": configurations.statuses(row.doc, row.status, kept, going),
    }


def list_inference_experiments(ctx: Ctx, request: Doc) -> Doc:
    """A page of the experiments, all of which are of the one Type that there is."""
    return kinds.list_page(ctx, KIND, request)


def update_inference_experiment(ctx: Ctx, request: Doc) -> Doc:
    """The experiment is Updating, with what the request has changed.

    A running one takes another description, EndTime and SamplingPercentage (developer guide, "Edit a
    shadow test"). Raises ConflictException unless it is Created or Running, ResourceNotFound, and
    ValidationException.
    """
    now = ctx.world.clock()
    members = {k: v for k, v in request.items() if k != "Name"}

    def change(row: Row) -> Row:
        if row.status not in ("Created", "Running"):
            _conflict(row, "updated")
        doc = {**row.doc, **members, "LastModifiedTime": moment(now)}
        given = {**row.doc["Schedule"], **request.get("Schedule", {})}
        doc["Schedule"] = checks.schedule(given, now) if "Schedule" in request else given
        checks.validate(doc)
        if row.status == "Running":
            _require_same(row.doc, doc)
        return replace(
            row, status="Updating", doc=doc, plan={**row.plan, "back": row.status}, due_at=now
        )

    checks.check_models(ctx, {**kinds.find(ctx, KIND, request["Name"]).doc, **members})
    return _changed(ctx, request, change)


def _require_same(old: Doc, new: Doc) -> None:
    """Raises ValidationException for a change that a running experiment does not take."""
    for member in ("ModelVariants", "DataStorageConfig"):
        if old.get(member) != new.get(member):
            checks.refuse(f"{member} cannot be changed while the inference experiment is Running.")
    if old["Schedule"]["StartTime"] != new["Schedule"]["StartTime"]:
        checks.refuse("StartTime cannot be changed while the inference experiment is Running.")


def start_inference_experiment(ctx: Ctx, request: Doc) -> Doc:
    """The experiment is Starting before its StartTime. Raises ConflictException unless it is Created,
    and ResourceNotFound."""
    now = ctx.world.clock()

    def change(row: Row) -> Row:
        if row.status != "Created":
            _conflict(row, "started")
        schedule = {**row.doc["Schedule"], "StartTime": moment(now)}
        doc = {**row.doc, "Schedule": schedule, "LastModifiedTime": moment(now)}
        return replace(row, status="Starting", doc=doc, due_at=now)

    return _changed(ctx, request, change)


def stop_inference_experiment(ctx: Ctx, request: Doc) -> Doc:
    """The experiment is Stopping, and its endpoint gets the variants that the actions leave.

    DesiredState is Cancelled unless given. Raises ConflictException where it has ended, is Stopping,
    or should promote a variant that was never deployed; ResourceNotFound, and ValidationException.
    """
    now = ctx.world.clock()
    actions = request["ModelVariantActions"]

    def change(row: Row) -> Row:
        checks.stop(row.doc, request)
        if row.status not in ("Created", "Starting", "Running", "Updating"):
            _conflict(row, "stopped")
        if "own" not in plan_of(row) and "Promote" in actions.values():  # it was never deployed
            _conflict(row, "stopped with a promotion")
        plan = {
            **row.plan,
            "actions": actions,
            "desired": request.get("DesiredModelVariants"),
            "end": request.get("DesiredState", "Cancelled"),
        }
        doc = {**row.doc, "LastModifiedTime": moment(now)}
        if reason := request.get("Reason"):
            doc["StatusReason"] = reason
        return replace(row, status="Stopping", doc=doc, plan=plan, due_at=now)

    for each in request.get("DesiredModelVariants", ()):
        checks.single(ctx, each["ModelName"])
    return _changed(ctx, request, change)


def delete_inference_experiment(ctx: Ctx, request: Doc) -> Doc:
    """The experiment is gone; its endpoint is as it was. Raises ConflictException while it has not
    ended, but for one that waits for its StartTime, and ResourceNotFound."""

    def check(row: Row, _rows: Reader) -> None:
        if row.status not in (*INFERENCE_EXPERIMENT.ended, "Created"):
            _conflict(row, "deleted")

    return _answer(kinds.delete(ctx, KIND, request["Name"], check))


def _changed(ctx: Ctx, request: Doc, change: Callable[[Row], Row | None]) -> Doc:
    row = kinds.update(ctx, KIND, request["Name"], change)
    ctx.world.wake()
    return _answer(row)


def _answer(row: Row) -> Doc:
    return {"InferenceExperimentArn": row.doc["Arn"]}


def _conflict(row: Row, verb: str) -> NoReturn:
    raise AwsError(
        "ConflictException",
        f'The inference experiment "{row.name}" is {row.status} and cannot be {verb}.',
    )
