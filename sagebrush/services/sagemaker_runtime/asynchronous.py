"""InvokeEndpointAsync: a request is stored in the endpoint's queue, from which `processing` takes it.

Source: SageMaker Runtime API Reference, InvokeEndpointAsync; guide, "Invoke an asynchronous endpoint".
"""

from __future__ import annotations

import re
import uuid
from concurrent.futures import Future

from sagebrush.errors import AwsError, Doc
from sagebrush.routing.endpoints import Endpoint
from sagebrush.services.sagemaker_runtime import invoke
from sagebrush.store.messages import FOREVER, Send
from sagebrush.workload import sources
from sagebrush.world import Ctx

TTL = 21_600
"""Seconds that a request may wait, where it does not say."""
TIMEOUT = 900
"""Seconds that its invocation may take, where it does not say."""
_HOSTED = re.compile(r"https://(?:([^/]+)\.)?s3[.-][^/]*amazonaws\.com/(.+)", re.DOTALL)
_URI = re.compile(r"s3://([^/]+)/(.+)", re.DOTALL)
KEPT = ("ContentType", "Accept", "CustomAttributes")


def invoke_endpoint_async(ctx: Ctx, request: Doc) -> Future[Doc]:
    """The request is in the endpoint's queue, on disk; says where its result will be.

    Raises ValidationError.
    """
    name = request["EndpointName"]
    endpoint = _endpoint(ctx, name)
    if endpoint.asynchronous is None:
        raise AwsError(
            "ValidationError",
            f"Endpoint {name} of account {ctx.account} is not an asynchronous endpoint: its"
            " configuration has no AsyncInferenceConfig. Use InvokeEndpoint.",
        )
    order = _order(ctx, request, endpoint.asynchronous["OutputConfig"])
    send = Send(
        order["InferenceId"],
        "",
        order,
        keep=FOREVER,
        deadline=float(request.get("RequestTTLSeconds", TTL)),
    )
    result = {
        "InferenceId": order["InferenceId"],
        "OutputLocation": order.get("output"),
        "FailureLocation": order.get("failure"),
    }
    answer = Future[Doc]()
    answer.set_running_or_notify_cancel()  # a client that leaves does not undo what was started

    def stored(written: Future[int]) -> None:
        error = written.exception()
        if error is None and not written.result():  # the endpoint was deleted meanwhile
            error = _missing(ctx, name)
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)

    ctx.world.messages.put(endpoint.row_id, [send]).add_done_callback(stored)
    return answer


def _endpoint(ctx: Ctx, name: str) -> Endpoint:
    """The endpoint, which takes requests; raises ValidationError."""
    found = ctx.world.endpoints.get((ctx.account, ctx.region, name))
    if found is None:
        row = ctx.world.rows.get(ctx.account, ctx.region, "endpoint", name)
        found = ctx.world.endpoints.load(row, first=True) if row is not None else None
    if found is None:
        raise _missing(ctx, name)
    return found


def _missing(ctx: Ctx, name: str) -> AwsError:
    return AwsError("ValidationError", f"Endpoint {name} of account {ctx.account} not found.")


def _order(ctx: Ctx, request: Doc, output: Doc) -> Doc:
    """What the queue keeps of a request: how to ask the model, and where its input and results are."""
    body, location = request.get("Body"), request.get("InputLocation")
    if body is not None and not isinstance(body, bytes):
        body = body.read() if hasattr(body, "read") else bytes(body)
    if bool(body) == bool(location):
        raise AwsError("ValidationError", "Provide exactly one of Body and InputLocation.")
    if location and place(location) is None:
        raise AwsError("ValidationError", f"InputLocation {location} names no Amazon S3 object.")
    order: Doc = {member: request[member] for member in KEPT if request.get(member)}
    order["InferenceId"] = request.get("InferenceId") or str(uuid.uuid4())
    invoke.head(order, 0)  # refuses what no header can hold
    order["timeout"] = request.get("InvocationTimeoutSeconds", TIMEOUT)
    if location:
        order["input"] = location
    else:
        order["body"] = body
    return {**order, **locations(request, output, str(uuid.uuid4()))}


def locations(request: Doc, output: Doc, uid: str) -> dict[str, str]:
    """The URIs of `output` and `failure`, as far as the configuration has paths for them."""
    extension = request.get("S3OutputPathExtension", "").strip("/")
    name = request.get("Filename") or f"{uid}.out"
    failed = f"{name.rpartition('.')[0] or name}-error.out"
    found = {}
    for what, member, file in (
        ("output", "S3OutputPath", name),
        ("failure", "S3FailurePath", failed),
    ):
        if path := output.get(member):
            bucket, prefix = sources.split(path)
            parts = (bucket, prefix.strip("/"), extension, file)
            found[what] = "s3://" + "/".join(part for part in parts if part)
    return found


def place(location: str) -> tuple[str, str] | None:
    """The bucket and key of an S3 URI, or of the object's URL at AWS; None for what is neither."""
    if found := _URI.fullmatch(location):
        return found[1], found[2]
    if found := _HOSTED.fullmatch(location):
        if found[1]:
            return found[1], found[2]
        bucket, _, key = found[2].partition("/")
        return (bucket, key) if key else None
    return None
