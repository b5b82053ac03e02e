"""IAM: managed policies, attached to roles, and what all of a role's policies decide."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from sagebrush.access import managed_policies, policy, principals
from sagebrush.credentials import role_id
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam.rows import (
    POLICY,
    REGION,
    attachments,
    bounded,
    change_plan,
    find_role,
    managed,
    missing,
    own_policy,
    page,
    parsed,
    tag_map,
)
from sagebrush.store.rows import Exists, Reader, Row
from sagebrush.world import Ctx


def attach_role_policy(ctx: Ctx, request: Doc) -> None:
    """The managed policy is attached; NoSuchEntity (404) for one that does not exist here."""
    row, arn = find_role(ctx, request["RoleName"]), request["PolicyArn"]
    text = json.dumps(managed(ctx, arn)["document"])

    def there(rows: Reader) -> None:
        if arn not in managed_policies.KNOWN:
            own_policy(ctx, arn, rows)

    change_plan(ctx, row, "attached", lambda old: {**old, arn: text}, there)


def detach_role_policy(ctx: Ctx, request: Doc) -> None:
    """The managed policy is not attached; NoSuchEntity (404) when it was not."""
    row, arn = find_role(ctx, request["RoleName"]), request["PolicyArn"]

    def without(old: Mapping[str, str]) -> dict[str, str]:
        if arn not in old:
            raise missing(f"Policy {arn} was not found.")
        return {k: v for k, v in old.items() if k != arn}

    change_plan(ctx, row, "attached", without)


def list_attached_role_policies(ctx: Ctx, request: Doc) -> Doc:
    """The attached policies."""
    row = find_role(ctx, request["RoleName"])
    found = [
        {"PolicyName": arn.rsplit("/", 1)[-1], "PolicyArn": arn}
        for arn in sorted(row.plan["attached"])
    ]
    return page("AttachedPolicies", found, request)


def simulate_principal_policy(ctx: Ctx, request: Doc) -> Doc:
    """What the role's policies, and those given, decide for each action on each resource.

    The owner may ask about a role that was never created here: it is a stand-in from then on.
    """
    arn = request["PolicySourceArn"]
    if ":assumed-role/" in arn or ":role/" not in arn:
        raise AwsError(
            "InvalidInput",
            f"Invalid Entity Arn: {arn} does not clearly define entity type and name.",
        )
    row = principals.named(ctx.world, ctx.caller, arn)
    if row is None:
        raise missing(f"The role with name {arn.rsplit('/', 1)[-1]} cannot be found.")
    extra = [
        (f"PolicyInputList.{i + 1}", text, "None")
        for i, text in enumerate(request.get("PolicyInputList", ()))
    ]
    given = request.get("PermissionsBoundaryPolicyInputList")
    own = [row.plan["boundary"]["text"]] if row.plan.get("boundary") else None
    texts = own if given is None else given
    boundary = None if texts is None else [parsed(each) for each in texts]
    for _, text, _ in extra:
        parsed(text)
    held = [*_sources(row), *extra]
    context = {
        entry.get("ContextKeyName", ""): list(entry.get("ContextKeyValues", ()))
        for entry in request.get("ContextEntries", ())
    }
    context = {k: v[0] if len(v) == 1 else v for k, v in context.items() if k}
    results = [
        _simulated(held, boundary, arn, action, resource, context)
        for action in request["ActionNames"]
        for resource in request.get("ResourceArns") or ["*"]
    ]
    return page("EvaluationResults", results, request)


def _sources(row: Row) -> list[tuple[str, str, str]]:
    """(id, text, type) of each policy of a role."""
    inline = [(f"role_{row.name}_{k}", v, "IAM Policy") for k, v in row.plan["inline"].items()]
    attached = [(a.rsplit("/", 1)[-1], v, "IAM Policy") for a, v in row.plan["attached"].items()]
    return inline + attached


def _simulated(
    held: Sequence[tuple[str, str, str]],
    boundary: Sequence[policy.Policy] | None,
    arn: str,
    action: str,
    resource: str,
    context: Doc,
) -> Doc:
    """One EvaluationResult; without a `boundary` (None) nothing limits what is held."""
    parsed = [json.loads(text) for _, text, _ in held]
    decision = policy.evaluate(parsed, arn, action, resource, context)
    verdict, limited = decision.verdict, {}
    if boundary is not None:
        limit = policy.evaluate(boundary, arn, action, resource, context).verdict
        limited = {"AllowedByPermissionsBoundary": limit == policy.ALLOWED}
        if policy.EXPLICIT_DENY in (verdict, limit):
            verdict = policy.EXPLICIT_DENY
        elif limit != policy.ALLOWED:
            verdict = limit
    matched = []
    for number in dict.fromkeys(number for number, _ in decision.matched):
        source, text, kind = held[number]
        lines = text.splitlines() or [""]
        matched.append(
            {
                "SourcePolicyId": source,
                "SourcePolicyType": kind,
                "StartPosition": {"Line": 1, "Column": 1},
                "EndPosition": {"Line": len(lines), "Column": len(lines[-1]) + 1},
            }
        )
    return {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": verdict,
        **({"PermissionsBoundaryDecisionDetail": limited} if limited else {}),
        "MatchedStatements": matched,
        "MissingContextValues": sorted(
            _wanted_keys([*parsed, *(boundary or ())]) - {k.lower() for k in context}
        ),
    }


def _wanted_keys(policies: Sequence[policy.Policy]) -> set[str]:
    """The context keys that conditions ask for, in lower case, those always known left out."""
    found = {
        key.lower()
        for given in policies
        for statement in policy.statements(given)
        for wanted in statement.get("Condition", {}).values()
        for key in wanted
    }
    return found - {"aws:principalarn"}


def create_policy(ctx: Ctx, request: Doc) -> Doc:
    """The customer-managed policy exists; EntityAlreadyExists (409), MalformedPolicyDocument."""
    name, path, text = request["PolicyName"], request.get("Path", "/"), request["PolicyDocument"]
    document = parsed(text)
    arn, now = f"arn:aws:iam::{ctx.account}:policy{path}{name}", moment(ctx.world.clock())
    doc = {
        "PolicyName": name,
        "PolicyId": "ANPA" + role_id(ctx.account, arn)[4:],
        "Arn": arn,
        "Path": path,
        "DefaultVersionId": "v1",
        "IsAttachable": True,
        "CreateDate": now,
        "UpdateDate": now,
        **({"Description": request["Description"]} if request.get("Description") else {}),
    }
    plan = {"document": document, "text": text, "tags": tag_map(request)}
    try:
        ctx.world.rows.insert(Row(ctx.account, REGION, POLICY, arn, "Active", doc, plan))
    except Exists as error:
        words = f"A policy called {name} already exists. Duplicate names are not allowed."
        raise AwsError("EntityAlreadyExists", words, 409) from error
    return {"Policy": {**doc, **_uses(ctx, arn)}}


def get_policy(ctx: Ctx, request: Doc) -> Doc:
    """The managed policy, ours or one of AWS's that are known here; NoSuchEntity (404)."""
    found = managed(ctx, request["PolicyArn"])
    return {"Policy": {**found["doc"], **_uses(ctx, request["PolicyArn"])}}


def _uses(ctx: Ctx, arn: str) -> Doc:
    """How many roles the managed policy is attached to, and how many it is the boundary of."""
    rows = ctx.world.rows
    return {
        "AttachmentCount": attachments(ctx, arn, rows),
        "PermissionsBoundaryUsageCount": bounded(ctx, arn, rows),
    }


def get_policy_version(ctx: Ctx, request: Doc) -> Doc:
    """The policy's document; there is one version of each."""
    found = managed(ctx, request["PolicyArn"])
    version = found["doc"]["DefaultVersionId"]
    if request["VersionId"] != version:
        raise missing(
            f"Policy {request['PolicyArn']} version {request['VersionId']} does not exist or is not"
            " attachable."
        )
    return {
        "PolicyVersion": {
            "Document": quote(json.dumps(found["document"]), safe=""),
            "VersionId": version,
            "IsDefaultVersion": True,
            "CreateDate": found["doc"].get("CreateDate"),
        }
    }


def list_policies(ctx: Ctx, request: Doc) -> Doc:
    """Managed policies: ours (Scope Local), AWS's that are known here (AWS), or both."""
    scope = request.get("Scope", "All")
    found = []
    if scope in ("All", "Local"):
        own = ctx.world.rows.select(POLICY)
        found += [row.doc for row in own if row.account == ctx.account]
    if scope in ("All", "AWS"):
        found += [managed(ctx, arn)["doc"] for arn in managed_policies.KNOWN]
    found = [d for d in found if d["Path"].startswith(request.get("PathPrefix", "/"))]
    shown = [{**doc, **_uses(ctx, doc["Arn"])} for doc in found]
    if request.get("OnlyAttached"):
        shown = [doc for doc in shown if doc["AttachmentCount"]]
    return page("Policies", shown, request)


def delete_policy(ctx: Ctx, request: Doc) -> None:
    """The customer-managed policy is gone; DeleteConflict (409) while it is attached or a permissions boundary."""
    arn = request["PolicyArn"]
    row = own_policy(ctx, arn, ctx.world.rows)

    def free(_: Row, rows: Reader) -> None:
        if attachments(ctx, arn, rows):
            words = "Cannot delete a policy attached to entities."
            raise AwsError("DeleteConflict", words, 409)

        if bounded(ctx, arn, rows):
            words = "Cannot delete a policy that is a permissions boundary."
            raise AwsError("DeleteConflict", words, 409)

    if ctx.world.rows.delete(row.id, free) is None:  # another caller was faster
        raise missing(f"Policy {arn} does not exist or is not attachable.")
