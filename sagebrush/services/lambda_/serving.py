"""From a reference to what runs: the version that an invocation gets, and what it is made of."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from sagebrush.access.function_references import LATEST, FunctionReference
from sagebrush.errors import Doc
from sagebrush.routing.functions.values import FunctionVersion
from sagebrush.services.lambda_ import faults, layers, rows
from sagebrush.services.lambda_.plan import Plan, plan_of
from sagebrush.store.rows import Row
from sagebrush.world import World


@dataclass(frozen=True)
class Target:
    """What an invocation goes to."""

    function: Row
    row: Row
    """The row of the version; of $LATEST the function's own."""
    version: FunctionVersion
    most: int | None
    """Reserved concurrency of the function."""


def target(world: World, of: FunctionReference, chance: float | None = None) -> Target:
    """The version that the reference names, of an alias with routing one by weight (`chance`: a number
    from 0 to 1 that decides; None: a random one).

    Raises ResourceNotFoundException, and ResourceConflictException for one that is not active.
    """
    found = rows.resolve(world, of)
    row = found.row
    if found.alias is not None:
        number = routed(found.alias, random.random() if chance is None else chance)
        if number != found.alias["FunctionVersion"]:
            other = rows.version(world, found.function, number)
            row = row if other is None else other
    doc, plan = row.doc, plan_of(row)
    if before := plan.get("before"):
        doc, plan = before["doc"], cast("Plan", before["made"])
    if doc["State"] != "Active":
        reason = doc.get("StateReason", "")
        raise faults.conflict(
            "The operation cannot be performed at this time. The function is currently in the following"
            f" state: {doc['State']}" + (f" ({reason})" if doc["State"] == "Failed" else "")
        )
    most = plan_of(found.function).get("reserved")
    return Target(found.function, row, made(world, row, doc, plan), most)


def routed(alias: Doc, chance: float) -> str:
    """The number of the version that an invocation of the alias gets, by weight."""
    weights: dict[str, float] = (alias.get("RoutingConfig") or {}).get(
        "AdditionalVersionWeights"
    ) or {}
    for number, weight in weights.items():
        if chance < weight:
            return number
        chance -= weight
    return alias["FunctionVersion"]


def made(world: World, row: Row, doc: Doc, plan: Plan) -> FunctionVersion:
    """What an execution environment of the version is made of."""
    kept = rows.packages(world)
    arn = doc["FunctionArn"] if doc["Version"] != LATEST else f"{doc['FunctionArn']}:{LATEST}"
    return FunctionVersion(
        arn=arn,
        account=row.account,
        region=row.region,
        name=doc["FunctionName"],
        version=doc["Version"],
        runtime=doc.get("Runtime", ""),
        handler=doc.get("Handler", ""),
        role=doc["Role"],
        memory=doc["MemorySize"],
        timeout=doc["Timeout"],
        storage=doc["EphemeralStorage"]["Size"],
        variables=(doc.get("Environment") or {}).get("Variables") or {},
        code=kept.files(code) if (code := plan.get("code")) else Path(),
        layers=tuple(kept.files(each) for each in plan.get("layers", ())),
        environment=layers.environment_of(doc),
        log_group=doc["LoggingConfig"]["LogGroup"],
        image=plan.get("digest", ""),
        image_config=(doc.get("ImageConfigResponse") or {}).get("ImageConfig") or {},
        revision=plan.get("revision", ""),
        logging=doc["LoggingConfig"],
    )
