"""InvokeEndpoint and InvokeEndpointWithResponseStream, over `routing.forward`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from sagebrush.errors import AwsError, Doc
from sagebrush.net.http_client import Answer, Body, Broken, Pool, Stream
from sagebrush.routing import endpoints
from sagebrush.routing.endpoints import Name
from sagebrush.routing.forward import PAYLOAD, Place, Undelivered
from sagebrush.routing.multimodel.hosted import named
from sagebrush.routing.multimodel.passage import ModelPassage
from sagebrush.routing.passage import Passage, Reached, Undirected
from sagebrush.routing.sessions import Sessions
from sagebrush.services.sagemaker_runtime import captured, failures, target_model
from sagebrush.world import Ctx

TIMEOUT = 60.0
"""Seconds that a model may take for one answer (InvokeEndpoint, API reference)."""
STREAM_TIMEOUT = 480.0
"""Seconds for a streamed answer as a whole (SageMaker's limit is 8 minutes)."""
BODY_LIMIT = 6 * 1024 * 1024
"""Bytes of a request's body (the model's constraint on `BodyBlob`)."""
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
NEW_SESSION = "NEW_SESSION"
"""The SessionId by which a request asks the model for a new session."""
SESSION_NEW = "x-amzn-sagemaker-new-session-id"
SESSION_CLOSED = "x-amzn-sagemaker-closed-session-id"
"""Headers by which a container says that a session has begun or ended ("Stateful sessions with
Amazon SageMaker AI models")."""
UNSUPPORTED = {
    "EnableExplanations": "online explainability (EnableExplanations)",
}


async def invoke_endpoint(ctx: Ctx, request: Doc) -> Doc:
    """Returns the model's answer. Raises ModelError (424), ValidationError, ServiceUnavailable."""
    name = _endpoint(ctx, request)
    passage = _passage(ctx, request, TIMEOUT, Pool.ask)
    _note_caller(ctx, passage)
    target: str | None = request.get("TargetVariant")
    session: str | None = request.get("SessionId")
    known = None if session == NEW_SESSION else session
    try:
        place, answer = await ctx.world.forward.send(name, target, passage, known)
    except (Undelivered, Undirected) as problem:
        raise failures.told(problem, name, target, ctx.request_id) from problem
    if not 200 <= answer.status < 300:
        raise failures.refused(place, passage.at, answer.status, answer.body)
    elastic = place.variant.elastic
    if elastic is not None and elastic.limit is not None and len(answer.body) > PAYLOAD:
        raise failures.too_large(place, passage.at, len(answer.body))
    found = _result(place, answer.headers, answer.body)
    if place.variant.capture is not None:
        captured.note(ctx.world, place.endpoint.name, place.variant, request, answer)
    if place.endpoint.shadows and not session:  # its state is in one replica, which answered
        captured.shadow(
            ctx.world, place, request, lambda: _passage(ctx, request, TIMEOUT, Pool.open)
        )
    if session:
        _note_session(ctx.world.forward.sessions, place, answer.headers, found)
    return found


async def invoke_endpoint_with_response_stream(ctx: Ctx, request: Doc) -> Doc:
    """Returns the model's answer as an event stream; raises as `invoke_endpoint` does."""
    name = _endpoint(ctx, request)
    passage = _passage(ctx, request, STREAM_TIMEOUT, Pool.open)
    _note_caller(ctx, passage)
    target: str | None = request.get("TargetVariant")
    session: str | None = request.get("SessionId")
    if session == NEW_SESSION:
        raise AwsError(
            "ValidationError",
            "A stateful session cannot be created by InvokeEndpointWithResponseStream: create it"
            " with InvokeEndpoint.",
        )
    try:
        place, stream = await ctx.world.forward.send(name, target, passage, session)
    except (Undelivered, Undirected) as problem:
        raise failures.told(problem, name, target, ctx.request_id) from problem
    if isinstance(stream, Answer):  # a container before the last one refused
        raise failures.refused(place, passage.at, stream.status, stream.body)
    if not 200 <= stream.status < 300:
        try:
            said = await stream.read()
        except (Broken, TimeoutError):
            said = b""
        raise failures.refused(place, passage.at, stream.status, said)
    pieces = _events(stream)
    if place.variant.capture is not None:
        pieces = captured.through(ctx.world, place, request, stream, pieces)
    return _result(place, stream.headers, pieces)


def _endpoint(ctx: Ctx, request: Doc) -> Name:
    """Returns the endpoint's name. Raises ValidationError for what is not supported."""
    for member, words in UNSUPPORTED.items():
        if member in request:
            raise AwsError("ValidationError", f"Sagebrush does not support {words} yet.")
    name = ctx.account, ctx.region, request["EndpointName"]
    if of := request.get("InferenceComponentName"):
        _require_on(ctx, name, of)
        return endpoints.component(name, of)
    return name


def _require_on(ctx: Ctx, endpoint: Name, of: str) -> None:
    """Raises ValidationError unless the inference component is on the endpoint."""
    found = ctx.world.endpoints.get(endpoints.component(endpoint, of))
    if found is not None and found.owner == endpoint:
        return
    row = ctx.world.rows.get(endpoint[0], endpoint[1], endpoints.COMPONENT, of)
    if row is None or row.doc["EndpointName"] != endpoint[2]:
        raise AwsError(
            "ValidationError",
            f"Inference component {of} of endpoint {endpoint[2]} of account {endpoint[0]} not found.",
        )


def _passage(
    ctx: Ctx,
    request: Doc,
    timeout: float,
    ask: Callable[[Pool, bytes, Body, float], Awaitable[Reached]],
) -> Passage[Reached]:
    """Returns the request's way through the containers. Raises ValidationError."""
    body = request.get("Body") or b""
    if not isinstance(body, bytes):
        body = body.read() if hasattr(body, "read") else bytes(body)
    if len(body) > BODY_LIMIT:
        raise AwsError(
            "ValidationError",
            f"The request body of {len(body)} bytes is larger than the limit of {BODY_LIMIT}.",
        )

    def head_of(before: Answer | None, last: bool) -> bytes:
        """A container gets what the one before it answered, of the type that it said. What the
        caller accepts is a matter of the last one alone: between containers it is the toolkits'
        default, JSON."""
        if before is None and last:
            return head(request, len(body))
        sent = {**request, **({} if last else {"Accept": None})}
        if before is not None:
            sent["ContentType"] = before.headers.get("content-type")
            if attributes := before.headers.get(ATTRIBUTES.lower()):
                sent["CustomAttributes"] = attributes
        return head(sent, len(body if before is None else before.body))

    container: str | None = request.get("TargetContainerHostname")
    if model := request.get("TargetModel"):
        target = target_model.of(ctx, request["EndpointName"], model)
        return ModelPassage(target, head_of, body, timeout, ask, container)
    return Passage(head_of, body, timeout, ask, container)


def _note_caller(ctx: Ctx, passage: Passage[Reached]) -> None:
    """The passage knows whether its caller has left."""
    if ctx.origin is not None:
        passage.left = ctx.origin.left


def _result(place: Place, headers: dict[str, str], body: Any) -> Doc:
    """Returns the operation's result."""
    found: Doc = {
        "Body": body,
        "ContentType": headers.get("content-type", "application/octet-stream"),
        "InvokedProductionVariant": place.variant.name,
    }
    attributes = headers.get(ATTRIBUTES.lower())
    if attributes is not None:
        found["CustomAttributes"] = attributes
    return found


def _note_session(sessions: Sessions, place: Place, headers: dict[str, str], result: Doc) -> None:
    """What the container says of sessions is remembered, and is in the result."""
    name = place.endpoint.name
    if given := headers.get(SESSION_NEW):
        sessions.begin(name, given, place.variant.name, place.route.key)
        result["NewSessionId"] = given
    if closed := headers.get(SESSION_CLOSED):
        sessions.end(name, closed)
        result["ClosedSessionId"] = closed


def head(request: Doc, length: int) -> bytes:
    """Returns the request's head for the container: SageMaker strips all other headers."""
    model = request.get("TargetModel")
    path = f"/models/{named(model)}/invoke" if model else "/invocations"
    lines = [
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ",
        request.get("ContentType") or "application/octet-stream",
    ]
    for member, header in (
        ("Accept", "Accept"),
        ("CustomAttributes", ATTRIBUTES),
        ("InferenceId", "X-Amzn-SageMaker-Inference-Id"),
        ("SessionId", "X-Amzn-SageMaker-Session-Id"),
        ("TargetModel", "X-Amzn-SageMaker-Target-Model"),
    ):
        value = request.get(member)
        if value:
            lines += ("\r\n", header, ": ", value)
    text = "".join(lines)
    if text.count("\n") != text.count("\r\n") or text.count("\n") > 7:
        raise AwsError("ValidationError", "A header's value must not have line breaks.")
    return f"{text}\r\nContent-Length: {length}\r\n\r\n".encode("latin-1", "replace")


async def _events(stream: Stream) -> AsyncIterator[Doc]:
    """Yields the pieces of a streamed answer as events. Raises ModelStreamError."""
    try:
        async for piece in stream:
            yield {"PayloadPart": {"Bytes": piece}}
    except TimeoutError:
        raise AwsError(
            "ModelStreamError",
            "The model did not finish sending its response in time.",
            ErrorCode="ModelInvocationTimeExceeded",
        ) from None
    except Broken as error:
        raise AwsError("ModelStreamError", f"{error}.", ErrorCode="StreamBroken") from error
    finally:
        stream.close()
