"""What came of a Task's call, as states get it: outputs, and errors in AWS's words. Pure.

Sources: recorded histories (localstack test_*_task_service, error_handling; floci's measurements of
`startExecution.sync`: the child's description in PascalCase and alphabetical order, times in
milliseconds, Input and Output as text, or as values with `.sync:2`); developer guide, "Handling errors
in Step Functions workflows".
"""

from __future__ import annotations

from typing import Any

from sagebrush.asl.failures import DATA_LIMIT, RUNTIME, TOO_LARGE
from sagebrush.asl.resources import Problem, Resource
from sagebrush.asl.values import write
from sagebrush.aws import models, scalars
from sagebrush.aws.shapes import output_of as shape_of
from sagebrush.errors import AwsError, Doc
from sagebrush.services.states.tasks import values
from sagebrush.services.states.tasks.calls import Target, parsed, target_of
from sagebrush.services.states.tasks.metadata import metadata
from sagebrush.services.states.tasks.names import error_name

TASK_FAILED = "States.TaskFailed"
NO_TYPE = (
    "The cause could not be determined because Lambda did not return an error type. Returned "
    "payload: {}"
)
SUCCEEDED = ("Completed", "SUCCEEDED")
TRACE = "TraceId"
"""In the answer of a function, beside its members: the trace that it was invoked with."""
NO_HOST = "Unable to execute HTTP request: {}: Name or service not known"


class CallFailed(Exception):
    """A call was answered, and by what it says the task has failed."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


def check_address(service: str, parameters: Doc) -> None:
    """Returns where the call can be sent. Raises CallFailed for a queue by a bare name: the SDK takes
    it for the host that it sends to, which nobody knows (recorded: localstack test_task_service_sqs)."""
    url = parameters.get("QueueUrl") if service == "sqs" else None
    if isinstance(url, str) and url and "/" not in url:
        raise CallFailed("SQS.SdkClientException", NO_HOST.format(url))


def output_of(resource: Resource, answer: Doc, request_id: str, now: float) -> Any:
    """The output that the answer of the Task's call makes. Raises CallFailed for a function's error,
    for events that were not taken, and for a body that is too large."""
    try:
        return _output_of(resource, answer, request_id, now)
    except values.TooLarge:
        raise CallFailed(DATA_LIMIT, TOO_LARGE.format(resource.named)) from None


def _output_of(resource: Resource, answer: Doc, request_id: str, now: float) -> Any:
    target = target_of(resource)
    assert not isinstance(target, Problem)
    if target.service == "lambda" and not target.sdk:
        return _of_function(resource, answer, request_id, now)
    result = result_of(target.service, target.operation, answer, target)
    if target.sdk:
        return result
    if result.get("FailedEntryCount"):
        raise CallFailed("EventBridge.FailedEntry", write(result))
    more = metadata(resource.service, result, request_id, now)
    return {**result, **more} if not more else dict(sorted({**result, **more}.items()))


def result_of(service: str, operation: str, answer: Doc, target: Target) -> Doc:
    """The answer of an operation as the target's integration writes answers."""
    model = models.operation(service, operation)
    assert model is not None
    times = values.instant if target.sdk else values.milliseconds
    return values.result_of(shape_of(model), answer, target.member, times)


def _of_function(resource: Resource, answer: Doc, request_id: str, now: float) -> Any:
    payload = scalars.raw(answer.get("Payload") or b"")
    text = values.text_of(payload)
    if answer.get("FunctionError"):
        raise _function_error(text, resource.family == "Task")
    if resource.family == "LambdaFunction":
        return parsed(text)
    members = ("ExecutedVersion", "LogResult", "StatusCode")
    told = {key: answer[key] for key in members if key in answer}
    if text:
        told["Payload"] = parsed(text)
    sent = {**told, "length": len(payload)}
    if answer.get(TRACE):
        sent["trace"] = answer[TRACE]
    more = metadata("lambda", sent, request_id, now)
    return dict(sorted({**told, **more}.items()))


def _function_error(text: str, compact: bool) -> CallFailed:
    """A function's error by its type, with the payload as its cause: written anew by the optimised
    integration, as it came by the function's ARN (recorded)."""
    payload = parsed(text)
    name = payload.get("errorType") if isinstance(payload, dict) else None
    if not name:
        return CallFailed("Lambda.Unknown", NO_TYPE.format(text))
    return CallFailed(str(name), write(payload) if compact else text)


def error_of(resource: Resource, error: AwsError, request_id: str) -> tuple[str, str]:
    """(the error's name, its cause) of a refused call."""
    target = target_of(resource)
    if isinstance(target, Problem):
        return RUNTIME, target.message
    spoken = target.spoken
    name = error_name(spoken, error.code)
    if target.sdk:
        more = f", Extended Request ID: {request_id}" if target.service == "s3" else ""
        told = (
            f"Service: {spoken.told}, Status Code: {error.status}, Request ID: {request_id}{more}"
        )
        return name, f"{error.message} ({told})"
    told = (
        f"Service: {spoken.told}; Status Code: {error.status}; Error Code: {error.code}; "
        f"Request ID: {request_id}; Proxy: null"
    )
    return name, f"{error.message} ({told})"


def job_ended(noun: str, described: Doc, tags: dict[str, str]) -> Any:
    """The output of a `.sync` job that ended: its description, in the service's order, with its tags
    as an object (recorded of a tuning job). Raises CallFailed where it did not complete."""
    model = models.operation("sagemaker", f"Describe{noun}")
    assert model is not None
    output = values.result_of(
        shape_of(model), described, lambda name: name, values.milliseconds, in_order=False
    )
    output["Tags"] = dict(sorted(tags.items()))
    if described[f"{noun}Status"] not in SUCCEEDED:
        raise CallFailed(TASK_FAILED, write(output))
    return output


def execution_ended(resource: Resource, described: Doc) -> Any:
    """The output of an execution that `.sync` or `.sync:2` started. Raises CallFailed where it did not
    succeed."""
    target = target_of(resource)
    assert not isinstance(target, Problem)
    output = result_of("stepfunctions", "DescribeExecution", described, target)
    if described["status"] not in SUCCEEDED:
        raise CallFailed(TASK_FAILED, write(output))
    if target.pattern == "sync:2":
        for member in ("Input", "Output"):
            if member in output:
                output[member] = parsed(output[member])
    return output
