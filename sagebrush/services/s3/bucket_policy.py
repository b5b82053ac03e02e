"""S3: bucket policies, as they are stored; `access.bucket_policies` decides by them."""

from __future__ import annotations

import json
import re
from typing import Any

from sagebrush.access import bucket_policies, policy, principals
from sagebrush.access.wildcards import like
from sagebrush.aws.scalars import json_of
from sagebrush.errors import AwsError, Doc
from sagebrush.services.s3 import bodies, names
from sagebrush.store import catalog
from sagebrush.store.catalog import Bucket
from sagebrush.store.db import Tx
from sagebrush.world import Ctx

LARGEST = 20 * 1024
"""Bytes of a policy (S3 user guide, "Bucket policies")."""
_ACTION = re.compile(r"\*|s3:[\w*?]+", re.IGNORECASE | re.ASCII)
_NAMED = re.compile(
    r"\*|\d{12}|A[A-Z0-9]{15,}|arn:aws[a-z-]*:(iam|sts)::\d{12}:[\w+=,.@/:<>-]+", re.ASCII
)


def put_bucket_policy(ctx: Ctx, request: Doc) -> None:
    """The bucket's policy is this text, from the next request on.

    Raises MalformedPolicy (400); AccessDenied (403) for a public policy where the bucket's public
    access block refuses those by `BlockPublicPolicy` set with PutPublicAccessBlock; MethodNotAllowed
    (405) for another account's caller, whom a policy may have allowed it.
    """
    bucket = _own(ctx, request)
    text = request["Policy"]
    document = _parsed(text, bucket.name)
    block = bucket.config.get("PublicAccessBlock") or {}
    if block.get("BlockPublicPolicy") and bucket_policies.public(document):
        raise AwsError(
            "AccessDenied",
            f"User: {ctx.caller.arn} is not authorized to perform: s3:PutBucketPolicy on resource:"
            f' "arn:aws:s3:::{bucket.name}" because public policies are prevented by the'
            " BlockPublicPolicy setting in S3 Block Public Access.",
            403,
        )
    _store(ctx, bucket, text, principals.pins(ctx.world, document))


def get_bucket_policy(ctx: Ctx, request: Doc) -> Doc:
    """The bucket's policy as it was put, with the unique id of a role or user that is gone in place
    of its ARN; NoSuchBucketPolicy (404)."""
    bucket = _own(ctx, request)
    pins = bucket.config.get(bucket_policies.PINS, {})
    return {"Policy": principals.shown_policy(ctx.world, _text(bucket), pins)}


def delete_bucket_policy(ctx: Ctx, request: Doc) -> None:
    """The bucket has no policy."""
    _store(ctx, _own(ctx, request), None, None)


def _store(ctx: Ctx, bucket: Bucket, text: str | None, pins: Doc | None) -> None:
    def change(tx: Tx) -> None:
        catalog.configure_bucket(tx, bucket.id, "Policy", text)
        catalog.configure_bucket(tx, bucket.id, bucket_policies.PINS, pins)

    bodies.write(ctx, bucket.name, change)


def get_bucket_policy_status(ctx: Ctx, request: Doc) -> Doc:
    """Whether the policy is public: it allows everyone something. Raises NoSuchBucketPolicy (404)."""
    document = json.loads(_text(names.bucket_of(ctx, request)))
    return {"PolicyStatus": {"IsPublic": bucket_policies.public(document)}}


def _own(ctx: Ctx, request: Doc) -> Bucket:
    """The account's own bucket; MethodNotAllowed (405) for another account's (API reference,
    PutBucketPolicy)."""
    bucket = names.bucket_of(ctx, request)
    if bucket.account != ctx.account:
        words = "The specified method is not allowed against this resource."
        raise AwsError("MethodNotAllowed", words, 405)
    return bucket


def _text(bucket: Bucket) -> str:
    text = bucket.config.get("Policy")
    if text is None:
        words = "The bucket policy does not exist"
        raise AwsError("NoSuchBucketPolicy", words, 404, BucketName=bucket.name)
    return text


def _parsed(text: str, bucket: str) -> policy.Policy:
    """The policy; raises MalformedPolicy (400), in S3's words."""
    first = "Policies must be valid JSON and the first byte must be '{'"
    try:
        document = json_of(text)
    except ValueError as error:
        raise _malformed(first) from error
    if not isinstance(document, dict):
        raise _malformed(first)
    if len(text.encode()) > LARGEST:
        raise _malformed(
            "Normalized policy document exceeds the maximum allowed size of 20480 bytes."
        )
    if document.get("Version", policy.VARIABLES) not in (policy.VARIABLES, "2008-10-17"):
        raise _malformed("The policy must contain a valid version string")
    if not document.get("Statement"):
        raise _malformed("Missing required field Statement")
    for statement in _listed(document["Statement"]):
        _check(statement, bucket)
    return document


def _check(statement: Any, bucket: str) -> None:
    if not isinstance(statement, dict):
        raise _malformed("Policy has invalid syntax")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise _malformed("Invalid effect: " + str(statement.get("Effect")))
    for name, negative in (
        ("Principal", "NotPrincipal"),
        ("Action", "NotAction"),
        ("Resource", "NotResource"),
    ):
        if (name in statement) == (negative in statement):
            raise _malformed(f"Missing required field {name}")
    if "NotPrincipal" in statement and statement["Effect"] == "Allow":
        raise _malformed("Allow with NotPrincipal is not allowed.")
    _check_principal(statement.get("Principal", statement.get("NotPrincipal")))
    actions = _listed(statement.get("Action", statement.get("NotAction")))
    if not actions or not all(isinstance(a, str) and _ACTION.fullmatch(a) for a in actions):
        raise _malformed("Policy has invalid action")
    resources = _listed(statement.get("Resource", statement.get("NotResource")))
    arn = bucket_policies.ARN + bucket
    for each in resources:
        if not isinstance(each, str) or not like(each.partition("/")[0], arn):
            raise _malformed("Policy has invalid resource")
    if not resources:
        raise _malformed("Policy has invalid resource")
    _check_condition(statement.get("Condition", {}))


def _check_principal(element: Any) -> None:
    if element == policy.EVERYBODY:
        return
    if not isinstance(element, dict) or not element:
        raise _malformed("Invalid principal in policy")
    for kind, named in element.items():
        if kind not in ("AWS", "Service", "Federated", "CanonicalUser") or not _listed(named):
            raise _malformed("Invalid principal in policy")
        for name in _listed(named):
            known = isinstance(name, str) and (kind != "AWS" or _NAMED.fullmatch(name))
            if not known:
                raise _malformed("Invalid principal in policy")


def _check_condition(condition: Any) -> None:
    if not isinstance(condition, dict):
        raise _malformed("Policy has invalid syntax")
    for operator, wanted in condition.items():
        quantifier, _, name = operator.rpartition(":")
        known = name.removesuffix("IfExists") in policy.OPERATORS
        if not known or quantifier not in policy.QUANTIFIERS:
            raise _malformed(f"Invalid Condition type : {operator}")
        if not isinstance(wanted, dict):
            raise _malformed("Policy has invalid syntax")


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _malformed(words: str) -> AwsError:
    return AwsError("MalformedPolicy", words)
