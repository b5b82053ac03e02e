"""What a queue's or a topic's own policy decides about a service that calls on behalf of a resource.

EventBridge user guide, "Using resource-based policies for Amazon EventBridge" (SQS and SNS targets
without a role); S3 user guide, "Granting permissions to publish event notification messages".
"""

from __future__ import annotations

from sagebrush.access import grammar, policy, principals
from sagebrush.access.policy import Malformed
from sagebrush.aws.names import Arn
from sagebrush.world import Ctx

KINDS = {"sqs": "queue", "sns": "topic"}
"""Service of an ARN -> the kind of its rows, whose documents have the policy as Policy."""


def lets(ctx: Ctx, text: str | None, call: tuple[str, str], service: str, source: str) -> bool:
    """Whether the policy in `text` lets `service` make the call (action, ARN of the resource) on behalf
    of the resource `source`, of the context's account; not where there is no policy, or one that cannot
    be read."""
    if not text:
        return False
    try:
        document = grammar.parse(text, grammar.RESOURCE)
    except Malformed:
        return False
    who, keys = principals.service(ctx, source, service)
    keys["aws:SecureTransport"] = "true"
    return policy.evaluate([document], "", *call, keys, who).allowed


def admits(ctx: Ctx, target: Arn, action: str, service: str, source: str) -> bool:
    """Whether the policy of the target lets `service` do that; so for a target that is not there, whose
    operation says so better, and for services whose resources have no policy."""
    kind = KINDS.get(target.service)
    if kind is None:
        return True
    row = ctx.world.rows.get(target.account, target.region, kind, target.resource)
    if row is None:
        return True
    return lets(ctx, row.doc.get("Policy"), (action, str(target)), service, source)
