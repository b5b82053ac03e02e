"""Resource policies of CloudWatch Logs: which services may write to the account's log groups.

Source: CloudWatch Logs API Reference, PutResourcePolicy (ten of an account in a region, without a
resource); EventBridge user guide, "Using resource-based policies for Amazon EventBridge", CloudWatch
Logs permissions. `access.resource_policies` asks them.
"""

from __future__ import annotations

from dataclasses import replace

from sagebrush.access import grammar
from sagebrush.access.policy import Malformed
from sagebrush.access.resource_policies import LOG_POLICY
from sagebrush.engine.kinds import paginate
from sagebrush.errors import AwsError, Doc
from sagebrush.store.rows import Exists, Reader, Row
from sagebrush.world import Ctx

MOST = 10
PAGE = 50


def put_resource_policy(ctx: Ctx, request: Doc) -> Doc:
    """The account has the policy, in place of one of that name.

    Raises InvalidParameterException, and LimitExceededException for the eleventh.
    """
    _refuse_resource(request)
    name, text = _required(request, "policyName"), _required(request, "policyDocument")
    try:
        grammar.parse(text, grammar.RESOURCE)
    except Malformed as error:
        raise _invalid(f"Invalid policy document: {error}") from error
    now = round(ctx.world.clock() * 1000)
    doc = {"policyName": name, "policyDocument": text, "lastUpdatedTime": now}

    def room(rows: Reader) -> None:
        found = rows.select(LOG_POLICY, account=ctx.account)
        if sum(row.region == ctx.region and row.name != name for row in found) >= MOST:
            raise AwsError("LimitExceededException", "Resource limit exceeded.")

    try:
        ctx.world.rows.insert(Row(ctx.account, ctx.region, LOG_POLICY, name, "", doc), room)
    except Exists:
        old = ctx.world.rows.get(ctx.account, ctx.region, LOG_POLICY, name)
        if old is not None:
            ctx.world.rows.update(old.id, lambda row: replace(row, doc=doc))
    return {"resourcePolicy": _shown(doc)}


def describe_resource_policies(ctx: Ctx, request: Doc) -> Doc:
    """A page of the account's policies, by name."""
    _refuse_resource(request)
    if request.get("policyScope", "ACCOUNT") != "ACCOUNT":
        raise _lacking()
    found = ctx.world.rows.select(LOG_POLICY, account=ctx.account)
    rows = sorted((row for row in found if row.region == ctx.region), key=lambda row: row.name)
    page, token = paginate(rows, request.get("nextToken"), request.get("limit", PAGE))
    shown = [_shown(row.doc) for row in page]
    return {"resourcePolicies": shown, **({"nextToken": token} if token else {})}


def delete_resource_policy(ctx: Ctx, request: Doc) -> None:
    """The policy is gone; raises ResourceNotFoundException."""
    _refuse_resource(request)
    name = _required(request, "policyName")
    row = ctx.world.rows.get(ctx.account, ctx.region, LOG_POLICY, name)
    if row is None or ctx.world.rows.delete(row.id) is None:
        raise AwsError("ResourceNotFoundException", f"Policy with name [{name}] does not exist.")


def _shown(doc: Doc) -> Doc:
    return {**doc, "policyScope": "ACCOUNT"}


def _required(request: Doc, member: str) -> str:
    if not request.get(member):
        raise _invalid(f"{member} is required.")
    return request[member]


def _refuse_resource(request: Doc) -> None:
    if request.get("resourceArn"):
        raise _lacking()


def _lacking() -> AwsError:
    return _invalid(
        "Sagebrush does not support resource policies of a log group (resourceArn) yet."
    )


def _invalid(why: str) -> AwsError:
    return AwsError("InvalidParameterException", why)
