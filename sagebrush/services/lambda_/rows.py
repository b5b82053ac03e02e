"""Functions and their versions as rows: found by whatever refers to them, changed under their rules.

The row of a function has the kind `lambda-function`: its document is the configuration of $LATEST. A
published version is a row of the kind `lambda-version`, named `NAME:NUMBER`, that never changes but in its
state.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from sagebrush.access import function_references
from sagebrush.access.actions.functions import LAYER_VERSION
from sagebrush.access.function_references import FUNCTION, LATEST, VERSION, FunctionReference
from sagebrush.errors import AwsError, Doc
from sagebrush.services.lambda_ import faults
from sagebrush.services.lambda_.plan import Plan, plan_of
from sagebrush.store.packages import Packages
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx, World

FOLDER = "function-code"
"""The folder of packages in the data directory."""


def packages(world: World) -> Packages:
    """The packages of functions and layers."""
    return Packages(world.settings.home / FOLDER)


def reference(
    ctx: Ctx, request: Doc, member: str = "FunctionName", abroad: bool = False
) -> FunctionReference:
    """The function that the request names, with its qualifier.

    Raises InvalidParameterValueException as `function_references.parse` does, ResourceNotFoundException
    for another region's, and AccessDeniedException (403) for another account's where it must not be
    `abroad`.
    """
    found = function_references.parse(
        request[member], request.get("Qualifier"), ctx.account, ctx.region
    )
    if found.region != ctx.region:
        raise faults.missing(
            f"Functions from '{found.region}' are not reachable in this region ('{ctx.region}')"
        )
    if found.account != ctx.account and not abroad:
        raise AwsError("AccessDeniedException", "None", 403)
    return found


def get(reader: Reader, of: FunctionReference) -> Row | None:
    """The function's row, or None."""
    return reader.get(of.account, of.region, FUNCTION, of.name)


def function(world: World, of: FunctionReference) -> Row:
    """The function's row; raises ResourceNotFoundException (404), which names the qualifier too."""
    row = get(world.rows, of)
    if row is None:
        raise faults.no_function(of.qualified)
    return row


def version(world: World, row: Row, number: str) -> Row | None:
    """The row of the function's published version of that number, or None."""
    return world.rows.get(row.account, row.region, VERSION, f"{row.name}:{number}")


@dataclass(frozen=True)
class Found:
    """A function, and the configuration that a qualifier of it names."""

    function: Row
    doc: Doc
    """The configuration: of $LATEST, or of the published version."""
    row: Row
    """The row that holds it."""
    alias: Doc | None = None
    """The alias that the qualifier names, if it names one."""


def resolve(world: World, of: FunctionReference) -> Found:
    """What the reference names; of an alias the version that it points to, without its routing.

    Raises ResourceNotFoundException (404).
    """
    row = function(world, of)
    if of.qualifier in ("", LATEST):
        return Found(row, row.doc, row)
    if of.qualifier.isdecimal():
        found = version(world, row, of.qualifier)
        if found is None:
            raise faults.no_function(of.qualified)
        return Found(row, found.doc, found)
    alias = plan_of(row).get("aliases", {}).get(of.qualifier)
    if alias is None:
        raise faults.no_function(of.qualified)
    number = alias["FunctionVersion"]
    found = row if number == LATEST else version(world, row, number)
    if found is None:
        raise faults.no_function(of.qualified)
    return Found(row, found.doc, found, alias)


def all_of(world: World, account: str, region: str) -> list[Row]:
    """The functions of the account and region, by name."""
    found = world.rows.select(FUNCTION, account=account)
    return sorted((row for row in found if row.region == region), key=lambda row: row.name)


def versions(reader: Reader, row: Row) -> list[Row]:
    """The function's published versions, oldest first."""
    found = reader.select(VERSION, account=row.account, texts={"doc.FunctionName": row.name})
    own = [each for each in found if each.region == row.region]
    return sorted(own, key=lambda each: int(each.doc["Version"]))


def changed(
    ctx: Ctx,
    of: FunctionReference,
    change: Callable[[Row], Row | None],
    check: Callable[[Reader], object] | None = None,
) -> Row:
    """The function's row after `change`; raises ResourceNotFoundException, and what both raise."""
    row = ctx.world.rows.update(function(ctx.world, of).id, change, check)
    if row is None:
        raise faults.no_function(of.qualified)
    return row


def with_plan(row: Row, **members: object) -> Row:
    """The row with these members of its plan; one that is None is gone."""
    plan = {**row.plan, **members}
    return replace(row, plan={name: value for name, value in plan.items() if value is not None})


def stored(world: World, account: str, region: str) -> int:
    """Bytes of the packages of all functions, versions and layers of the account and region."""
    found = [
        *world.rows.select(FUNCTION, account=account),
        *world.rows.select(VERSION, account=account),
    ]
    size = sum(row.doc.get("CodeSize", 0) for row in found if row.region == region)
    layers = world.rows.select(LAYER_VERSION, account=account)
    return size + sum(r.doc["Content"]["CodeSize"] for r in layers if r.region == region)


def live(world: World) -> set[str]:
    """SHA-256 of every package that a function, a version or a layer version names."""
    found: set[str] = set()
    for row in (*world.rows.select(FUNCTION), *world.rows.select(VERSION)):
        plan = plan_of(row)
        for held in (plan, cast("Plan", (plan.get("before") or {}).get("made") or {})):
            found |= {held.get("code", ""), *held.get("layers", ())}
    return found | {row.doc["Package"] for row in world.rows.select(LAYER_VERSION)}


def sweep(world: World) -> int:
    """Packages that nothing names any more are gone; how many."""
    return packages(world).sweep(live(world))


def revision() -> str:
    """A fresh RevisionId."""
    return str(uuid.uuid4())
