"""The rows of Application Auto Scaling: their names, ARNs, pages and not-found errors."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Sequence

from sagebrush.aws.linked_roles import PATH, name_of
from sagebrush.aws.scalars import json_of
from sagebrush.errors import AwsError, Doc
from sagebrush.services.autoscaling import resources
from sagebrush.services.autoscaling.facts import SCALABLE_TARGET, SCALING_POLICY, SCHEDULED_ACTION
from sagebrush.services.autoscaling.resources import Dimension
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, World

TARGET, POLICY, ACTION = SCALABLE_TARGET.kind, SCALING_POLICY.kind, SCHEDULED_ACTION.kind
ACTIVITY = "scaling-activity"
"""The kind of the rows of scaling activities, which nothing drives."""
ACTIVE = "Active"
IDENTITY = ("ServiceNamespace", "ResourceId", "ScalableDimension")


def place(request: Doc) -> tuple[Dimension, str]:
    """The dimension and resource that a request names. Raises ValidationException."""
    dimension = resources.dimension_of(request["ServiceNamespace"], request["ScalableDimension"])
    resources.names(dimension, request["ResourceId"])
    return dimension, request["ResourceId"]


def row_name(doc: Doc, name: str = "") -> str:
    """The name of a target's row, or of the row of its policy or action `name`."""
    return "/".join(filter(None, (doc["ScalableDimension"], doc["ResourceId"], name)))


def target(ctx: Ctx, request: Doc) -> Row | None:
    """The scalable target that the request names, if it is registered."""
    return ctx.world.rows.get(ctx.account, ctx.region, TARGET, row_name(request))


def required(ctx: Ctx, request: Doc, verb: str = "registered") -> Row:
    """The scalable target. Raises ObjectNotFoundException."""
    row = target(ctx, request)
    if row is None:
        raise missing(f"No scalable target {verb} for {identity(request)}")
    return row


def identity(request: Doc) -> str:
    """The target as AWS's messages name it."""
    return (
        f"service namespace: {request['ServiceNamespace']}, resource ID: {request['ResourceId']},"
        f" scalable dimension: {request['ScalableDimension']}"
    )


def missing(message: str) -> AwsError:
    """AWS's error for what is not there."""
    return AwsError("ObjectNotFoundException", message)


def of_target(world: World, kind: str, owner: Row) -> list[Row]:
    """The rows of that kind that belong to the target, oldest first."""
    texts = {"doc.ResourceId": owner.doc["ResourceId"]}
    found = world.rows.select(kind, account=owner.account, texts=texts)
    dimension = owner.doc["ScalableDimension"]
    return [r for r in found
            if r.region == owner.region and r.doc["ScalableDimension"] == dimension]  # fmt: skip


def of_request(ctx: Ctx, kind: str, request: Doc, name: str, wanted: str) -> list[Row]:
    """The account's rows of that kind that a Describe request asks for: by namespace, resource,
    dimension, and by the names in its member `wanted` (each row's is its document's `name`)."""
    resources.check_namespace(request["ServiceNamespace"])
    if "ScalableDimension" in request:
        resources.dimension_of(request["ServiceNamespace"], request["ScalableDimension"])
    found = ctx.world.rows.select(kind, account=ctx.account)
    names = request.get(wanted)
    return [
        row
        for row in found
        if row.region == ctx.region
        and all(row.doc[m] == request[m] for m in IDENTITY[1:] if m in request)
        and (not names or row.doc[name] in names)
    ]


def page(request: Doc, rows: Sequence[Row], most: int, show: Callable[[Row], Doc]) -> Doc:
    """The page of `rows` that the request's token names, in `Page`; the default and largest size is
    `most`. Raises ValidationException and InvalidNextTokenException."""
    size = request.get("MaxResults", most)
    if not 1 <= size <= most:
        raise resources.invalid(f"MaxResults must be between 1 and {most}.")
    start = _start(request.get("NextToken"))
    shown = [show(row) for row in rows[start : start + size]]
    after = start + size
    more = base64.b64encode(json.dumps({"at": after}).encode()).decode()
    return {"Page": shown, **({"NextToken": more} if after < len(rows) else {})}


def _start(token: str | None) -> int:
    if token is None:
        return 0
    try:
        found = json_of(base64.b64decode(token, validate=True))
    except ValueError:
        found = None
    at = found.get("at") if isinstance(found, dict) else None
    if not isinstance(at, int) or at < 0:
        raise AwsError("InvalidNextTokenException", "The next token supplied was invalid.")
    return at


def role_arn(account: str, namespace: str) -> str:
    """The ARN of the service-linked role that scales the account's resources of that namespace."""
    principal = resources.principal(namespace)
    return f"arn:aws:iam::{account}:role{PATH}{principal}/{name_of(principal)}"


def scaler(world: World, row: Row) -> Ctx:
    """The context in which the row's capacity is changed: of the service-linked role."""
    role = role_arn(row.account, row.doc["ServiceNamespace"])
    return world.service_ctx(role, row.region)


def arn(ctx: Ctx, kind: str, request: Doc, noun: str, name: str) -> str:
    """A new ARN of a policy (`scalingPolicy`, `policyName`) or a scheduled action."""
    where = f"resource/{request['ServiceNamespace']}/{request['ResourceId']}"
    return f"arn:aws:autoscaling:{ctx.region}:{ctx.account}:{kind}:{uuid.uuid4()}:{where}:{noun}/{name}"
