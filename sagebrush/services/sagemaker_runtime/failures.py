"""Errors of SageMaker Runtime for requests that a model did not answer with success."""

from __future__ import annotations

from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError
from sagebrush.routing.endpoints import COMPONENT, Name
from sagebrush.routing.forward import (
    PAYLOAD,
    Left,
    NoAnswer,
    NoCapacity,
    NoComponent,
    NoEndpoint,
    NoReplica,
    NoSession,
    NotAwake,
    NoVariant,
    Place,
    Queued,
    Throttled,
    TooLarge,
    Undelivered,
)
from sagebrush.routing.passage import Undirected

NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be"
    " in-progress (if configured) or try to increase the capacity by invoking"
    " UpdateInferenceComponentRuntimeConfig API."
)
"""AWS's words for an inference component without copies."""
NAMELESS = (
    "Inference Component Name header is required for endpoints to which you plan to deploy inference"
    " components. Please include Inference Component Name header or consider using SageMaker models."
)
SAID = 4096
"""Bytes of the model's answer that an error quotes."""


def told(
    problem: Undelivered | Undirected, name: Name, target: str | None, request_id: str = ""
) -> AwsError:
    """Returns the error for a request that was not delivered: ModelError (424), ServiceUnavailable
    (503) or ValidationError."""
    account, _, endpoint = name
    if endpoint.startswith(f"{COMPONENT}/") and isinstance(problem, NoEndpoint | NoReplica):
        return _without_copy(problem, endpoint.rpartition("/")[2])
    if isinstance(problem, NoAnswer):
        error, at = problem.__cause__, problem.container
        text = f"The connection to container {at} failed: {error}."
        if isinstance(error, TimeoutError):
            text = (
                f"Your invocation timed out while waiting for a response from container {at}."
                " Review the latency metrics for each container in Amazon CloudWatch, resolve the"
                " issue, and try again."
            )
        return _model_error(problem.place, at, 0, text)
    if isinstance(problem, NoReplica):
        return AwsError(
            "ServiceUnavailable",
            f"No instance of production variant {problem.args[0]} of endpoint {endpoint} answers"
            f" now. The log group {_group(endpoint)} says why.",
            503,
        )
    if isinstance(problem, TooLarge):  # AWS's words: aws/amazon-sagemaker-examples#4485
        return AwsError(
            "ValidationError",
            f"Request {request_id} has oversize body. (It has {problem.args[0]} bytes; a serverless"
            f" endpoint takes {PAYLOAD}.)",
        )
    if isinstance(problem, NoComponent):
        return AwsError("ValidationError", NAMELESS)
    if isinstance(problem, NoCapacity):
        return AwsError("ValidationError", NO_CAPACITY)
    if isinstance(problem, Undirected):
        return AwsError("ValidationError", str(problem))
    if isinstance(problem, NoSession):
        return AwsError(
            "ValidationError",
            f"Session {problem.args[0]} of {_told_name(endpoint)} was not found: it has expired, was"
            " closed, or its instance was replaced. Create a new one with SessionId NEW_SESSION.",
        )
    if isinstance(problem, Queued):
        return AwsError(
            "ValidationError",
            f"Endpoint {endpoint} of account {account} is an asynchronous endpoint: it can be invoked"
            " by InvokeEndpointAsync alone.",
        )
    if isinstance(problem, Throttled | TooLarge | NotAwake | Left):
        return _elastic(problem, name)
    words = f"Endpoint {endpoint} of account {account} not found."
    if isinstance(problem, NoVariant):
        words = f"Variant {target} of {_told_name(endpoint)} of account {account} not found."
    return AwsError("ValidationError", words)


def _told_name(name: str) -> str:
    """What the requests of a route's name are for, in words."""
    kind, _, bare = name.rpartition("/")
    return f"inference component {bare}" if kind else f"endpoint {bare}"


def _elastic(problem: Undelivered, name: Name) -> AwsError:
    """The error for a request to a serverless or sleeping endpoint that was not delivered. Status and
    code of the throttling one are those that clients see of AWS's (opensearch-project/ml-commons#2429:
    400, its message null)."""
    account, region, endpoint = name
    if isinstance(problem, Throttled):
        return AwsError(
            "ThrottlingException",
            f"The request was denied due to request throttling: {problem.args[0]} requests are being"
            f" processed by endpoint {endpoint} already.",
            400,
        )
    if isinstance(problem, Left):
        return AwsError("ServiceUnavailable", "The caller left.", 503)
    variant, why = problem.args
    text = f"Production variant {variant} could not be started for this request. {why}"
    resource = f"log-group:{_group(endpoint)}:log-stream:{variant}"
    return AwsError(
        "ModelError",
        f'Received server error (0) from primary with message "{text}". See the log group'
        f" {_group(endpoint)} (sagebrush logs endpoint {endpoint}) in account {account} for more"
        " information.",
        424,
        OriginalStatusCode=0,
        OriginalMessage=text,
        LogStreamArn=str(Arn("logs", region, account, resource)),
    )


def too_large(place: Place, container: str, size: int) -> AwsError:
    """Returns the ModelError for an answer that is larger than a serverless endpoint may give."""
    words = f"The response of {size} bytes is larger than the limit of {PAYLOAD} of a serverless endpoint."
    return _model_error(place, container, 500, words)


def refused(place: Place, container: str, status: int, body: bytes) -> AwsError:
    """Returns the ModelError for the container's answer, whose status is not 2xx."""
    return _model_error(place, container, status, body[:SAID].decode(errors="replace"))


def _model_error(place: Place, container: str, status: int, text: str) -> AwsError:
    account, region, name = place.endpoint.owner
    kind, group = "endpoint", _group(name)
    if component := place.endpoint.component:
        kind, name, group = "inference-component", component, f"{COMPONENTS}/{component}"
    side = "client" if 400 <= status < 500 else "server"
    stream = f"{place.variant.name}/{place.route.replica}"
    if container in place.variant.containers and len(place.variant.containers) > 1:
        stream += f"/{container}"
    resource = f"log-group:{group}:log-stream:{stream}"
    return AwsError(
        "ModelError",
        f'Received {side} error ({status}) from {container} with message "{text}". See the log'
        f" group {group} (sagebrush logs {kind} {name}) in account {account} for more"
        " information.",
        424,
        OriginalStatusCode=status,
        OriginalMessage=text,
        LogStreamArn=str(Arn("logs", region, account, resource)),
    )


def _without_copy(problem: Undelivered, component: str) -> AwsError:
    if isinstance(problem, NoEndpoint):
        return AwsError("ValidationError", f"Inference component {component} is not in service.")
    return AwsError(
        "ServiceUnavailable",
        f"No copy of inference component {component} answers now. The log group"
        f" {COMPONENTS}/{component} says why.",
        503,
    )


COMPONENTS = "/aws/sagemaker/InferenceComponents"
"""Prefix of the log group of an inference component."""


def _group(endpoint: str) -> str:
    return f"/aws/sagemaker/Endpoints/{endpoint}"
