"""Attributes of queues: their defaults and ranges, and what is refused.

Source: Amazon SQS API Reference, CreateQueue and SetQueueAttributes. All values are texts.
"""

from __future__ import annotations

import json
from typing import Any

from sagebrush.access import grammar, policy
from sagebrush.aws.names import Arn
from sagebrush.aws.scalars import json_of
from sagebrush.errors import AwsError, Doc
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
UNSUPPORTED = {
    "FifoQueue": "FIFO queues (FifoQueue)",
    "ContentBasedDeduplication": "FIFO queues (ContentBasedDeduplication)",
    "DeduplicationScope": "FIFO queues (DeduplicationScope)",
    "FifoThroughputLimit": "FIFO queues (FifoThroughputLimit)",
    "KmsMasterKeyId": "encryption by AWS KMS (KmsMasterKeyId)",
    "KmsDataKeyReusePeriodSeconds": "encryption by AWS KMS (KmsDataKeyReusePeriodSeconds)",
    "RedriveAllowPolicy": "permissions of dead-letter queues (RedriveAllowPolicy)",
}
MOST_RECEIVES = 1000


def defaults() -> Doc:
    """The attributes of a queue for which nothing is given."""
    return {name: str(default) for name, (_, _, default) in NUMBERS.items()}


def checked(ctx: Ctx, given: Doc) -> Doc:
    """The given attributes, "" for those to be removed.

    Raises InvalidAttributeName, InvalidAttributeValue, and UnsupportedOperation for what Sagebrush
    lacks, by name.
    """
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
        elif name == "RedrivePolicy":
            found[name] = value and _redrive_policy(ctx, value)
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


def _redrive_policy(ctx: Ctx, value: str) -> str:
    found = _json(value, "RedrivePolicy")
    most, target = found.get("maxReceiveCount"), found.get("deadLetterTargetArn")
    if not str(most).isdecimal() or not 1 <= int(str(most)) <= MOST_RECEIVES:
        raise _invalid(
            "RedrivePolicy",
            f"Invalid value for maxReceiveCount: {most}, valid values are from 1 to"
            f" {MOST_RECEIVES} both inclusive.",
        )
    if _by_arn(ctx, ctx.world.rows, str(target)) is None:
        raise _invalid("RedrivePolicy", "Dead letter target does not exist.")
    return value


def _policy(value: str) -> str:
    """The policy, by which services may send (`access.queue_policies`). Within an account, which is
    all that there is here, what callers may is decided by their own policies; what it denies would
    not be denied."""
    try:
        document = grammar.parse(value, grammar.RESOURCE)
    except policy.Malformed as error:
        raise _invalid("Policy", str(error)) from error
    for statement in policy.statements(document):
        if statement["Effect"] == "Deny":
            raise AwsError(
                "UnsupportedOperation",
                "Sagebrush does not support statements of a queue's Policy that deny yet.",
            )
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
    target = _by_arn(ctx, ctx.world.rows, said["deadLetterTargetArn"])
    if target is None:
        return None
    note = {"DeadLetterQueueSourceArn": arn(queue)}
    return Redrive(target.id, int(said["maxReceiveCount"]), note)


def sources(ctx: Ctx, queue: Row) -> list[Row]:
    """The queues whose dead-letter queue this is."""
    wanted = arn(queue)
    found = ctx.world.rows.select(KIND, account=ctx.account)
    return [
        row
        for row in found
        if row.region == ctx.region
        and row.doc.get("RedrivePolicy")
        and json.loads(row.doc["RedrivePolicy"])["deadLetterTargetArn"] == wanted
    ]


def arn(queue: Row) -> str:
    """The queue's ARN."""
    return str(Arn("sqs", queue.region, queue.account, queue.name))


def _by_arn(ctx: Ctx, rows: Reader, text: str) -> Row | None:
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
        "Policy", "RedrivePolicy", "SqsManagedSseEnabled", *UNSUPPORTED,
    }  # fmt: skip
    every = "All" in names
    if lost := [name for name in names if name != "All" and name not in known]:
        raise AwsError("InvalidAttributeName", f"Unknown Attribute {lost[0]}.")
    found: Doc = {name: value for name, value in queue.doc.items() if value != ""}
    found["QueueArn"] = arn(queue)
    found["CreatedTimestamp"] = str(int(queue.created))
    found["LastModifiedTimestamp"] = str(int(queue.updated))
    if every or any(name.startswith("Approximate") for name in names):
        counts = ctx.world.messages.counts(queue.id)
        found["ApproximateNumberOfMessages"] = str(counts.waiting)
        found["ApproximateNumberOfMessagesDelayed"] = str(counts.delayed)
        found["ApproximateNumberOfMessagesNotVisible"] = str(counts.in_flight)
    return {name: value for name, value in found.items() if every or name in names}
