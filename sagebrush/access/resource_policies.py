"""What policies of queues, topics, functions and log groups decide about a service that calls on behalf
of a resource.

EventBridge user guide, "Using resource-based policies for Amazon EventBridge" (targets without a role;
log groups have the account's policies); S3 user guide, "Granting permissions to publish event notification messages";
SNS developer guide, "Amazon SNS policy examples" (topics that CloudWatch alarms publish to).
"""

from __future__ import annotations

import json
from functools import lru_cache

from sagebrush.access import function_policies, grammar, policy, principals
from sagebrush.access.policy import Malformed, Policy
from sagebrush.aws.names import Arn
from sagebrush.errors import Doc
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

KINDS = {"sqs": "queue", "sns": "topic"}
"""Service of an ARN -> the kind of its rows, whose documents have the policy as Policy."""
LOG_POLICY = "log-resource-policy"
"""The kind of CloudWatch Logs' resource policies, which are an account's."""
ALARMS = "cloudwatch.amazonaws.com"
OF_TOPICS = (
    "Publish", "RemovePermission", "SetTopicAttributes", "DeleteTopic", "ListSubscriptionsByTopic",
    "GetTopicAttributes", "AddPermission", "Subscribe",
)  # fmt: skip
"""What a new topic's policy is about."""


@lru_cache(maxsize=256)
def read(text: str) -> Policy | None:
    """The policy in `text`, not to be changed; None where it is none."""
    try:
        return grammar.parse(text, grammar.RESOURCE)
    except Malformed:
        return None


def default_of_topic(arn: Arn) -> Doc:
    """The policy of a topic for which none is set, as AWS makes it: it lets in the services that name the
    owner in whose place they publish, which CloudWatch alone does."""
    return {
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [
            {
                "Sid": "__default_statement_ID",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [f"SNS:{action}" for action in OF_TOPICS],
                "Resource": str(arn),
                "Condition": {"StringEquals": {"AWS:SourceOwner": arn.account}},
            }
        ],
    }


def lets(ctx: Ctx, text: str | None, call: tuple[str, str], service: str, source: str) -> bool:
    """Whether the policy in `text` lets `service` make the call (action, ARN of the resource) on behalf
    of the resource `source`, of the context's account; not where there is no policy, or one that cannot
    be read."""
    document = read(text) if text else None
    if document is None:
        return False
    who, keys = principals.service(ctx, source, service)
    keys["aws:SecureTransport"] = "true"
    if service == ALARMS:
        keys["aws:SourceOwner"] = ctx.account
    return policy.evaluate([document], "", *call, keys, who).allowed


def admits(ctx: Ctx, target: Arn, action: str, service: str, source: str) -> bool:
    """Whether the policy of the target lets `service` do that; so for a target that is not there, whose
    operation says so better, and for services whose resources have no policy."""
    if target.service == "lambda":
        return function_policies.admits(ctx, str(target), service, source, action)
    if target.service == "logs":
        return _writes(ctx, target, action, service, source)
    kind = KINDS.get(target.service)
    if kind is None:
        return True
    row = ctx.world.rows.get(target.account, target.region, kind, target.resource)
    if row is None:
        return True
    return lets(ctx, _text(row, target), (action, str(target)), service, source)


def _text(row: Row, target: Arn) -> str | None:
    text = row.doc.get("Policy")
    if not text and target.service == "sns":
        return json.dumps(default_of_topic(target))
    return text


def _writes(ctx: Ctx, group: Arn, action: str, service: str, source: str) -> bool:
    """Whether one of the policies of the log group's account lets the service write to it."""
    # policies name a group with `:*`, which its streams match
    stream = f"{str(group).removesuffix(':*')}:log-stream:"
    return any(
        lets(ctx, row.doc["policyDocument"], (action, stream), service, source)
        for row in ctx.world.rows.select(LOG_POLICY, account=group.account)
        if row.region == group.region
    )
