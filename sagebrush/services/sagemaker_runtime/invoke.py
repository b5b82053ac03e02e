"""InvokeEndpoint: chooses a variant and a replica, forwards, counts. Touches no database when warm."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn, TypeVar

from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.net.http_client import Answer, Broken, Stream, Unreachable
from sagebrush.routing.endpoints import Endpoint, Route, Variant
from sagebrush.world import Ctx

Reached = TypeVar("Reached", Answer, Stream)

TIMEOUT = 60.0
"""Seconds that a model may take for one answer (InvokeEndpoint, API reference)."""
STREAM_TIMEOUT = 480.0
"""Seconds for a streamed answer as a whole (SageMaker's limit is 8 minutes)."""
PATIENCE = 5.0
"""Seconds that a request waits for a replica while all are being replaced."""
BODY_LIMIT = 6 * 1024 * 1024
"""Bytes of a request's body (the model's constraint on `BodyBlob`)."""
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
UNSUPPORTED = {
    "TargetModel": "multi-model endpoints (TargetModel)",
    "TargetContainerHostname": "multi-container endpoints (TargetContainerHostname)",
    "InferenceComponentName": "inference components (InferenceComponentName)",
    "SessionId": "stateful sessions (SessionId)",
    "EnableExplanations": "online explainability (EnableExplanations)",
}


async def invoke_endpoint(ctx: Ctx, request: Doc) -> Doc:
    """The model's answer. Raises ModelError (424), ValidationError, ServiceUnavailable."""
    call = await _begin(ctx, request)
    route, answer = await _reach(call, lambda route: route.pool.ask(call.head, call.body, TIMEOUT))
    if not 200 <= answer.status < 300:
        call.model_error(route, answer.status, answer.body)
    return call.result(answer.headers, answer.body)


async def _reach(call: _Call, ask: Callable[[Route], Awaitable[Reached]]) -> tuple[Route, Reached]:
    """The first replica that takes the request and its counted answer; raises as `no_answer`."""
    while True:
        route = await call.route()
        sent = time.perf_counter()
        try:
            reached = await ask(route)
        except Unreachable:
            call.unreachable(route)
            continue
        except (Broken, TimeoutError) as error:
            call.count(0, sent)
            call.no_answer(route, error)
        call.count(reached.status, sent)
        return route, reached


async def invoke_endpoint_with_response_stream(ctx: Ctx, request: Doc) -> Doc:
    """The model's answer as an event stream of its pieces; raises as `invoke_endpoint` does."""
    call = await _begin(ctx, request)
    route, stream = await _reach(
        call, lambda route: route.pool.open(call.head, call.body, STREAM_TIMEOUT)
    )
    if not 200 <= stream.status < 300:
        try:
            body = await stream.read()
        except (Broken, TimeoutError):
            body = b""
        call.model_error(route, stream.status, body)
    return call.result(stream.headers, _events(stream))


def invoke_endpoint_async(ctx: Ctx, request: Doc) -> Doc:
    """Raises ValidationError: there are no asynchronous endpoints yet."""
    raise AwsError(
        "ValidationError",
        f"Endpoint {request['EndpointName']} cannot be invoked asynchronously: Sagebrush does not"
        " support asynchronous inference (InvokeEndpointAsync) yet. Use InvokeEndpoint.",
    )


class _Call:
    """One request on its way."""

    def __init__(self, ctx: Ctx, endpoint: Endpoint, request: Doc, body: bytes) -> None:
        self.began = time.perf_counter()
        self.body = body
        self.head = _head(request, len(body))
        self._ctx = ctx
        self._endpoint = endpoint
        self._target: str | None = request.get("TargetVariant")
        self._variant = self._choose(endpoint)
        self._failed: list[Route] = []
        self._until: float | None = None
        """When a request without a replica is given up (monotonic seconds)."""

    def _choose(self, endpoint: Endpoint) -> Variant:
        if self._target is None:
            return endpoint.choose()
        found = endpoint.variant(self._target)
        if found is None:
            account, _, name = endpoint.name
            raise AwsError(
                "ValidationError",
                f"Variant {self._target} of endpoint {name} of account {account} not found.",
            )
        return found

    async def route(self) -> Route:
        """A replica to ask; waits a little for one while they are being replaced."""
        route = self._variant.least_busy(self._failed)
        if route is not None:
            return route
        live = self._ctx.world.endpoints
        if self._until is None:
            self._until = time.monotonic() + PATIENCE
        while time.monotonic() < self._until:
            await asyncio.sleep(0.02)
            endpoint = live.get(self._endpoint.name)
            if endpoint is None or endpoint is self._endpoint:
                continue
            self._endpoint, self._failed = endpoint, []
            self._variant = self._choose(endpoint)
            route = self._variant.least_busy()
            if route is not None:
                return route
        raise AwsError(
            "ServiceUnavailable",
            f"No instance of production variant {self._variant.name} of endpoint"
            f" {self._endpoint.name[2]} answers now. The log group {self._group()} says why.",
            503,
        )

    def unreachable(self, route: Route) -> None:
        """Nothing listens there any more: another replica is asked, and the endpoint looked at."""
        self._failed.append(route)
        world = self._ctx.world
        asyncio.get_running_loop().run_in_executor(None, _look, world, self._endpoint.row_id)

    def count(self, status: int, sent: float) -> None:
        """The answer is counted; `sent` is when it was asked for."""
        now = time.perf_counter()
        model = now - sent
        self._ctx.world.endpoints.count(
            self._endpoint.name,
            self._variant.name,
            status,
            model if status else None,
            now - self.began - model,
        )

    def result(self, headers: dict[str, str], body: Any) -> Doc:
        """The operation's result."""
        found: Doc = {
            "Body": body,
            "ContentType": headers.get("content-type", "application/octet-stream"),
            "InvokedProductionVariant": self._variant.name,
        }
        attributes = headers.get("x-amzn-sagemaker-custom-attributes")
        if attributes is not None:
            found["CustomAttributes"] = attributes
        return found

    def no_answer(self, route: Route, error: Exception) -> NoReturn:
        """Raises ModelError for a model that did not answer, or not in time."""
        if isinstance(error, TimeoutError):
            text = (
                "Your invocation timed out while waiting for a response from container primary."
                " Review the latency metrics for each container in Amazon CloudWatch, resolve the"
                " issue, and try again."
            )
        else:
            text = f"The connection to container primary failed: {error}."
            asyncio.get_running_loop().run_in_executor(
                None, _look, self._ctx.world, self._endpoint.row_id
            )
        self._raise(route, 0, text)

    def model_error(self, route: Route, status: int, body: bytes) -> NoReturn:
        """Raises ModelError for an answer of the model's that is no success."""
        self._raise(route, status, body[:4096].decode(errors="replace"))

    def _group(self) -> str:
        return f"/aws/sagemaker/Endpoints/{self._endpoint.name[2]}"

    def _raise(self, route: Route, status: int, text: str) -> NoReturn:
        account, region, name = self._endpoint.name
        side = "client" if 400 <= status < 500 else "server"
        group = self._group()
        stream = f"log-group:{group}:log-stream:{self._variant.name}/{route.replica}"
        raise AwsError(
            "ModelError",
            f'Received {side} error ({status}) from primary with message "{text}". See the log'
            f" group {group} (sagebrush logs endpoint {name}) in account {account} for more"
            " information.",
            424,
            OriginalStatusCode=status,
            OriginalMessage=text,
            LogStreamArn=str(Arn("logs", region, account, stream)),
        )


async def _begin(ctx: Ctx, request: Doc) -> _Call:
    """The request, checked, with the routes of its endpoint."""
    for member, words in UNSUPPORTED.items():
        if member in request:
            raise AwsError("ValidationError", f"Sagebrush does not support {words} yet.")
    body = request.get("Body") or b""
    if not isinstance(body, bytes):
        body = body.read() if hasattr(body, "read") else bytes(body)
    if len(body) > BODY_LIMIT:
        raise AwsError(
            "ValidationError",
            f"The request body of {len(body)} bytes is larger than the limit of {BODY_LIMIT}.",
        )
    live, name = ctx.world.endpoints, (ctx.account, ctx.region, request["EndpointName"])
    endpoint = live.get(name)
    if endpoint is None:
        live.use(asyncio.get_running_loop())
        endpoint = await asyncio.get_running_loop().run_in_executor(None, _load, ctx, name[2])
    if endpoint is None:
        raise AwsError("ValidationError", f"Endpoint {name[2]} of account {name[0]} not found.")
    return _Call(ctx, endpoint, request, body)


def _load(ctx: Ctx, name: str) -> Endpoint | None:
    row = ctx.world.rows.get(ctx.account, ctx.region, "endpoint", name)
    return ctx.world.endpoints.load(row) if row else None


def _look(world: Any, row_id: int) -> None:
    """The endpoint's reconciler looks at it now."""
    world.rows.touch(row_id)
    world.wake()


def _head(request: Doc, length: int) -> bytes:
    """The request's head as a container gets it: SageMaker strips all other headers."""
    lines = [
        "POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: ",
        request.get("ContentType") or "application/octet-stream",
    ]
    for member, header in (
        ("Accept", "Accept"),
        ("CustomAttributes", ATTRIBUTES),
        ("InferenceId", "X-Amzn-SageMaker-Inference-Id"),
    ):
        value = request.get(member)
        if value:
            lines += ("\r\n", header, ": ", value)
    text = "".join(lines)
    if text.count("\n") != text.count("\r\n") or text.count("\n") > 5:
        raise AwsError("ValidationError", "A header's value must not have line breaks.")
    return f"{text}\r\nContent-Length: {length}\r\n\r\n".encode("latin-1", "replace")


async def _events(stream: Stream) -> AsyncIterator[Doc]:
    """The pieces of a streamed answer as the operation's events."""
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
