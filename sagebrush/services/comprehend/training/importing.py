"""ImportModel: a copy of a custom model, of another account where its resource policy lets the caller.

Source: Amazon Comprehend API reference, ImportModel; developer guide, "Copying custom models between AWS
accounts"; IAM user guide, "Cross-account policy evaluation logic".
"""

from __future__ import annotations

import json

from sagebrush.access import actions, bucket_policies, policy
from sagebrush.access.bucket_policies import Guard
from sagebrush.access.conditions import Known
from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import arns, kms_keys, roles, tags
from sagebrush.services.comprehend.requests import refuse, unavailable
from sagebrush.services.comprehend.training import artifacts, storing
from sagebrush.services.comprehend.training.families import FAMILIES, TRAINED, base
from sagebrush.services.comprehend.training.plan import Plan, plan_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

ACTION = "comprehend:ImportModel"
COPIED = ("LanguageCode", "Mode")
"""Members of the source's description that the copy has too."""


def import_model(ctx: Ctx, request: Doc) -> Doc:
    """A copy of the source model is SUBMITTED, and soon TRAINED.

    Raises ResourceNotFoundException for a source that there is not, AccessDeniedException (400) where
    its policy does not let the caller, ResourceUnavailableException for one that is not trained, and as
    the Create operations do.
    """
    source = _source(ctx, request)
    family = FAMILIES[source.kind]
    kms_keys.check(request.get("ModelKmsKeyId"))
    if source.status not in TRAINED:
        words = f"The {family.label} cannot be imported: it is in status {source.status}."
        raise unavailable(words)
    doc: Doc = {name: source.doc[name] for name in COPIED if name in source.doc}
    doc |= {
        name: request[name] for name in ("ModelKmsKeyId", "DataAccessRoleArn") if name in request
    }
    doc["SourceModelArn"] = request["SourceModelArn"]
    plan: Plan = {"tags": tags.of_request(request), "source": artifacts.prefix(source)}
    names = request.get("ModelName", base(source.name)), request.get("VersionName")
    row = storing.draft(ctx, family, names, doc, plan)
    if "DataAccessRoleArn" in request:
        roles.require(ctx, request["DataAccessRoleArn"], arns.of(row))
    return {"ModelArn": arns.of(storing.insert(ctx, family, row))}


def _source(ctx: Ctx, request: Doc) -> Row:
    """The model to import, which the caller may."""
    arn = Arn.parse(request["SourceModelArn"])
    kind, _, name = (arn.resource if arn else "").partition("/")
    if arn is None or arn.service != "comprehend" or kind not in FAMILIES:
        refuse("SourceModelArn is not the ARN of a custom model.")
    if arn.region != ctx.region:
        refuse(f"The source model must be in the region of the request, {ctx.region}.")
    row = ctx.world.rows.get(arn.account, arn.region, kind, name)
    if row is None and arn.account == ctx.account:
        raise arns.missing()
    _allow(ctx, request, arn.account, row)
    if row is None:
        raise arns.missing()
    return row


def _allow(ctx: Ctx, request: Doc, owner: str, row: Row | None) -> None:
    """Returns where the model's policy lets the caller import it, or denies nothing to its own account.
    Raises AccessDeniedException (400)."""
    held = plan_of(row).get("policy") if row is not None else None
    document = json.loads(held["text"]) if held else None
    guard = Guard(owner, document, closed=False, rescue=frozenset())
    need = next(
        n for n in actions.needs(ctx, "comprehend", "ImportModel", request) if n.action == ACTION
    )
    found = bucket_policies.decide(ctx, guard, need, Known(ctx, need, owner))
    if found.allowed or (owner == ctx.account and found.verdict != policy.EXPLICIT_DENY):
        return
    because = (
        f"with an explicit deny in a {bucket_policies.KIND}"
        if found.verdict == policy.EXPLICIT_DENY
        else f"because no {bucket_policies.KIND} allows the {ACTION} action"
    )
    words = f"User: {ctx.caller.arn} is not authorized to perform: {ACTION} on resource:"
    raise AwsError("AccessDeniedException", f"{words} {request['SourceModelArn']} {because}")
