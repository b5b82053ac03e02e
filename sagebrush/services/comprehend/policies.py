"""Resource policies of custom models, by which other accounts may import them.

Source: Amazon Comprehend API reference, PutResourcePolicy, DescribeResourcePolicy, DeleteResourcePolicy;
developer guide, "Resource-based policies for custom models".
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from sagebrush.access import grammar
from sagebrush.access.policy import Malformed
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import arns
from sagebrush.services.comprehend.plan import Policy, plan_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx


def put_resource_policy(ctx: Ctx, request: Doc) -> Doc:
    """The model has the policy, in place of the one it had.

    Raises ResourceNotFoundException for a model that there is not, and InvalidRequestException for what
    is no policy, and where a revision is named that is not that of the policy it had.
    """
    new = made(request["ResourcePolicy"], ctx.world.clock())

    def change(row: Row) -> Row:
        before = plan_of(row).get("policy")
        _check(before, request.get("PolicyRevisionId"))
        created = before["created"] if before else new["created"]
        return replace(row, plan={**row.plan, "policy": {**new, "created": created}})

    _changed(ctx, request["ResourceArn"], change)
    return {"PolicyRevisionId": new["revision"]}


def describe_resource_policy(ctx: Ctx, request: Doc) -> Doc:
    """The model's policy. Raises ResourceNotFoundException where the model, or its policy, is not."""
    found = plan_of(arns.require(ctx, request["ResourceArn"])).get("policy")
    if found is None:
        raise arns.missing()
    return {
        "ResourcePolicy": found["text"],
        "CreationTime": moment(found["created"]),
        "LastModifiedTime": moment(found["modified"]),
        "PolicyRevisionId": found["revision"],
    }


def delete_resource_policy(ctx: Ctx, request: Doc) -> Doc:
    """The model has no policy. Raises ResourceNotFoundException where it, or its policy, is not, and
    InvalidRequestException for another revision than the policy's."""

    def change(row: Row) -> Row:
        before = plan_of(row).get("policy")
        if before is None:
            raise arns.missing()
        _check(before, request.get("PolicyRevisionId"))
        rest = {name: value for name, value in row.plan.items() if name != "policy"}
        return replace(row, plan=rest)

    _changed(ctx, request["ResourceArn"], change)
    return {}


def made(text: str, now: float) -> Policy:
    """A new policy of that text. Raises InvalidRequestException for what is none."""
    try:
        grammar.parse(text, grammar.RESOURCE)
    except Malformed as error:
        raise AwsError("InvalidRequestException", f"The policy is not valid: {error}") from error
    return Policy(text=text, revision=secrets.token_hex(16), created=now, modified=now)


def _check(before: Policy | None, revision: str | None) -> None:
    """Raises InvalidRequestException where a revision is named that is not the policy's."""
    if revision is None or (before and revision == before["revision"]):
        return
    words = (
        "The PolicyRevisionId is not that of the policy."
        if before
        else "There is no policy of that PolicyRevisionId."
    )
    raise AwsError("InvalidRequestException", words)


def _changed(ctx: Ctx, arn: str, change: Callable[[Row], Row]) -> None:
    if ctx.world.rows.update(arns.require(ctx, arn).id, change) is None:
        raise arns.missing()  # deleted meanwhile
