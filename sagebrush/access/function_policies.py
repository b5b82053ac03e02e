"""What the policies of functions decide about a request, beside the caller's own policies.

Lambda developer guide, "Working with resource-based IAM policies in Lambda" (a version and an alias have
policies of their own) and "Control access to Lambda function URLs"; IAM user guide, "Cross-account policy
evaluation logic": another account's caller needs both, the account's own one of the two. Services invoke
functions by the function's policy alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sagebrush.access import function_references, policy, principals
from sagebrush.access.actions.entries import Need
from sagebrush.access.bucket_policies import Guard
from sagebrush.access.function_references import FUNCTION, LATEST, FunctionReference
from sagebrush.access.policy import Policy
from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

INVOKE, INVOKE_URL = "lambda:InvokeFunction", "lambda:InvokeFunctionUrl"


def matter(ctx: Ctx, params: Doc) -> bool:
    """Whether the function that a request names is another account's: within one account a function's
    policy only ever allows."""
    name = params.get("FunctionName")
    if not isinstance(name, str):
        return False
    try:
        of = function_references.parse(name, None, ctx.account, ctx.region)
    except AwsError:  # which the operation refuses
        return False
    return of.account != ctx.caller.account


def guard(ctx: Ctx, need: Need) -> Guard | None:
    """The guard of the function that the need is about; None where it is about none, none that exists,
    or one of the caller's account without a policy."""
    of = of_arn(need.target.arn)
    if of is None:
        return None
    row = ctx.world.rows.get(of.account, of.region, FUNCTION, of.name)
    if row is None and of.account == ctx.caller.account:
        return None
    found = document(row, of.qualifier) if row is not None else None
    if found is None and of.account == ctx.caller.account:
        return None
    return Guard(of.account, found, False)


def of_arn(arn: str) -> FunctionReference | None:
    """The function that the ARN names, or None."""
    found = Arn.parse(arn)
    if found is None or found.service != "lambda" or not found.resource.startswith("function:"):
        return None
    name, _, qualifier = found.resource.removeprefix("function:").partition(":")
    qualifier = "" if qualifier == LATEST else qualifier
    return FunctionReference(found.account, found.region, name, qualifier)


def document(row: Row, qualifier: str) -> Policy | None:
    """The policy of the function's version or alias, of the function itself for "", as it is evaluated;
    None where it has none. It says nothing of other resources, so its Resource is left out: a request
    may name the function by $LATEST too."""
    held: Mapping[str, Doc] = row.plan.get("policies", {})
    found = held.get("" if qualifier == LATEST else qualifier)
    if not found:
        return None
    statements = [
        {name: value for name, value in each.items() if name != "Resource"}
        for each in found["Statement"]
    ]
    return {**found, "Statement": statements}


def admits(ctx: Ctx, arn: str, service: str, source: str, action: str = INVOKE) -> bool:
    """Whether the policy of the function with that ARN lets `service` invoke it on behalf of the
    resource `source`, of the context's account; so for a function that is not there, whose operation
    says so better."""
    of = of_arn(arn)
    if of is None:
        return True
    row = ctx.world.rows.get(of.account, of.region, FUNCTION, of.name)
    if row is None:
        return True
    found = document(row, of.qualifier)
    if found is None:
        return False
    who, keys = principals.service(ctx, source, service)
    return policy.evaluate([found], "", action, arn, keys, who).allowed


def lets_use_url(ctx: Ctx | None, row: Row, of: FunctionReference, auth: str) -> bool:
    """Whether whoever asks the function's URL may: `ctx` is the signer's, None for an unsigned request.

    Of a URL of the type NONE the policy must allow everybody InvokeFunctionUrl and InvokeFunction, as
    every new URL needs since October 2025; of AWS_IAM the signer needs both, by the function's policy or
    its own, of another account by both.
    """
    return all(_lets(ctx, row, of, auth, action) for action in (INVOKE_URL, INVOKE))


def _lets(ctx: Ctx | None, row: Row, of: FunctionReference, auth: str, action: str) -> bool:
    found = document(row, of.qualifier)
    given = {"lambda:functionarn": of.qualified, "lambda:invokedviafunctionurl": "true"}
    if action == INVOKE_URL:
        given["lambda:functionurlauthtype"] = auth
    held: Sequence[Policy] = [found] if found is not None else []
    if ctx is None:
        anybody = policy.Principal()
        return policy.evaluate(held, "", action, of.qualified, given, anybody).allowed
    who = principals.principal(ctx.world, ctx.caller)
    keys = {**{k.lower(): v for k, v in principals.keys(ctx).items()}, **given}
    own, limits = principals.powers(ctx.world, ctx.caller)
    theirs = policy.evaluate(own, ctx.caller.arn, action, of.qualified, keys)
    bound = [
        policy.evaluate(each, ctx.caller.arn, action, of.qualified, keys) for _, each in limits
    ]
    resource = policy.evaluate(held, ctx.caller.arn, action, of.qualified, keys, who)
    if of.account != ctx.caller.account:
        return resource.allowed and all(each.allowed for each in (theirs, *bound))
    if theirs.allowed and all(each.allowed for each in bound):
        return resource.verdict != policy.EXPLICIT_DENY
    return policy.together(resource, theirs, *bound) == policy.ALLOWED
