"""IAM: what policies decide before anybody asks (SimulatePrincipalPolicy, SimulateCustomPolicy)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from sagebrush.access import policy, principals
from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam.holders import GROUP, USER
from sagebrush.services.iam.rows import missing, of_account, page, parsed
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

Held = Sequence[tuple[str, str, str]]
"""(id, text, type) of policies."""
_ENTITY = re.compile(
    r"arn:aws:iam::\d{12}:(role|user|group)/(?:[!-.0-~]+/)*([\w+=,.@-]+)", re.ASCII
)
_VARIABLE = re.compile(r"\$\{([^{},]+)")


def simulate_principal_policy(ctx: Ctx, request: Doc) -> Doc:
    """What the policies of a role, user or group, and those given, decide for each action on each
    resource.

    A user's groups count, as they do for its requests. The owner may ask about a role that was never
    created here: it is a stand-in from then on.
    """
    arn = request["PolicySourceArn"]
    row = _entity(ctx, arn)
    given = request.get("PermissionsBoundaryPolicyInputList")
    own = [row.plan["boundary"]["text"]] if row.plan.get("boundary") else None
    held = [*_sources(ctx, row), *_given(request)]
    caller = request.get("CallerArn", arn)
    return _results(request, caller, held, own if given is None else given)


def simulate_custom_policy(ctx: Ctx, request: Doc) -> Doc:
    """What the given policies decide for each action on each resource."""
    limits = request.get("PermissionsBoundaryPolicyInputList")
    return _results(request, request.get("CallerArn", ""), _given(request), limits)


def _results(request: Doc, arn: str, held: Held, limits: Sequence[str] | None) -> Doc:
    boundary = None if limits is None else [_checked(each) for each in limits]
    context = {
        entry.get("ContextKeyName", ""): list(entry.get("ContextKeyValues", ()))
        for entry in request.get("ContextEntries", ())
    }
    context = {k: v[0] if len(v) == 1 else v for k, v in context.items() if k}
    documents = [json.loads(text) for _, text, _ in held]
    actions, resources = request["ActionNames"], request.get("ResourceArns") or ["*"]
    # what is on no page is not worked out: a request can name a million of them
    shown = page("EvaluationResults", range(len(actions) * len(resources)), request)
    shown["EvaluationResults"] = [
        _simulated(
            held, documents, boundary, arn,
            actions[at // len(resources)], resources[at % len(resources)], context,
        )
        for at in shown["EvaluationResults"]
    ]  # fmt: skip
    return shown


def _given(request: Doc) -> Held:
    """The policies of the request; raises InvalidInput (400) for one that is none."""
    texts = request.get("PolicyInputList", ())
    for text in texts:
        _checked(text)
    return [(f"PolicyInputList.{i}", text, "None") for i, text in enumerate(texts, 1)]


def _checked(text: str) -> policy.Policy:
    """The policy; raises InvalidInput (400) for what is none."""
    try:
        return parsed(text)
    except AwsError as error:
        raise AwsError("InvalidInput", error.message) from error


def _entity(ctx: Ctx, arn: str) -> Row:
    """The role, user or group of that ARN; raises NoSuchEntity (404), InvalidInput (400)."""
    found = _ENTITY.fullmatch(arn)
    if found is None:
        raise AwsError(
            "InvalidInput",
            f"Invalid Entity Arn: {arn} does not clearly define entity type and name.",
        )
    kind, name = found.groups()
    if kind == "role":
        row = principals.named(ctx.world, ctx.caller, arn)
    else:
        row = ctx.world.rows.get(ctx.account, principals.REGION, kind, name)
    if row is None or (kind != "role" and row.doc["Arn"] != arn):
        raise missing(f"The {kind} with name {name} cannot be found.")
    return row


def _sources(ctx: Ctx, row: Row) -> Held:
    """Each policy of a role, a user with its groups, or a group."""
    groups = row.plan.get("groups", ()) if row.kind == USER.kind else ()
    holders = [
        row,
        *(each for each in of_account(ctx, ctx.world.rows, GROUP.kind) if each.name in groups),
    ]
    found: list[tuple[str, str, str]] = []
    for each in holders:
        for name, text in each.plan.get("inline", {}).items():
            found.append((f"{each.kind}_{each.name}_{name}", text, "IAM Policy"))
        for arn, text in each.plan.get("attached", {}).items():
            found.append((arn.rsplit("/", 1)[-1], text, "IAM Policy"))
    return found


def get_context_keys_for_custom_policy(ctx: Ctx, request: Doc) -> Doc:
    """The context keys that the given policies ask for, in conditions and as variables."""
    return {"ContextKeyNames": _keys([text for _, text, _ in _given(request)])}


def get_context_keys_for_principal_policy(ctx: Ctx, request: Doc) -> Doc:
    """The context keys that the policies of a role, user or group, and those given, ask for."""
    held = [*_sources(ctx, _entity(ctx, request["PolicySourceArn"])), *_given(request)]
    return {"ContextKeyNames": _keys([text for _, text, _ in held])}


def _keys(texts: Sequence[str]) -> list[str]:
    found = {
        key
        for text in texts
        for statement in policy.statements(json.loads(text))
        for wanted in statement.get("Condition", {}).values()
        for key in wanted
    }
    found |= {
        name.strip()
        for text in texts
        for name in _VARIABLE.findall(text)
        if name not in ("*", "?", "$")
    }
    return sorted(found)


def _simulated(
    held: Held,
    documents: Sequence[policy.Policy],
    boundary: Sequence[policy.Policy] | None,
    arn: str,
    action: str,
    resource: str,
    context: Doc,
) -> Doc:
    """One EvaluationResult of the policies `held`, whose `documents` are given beside them; without
    a `boundary` (None) nothing limits them."""
    decision = policy.evaluate(documents, arn, action, resource, context)
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
            _wanted_keys([*documents, *(boundary or ())]) - {k.lower() for k in context}
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
