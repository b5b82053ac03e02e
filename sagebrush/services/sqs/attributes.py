"""Attributes of queues: their defaults and ranges, and what is refused.

Source: Amazon SQS API Reference, CreateQueue and SetQueueAttributes. All values are texts.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from sagebrush.access import grammar, policy, queue_policies, statements
from sagebrush.aws.names import Arn
from sagebrush.aws.scalars import json_of
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sqs import ordering
from sagebrush.store.messages import Redrive
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

KIND = "queue"
NUMBERS = {
    "DelaySeconds": (0, 900, 0),
    "MaximumMessageSize": (1024, 1048576, 1048576),
    "MessageRetentionPeriod": (60, 1209600, 345600),
    "ReceiveMessageWaitTimeSeconds": (0, 20, 0),
    "VisibilityTimeout": (0, 43200, 30),
}
"""Name -> lowest, highest and default value."""
FIFO = {
    "FifoQueue": ("true",),
    "ContentBasedDeduplication": ("false", "true"),
    "DeduplicationScope": ("queue", "messageGroup"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
}
"""Attributes of FIFO queues -> what they may be, the default first."""
UNSUPPORTED = {
    "KmsMasterKeyId": "encryption by AWS KMS (KmsMasterKeyId)",
    "KmsDataKeyReusePeriodSeconds": "encryption by AWS KMS (KmsDataKeyReusePeriodSeconds)",
}
POLICY_QUOTAS = {
    "Bytes": 8192, "Statements": 20, "Principals": 50, "Conditions": 10, "Actions": 7,
}  # fmt: skip
"""Of a policy (`access.statements`; Amazon SQS Developer Guide, "Amazon SQS policy quotas")."""
MOST_RECEIVES = 1000
MOST_SOURCES = 10


def defaults(fifo: bool) -> Doc:
    """The attributes of a queue for which nothing is given."""
    found = {name: str(default) for name, (_, _, default) in NUMBERS.items()}
    return {**found, **({name: values[0] for name, values in FIFO.items()} if fifo else {})}


def checked(ctx: Ctx, given: Doc, name: str, old: Doc) -> Doc:
    """The attributes that are given for the queue of that name, whose attributes are `old`; "" for
    those to be removed.

    Raises InvalidAttributeName, InvalidAttributeValue, and UnsupportedOperation for what Sagebrush
    lacks, by name.
    """
    fifo = name.endswith(ordering.SUFFIX)
    found = _checked(ctx, given, name, fifo)
    both = {**old, **found}
    if (
        both.get("FifoThroughputLimit") == "perMessageGroupId"
        and both.get("DeduplicationScope") != "messageGroup"
    ):
        raise _invalid(
            "FifoThroughputLimit",
            "The perMessageGroupId value is allowed only when the value for DeduplicationScope is"
            " messageGroup.",
        )
    return found


def _checked(ctx: Ctx, given: Doc, queue: str, fifo: bool) -> Doc:
    found: Doc = {}
    for name, value in given.items():
        if name in UNSUPPORTED and value not in ("", "false"):
            raise AwsError(
                "UnsupportedOperation", f"Sagebrush does not support {UNSUPPORTED[name]} yet."
            )
        if name in UNSUPPORTED:
            continue
        if name in NUMBERS:
            found[name] = _number(name, value)
        elif name in FIFO:
            found[name] = _of_fifo(name, value, fifo)
        elif name == "RedrivePolicy":
            found[name] = value and _redrive_policy(ctx, value, queue)
        elif name == "RedriveAllowPolicy":
            found[name] = value and _redrive_allow_policy(value)
        elif name == "Policy":
            found[name] = value and _policy(value)
        elif name == "SqsManagedSseEnabled":
            # As S3's: stored and answered. Messages are as safe as the data directory is.
            found[name] = value
        else:
            raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")
    return found


def _number(name: str, value: str) -> str:
    low, high, _ = NUMBERS[name]
    if not value.isdecimal() or len(value) > 9 or not low <= int(value) <= high:
        raise _invalid(name, f"Must be an integer between {low} and {high}.")
    return str(int(value))


def _of_fifo(name: str, value: str, fifo: bool) -> str:
    if not fifo and name in ("DeduplicationScope", "FifoThroughputLimit"):
        raise AwsError(
            "InvalidAttributeName",
            f"You can specify the {name} only when FifoQueue is set to true.",
        )
    if not fifo:
        raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")
    found = next((each for each in FIFO[name] if each == value), None)
    if found is None and name == "FifoQueue":
        raise _invalid(name, "Modifying queue type is not supported.")
    if found is None:
        raise _invalid(name, "")
    return found


def _redrive_allow_policy(value: str) -> str:
    """Which queues may name this one as their dead-letter queue."""
    found, name = _json(value, "RedriveAllowPolicy"), "RedriveAllowPolicy"
    permission, arns = found.get("redrivePermission"), found.get("sourceQueueArns")
    if permission not in ("allowAll", "denyAll", "byQueue") or found.keys() - {
        "redrivePermission", "sourceQueueArns",
    }:  # fmt: skip
        raise _invalid(name, "")
    if (permission == "byQueue") != isinstance(arns, list):
        raise _invalid(name, "")
    if arns is not None and len(arns) > MOST_SOURCES:
        raise _invalid(name, f"It may name at most {MOST_SOURCES} queues.")
    return value


def _may_redrive(target: Row, source: str) -> bool:
    """Whether the queue of that ARN may have `target` as its dead-letter queue."""
    text = target.doc.get("RedriveAllowPolicy")
    said: Doc = json.loads(text) if text else {"redrivePermission": "allowAll"}
    if said["redrivePermission"] == "byQueue":
        return source in said["sourceQueueArns"]
    return said["redrivePermission"] == "allowAll"


def _redrive_policy(ctx: Ctx, value: str, queue: str) -> str:
    found = _json(value, "RedrivePolicy")
    most, target = found.get("maxReceiveCount"), found.get("deadLetterTargetArn")
    if not str(most).isdecimal() or not 1 <= int(str(most)) <= MOST_RECEIVES:
        raise _invalid(
            "RedrivePolicy",
            f"Invalid value for maxReceiveCount: {most}, valid values are from 1 to"
            f" {MOST_RECEIVES} both inclusive.",
        )
    row = by_arn(ctx, ctx.world.rows, str(target))
    if row is None:
        raise _invalid("RedrivePolicy", "Dead letter target does not exist.")
    if ordering.is_fifo(row) != queue.endswith(ordering.SUFFIX):
        raise _invalid(
            "RedrivePolicy", "Dead-letter queue must be same type of queue as the source."
        )
    if not _may_redrive(row, str(Arn("sqs", ctx.region, ctx.account, queue))):
        raise _invalid(
            "RedrivePolicy",
            "The RedriveAllowPolicy of the dead-letter queue does not allow this queue as a source.",
        )
    return value


def _policy(value: str) -> str:
    """The policy, which decides who may use the queue (`access.queue_policies`)."""
    try:
        document = grammar.parse(value, grammar.RESOURCE)
    except policy.Malformed as error:
        raise _invalid("Policy", str(error)) from error
    if excess := statements.excess(value, document, POLICY_QUOTAS):
        raise _invalid("Policy", excess)
    return value


def _json(value: str, name: str) -> Doc:
    try:
        found: Any = json_of(value)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _invalid(name, "Must be a valid JSON document.")
    return found


def _invalid(name: str, why: str) -> AwsError:
    reason = f" Reason: {why}" if why else ""
    return AwsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.{reason}")


def redrive(ctx: Ctx, queue: Row) -> Redrive | None:
    """Where messages of the queue go that are received too often; None where it does not say, or that
    queue is gone."""
    text = queue.doc.get("RedrivePolicy")
    if not text:
        return None
    said = json.loads(text)
    home = replace(ctx, account=queue.account)  # others may receive from it
    target = by_arn(home, ctx.world.rows, said["deadLetterTargetArn"])
    if target is None:
        return None
    note = {"DeadLetterQueueSourceArn": arn(queue)}
    # a FIFO queue's message is as new there ("Using dead-letter queues", retention periods)
    anew = float(target.doc["MessageRetentionPeriod"]) if ordering.is_fifo(queue) else None
    return Redrive(target.id, int(said["maxReceiveCount"]), note, anew)


def sources(ctx: Ctx, queue: Row) -> list[Row]:
    """The queues whose dead-letter queue this is."""
    wanted = arn(queue)
    found = ctx.world.rows.select(KIND, account=queue.account)
    return [
        row
        for row in found
        if row.region == queue.region
        and row.doc.get("RedrivePolicy")
        and json.loads(row.doc["RedrivePolicy"])["deadLetterTargetArn"] == wanted
    ]


def arn(queue: Row) -> str:
    """The queue's ARN."""
    return str(Arn("sqs", queue.region, queue.account, queue.name))


def by_arn(ctx: Ctx, rows: Reader, text: str) -> Row | None:
    """The queue of that ARN, of this account and region, or None."""
    found = Arn.parse(text)
    if found is None or (found.service, found.region, found.account) != (
        "sqs", ctx.region, ctx.account,
    ):  # fmt: skip
        return None
    return rows.get(ctx.account, ctx.region, KIND, found.resource)


def shown(ctx: Ctx, queue: Row, names: list[str]) -> Doc:
    """The attributes of those names that the queue has. Raises InvalidAttributeName."""
    known = {
        "QueueArn", "CreatedTimestamp", "LastModifiedTimestamp", "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesNotVisible", *NUMBERS,
        "Policy", "RedrivePolicy", "RedriveAllowPolicy", "SqsManagedSseEnabled", *UNSUPPORTED, *FIFO,
    }  # fmt: skip
    every = "All" in names
    if lost := [name for name in names if name != "All" and name not in known]:
        raise AwsError("InvalidAttributeName", f"Unknown Attribute {lost[0]}.")
    found: Doc = {name: value for name, value in queue.doc.items() if value != ""}
    if (told := queue_policies.shown(ctx, queue)) is not None:
        found["Policy"] = told
    found["QueueArn"] = arn(queue)
    found["CreatedTimestamp"] = str(int(queue.created))
    found["LastModifiedTimestamp"] = str(int(queue.updated))
    if every or any(name.startswith("Approximate") for name in names):
        counts = ctx.world.messages.counts(queue.id)
        found["ApproximateNumberOfMessages"] = str(counts.waiting)
        found["ApproximateNumberOfMessagesDelayed"] = str(counts.delayed)
        found["ApproximateNumberOfMessagesNotVisible"] = str(counts.in_flight)
    return {name: value for name, value in found.items() if every or name in names}
