"""Failures of deliveries: which may pass, when the next try is, what the dead letter says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sagebrush.engine.targets.failures import (
    AGE,
    ATTEMPTS,
    Again,
    Failure,
    GivenUp,
    after,
    dead_letter,
    failure_of,
)
from sagebrush.errors import AwsError
from sagebrush.store.deliveries import Delivery, Waiting

RULE, QUEUE, DEAD = "arn:aws:events:r:1:rule/x", "arn:aws:sqs:r:1:q", "arn:aws:sqs:r:1:dead"
ONE = Delivery("1", "r", QUEUE, "text", "events.amazonaws.com", RULE, dead_letter=DEAD)
WAITING = Waiting(1, ONE, 1000.0, 1000.0, 0)
PASSING = Failure(
    "THROTTLING", "ThrottlingException: slow down", True, "ThrottlingException", "slow down"
)


@pytest.mark.parametrize(
    ("error", "code", "passing"),
    [
        (AwsError("ThrottlingException", "x"), "THROTTLING", True),
        (AwsError("TooManyRequestsException", "x", 429), "THROTTLING", True),
        (AwsError("ResourceConflictException", "x", 409), "RESOURCE_MODIFICATION_COLLISION", True),
        (AwsError("InternalFailure", "x", 500), "ERROR_FROM_TARGET", True),
        (AwsError("AccessDenied", "x", 403), "NO_PERMISSIONS", False),
        (AwsError("AccessDeniedException", "x"), "NO_PERMISSIONS", False),
        (AwsError("AuthorizationErrorException", "x", 403), "NO_PERMISSIONS", False),
        (AwsError("FailedToAssumeRole", "x", 403), "FAILED_TO_ASSUME_ROLE", False),
        (AwsError("QueueDoesNotExist", "x"), "NO_RESOURCE", False),
        (AwsError("ResourceNotFoundException", "x", 404), "NO_RESOURCE", False),
        (AwsError("StateMachineDoesNotExist", "x"), "NO_RESOURCE", False),
        (AwsError("InvalidMessageContents", "x"), "INVALID_PARAMETER", False),
        (AwsError("NotImplemented", "x", 501), "SDK_CLIENT_ERROR", False),
        (OSError("x"), "INTERNAL_ERROR", True),
    ],
)
def test_what_an_error_means(error: Exception, code: str, passing: bool) -> None:
    found = failure_of(error)
    assert (found.code, found.passing) == (code, passing)
    assert "x" in found.message


def test_pauses_double_with_jitter() -> None:
    def pause(attempts: int, chance: float) -> float:
        found = after(replace(WAITING, attempts=attempts), PASSING, 2000.0, chance)
        assert isinstance(found, Again)
        return found.due - 2000.0

    assert [pause(n, 1.0) for n in (0, 1, 2, 9, 10, 184)] == [1.0, 2.0, 4.0, 512.0, 600.0, 600.0]
    assert [pause(n, 0.0) for n in (0, 3)] == [0.5, 4.0]


def test_limits_are_named() -> None:
    few = replace(WAITING, delivery=replace(ONE, retries=2, max_age=60.0))
    assert after(replace(few, attempts=2), PASSING, 1010.0, 0.0) == GivenUp(ATTEMPTS)
    assert after(replace(few, attempts=1), PASSING, 1059.5, 1.0) == Again(1060.0), "one last try"
    assert after(replace(few, attempts=1), PASSING, 1060.0, 0.0) == GivenUp(AGE)
    assert after(WAITING, replace(PASSING, passing=False), 1000.0, 0.0) == GivenUp("")


def test_a_dead_letter_of_a_rule() -> None:
    given = replace(ONE, role="arn:aws:iam::1:role/x", dead_attributes={"Mine": "a"}, retries=3)
    (letter,) = dead_letter(replace(WAITING, delivery=given, attempts=3), PASSING, ATTEMPTS)
    assert (letter.target, letter.payload, letter.role, letter.dead_letter) == (
        DEAD,
        "text",
        "",
        "",
    )
    assert (letter.retries, letter.source_arn) == (185, RULE)
    said = {k: v["StringValue"] for k, v in letter.options["MessageAttributes"].items()}
    assert said == {
        "Mine": "a",
        "RULE_ARN": RULE,
        "TARGET_ARN": QUEUE,
        "ERROR_CODE": "THROTTLING",
        "ERROR_MESSAGE": "ThrottlingException: slow down",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "RETRY_ATTEMPTS": "3",
    }
    assert dead_letter(replace(WAITING, delivery=replace(ONE, dead_letter="")), PASSING, "") == []


def test_dead_letters_of_other_services() -> None:
    role = "arn:aws:iam::1:role/x"
    for principal, kept in (("lambda.amazonaws.com", role), ("sns.amazonaws.com", "")):
        given = replace(ONE, principal=principal, role=role)
        (letter,) = dead_letter(replace(WAITING, delivery=given), PASSING, "")
        assert letter.role == kept
        said = letter.options["MessageAttributes"]
        assert said.keys() == {"RequestID", "ErrorCode", "ErrorMessage"}
        assert said["ErrorCode"]["StringValue"] == "ThrottlingException"
        assert said["ErrorMessage"]["StringValue"] == "slow down"


def test_a_dead_letter_of_a_schedule_as_in_the_guide() -> None:
    given = replace(
        ONE, principal="scheduler.amazonaws.com", role="arn:aws:iam::1:role/x", payload="Hello!",
        dead_attributes={"SCHEDULE_ARN": "arn:aws:scheduler:r:1:schedule/default/x"},
    )  # fmt: skip
    failed = failure_of(AwsError("QueueDoesNotExist", "The specified queue does not exist."))
    (letter,) = dead_letter(replace(WAITING, delivery=given), failed, "")
    assert letter.role == given.role
    assert json.loads(letter.payload) == {
        "QueueUrl": "https://sqs.r.amazonaws.com/1/q", "MessageBody": "Hello!",
    }  # fmt: skip
    said = {k: v["StringValue"] for k, v in letter.options["MessageAttributes"].items()}
    assert said == {
        "SCHEDULE_ARN": "arn:aws:scheduler:r:1:schedule/default/x",
        "TARGET_ARN": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage",
        "ERROR_CODE": "AWS.SimpleQueueService.NonExistentQueue",
        "ERROR_MESSAGE": "The specified queue does not exist.",
        "RETRY_ATTEMPTS": "0",
        "IS_PAYLOAD_TRUNCATED": "false",
    }
    machine = replace(given, target="arn:aws:states:r:1:stateMachine:m", payload="{}")
    waiting = replace(WAITING, delivery=machine)
    (letter,) = dead_letter(waiting, failure_of(OSError("x")), ATTEMPTS)
    said = {k: v["StringValue"] for k, v in letter.options["MessageAttributes"].items()}
    assert said["TARGET_ARN"] == "arn:aws:scheduler:::aws-sdk:sfn:startExecution"
    assert said["ERROR_CODE"] == "AWS.Scheduler.InternalServerError"
    assert json.loads(letter.payload).keys() == {"StateMachineArn", "Input", "Name"}
    strange = replace(given, target="aws-sdk:ec2:stopInstances", payload="{}")
    (letter,) = dead_letter(replace(WAITING, delivery=strange), failed, "")
    said = letter.options["MessageAttributes"]
    assert said["TARGET_ARN"]["StringValue"] == "arn:aws:scheduler:::aws-sdk:ec2:stopInstances"
