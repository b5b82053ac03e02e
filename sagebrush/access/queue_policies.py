"""What a queue's policy decides about a service that sends messages to it.

Amazon SNS developer guide, "Fanout Amazon SNS notifications to Amazon SQS queues" and "Subscribing an
Amazon SQS queue to an Amazon SNS topic": the queue's policy must allow `sqs:SendMessage` to
`sns.amazonaws.com`, as a rule where `aws:SourceArn` is the topic, also within one account.
"""

from __future__ import annotations

from sagebrush.access import resource_policies
from sagebrush.world import Ctx

ACTION = "sqs:SendMessage"


def lets_send(ctx: Ctx, text: str | None, queue: str, service: str, source: str) -> bool:
    """Whether the policy in `text`, of the queue with that ARN, lets `service` send on behalf of the
    resource `source`; not where there is none, or one that cannot be read."""
    return resource_policies.lets(ctx, text, (ACTION, queue), service, source)
