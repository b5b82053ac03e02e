"""What tasks create in SageMaker: found again by name and parent, followed, described, stopped.

A resource that a task created has the execution and the key of the task as its parent (`By.parent`), so
that a server which starts again knows it from one that somebody else made under its name.
"""

from __future__ import annotations

from typing import Any

from sagebrush.engine.kinds import arn_of
from sagebrush.errors import AwsError, Doc
from sagebrush.services.states.tasks import answers
from sagebrush.services.states.tasks.calls import By, Call
from sagebrush.services.states.tasks.optimised import Child
from sagebrush.store.execution_values import Run
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, World

CREATED = {
    f"Create{noun}": Child(kind, noun, f"{noun}Name")
    for noun, kind in {
        "Endpoint": "endpoint",
        "EndpointConfig": "endpoint-config",
        "HyperParameterTuningJob": "hyper-parameter-tuning-job",
        "Model": "model",
        "ProcessingJob": "processing-job",
        "TrainingJob": "training-job",
        "TransformJob": "transform-job",
    }.items()
}
"""Operations of SageMaker by which tasks create resources of names that they give."""


UPDATE = ("sagemaker", "UpdateEndpoint")


def created(call: Call) -> Child | None:
    """What the call creates, where it can be found again."""
    return CREATED.get(call.operation) if call.service == "sagemaker" else None


def marked(call: Call) -> bool:
    """Whether the operation is told whose task calls it (`Ctx.started_by`), so that it is done once
    however often it is asked for: UpdateEndpoint notes it beside what it begins."""
    return created(call) is not None or (call.service, call.operation) == UPDATE


def execution(world: World, call: Call) -> Run | None:
    """The execution that the call starts, or started before: it has that name, and that input."""
    given = call.parameters
    if call.operation != "StartExecution" or "name" not in given:
        return None
    machine = ":".join(
        str(given.get("stateMachineArn")).split(":")[:7]
    )  # of a version or alias too
    arn = f"{machine.replace(':stateMachine:', ':execution:', 1)}:{given['name']}"
    run = world.executions.find(arn)
    return run if run is not None and run.input == given.get("input", "{}") else None


def found(ctx: Ctx, call: Call, by: By) -> Doc | None:
    """The answer that the call got before, from what it created; None where it created nothing."""
    child = created(call)
    if child is None:
        return None
    row = row_of(ctx.world, ctx.account, ctx.region, child, str(call.parameters.get(child.member)))
    if row is None or row.parent != by.parent:
        return None
    return {f"{child.noun}Arn": arn_of(row)}


def row_of(world: World, account: str, region: str, child: Child, name: str) -> Row | None:
    """The resource of that name, whoever created it."""
    return world.rows.get(account, region, child.kind, name)


def ended(ctx: Ctx, child: Child, name: str) -> Any:
    """The output of the job once it has ended; None while it runs. Raises AwsError as its description
    does, and CallFailed where it failed or was stopped."""
    described = ctx.call("sagemaker", f"Describe{child.noun}", {child.member: name})
    if described[f"{child.noun}Status"] not in ctx.world.kinds[child.kind].ended:
        return None
    own = ctx.world.service_ctx(None, ctx.region, ctx.account)
    arn = described[f"{child.noun}Arn"]
    tags = own.call("sagemaker", "ListTags", {"ResourceArn": arn})["Tags"]
    by_key = {tag["Key"]: tag.get("Value", "") for tag in tags}
    return answers.job_ended(child.noun, described, by_key)


def stop(ctx: Ctx, child: Child, name: str) -> None:
    """The job was asked to stop; that it has ended, or is gone, is fine. Raises AwsError for what may
    pass (5xx)."""
    try:
        ctx.call("sagemaker", f"Stop{child.noun}", {child.member: name})
    except AwsError as error:
        if error.status >= 500:
            raise
