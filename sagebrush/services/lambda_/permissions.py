"""Resource policies of functions, their versions and aliases. Source: Lambda API reference, AddPermission,
RemovePermission and GetPolicy; `access.function_policies` evaluates them."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from sagebrush.access.function_references import LATEST, FunctionReference
from sagebrush.errors import AwsError, Doc
from sagebrush.services.lambda_ import aliases, faults, limits, rows
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

_ARN = re.compile(r"arn:aws[a-zA-Z-]*:(iam|sts)::\d{12}:.+")


def add_permission(ctx: Ctx, request: Doc) -> Doc:
    """The policy has the statement. Raises ResourceConflictException for a StatementId that it has,
    InvalidParameterValueException, PreconditionFailedException, PolicyLengthExceededException."""
    of = _reference(ctx, request, "adding")
    statement = statement_of(request, of.qualified)

    def work(row: Row) -> Row:
        held = plan_of(row).get("policies", {}).get(of.qualifier) or empty()
        _check_revision(row, of, held, request)
        if any(each["Sid"] == statement["Sid"] for each in held["Statement"]):
            raise faults.conflict(
                f"The statement id ({statement['Sid']}) provided already exists. Please provide a new"
                " statement id, or remove the existing statement."
            )
        return _stored(row, of, {**held, "Statement": [*held["Statement"], statement]})

    rows.changed(ctx, of, work, lambda reader: _check_there(reader, of))
    return {"Statement": json.dumps(statement, separators=(",", ":"))}


def _reference(ctx: Ctx, request: Doc, doing: str) -> FunctionReference:
    of = rows.reference(ctx, request)
    if of.qualifier == LATEST:
        raise faults.invalid(f"We currently do not support {doing} policies for $LATEST.")
    return of


def _check_there(reader: Reader, of: FunctionReference) -> None:
    """Returns where the version or alias is there; raises ResourceNotFoundException."""
    row = rows.get(reader, of)
    if row is None:
        raise faults.no_function(of.arn)
    check_qualifier(reader, row, of)


def check_qualifier(reader: Reader, row: Row, of: FunctionReference) -> None:
    """Returns where the function has the version or alias that is named, or none is; raises
    ResourceNotFoundException."""
    if of.qualifier in ("", LATEST):
        return
    if of.qualifier.isdecimal():
        if reader.get(of.account, of.region, rows.VERSION, f"{of.name}:{of.qualifier}") is None:
            raise faults.no_function(of.qualified)
    elif of.qualifier not in plan_of(row).get("aliases", {}):
        raise aliases.no_alias(of, of.qualifier)


def empty() -> Doc:
    """A policy without statements."""
    return {"Version": "2012-10-17", "Id": "default", "Statement": []}


def statement_of(request: Doc, resource: str) -> Doc:
    """The statement that the request adds, in the order of AWS's members."""
    auth = request.get("FunctionUrlAuthType")
    if auth and request["Action"] != "lambda:InvokeFunctionUrl":
        raise faults.invalid(
            "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"
        )
    statement: Doc = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": principal_of(request["Principal"]),
        "Action": request["Action"],
        "Resource": resource,
    }
    condition: dict[str, Doc] = {}
    for operator, key, member in (
        ("StringEquals", "lambda:FunctionUrlAuthType", "FunctionUrlAuthType"),
        ("StringEquals", "aws:PrincipalOrgID", "PrincipalOrgID"),
        ("StringEquals", "AWS:SourceAccount", "SourceAccount"),
        ("StringEquals", "lambda:EventSourceToken", "EventSourceToken"),
        ("ArnLike", "AWS:SourceArn", "SourceArn"),
    ):
        if request.get(member):
            condition.setdefault(operator, {})[key] = request[member]
    if request.get("InvokedViaFunctionUrl") is not None:
        condition["Bool"] = {
            "lambda:InvokedViaFunctionUrl": str(request["InvokedViaFunctionUrl"]).lower()
        }
    return {**statement, **({"Condition": condition} if condition else {})}


def principal_of(text: str) -> str | Doc:
    """The Principal element that the request's text means; raises InvalidParameterValueException."""
    if text == "*":
        return "*"
    if re.fullmatch(r"\d{12}", text):
        return {"AWS": f"arn:aws:iam::{text}:root"}
    if _ARN.fullmatch(text):
        return {"AWS": text}
    if re.fullmatch(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?", text):
        return {"Service": text}
    raise faults.invalid(
        "The provided principal was invalid. Please check the principal and try again."
    )


def _check_revision(row: Row, of: FunctionReference, held: Doc, request: Doc) -> None:
    latest = held.get("RevisionId") or ("" if of.qualifier else row.doc["RevisionId"])
    if request.get("RevisionId") and request["RevisionId"] != latest:
        raise faults.stale()


def _stored(row: Row, of: FunctionReference, policy: Doc) -> Row:
    size = len(json.dumps(policy["Statement"], separators=(",", ":")))
    if size > limits.POLICY:
        raise AwsError(
            "PolicyLengthExceededException",
            f"The final policy size ({size}) is bigger than the limit ({limits.POLICY}).",
            Type="User",
        )
    revision = rows.revision()
    held = {**plan_of(row).get("policies", {}), of.qualifier: {**policy, "RevisionId": revision}}
    if not policy["Statement"]:
        del held[of.qualifier]
    new = rows.with_plan(row, policies=held)
    return new if of.qualifier else replace(new, doc={**new.doc, "RevisionId": revision})


def remove_permission(ctx: Ctx, request: Doc) -> None:
    """The policy has no such statement. Raises ResourceNotFoundException where it had none."""
    of = _reference(ctx, request, "removing")

    def work(row: Row) -> Row:
        held = plan_of(row).get("policies", {}).get(of.qualifier)
        if not held:
            raise faults.missing(f"No policy is found for: {of.qualified}")
        _check_revision(row, of, held, request)
        left = [each for each in held["Statement"] if each["Sid"] != request["StatementId"]]
        if len(left) == len(held["Statement"]):
            raise faults.missing(
                f"Statement {request['StatementId']} is not found in resource policy."
            )
        return _stored(row, of, {**held, "Statement": left})

    rows.changed(ctx, of, work, lambda reader: _check_there(reader, of))


def get_policy(ctx: Ctx, request: Doc) -> Doc:
    """The policy, as JSON. Raises ResourceNotFoundException where there is none."""
    of = rows.reference(ctx, request)
    row = rows.function(ctx.world, replace(of, qualifier=""))
    check_qualifier(ctx.world.rows, row, of)
    qualifier = "" if of.qualifier == LATEST else of.qualifier
    held = plan_of(row).get("policies", {}).get(qualifier)
    if not held:
        raise faults.missing("The resource you requested does not exist.")
    text = {name: value for name, value in held.items() if name != "RevisionId"}
    return {"Policy": json.dumps(text, separators=(",", ":")), "RevisionId": held["RevisionId"]}
