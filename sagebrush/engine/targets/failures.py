"""How deliveries fail: which failures may pass, when the next try is, what a dead letter says. Pure.

EventBridge user guide, "How EventBridge retries delivering events" (24 hours, 185 times, exponential
back-off and jitter) and "Using dead-letter queues to process undelivered events" (its message
attributes and error codes; what is not permitted or not there is not tried again); AWS re:Post,
"failed invocations" (only 5xx and 429 are tried again). Amazon SNS developer guide, "Amazon SNS
dead-letter queues"; AWS Lambda developer guide, "Adding a dead-letter queue".
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from sagebrush.errors import AwsError, Doc
from sagebrush.store.deliveries import Delivery, Waiting

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
        return Failure(
            "INTERNAL_ERROR", f"{type(error).__name__}: {error}", True, "InternalFailure"
        )
    code, words = error.code.rpartition(".")[2], f"{error.code}: {error.message}"
    if code in THROTTLED or error.status == 429:
        return Failure("THROTTLING", words, True, error.code)
    if code in _COLLISIONS:
        return Failure("RESOURCE_MODIFICATION_COLLISION", words, True, error.code)
    if error.status >= 500 and code != "NotImplemented":
        return Failure("ERROR_FROM_TARGET", words, True, error.code)
    if code == "FailedToAssumeRole":
        return Failure("FAILED_TO_ASSUME_ROLE", error.message, False, "AccessDeniedException")
    if error.status == 403 or "AccessDenied" in code or "Authorization" in code:
        return Failure("NO_PERMISSIONS", words, False, error.code)
    if error.status == 404 or any(word in code for word in _WORDS):
        return Failure("NO_RESOURCE", words, False, error.code)
    if code == "NotImplemented":
        return Failure("SDK_CLIENT_ERROR", words, False, error.code)
    return Failure("INVALID_PARAMETER", words, False, error.code)


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
    said = {**delivery.dead_attributes, **_said(waiting, failure, exhausted)}
    attributes = {name: _attribute(value) for name, value in said.items()}
    own = dict(delivery.options.get("MessageAttributes") or {}) if _sns(delivery) else {}
    return [
        replace(
            delivery,
            target=delivery.dead_letter,
            # EventBridge's rules send by the queue's policy, whatever role the target has
            role=delivery.role if delivery.principal in (SCHEDULER, LAMBDA) else "",
            options={"MessageAttributes": {**own, **attributes}},
            retries=Delivery.retries,
            max_age=Delivery.max_age,
            dead_letter="",
            dead_attributes={},
        )
    ]


def _sns(delivery: Delivery) -> bool:
    return delivery.principal == SNS


def _said(waiting: Waiting, failure: Failure, exhausted: str) -> Doc:
    if waiting.delivery.principal in (SNS, LAMBDA):
        return {
            "RequestID": str(uuid.uuid4()),
            "ErrorCode": failure.error or failure.code,
            "ErrorMessage": failure.message[:1024],
        }
    said: Doc = {}
    if waiting.delivery.principal != SCHEDULER and waiting.delivery.source_arn:
        said["RULE_ARN"] = waiting.delivery.source_arn
    said |= {"TARGET_ARN": waiting.delivery.target, "ERROR_CODE": failure.code}
    said["ERROR_MESSAGE"] = failure.message[:1024]
    if exhausted:
        said["EXHAUSTED_RETRY_CONDITION"] = exhausted
    return {**said, "RETRY_ATTEMPTS": str(waiting.attempts)}


def _attribute(value: object) -> Doc:
    return value if isinstance(value, dict) else {"DataType": "String", "StringValue": str(value)}
