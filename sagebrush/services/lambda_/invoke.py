"""Invoke, InvokeAsync and InvokeWithResponseStream. Source: Lambda API reference; developer guide,
"Understanding Lambda function invocation methods"."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from dataclasses import replace

from sagebrush.access.function_references import LATEST, FunctionReference
from sagebrush.errors import AwsError, Doc
from sagebrush.routing.function_counts import Subject
from sagebrush.routing.functions.values import Invocation, Outcome, StreamEnd, Throttled, Unrunnable
from sagebrush.services.lambda_ import events, faults, lineage, payloads, rows, serving
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.services.lambda_.serving import Target
from sagebrush.world import Ctx, World


async def invoke(ctx: Ctx, request: Doc) -> Doc:
    """The function's answer; of an Event, that it is kept; of a DryRun, that it could be invoked.

    Raises ResourceNotFoundException, InvalidRequestContentException, RequestTooLargeException,
    ResourceConflictException, and TooManyRequestsException (429) with its Reason.
    """
    _refuse(request)
    of = rows.reference(ctx, request, abroad=True)
    kind = request.get("InvocationType", "RequestResponse")
    payload = _bytes(request.get("Payload"))
    payloads.check_size(payload, kind == "Event")
    target = _target(ctx.world, of)
    if kind == "DryRun":
        return {"StatusCode": 204}
    payload = payloads.checked(payload)
    if kind == "Event":
        context = payloads.client_context(request.get("ClientContext") or "")
        await events.accepted(ctx, of, target, payload, context)
        return {"StatusCode": 202, "Payload": b""}
    asked = invocation(ctx, of, payload, request)
    outcome = await run(ctx.world, of, target, asked)
    answer: Doc = {
        "StatusCode": 200, "Payload": outcome.payload, "ExecutedVersion": outcome.version,
        "TraceId": asked.trace,
    }  # fmt: skip
    if outcome.error:
        answer["FunctionError"] = outcome.error
    if asked.tail:
        answer["LogResult"] = base64.b64encode(outcome.log_tail).decode()
    return answer


def _refuse(request: Doc) -> None:
    for member, words in (
        ("DurableExecutionName", "durable functions (DurableExecutionName)"),
        ("TenantId", "tenant isolation (TenantId)"),
    ):
        if request.get(member):
            raise faults.unsupported(words)


def _target(world: World, of: FunctionReference) -> Target:
    """The version that is invoked; a function without any of that qualifier is not found by it."""
    try:
        return serving.target(world, of)
    except AwsError as error:
        if error.code == "ResourceNotFoundException" and not of.qualifier:
            raise faults.no_function(of.arn) from error
        raise


def _bytes(payload: object) -> bytes:
    if payload is None:
        return b""
    if isinstance(payload, bytes):
        return payload
    read = getattr(payload, "read", None)
    return read() if read is not None else bytes(payload)  # pyright: ignore[reportArgumentType]


def invocation(ctx: Ctx, of: FunctionReference, payload: bytes, request: Doc) -> Invocation:
    """The invocation that a request asks for."""
    return Invocation(
        request_id=ctx.request_id or rows.revision(),
        payload=payload,
        arn=of.qualified,
        client_context=payloads.client_context(request.get("ClientContext") or ""),
        trace=ctx.trace or lineage.begun(ctx.world.clock()),
        tail=request.get("LogType") == "Tail",
    )


async def run(world: World, of: FunctionReference, target: Target, asked: Invocation) -> Outcome:
    """What the function made of it, counted. Raises TooManyRequestsException."""
    subject = Subject(of.account, of.region, of.name, of.qualifier)
    asked = onward(world, of, target, asked)
    inside = float(world.functions.running(target.version)) + 1
    began = time.perf_counter()
    try:
        outcome = await world.functions.invoke(target.version, asked, target.most)
    except Throttled as error:
        world.function_counts.note(subject, {"Throttles": 1.0})
        raise throttled(error.reason) from error
    except Unrunnable as error:
        raise AwsError("InvalidRuntimeException", str(error), 502, Type="User") from error
    took = (time.perf_counter() - began) * 1000
    world.function_counts.note(
        subject,
        {"Invocations": 1.0, "Errors": 1.0 if outcome.error else 0.0, "Throttles": 0.0,
         "Duration": took, "ConcurrentExecutions": inside},
    )  # fmt: skip
    return outcome


def onward(world: World, of: FunctionReference, target: Target, asked: Invocation) -> Invocation:
    """The invocation with the trace header that it passes on. Raises RecursiveInvocationException for one
    too many of a loop."""
    trace, count = lineage.onward(asked.trace, of.arn, world.clock())
    loops = plan_of(target.function).get("recursion", "Terminate") == "Terminate"
    if loops and count > lineage.MOST:
        subject = Subject(of.account, of.region, of.name, of.qualifier)
        world.function_counts.note(subject, {"RecursiveInvocationsDropped": 1.0})
        raise AwsError(
            "RecursiveInvocationException",
            "Lambda has detected that your function is being invoked in a recursive loop, and stopped"
            " it.",
            Type="User",
        )
    return replace(asked, trace=trace)


def throttled(reason: str) -> AwsError:
    """TooManyRequestsException (429)."""
    return AwsError("TooManyRequestsException", "Rate Exceeded.", 429, Reason=reason, Type="User")


async def invoke_async(ctx: Ctx, request: Doc) -> Doc:
    """The event is kept, as by Invoke of type Event; deprecated."""
    of = rows.reference(ctx, request)
    payload = _bytes(request.get("InvokeArgs"))
    payloads.check_size(payload, True)
    target = _target(ctx.world, replace(of, qualifier=of.qualifier or LATEST))
    await events.accepted(ctx, of, target, payloads.checked(payload), "")
    return {"Status": 202}


async def invoke_with_response_stream(ctx: Ctx, request: Doc) -> Doc:
    """The function's answer as it is made, as an event stream; raises as `invoke` does."""
    _refuse(request)
    of = rows.reference(ctx, request, abroad=True)
    payload = _bytes(request.get("Payload"))
    payloads.check_size(payload, False)
    target = _target(ctx.world, of)
    if request.get("InvocationType") == "DryRun":
        return {"StatusCode": 204, "EventStream": _nothing()}
    asked = invocation(ctx, of, payloads.checked(payload), request)
    pieces = stream(ctx.world, of, target, asked)
    first = await anext(pieces)  # a throttle is told before the answer begins
    return {
        "StatusCode": 200,
        "ExecutedVersion": target.version.version,
        "ResponseStreamContentType": "application/vnd.amazon.eventstream",
        "EventStream": _told(first, pieces, asked.tail),
    }


async def _nothing() -> AsyncIterator[Doc]:
    for each in ():
        yield each


async def _told(
    first: bytes | StreamEnd, pieces: AsyncIterator[bytes | StreamEnd], tail: bool
) -> AsyncIterator[Doc]:
    piece: bytes | StreamEnd = first
    while isinstance(piece, bytes):
        if piece:
            yield {"PayloadChunk": {"Payload": piece}}
        piece = await anext(pieces)
    end: Doc = {}
    if piece.code:
        end |= {"ErrorCode": piece.code, "ErrorDetails": piece.details}
    if tail:
        end["LogResult"] = base64.b64encode(piece.log_tail).decode()
    yield {"InvokeComplete": end}


async def stream(
    world: World, of: FunctionReference, target: Target, asked: Invocation
) -> AsyncIterator[bytes | StreamEnd]:
    """The pieces of the function's answer and their end, counted. Raises TooManyRequestsException."""
    subject = Subject(of.account, of.region, of.name, of.qualifier)
    asked = onward(world, of, target, asked)
    began = time.perf_counter()
    try:
        async for piece in world.functions.invoke_stream(target.version, asked, target.most):
            if isinstance(piece, StreamEnd):
                took = (time.perf_counter() - began) * 1000
                world.function_counts.note(
                    subject,
                    {"Invocations": 1.0, "Errors": 1.0 if piece.code else 0.0, "Throttles": 0.0,
                     "Duration": took},
                )  # fmt: skip
            yield piece
    except Throttled as error:
        world.function_counts.note(subject, {"Throttles": 1.0})
        raise throttled(error.reason) from error
