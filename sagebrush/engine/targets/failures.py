"""How deliveries fail: which failures may pass, when the next try is, what a dead letter says. Pure.

EventBridge user guide, "How EventBridge retries delivering events" (24 hours, 185 times, exponential
back-off and jitter) and "Using dead-letter queues to process undelivered events" (its message
attributes and error codes; what is not permitted or not there is not tried again); AWS re:Post,
"failed invocations" (only 5xx and 429 are tried again). EventBridge Scheduler user guide, "Configuring a
schedule's dead-letter queue" (the request as the message, the target's own code). Amazon SNS developer guide, "Amazon SNS
dead-letter queues"; AWS Lambda developer guide, "Adding a dead-letter queue".
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from sagebrush.aws import models
from sagebrush.engine.targets import calls, parameters
from sagebrush.errors import AwsError, Doc
from sagebrush.store.deliveries import UNIVERSAL, Delivery, Waiting

FIRST = 1.0
"""Seconds until the second try, about."""
LONGEST = 600.0
"""Seconds between tries, at most: 185 tries of it on average take a day."""
THROTTLED = frozenset(
    {
        "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
        "RequestThrottledException", "TooManyRequestsException", "RequestLimitExceeded",
        "ProvisionedThroughputExceededException", "LimitExceededException", "SlowDown",
        "ExecutionLimitExceeded", "OverLimit",
    }
)  # fmt: skip
"""Codes of AWS's that ask for patience (botocore's retries have most of them)."""
_COLLISIONS = frozenset({"ResourceConflictException", "ConcurrentModificationException"})
"""Somebody else changes the target just now."""
_WORDS = ("NotFound", "NonExistent", "DoesNotExist", "NoSuch")
ASSUME = "FailedToAssumeRole"
"""The code of our own for a role that the sending service may not assume."""
ATTEMPTS, AGE = "MaximumRetryAttempts", "MaximumEventAgeInSeconds"
SCHEDULER, LAMBDA, SNS = "scheduler.amazonaws.com", "lambda.amazonaws.com", "sns.amazonaws.com"


@dataclass(frozen=True)
class Failure:
    """Why one try failed."""

    code: str
    """One of the codes that EventBridge's dead-letter queues have."""
    message: str
    passing: bool
    """Whether another try may go well."""
    error: str = ""
    """The target's own code."""
    words: str = ""
    """Its own words."""


@dataclass(frozen=True)
class Again:
    """The delivery is tried again at `due`, in seconds since the epoch."""

    due: float


@dataclass(frozen=True)
class GivenUp:
    """It is not tried again; `exhausted` names the limit that it reached, "" where none."""

    exhausted: str


def failure_of(error: Exception) -> Failure:
    """What the error of a call means for its delivery."""
    if not isinstance(error, AwsError):
        words = f"{type(error).__name__}: {error}"
        return Failure("INTERNAL_ERROR", words, True, "InternalFailure", words)
    code, passing = _meant(error)
    words = error.message if code == "FAILED_TO_ASSUME_ROLE" else f"{error.code}: {error.message}"
    own = "AccessDeniedException" if code == "FAILED_TO_ASSUME_ROLE" else error.code
    return Failure(code, words, passing, own, error.message)


def _meant(error: AwsError) -> tuple[str, bool]:
    """EventBridge's code for the error, and whether another try may go well."""
    code = error.code.rpartition(".")[2]
    if code in THROTTLED or error.status == 429:
        return "THROTTLING", True
    if code in _COLLISIONS:
        return "RESOURCE_MODIFICATION_COLLISION", True
    if code == "NotImplemented":
        return "SDK_CLIENT_ERROR", False
    if error.status >= 500:
        return "ERROR_FROM_TARGET", True
    if code == ASSUME:
        return "FAILED_TO_ASSUME_ROLE", False
    if error.status == 403 or "AccessDenied" in code or "Authorization" in code:
        return "NO_PERMISSIONS", False
    if error.status == 404 or any(word in code for word in _WORDS):
        return "NO_RESOURCE", False
    return "INVALID_PARAMETER", False


def after(waiting: Waiting, failure: Failure, now: float, chance: float) -> Again | GivenUp:
    """What becomes of a delivery one more of whose tries has failed at `now`; `chance` is from 0 to 1.

    The pauses double from FIRST to LONGEST, each between half of that and all of it.
    """
    if not failure.passing:
        return GivenUp("")
    delivery, retried = waiting.delivery, waiting.attempts
    if retried >= delivery.retries:
        return GivenUp(ATTEMPTS)
    ends = waiting.made + delivery.max_age
    if now >= ends:
        return GivenUp(AGE)
    pause = min(LONGEST, FIRST * 2.0 ** min(retried, 20)) * (0.5 + chance / 2)
    return Again(min(now + pause, ends))


def dead_letter(waiting: Waiting, failure: Failure, exhausted: str) -> list[Delivery]:
    """What goes to the dead-letter queue of a delivery that is given up; nothing where it has none."""
    delivery = waiting.delivery
    if not delivery.dead_letter:
        return []
    said = {**_said(waiting, failure, exhausted), **delivery.dead_attributes}
    attributes = {name: _attribute(value) for name, value in said.items()}
    own = dict(delivery.options.get("MessageAttributes") or {}) if _sns(delivery) else {}
    return [
        replace(
            delivery,
            target=delivery.dead_letter,
            payload=_request(waiting) if delivery.principal == SCHEDULER else delivery.payload,
            # EventBridge's rules send by the queue's policy, whatever role the target has
            role=delivery.role if delivery.principal in (SCHEDULER, LAMBDA) else "",
            options={"MessageAttributes": {**own, **attributes}},
            retries=Delivery.retries,
            max_age=Delivery.max_age,
            dead_letter="",
            dead_attributes={},
            letter=True,
        )
    ]


def _sns(delivery: Delivery) -> bool:
    return delivery.principal == SNS


def _said(waiting: Waiting, failure: Failure, exhausted: str) -> Doc:
    delivery = waiting.delivery
    if delivery.principal in (SNS, LAMBDA):
        return {
            "RequestID": str(uuid.uuid4()),
            "ErrorCode": failure.error,
            "ErrorMessage": failure.words[:1024],
        }
    said: Doc = {"EXHAUSTED_RETRY_CONDITION": exhausted} if exhausted else {}
    said["RETRY_ATTEMPTS"] = str(waiting.attempts)
    if delivery.principal != SCHEDULER:
        if delivery.source_arn:
            said["RULE_ARN"] = delivery.source_arn
        said |= {"TARGET_ARN": delivery.target, "ERROR_CODE": failure.code}
        return {**said, "ERROR_MESSAGE": failure.message[:1024]}
    internal = failure.code == "INTERNAL_ERROR"
    code = models.QUERY_CODES.get(failure.error, failure.error)
    words = "Unexpected error occurred while processing the request"
    return {
        **said,
        "TARGET_ARN": _operation(waiting),
        "ERROR_CODE": "AWS.Scheduler.InternalServerError" if internal else code,
        "ERROR_MESSAGE": words if internal else failure.words[:1024],
        "IS_PAYLOAD_TRUNCATED": "false",
    }


def _operation(waiting: Waiting) -> str:
    """The target as Scheduler names every one: by the operation that is called."""
    names = {name: sdk for sdk, name in calls.SDK_NAMES.items()}
    try:
        call = calls.calls_of(waiting)[-1]
    except AwsError:
        target = waiting.delivery.target
        return f"arn:aws:scheduler:::{target}" if target.startswith(UNIVERSAL) else target
    operation = call.operation[:1].lower() + call.operation[1:]
    return f"arn:aws:scheduler:::aws-sdk:{names.get(call.service, call.service)}:{operation}"


def _request(waiting: Waiting) -> str:
    """The request of the operation, as Scheduler's dead letters have it."""
    if waiting.delivery.target.startswith(UNIVERSAL):
        return waiting.delivery.payload
    try:
        return parameters.shown(calls.calls_of(waiting)[-1].params)
    except AwsError:
        return waiting.delivery.payload


def _attribute(value: object) -> Doc:
    return value if isinstance(value, dict) else {"DataType": "String", "StringValue": str(value)}
