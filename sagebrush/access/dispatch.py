"""From a valid name and parameters to the operation: looked up, authorised, run."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from concurrent.futures import Future
from functools import cache
from typing import Any, cast

from botocore.model import OperationModel

from sagebrush.access import (
    actions,
    bucket_policies,
    conditions,
    function_policies,
    policy,
    principals,
    queue_policies,
)
from sagebrush.access.actions.entries import Need
from sagebrush.access.bucket_policies import Guard
from sagebrush.access.policy import Decision, Policy
from sagebrush.aws import check, models
from sagebrush.credentials import UserSession
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
    ("sts", "GetSessionToken"): "AWS: no permission is needed, and a deny has no effect",
    ("sts", "AssumeRole"): "the operation weighs the role's trust policy too, which may suffice",
}
"""Operations that the caller's policies alone do not decide -> why."""
DENIED = {
    **dict.fromkeys(("s3", "iam", "sts", "cloudwatch", "sqs"), "AccessDenied"),
    "sns": "AuthorizationErrorException",
}
"""The codes of refusals, of services that have another one than `AccessDeniedException`."""
BY_JSON = frozenset(
    ("sagemaker", "stepfunctions", "events", "logs", "application-autoscaling", "comprehend", "ecr")
)
"""Services of the awsJson protocols, whose refusals have the status 400 (seen in causes of Step
Functions: "Service: AmazonSageMaker; Status Code: 400; Error Code: AccessDeniedException")."""
GUARDS = {
    "s3": bucket_policies,
    "lambda": function_policies,
    "sqs": queue_policies,
    "sns": queue_policies,
}
"""Services whose resources have policies that decide with the caller's -> who reads those."""
UNGUARDED = frozenset({"CreateBucket", "CreateFunction", "CreateQueue", "CreateTopic"})
"""Operations whose resource is not there yet."""
ONE_BY_ONE = {("s3", "DeleteObjects"): "each key is answered for: the denied ones among Errors"}
"""Operations that ask `authorise` for each part of the request themselves -> why."""


def authorise(ctx: Ctx, service: str, name: str, params: Doc) -> None:
    """Returns when the caller's policies allow the operation; raises AwsError AccessDenied
    (403, and 400 for BY_JSON)."""
    _for_sessions(ctx, service, name)
    if (service, name) in SETTLED_ELSEWHERE:
        return
    guards = GUARDS.get(service) if name not in UNGUARDED else None
    held, limits = principals.powers(ctx.world, ctx.caller)
    if principals.everything(held, limits) and not (guards and guards.matter(ctx, params)):
        return  # the common case, and every InvokeEndpoint's: nothing could be refused
    for need in actions.needs(ctx, service, name, params):
        guard = guards.guard(ctx, need) if guards else None
        known = conditions.Known(ctx, need, guard.account if guard else "")
        own = [
            (kind, _decided(given, ctx.caller.arn, need, known))
            for kind, given in (("identity-based policy", held), *limits)
        ]
        refused = _refused(ctx, own, need, guard, known)
        if refused is not None:
            raise _denied(ctx, service, need, *refused)


def _decided(
    held: Sequence[Policy], principal: str, need: Need, known: conditions.Known
) -> Decision:
    """What the policies decide of the need; a Deny of another of its names is one of it."""
    found = policy.evaluate(held, principal, need.action, need.target.arn, known)
    if found.allowed:
        for action, resource in need.others:
            other = policy.evaluate(held, principal, action, resource, known)
            if other.verdict == policy.EXPLICIT_DENY:
                return other
    return found


def _refused(
    ctx: Ctx,
    own: Sequence[tuple[str, Decision]],
    need: Need,
    guard: Guard | None,
    known: conditions.Known,
) -> tuple[str, str] | None:
    """The kind of policy that refuses the need, and its verdict; None where all that must, allow.

    `own` are the decisions of the caller's policies and of what limits those; `guard` is the
    resource's. IAM user guide, "Cross-account policy evaluation logic".
    """
    decided = [*own]
    if guard is not None:
        resource = bucket_policies.decide(ctx, guard, need, known)
        foreign = guard.account != ctx.caller.account
        if foreign or resource.verdict == policy.EXPLICIT_DENY:
            decided.append((bucket_policies.KIND, resource))
        elif resource.allowed:  # in one account either suffices, as with a role's trust policy
            verdict = policy.together(resource, *(each for _, each in own))
            if verdict == policy.ALLOWED:
                return None
    refusing = [(kind, each.verdict) for kind, each in decided if each.verdict != policy.ALLOWED]
    if not refusing:
        return None
    return next((each for each in refusing if each[1] == policy.EXPLICIT_DENY), refusing[0])


def _for_sessions(ctx: Ctx, service: str, name: str) -> None:
    """Raises AwsError (403) for what a user's temporary credentials are not good for (IAM user
    guide, "Compare AWS STS credentials")."""
    session = ctx.caller.session
    if not isinstance(session, UserSession):
        return
    if service == "iam":  # without a second factor, which nobody here has
        words = "The security token included in the request is invalid"
        raise AwsError("InvalidClientTokenId", words, 403)
    allowed = {"GetCallerIdentity"} if session.federated else {"GetCallerIdentity", "AssumeRole"}
    if service == "sts" and name not in allowed:
        raise AwsError("AccessDenied", f"Cannot call {name} with session credentials", 403)


def allow(ctx: Ctx, model: OperationModel, params: Doc) -> None:
    """Returns when the parameters are valid and the caller may; raises AwsError when not."""
    check.check(model, params)
    service, name = str(model.service_model.service_name), str(model.name)
    if (service, name) not in ONE_BY_ONE:
        authorise(ctx, service, name, params)


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


def before_document(ctx: Ctx, model: OperationModel, params: Doc) -> None:
    """Returns when what the address names is there, and the caller may; raises AwsError.

    `params` are without the document that comes with the request, and cannot be read.
    """
    service, name = str(model.service_model.service_name), str(model.name)
    find(ctx.world, service, name)
    authorise(ctx, service, name, params)
    if model.input_shape is not None and "Bucket" in params and name != "CreateBucket":
        known = {key: params[key] for key in ("Bucket", "ExpectedBucketOwner") if key in params}
        ctx.world.operations[service, "HeadBucket"](ctx, known)


def _denied(ctx: Ctx, service: str, need: Need, kind: str, verdict: str) -> AwsError:
    """The refusal in AWS's words; `kind` is of the policy that decided it (IAM user guide,
    "Troubleshoot access denied error messages")."""
    action, resource = need.action, need.target.arn
    because = (
        f"with an explicit deny in {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
        if verdict == policy.EXPLICIT_DENY
        else f"because no {kind} allows the {action} action"
    )
    on = (
        ""
        if resource in ("*", "arn:aws:s3:::*")
        else f' on resource: "{resource}"'
        if service == "s3"
        else f" on resource: {resource}"
    )
    message = f"User: {ctx.caller.arn} is not authorized to perform: {action}{on} {because}"
    status = 400 if service in BY_JSON else 403
    return AwsError(DENIED.get(service, "AccessDeniedException"), message, status)


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
        if _running() is not None and _running() is self.loop:
            found = ctx.world.operations.get((service, name))
            if found is not None and flows(found):
                raise RuntimeError(f"{service} {name} cannot be waited for in the event loop")
        return self.begin(ctx, service, name, params).result() or {}

    def begin(self, ctx: Ctx, service: str, name: str, params: Doc) -> Future[Any]:
        """The result to come of an operation that may begin; what it raises is in the future where it
        is asynchronous or waits for the disk. Raises as a call does otherwise."""
        model = models.operation(service, name)
        if model is None:
            raise KeyError(f"{service} has no operation {name}")
        operation: Any = find(ctx.world, service, name)
        allow(ctx, model, params)
        if flows(operation):
            if self.loop is None:
                raise RuntimeError(f"{service} {name} needs the running server")
            return asyncio.run_coroutine_threadsafe(operation(ctx, params), self.loop)
        result = operation(ctx, params)
        if isinstance(result, Future):
            return result
        done: Future[Any] = Future()
        done.set_result(cast(Doc | None, result) or {})
        return done


def _running() -> asyncio.AbstractEventLoop | None:
    """The event loop of this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
