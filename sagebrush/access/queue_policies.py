"""What the policies of queues and topics decide: about requests, beside the caller's own policies, and
about a topic that sends to a queue.

Amazon SQS developer guide, "Using policies with Amazon SQS" and "Limitations of Amazon SQS custom policies"
(what other accounts cannot be allowed); Amazon SNS developer guide, "Managing access to Amazon SNS topics"
and "Subscribing an Amazon SQS queue to an Amazon SNS topic" (the queue's policy must allow
`sqs:SendMessage` to `sns.amazonaws.com`, also within one account); IAM user guide, "Cross-account policy
evaluation logic": another account's caller needs both, the account's own caller one of the two.
"""

from __future__ import annotations

from collections.abc import Iterator

from sagebrush.access import principals, references, resource_policies
from sagebrush.access.actions.entries import Need
from sagebrush.access.bucket_policies import Guard
from sagebrush.aws.names import Arn
from sagebrush.errors import Doc
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

ACTION = "sqs:SendMessage"
PINS = "pins"
"""In the plan of a queue or topic: ARN -> unique id of the roles and users that its policy named when it
was set."""
OF_OWNERS = frozenset(
    {
        "sqs:AddPermission", "sqs:CancelMessageMoveTask", "sqs:CreateQueue", "sqs:DeleteQueue",
        "sqs:ListMessageMoveTasks", "sqs:ListQueues", "sqs:ListQueueTags", "sqs:RemovePermission",
        "sqs:SetQueueAttributes", "sqs:StartMessageMoveTask", "sqs:TagQueue", "sqs:UntagQueue",
        "sns:TagResource", "sns:UntagResource",
    }
)  # fmt: skip
"""What a policy cannot allow other accounts."""
RESCUE = frozenset(
    {
        "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:RemovePermission", "sqs:SetQueueAttributes",
        "sns:GetTopicAttributes", "sns:RemovePermission", "sns:SetTopicAttributes",
    }
)  # fmt: skip
"""What no policy denies the account's own administrator, who could not change it otherwise (IAM user
guide, "Perform a privileged task on an AWS Organizations member account", has it for queues)."""
_ARNS = ("SourceArn", "DestinationArn", "TopicArn", "TargetArn", "ResourceArn")


def lets_send(ctx: Ctx, text: str | None, queue: str, service: str, source: str) -> bool:
    """Whether the policy in `text`, of the queue with that ARN, lets `service` send on behalf of the
    resource `source`; not where there is none, or one that cannot be read."""
    return resource_policies.lets(ctx, text, (ACTION, queue), service, source)


def matter(ctx: Ctx, params: Doc) -> bool:
    """Whether a queue or topic that a request names has a policy, or is another account's; so where a
    task's handle names it."""
    if "TaskHandle" in params:
        return True
    return any(_guarded(ctx, arn) is not None for arn in _named(ctx, params))


def guard(ctx: Ctx, need: Need) -> Guard | None:
    """The guard of the queue or topic that the need is about; None where it is about none, none that
    exists, or one of the caller's account without a policy."""
    arn = Arn.parse(need.target.arn)
    row = _guarded(ctx, arn) if arn is not None else None
    if row is None:
        return None
    text = row.doc.get("Policy")
    if row.account != ctx.caller.account and need.action in OF_OWNERS:
        text = None
    document = resource_policies.read(text) if text else None
    return Guard(row.account, document, False, row.plan.get(PINS, {}), RESCUE)


def _named(ctx: Ctx, params: Doc) -> Iterator[Arn]:
    url = params.get("QueueUrl") or params.get("QueueName")
    if isinstance(url, str):
        account, name = references.queue(url)
        account = account or params.get("QueueOwnerAWSAccountId") or ctx.account
        yield Arn("sqs", ctx.region, account, name)
    for member in _ARNS:
        text = params.get(member)
        arn = Arn.parse(text) if isinstance(text, str) else None
        if arn is not None:
            yield arn


def _guarded(ctx: Ctx, arn: Arn) -> Row | None:
    """The queue or topic of that ARN if it has a policy or is another account's. What the server does
    for a service (a caller without a key, role or user) was decided before, by the service's name
    (`resource_policies`)."""
    caller = ctx.caller
    if not caller.access_key and caller.role is None and caller.user is None:
        return None
    kind = resource_policies.KINDS.get(arn.service)
    if kind is None:
        return None
    try:
        row = ctx.world.rows.get(arn.account, arn.region, kind, arn.resource)
    except UnicodeEncodeError:  # no name, as the operation will say
        return None
    if row is None:
        return None
    return row if row.account != caller.account or row.doc.get("Policy") else None


def pinned(ctx: Ctx, text: str | None) -> dict[str, str]:
    """The `PINS` of a policy that is set now."""
    document = resource_policies.read(text) if text else None
    return principals.pins(ctx.world, document) if document is not None else {}


def shown(ctx: Ctx, row: Row) -> str | None:
    """The policy of the queue or topic as it is told; None where none is set."""
    text = row.doc.get("Policy")
    return principals.shown_policy(ctx.world, text, row.plan.get(PINS, {})) if text else None
