"""From a valid name and parameters to the operation: looked up, authorised, run."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from concurrent.futures import Future
from functools import cache
from typing import Any, cast

from botocore.model import OperationModel

from sagebrush.access import actions, conditions, policy, principals
from sagebrush.access.actions.entries import Need
from sagebrush.access.policy import Policy
from sagebrush.aws import check, models
from sagebrush.errors import AwsError, Doc
from sagebrush.world import Ctx, Operation, World


def find(world: World, service: str, name: str) -> Operation:
    """The operation; raises AwsError NotImplemented, naming it, when Sagebrush has none.

    400, because SDKs repeat a 5xx; S3's own code for this is 501, which they do not repeat.
    """
    found = world.operations.get((service, name))
    if found is None:
        raise AwsError(
            "NotImplemented",
            f"Sagebrush does not implement the operation {name} of {service}.",
            501 if service == "s3" else 400,
        )
    return found


@cache
def flows(operation: Operation) -> bool:
    """Whether the operation is a coroutine function, which runs in the event loop."""
    return inspect.iscoroutinefunction(operation)


SETTLED_ELSEWHERE = {
    ("sts", "GetCallerIdentity"): "AWS: no permission is needed, and a deny has no effect",
    ("sts", "AssumeRole"): "the operation weighs the role's trust policy too, which may suffice",
}
"""Operations that the caller's policies alone do not decide -> why."""


def authorise(ctx: Ctx, service: str, name: str, params: Doc) -> None:
    """Returns when the caller's policies allow the operation; raises AwsError AccessDenied
    (403)."""
    if (service, name) in SETTLED_ELSEWHERE:
        return
    held = principals.policies(ctx.world, ctx.caller)
    if not ctx.caller.policies and all(p is policy.ADMINISTRATOR for p in held) and held:
        return  # the common case, and every InvokeEndpoint's: nothing could be refused
    limits = (held, ctx.caller.policies) if ctx.caller.policies else (held,)
    for need in actions.needs(ctx, service, name, params):
        known = conditions.Known(ctx, need)
        for given in limits:
            verdict = _decided(given, ctx.caller.arn, need, known)
            if verdict != policy.ALLOWED:
                raise denied(ctx, service, need.action, need.target.arn, verdict)


def _decided(held: Sequence[Policy], principal: str, need: Need, known: conditions.Known) -> str:
    """What the policies decide of the need; a Deny of another of its names is one of it."""
    verdict = policy.evaluate(held, principal, need.action, need.target.arn, known).verdict
    if verdict == policy.ALLOWED:
        for action, resource in need.others:
            other = policy.evaluate(held, principal, action, resource, known)
            if other.verdict == policy.EXPLICIT_DENY:
                return policy.EXPLICIT_DENY
    return verdict


def allow(ctx: Ctx, model: OperationModel, params: Doc) -> None:
    """Returns when the parameters are valid and the caller may; raises AwsError when not."""
    check.check(model, params)
    authorise(ctx, str(model.service_model.service_name), str(model.name), params)


def before_body(ctx: Ctx, model: OperationModel, params: Doc) -> None:
    """Returns when only the body, which is not read yet, could make the operation fail.

    Raises AwsError as the operation would: AWS reports these errors before those of the body.
    """
    service, name = str(model.service_model.service_name), str(model.name)
    find(ctx.world, service, name)
    allow(ctx, model, params)
    known = ctx.world.before_body.get((service, name))
    if known is not None:
        known(ctx, params)


def denied(ctx: Ctx, service: str, action: str, resource: str, verdict: str) -> AwsError:
    """The refusal in AWS's words."""
    because = (
        "with an explicit deny in an identity-based policy"
        if verdict == policy.EXPLICIT_DENY
        else f"because no identity-based policy allows the {action} action"
    )
    on = (
        ""
        if resource in ("*", "arn:aws:s3:::*")
        else f' on resource: "{resource}"'
        if service == "s3"
        else f" on resource: {resource}"
    )
    message = f"User: {ctx.caller.arn} is not authorized to perform: {action}{on} {because}"
    words = service in ("s3", "iam", "sts", "cloudwatch")
    return AwsError("AccessDenied" if words else "AccessDeniedException", message, 403)


class Dispatcher:
    """`World.dispatch`: operations called by operations and by the loop."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        """Runs the asynchronous operations; set when the server starts."""

    def __call__(self, ctx: Ctx, service: str, name: str, params: Doc) -> Doc:
        """The result.

        Raises AwsError as the request would, KeyError for a name of no model, and RuntimeError for
        an asynchronous operation in the event loop's own thread, where it would wait for itself.
        """
        model = models.operation(service, name)
        if model is None:
            raise KeyError(f"{service} has no operation {name}")
        operation: Any = find(ctx.world, service, name)
        allow(ctx, model, params)
        if not flows(operation):
            result = operation(ctx, params)
            if isinstance(result, Future):
                return result.result()
            return cast(Doc | None, result) or {}
        if self.loop is None:
            raise RuntimeError(f"{service} {name} needs the running server")
        if _running() is self.loop:
            raise RuntimeError(f"{service} {name} cannot be waited for in the event loop")
        return asyncio.run_coroutine_threadsafe(operation(ctx, params), self.loop).result() or {}


def _running() -> asyncio.AbstractEventLoop | None:
    """The event loop of this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
