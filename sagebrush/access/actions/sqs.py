"""Amazon SQS (Service Authorization Reference, "Amazon SQS"; its developer guide, "Amazon SQS API
permissions: actions and resource reference", for the batches, which have no actions of their own)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sagebrush.access import references
from sagebrush.access.actions.entries import Permission, RequestTags, Table, Target, given, key
from sagebrush.aws.names import Arn
from sagebrush.aws.scalars import json_of
from sagebrush.errors import Doc
from sagebrush.world import Ctx

TAG_KEYS = ("aws:resourcetag/",)


def _tags(ctx: Ctx, account: str, name: str) -> Mapping[str, str]:
    row = ctx.world.rows.get(account, ctx.region, "queue", name)
    return row.plan.get("tags", {}) if row is not None else {}


@dataclass(frozen=True)
class Queue:
    """The queue whose URL or name is at `member`, of the account at `owner`."""

    member: str = "QueueUrl"
    kind: str = "queue"
    owner: str = ""

    @property
    def members(self) -> tuple[str, ...]:
        return (self.member, self.owner) if self.owner else (self.member,)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        account, name = references.queue(params.get(self.member, ""))
        account = account or params.get(self.owner) or ctx.account
        arn = f"arn:aws:sqs:{ctx.region}:{account}:{name}"
        return (Target(arn, partial(_tags, ctx, account, name), TAG_KEYS),)


@dataclass(frozen=True)
class Moved:
    """A queue of a task that moves messages, by its ARN or by the task's handle."""

    member: str = "SourceArn"
    kind: str = "queue"

    @property
    def members(self) -> tuple[str, ...]:
        return (self.member,)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        text = params.get(self.member, "")
        arn = Arn.parse(_source(text) if self.member == "TaskHandle" else text)
        if arn is None or arn.service != "sqs":
            return ()  # which the operation refuses
        return (Target(str(arn), partial(_tags, ctx, arn.account, arn.resource), TAG_KEYS),)


def _source(handle: str) -> str:
    """The ARN in a task's handle."""
    try:
        found: Any = json_of(base64.b64decode(handle, validate=True).decode())
        return str(found["sourceArn"])
    except (ValueError, KeyError, TypeError):
        return ""


SOURCE, TASK = Moved(), Moved("TaskHandle")
QUEUE, NAMED = Queue(), Queue("QueueName")
OWNED = Queue("QueueName", owner="QueueOwnerAWSAccountId")
TAGS, NEW_TAGS = RequestTags("Tags"), RequestTags("tags")

TABLE: Table = {
    "AddPermission": (Permission("sqs:AddPermission", QUEUE),),
    "CancelMessageMoveTask": (Permission("sqs:CancelMessageMoveTask", TASK),),
    "ChangeMessageVisibility": (Permission("sqs:ChangeMessageVisibility", QUEUE),),
    "ChangeMessageVisibilityBatch": (Permission("sqs:ChangeMessageVisibility", QUEUE),),
    "CreateQueue": (
        Permission("sqs:CreateQueue", NAMED, keys=(NEW_TAGS,)),
        Permission("sqs:TagQueue", NAMED, keys=(NEW_TAGS,), when=given("tags")),
    ),
    "DeleteMessage": (Permission("sqs:DeleteMessage", QUEUE),),
    "DeleteMessageBatch": (Permission("sqs:DeleteMessage", QUEUE),),
    "DeleteQueue": (Permission("sqs:DeleteQueue", QUEUE),),
    "GetQueueAttributes": (Permission("sqs:GetQueueAttributes", QUEUE),),
    "GetQueueUrl": (Permission("sqs:GetQueueUrl", OWNED),),
    "ListDeadLetterSourceQueues": (Permission("sqs:ListDeadLetterSourceQueues", QUEUE),),
    "ListMessageMoveTasks": (Permission("sqs:ListMessageMoveTasks", SOURCE),),
    "ListQueueTags": (Permission("sqs:ListQueueTags", QUEUE),),
    "ListQueues": (Permission("sqs:ListQueues"),),
    "PurgeQueue": (Permission("sqs:PurgeQueue", QUEUE),),
    "ReceiveMessage": (Permission("sqs:ReceiveMessage", QUEUE),),
    "RemovePermission": (Permission("sqs:RemovePermission", QUEUE),),
    "SendMessage": (Permission("sqs:SendMessage", QUEUE),),
    "SendMessageBatch": (Permission("sqs:SendMessage", QUEUE),),
    "SetQueueAttributes": (Permission("sqs:SetQueueAttributes", QUEUE),),
    "StartMessageMoveTask": (
        Permission("sqs:StartMessageMoveTask", SOURCE),
        Permission("sqs:ReceiveMessage", SOURCE),
        Permission("sqs:DeleteMessage", SOURCE),
        Permission("sqs:GetQueueAttributes", SOURCE),
        Permission("sqs:SendMessage", Moved("DestinationArn"), when=given("DestinationArn")),
    ),
    "TagQueue": (Permission("sqs:TagQueue", QUEUE, keys=(TAGS,)),),
    "UntagQueue": (
        Permission("sqs:UntagQueue", QUEUE, keys=(key("aws:TagKeys", "TagKeys", many=True),)),
    ),
}
