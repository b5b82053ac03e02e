"""Amazon SQS (Service Authorization Reference, "Amazon SQS"; its developer guide, "Amazon SQS API
permissions: actions and resource reference", for the batches, which have no actions of their own)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sagebrush.access import references
from sagebrush.access.actions.entries import Permission, RequestTags, Table, Target, given, key
from sagebrush.errors import Doc
from sagebrush.world import Ctx

TAG_KEYS = ("aws:resourcetag/",)


def _tags(ctx: Ctx, name: str) -> Mapping[str, str]:
    row = ctx.world.rows.get(ctx.account, ctx.region, "queue", name)
    return row.plan.get("tags", {}) if row is not None else {}


@dataclass(frozen=True)
class Queue:
    """The queue whose URL or name is at `member`."""

    member: str = "QueueUrl"
    kind: str = "queue"

    @property
    def members(self) -> tuple[str, ...]:
        return (self.member,)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        account, name = references.queue(params.get(self.member, ""))
        arn = f"arn:aws:sqs:{ctx.region}:{account or ctx.account}:{name}"
        return (Target(arn, partial(_tags, ctx, name), TAG_KEYS),)


QUEUE, NAMED = Queue(), Queue("QueueName")
TAGS, NEW_TAGS = RequestTags("Tags"), RequestTags("tags")

TABLE: Table = {
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
    "GetQueueUrl": (Permission("sqs:GetQueueUrl", NAMED),),
    "ListDeadLetterSourceQueues": (Permission("sqs:ListDeadLetterSourceQueues", QUEUE),),
    "ListQueueTags": (Permission("sqs:ListQueueTags", QUEUE),),
    "ListQueues": (Permission("sqs:ListQueues"),),
    "PurgeQueue": (Permission("sqs:PurgeQueue", QUEUE),),
    "ReceiveMessage": (Permission("sqs:ReceiveMessage", QUEUE),),
    "SendMessage": (Permission("sqs:SendMessage", QUEUE),),
    "SendMessageBatch": (Permission("sqs:SendMessage", QUEUE),),
    "SetQueueAttributes": (Permission("sqs:SetQueueAttributes", QUEUE),),
    "TagQueue": (Permission("sqs:TagQueue", QUEUE, keys=(TAGS,)),),
    "UntagQueue": (
        Permission("sqs:UntagQueue", QUEUE, keys=(key("aws:TagKeys", "TagKeys", many=True),)),
    ),
}
