"""Makes the calls of a delivery, as the role that it names or as the service that sends.

EventBridge user guide, "Using resource-based policies for Amazon EventBridge" and "Use identity-based
policies for Amazon EventBridge": a role that the service may assume must be allowed the call; without
one the target's own policy must let the service, and for a log group one of its account's.
"""

from __future__ import annotations

from dataclasses import replace

from sagebrush.access import principals, resource_policies
from sagebrush.aws.names import Arn
from sagebrush.credentials import role_of
from sagebrush.engine.targets import calls, failures
from sagebrush.engine.targets.calls import Call
from sagebrush.errors import AwsError, Doc
from sagebrush.store.deliveries import Delivery, Waiting
from sagebrush.world import Ctx, World

BY_POLICY = frozenset({"sqs", "sns", "lambda", "logs"})
"""Services whose resources have policies that let other services call."""
WITHIN = frozenset({"events"})
"""Services that need neither a role nor a policy within an account."""


def send(world: World, waiting: Waiting) -> None:
    """The target has the message. Raises AwsError as it does, and for what is not permitted."""
    for call in calls.calls_of(waiting):
        ctx = _ctx(world, waiting.delivery, call)
        try:
            ctx = replace(ctx, event_trace=waiting.delivery.trace)
            answer = ctx.call(call.service, call.operation, _spooled(world, call.params))
        except AwsError as error:
            if error.code not in call.done:
                raise
            continue
        refused = call.refusal(answer)
        if refused is not None:
            raise refused


def _spooled(world: World, params: Doc) -> Doc:
    """The request with the bytes of an object as S3's operations take them."""
    body = params.get("Body")
    if not isinstance(body, bytes):
        return params
    return {**params, "Body": world.objects.spool_bytes(body)}


def _ctx(world: World, delivery: Delivery, call: Call) -> Ctx:
    """On whose behalf the call is made. Raises AwsError where nobody may."""
    here = world.service_ctx(region=delivery.region, account=delivery.account)
    region = call.target.region or delivery.region
    if delivery.role:
        _assume(here, delivery)
        return world.service_ctx(delivery.role, region=region)
    if not _admitted(here, delivery, call):
        raise AwsError(
            "AccessDeniedException",
            f"{delivery.principal} is not authorized to perform: {call.action} on resource:"
            f" {call.target} because no resource-based policy allows the {call.action} action",
            403,
        )
    return world.service_ctx(region=region, account=call.target.account or delivery.account)


def _admitted(here: Ctx, delivery: Delivery, call: Call) -> bool:
    """Whether the service itself may make the call."""
    target = call.target
    if target.service in WITHIN:
        return target.account == delivery.account
    return target.service in BY_POLICY and resource_policies.admits(
        here, target, call.action, delivery.principal, delivery.source_arn
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
        failures.ASSUME,
        f"{delivery.principal} is not authorized to assume the role {delivery.role}."
        if Arn.parse(delivery.role)
        else f"{delivery.role} is not the ARN of a role.",
        403,
    )
