"""Aliases: names of a function that point to a version, or to two by weight.

Source: Lambda API reference; developer guide, "Create an alias for a Lambda function" and "Implement Lambda
canary deployments using a weighted alias". They are kept in the function's row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from sagebrush.access.function_references import LATEST, VERSION, FunctionReference
from sagebrush.errors import AwsError, Doc
from sagebrush.services.lambda_ import faults, lists, provisioning, rows
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

PAGE = 50


def create_alias(ctx: Ctx, request: Doc) -> Doc:
    """The alias exists. Raises ResourceNotFoundException, ResourceConflictException (409),
    InvalidParameterValueException."""
    of = replace(rows.reference(ctx, request), qualifier="")
    name = request["Name"]
    alias: Doc = {
        "Name": name,
        "FunctionVersion": request["FunctionVersion"],
        "Description": request.get("Description") or "",
        "RevisionId": rows.revision(),
    }
    if (request.get("RoutingConfig") or {}).get("AdditionalVersionWeights"):
        alias["RoutingConfig"] = request["RoutingConfig"]

    def work(row: Row) -> Row:
        held = plan_of(row).get("aliases", {})
        if name in held:
            raise faults.conflict(f"Alias already exists: {of.arn}:{name}")
        return rows.with_plan(row, aliases={**held, name: alias})

    if rows.get(ctx.world.rows, of) is None:
        raise faults.no_function(f"{of.arn}:{alias['FunctionVersion']}")
    rows.changed(ctx, of, work, lambda reader: _check(reader, of, alias))
    return _shown(of, alias)


def _check(reader: Reader, of: FunctionReference, alias: Doc) -> None:
    """Returns when the versions that the alias names are there, and may be together."""
    number = alias["FunctionVersion"]
    weights: Doc = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    for each in (number, *weights):
        place = f"{of.name}:{each}"
        if each != LATEST and reader.get(of.account, of.region, VERSION, place) is None:
            raise faults.no_function(f"{of.arn}:{each}")
    if not weights:
        return
    if len(weights) > 1:
        raise faults.invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    if number == LATEST or LATEST in weights:
        raise faults.invalid(
            "$LATEST is not supported for an alias pointing to more than 1 version"
        )
    if number in weights:
        raise faults.invalid(
            f"Invalid function version {number}. Function version {number} is already included in"
            " routing configuration."
        )


def _shown(of: FunctionReference, alias: Doc) -> Doc:
    return {"AliasArn": f"{of.arn}:{alias['Name']}", **alias}


def no_alias(of: FunctionReference, name: str) -> AwsError:
    """The error for an alias that is not there."""
    return faults.missing(f"Cannot find alias arn: {of.arn}:{name}")


def get_alias(ctx: Ctx, request: Doc) -> Doc:
    """The alias. Raises ResourceNotFoundException."""
    of = replace(rows.reference(ctx, request), qualifier="")
    row = rows.get(ctx.world.rows, of)
    alias = plan_of(row).get("aliases", {}).get(request["Name"]) if row else None
    if alias is None:
        raise no_alias(of, request["Name"])
    return _shown(of, alias)


def list_aliases(ctx: Ctx, request: Doc) -> Doc:
    """A page of the function's aliases, by name; with FunctionVersion those that point to it."""
    of = replace(rows.reference(ctx, request), qualifier="")
    held = plan_of(rows.function(ctx.world, of)).get("aliases", {})
    wanted = request.get("FunctionVersion")
    found = [
        _shown(of, alias)
        for _, alias in sorted(held.items())
        if wanted in (None, alias["FunctionVersion"])
    ]
    return lists.page(found, "Aliases", request, PAGE)


def update_alias(ctx: Ctx, request: Doc) -> Doc:
    """The alias has what the request sets. Raises as `create_alias` does, and
    PreconditionFailedException (412)."""
    of = replace(rows.reference(ctx, request), qualifier="")
    name, made = request["Name"], dict[str, Doc]()

    def work(row: Row) -> Row:
        held = plan_of(row).get("aliases", {})
        if name not in held:
            raise no_alias(of, name)
        alias = dict(held[name])
        if request.get("RevisionId") not in (None, alias["RevisionId"]):
            raise faults.stale()
        for member in ("FunctionVersion", "Description"):
            if request.get(member) is not None:
                alias[member] = request[member]
        if (routing := request.get("RoutingConfig")) is not None:
            alias.pop("RoutingConfig", None)
            alias |= {"RoutingConfig": routing} if routing.get("AdditionalVersionWeights") else {}
        alias["RevisionId"] = rows.revision()
        made["alias"] = alias
        return rows.with_plan(row, aliases={**held, name: alias})

    row = rows.changed(ctx, of, work, lambda reader: _check(reader, of, made["alias"]))
    if name in plan_of(row).get("provisioned", {}):
        provisioning.changed(ctx.world, row)
    return _shown(of, made["alias"])


def delete_alias(ctx: Ctx, request: Doc) -> None:
    """There is no such alias, and nothing that belonged to it."""
    of = replace(rows.reference(ctx, request), qualifier="")
    name = request["Name"]

    def work(row: Row) -> Row | None:
        plan = plan_of(row)
        if name not in plan.get("aliases", {}):
            return None
        whole = cast("Doc", row.plan)
        left = {
            member: {k: v for k, v in whole[member].items() if k != name}
            for member in ("aliases", "policies", "events", "urls", "provisioned")
            if member in whole
        }
        return rows.with_plan(row, **left)

    rows.changed(ctx, of, work)
