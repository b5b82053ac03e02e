"""Makes the call of a delivery, as the role that it names or as the service that sends.

EventBridge user guide, "Use identity-based policies for Amazon EventBridge": a role that the service
may assume must be allowed the call; without a role the target's own policy must let the service.
"""

from __future__ import annotations

from sagebrush.access import principals, resource_policies
from sagebrush.aws.names import Arn
from sagebrush.credentials import role_of
from sagebrush.engine.targets import calls
from sagebrush.engine.targets.calls import Call
from sagebrush.errors import AwsError, Doc
from sagebrush.store.deliveries import Delivery
from sagebrush.world import Ctx, World


def send(world: World, delivery: Delivery) -> Doc:
    """The target has the message; what it answered. Raises AwsError as it does, and for what is not
    permitted."""
    call = calls.call_of(delivery)
    return _ctx(world, delivery, call).call(call.service, call.operation, call.params)


def _ctx(world: World, delivery: Delivery, call: Call) -> Ctx:
    """On whose behalf the call is made."""
    here = world.service_ctx(region=delivery.region, account=delivery.account)
    if delivery.role:
        _assume(here, delivery)
        return world.service_ctx(delivery.role, region=call.target.region or delivery.region)
    target, principal = call.target, delivery.principal
    if not resource_policies.admits(here, target, call.action, principal, delivery.source_arn):
        raise AwsError(
            "AccessDeniedException",
            f"{principal} is not authorized to perform: {call.action} on resource: {target}"
            f" because no resource-based policy allows the {call.action} action",
            403,
        )
    return world.service_ctx(
        region=target.region or delivery.region, account=target.account or delivery.account
    )


def _assume(here: Ctx, delivery: Delivery) -> None:
    """Raises AwsError where the service may not assume the delivery's role."""
    account, name = role_of(delivery.role)
    role = principals.find(here.world, account, name) if name else None
    if role is not None:
        who, keys = principals.service(here, delivery.source_arn, delivery.principal)
        if principals.trust(role, who, "sts:AssumeRole", keys).allowed:
            return
    raise AwsError(
        "FailedToAssumeRole",
        f"{delivery.principal} is not authorized to assume the role {delivery.role}."
        if Arn.parse(delivery.role)
        else f"{delivery.role} is not the ARN of a role.",
        403,
    )
