"""What EventBridge counts of invocations that their targets never got. Pure.

Source: EventBridge user guide, "Monitoring Amazon EventBridge".
"""

from __future__ import annotations

from collections.abc import Sequence

from sagebrush.engine.outbox import BURIED, FAILED, LOST
from sagebrush.services.events.matched import NAMESPACE
from sagebrush.services.events.names import SERVICE
from sagebrush.store.deliveries import Delivery
from sagebrush.store.series import Point

METRICS = {
    FAILED: "FailedInvocations",
    BURIED: "InvocationsSentToDlq",
    LOST: "InvocationsFailedToBeSentToDlq",
}


def ended(delivery: Delivery, how: str, now: float) -> Sequence[Point]:
    """The metric of the rule that sent it."""
    rule = delivery.source_arn.rpartition("/")[2]  # `rule/NAME`, of another bus `rule/BUS/NAME`
    metric = METRICS[how]
    return [Point(NAMESPACE, metric, now, 1.0, {"RuleName": rule}, "Count", 1.0, 1.0, 1.0)]


DELIVERY_ENDS = {SERVICE: ended}
