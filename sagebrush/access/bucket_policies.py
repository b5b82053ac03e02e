"""What a bucket's policy decides about a request, beside the caller's own policies.

S3 user guide, "Bucket policies" and "Blocking public access to your Amazon S3 storage"; IAM user
guide, "Cross-account policy evaluation logic": another account's caller needs both, the account's
own caller one of the two.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sagebrush.access import policy, principals, references
from sagebrush.access.actions.entries import Need
from sagebrush.access.policy import Decision, Lookup, Policy
from sagebrush.errors import AwsError, Doc
from sagebrush.samples import table
from sagebrush.store import catalog
from sagebrush.store.catalog import Bucket
from sagebrush.world import Ctx

KIND = "resource-based policy"
"""In AWS's refusals."""
RESCUE = frozenset({"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"})
"""What no bucket policy denies the account's own administrator, who could not change it otherwise
(API reference, PutBucketPolicy)."""
PINS = "PolicyPins"
"""The topic of a bucket's configuration that holds `Guard.pins`."""
ARN = "arn:aws:s3:::"
FIXED = frozenset(
    {
        "aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths",
        "aws:sourceaccount", "aws:sourcearn", "aws:sourceowner", "aws:sourcevpc", "aws:sourcevpce",
        "aws:userid", "s3:dataaccesspointaccount", "s3:dataaccesspointarn",
    }
)  # fmt: skip
"""Condition keys that, compared with fixed values, make a statement for everybody not public ("The
meaning of public"). Addresses are left out: a range of them is fixed only where it is narrow."""


@dataclass(frozen=True)
class Guard:
    """The owner and the policy of a bucket, or of another resource that has one."""

    account: str
    policy: Policy | None
    closed: bool
    """Whether the policy is public, and the bucket refuses other accounts then."""
    pins: Mapping[str, str] = field(default_factory=dict)
    """ARN -> unique id of the roles and users that the policy named when it was put."""
    rescue: frozenset[str] = RESCUE
    """Actions that the policy denies no administrator of the account."""


def matter(ctx: Ctx, params: Doc) -> bool:
    """Whether a bucket that the request names has a policy, or is another account's."""
    name = params.get("Bucket")
    if isinstance(name, str) and _guarded(ctx, name) is not None:
        return True
    if params.get("CopySource") is not None:
        with contextlib.suppress(AwsError):  # the operation will say so
            return _guarded(ctx, references.copy_source(params["CopySource"]).bucket) is not None
    return False


def guard(ctx: Ctx, need: Need) -> Guard | None:
    """The guard of the bucket that the need is about; None where it is about none, none that
    exists, one to be created, or one of the caller's account without a policy."""
    arn = need.target.arn
    if not arn.startswith(ARN) or need.part.get("Bucket") is None:
        return None
    bucket = _guarded(ctx, arn.removeprefix(ARN).partition("/")[0])
    return guard_of(bucket) if bucket is not None else None


def guard_of(bucket: Bucket) -> Guard:
    """The bucket's guard."""
    text = _text(bucket)
    if not text:
        return Guard(bucket.account, None, False)
    document = json.loads(text)
    block = bucket.config.get("PublicAccessBlock")  # absent: as S3 has it for new buckets
    restricts = block is None or bool(block.get("RestrictPublicBuckets"))
    pins = bucket.config.get(PINS, {})
    return Guard(bucket.account, document, restricts and public(document), pins)


def _guarded(ctx: Ctx, name: str) -> Bucket | None:
    """The bucket of that name if it has a policy or is another account's, but none of AWS's."""
    try:
        found = catalog.known_bucket(ctx.world.db, name)
    except UnicodeEncodeError:  # no name, as the operation will say
        return None
    if found is None or found.account == table.OWNER:
        return None
    return found if found.account != ctx.caller.account or _text(found) else None


def _text(bucket: Bucket) -> str | None:
    return bucket.config.get("Policy")


def public(document: Policy) -> bool:
    """Whether the policy allows everybody something, without a condition that fixes who."""
    return any(
        statement.get("Effect") == "Allow"
        and _everybody(statement)
        and not _fixed(statement.get("Condition", {}))
        for statement in policy.statements(document)
    )


def _everybody(statement: policy.Statement) -> bool:
    if "NotPrincipal" in statement:
        return True
    element = statement.get("Principal")
    named = element.get("AWS") if isinstance(element, dict) else element
    return policy.EVERYBODY in (named if isinstance(named, list) else (named,))


def _fixed(condition: Mapping[str, Mapping[str, object]]) -> bool:
    """Whether a condition compares who asks with fixed values."""
    for operator, wanted in condition.items():
        positive = operator.removeprefix("ForAnyValue:") in (
            "StringEquals",
            "ArnEquals",
            "StringLike",
            "ArnLike",
        )
        for key, values in wanted.items():
            texts = values if isinstance(values, list) else [values]
            plain = not any(set("*?$") & set(str(text)) for text in texts)
            if positive and plain and key.lower() in FIXED:
                return True
    return False


def decide(ctx: Ctx, guard: Guard, need: Need, keys: Lookup) -> Decision:
    """What the resource's policy decides of the need."""
    caller = ctx.caller
    own = guard.account == caller.account
    rescued = own and need.action in guard.rescue and principals.administers(ctx.world, caller)
    if guard.policy is None or rescued or principals.gone(ctx.world, caller):
        return Decision(policy.IMPLICIT_DENY)
    who = principals.meant(principals.principal(ctx.world, caller), guard.pins)
    held = [guard.policy]
    found = policy.evaluate(held, caller.arn, need.action, need.target.arn, keys, who)
    for action, resource in need.others:
        other = policy.evaluate(held, caller.arn, action, resource, keys, who)
        if other.verdict == policy.EXPLICIT_DENY:
            return other
    if guard.closed and not own and found.allowed:
        return replace(found, verdict=policy.IMPLICIT_DENY)
    return found
