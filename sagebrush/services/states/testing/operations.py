"""TestState.

Source: Step Functions API reference, "TestState"; developer guide, "Testing state machines with
TestState".
"""

from __future__ import annotations

import random
import threading
import uuid
from concurrent.futures import TimeoutError as TookLong
from dataclasses import replace

from sagebrush.asl.failures import RUNTIME, TIMEOUT
from sagebrush.asl.resources import read_resource
from sagebrush.asl.steps import StartTask, TaskFailed, TaskSucceeded
from sagebrush.asl.values import read
from sagebrush.errors import AwsError, Doc
from sagebrush.services.states import arns, configuration
from sagebrush.services.states.tasks import answers
from sagebrush.services.states.tasks.answers import CallFailed
from sagebrush.services.states.tasks.calls import By, call_of
from sagebrush.services.states.tasks.values import Unfit
from sagebrush.services.states.testing import mocks
from sagebrush.services.states.testing.subject import Subject, invalid, object_of, subject_of
from sagebrush.services.states.testing.trial import Do, Trial
from sagebrush.world import Ctx

LONGEST = 300.0
"""Seconds that a test may take; then it fails with States.Timeout."""


def test_state(ctx: Ctx, request: Doc) -> Doc:
    """What became of the state. Raises InvalidArn, InvalidDefinition, InvalidExecutionInput,
    ValidationException."""
    role = request.get("roleArn")
    if role is not None:
        configuration.check_role(ctx, role, arns.made(ctx, "stateMachine:TestState"))
    given = request.get("input") or "{}"
    try:
        read(given)
    except ValueError as error:
        raise AwsError("InvalidExecutionInput", f"Invalid State Input: '{error}'") from None
    subject = subject_of(request)
    variables, context = request.get("variables"), request.get("context")
    config: Doc = request.get("stateConfiguration") or {}
    trial = Trial(
        subject=subject,
        account=ctx.account,
        region=ctx.region,
        role=role,
        input=given,
        variables=object_of(variables, "Variables must be a JSON object") if variables else {},
        context=object_of(context, "") if context else None,
        retried=config.get("retrierRetryCount", 0),
        failed=config.get("mapIterationFailureCount", 0),
        source=config.get("mapItemReaderData"),
        clock=ctx.world.clock,
        random=random.SystemRandom(),
        do=_doing(ctx, request, subject),
        wait=lambda at: _wait(ctx, at),
    )
    try:
        return trial.run(request.get("inspectionLevel", "INFO") != "INFO")
    except TookLong:
        return {"status": "FAILED", "error": TIMEOUT}


def _doing(ctx: Ctx, request: Doc, subject: Subject) -> Do:
    mock = request.get("mock")
    if mock is None:
        return lambda order: _called(ctx, request, order)
    if "errorOutput" in mock:
        told: Doc = mock["errorOutput"]
        return lambda order: TaskFailed(order.key, told.get("error"), told.get("cause"))
    if "result" not in mock:
        raise invalid("A test mock must have one of the following fields: [result, errorOutput].")
    result = mocks.result_of(mock, subject.original)
    return lambda order: TaskSucceeded(order.key, result)


def _called(ctx: Ctx, request: Doc, order: StartTask) -> TaskSucceeded | TaskFailed:
    """The end of the call, made as the given role, or as that of the state's Credentials."""
    resource, request_id = read_resource(order.resource), str(uuid.uuid4())
    role = request["roleArn"]
    try:
        call = call_of(resource, order.parameters, By("", "", order.key))
        if resource.service == "sqs":
            answers.check_address(call.service, call.parameters)
        own = ctx.world.service_ctx(role, resource.region or ctx.region)
        if order.role is not None and order.role != role:
            session = {"RoleArn": order.role, "RoleSessionName": "states"}
            own.call("sts", "AssumeRole", session)
            own = ctx.world.service_ctx(order.role, own.region)
        own = replace(own, request_id=request_id)
        future = ctx.world.begin(own, call.service, call.operation, call.parameters)
        answer = future.result(LONGEST) or {}
        output = answers.output_of(resource, answer, request_id, ctx.world.clock())
    except Unfit as problem:
        return TaskFailed(order.key, RUNTIME, str(problem))
    except CallFailed as failed:
        return TaskFailed(order.key, failed.error, failed.cause)
    except AwsError as error:
        return TaskFailed(order.key, *answers.error_of(resource, error, request_id))
    return TaskSucceeded(order.key, output)


def _wait(ctx: Ctx, at: float) -> None:
    """It is `at`; raises TimeoutError where that is later than a test may take."""
    seconds = at - ctx.world.clock()
    if seconds > LONGEST:
        threading.Event().wait(LONGEST)
        raise TookLong
    threading.Event().wait(max(seconds, 0))
