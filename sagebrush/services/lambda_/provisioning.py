"""Environments that are kept ready: what is asked for is in the function's plan, the runtime keeps them.

Source: Lambda developer guide, "Configuring provisioned concurrency for a function". They are begun anew
when a server starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from sagebrush.access.function_references import FunctionReference
from sagebrush.errors import AwsError, Doc
from sagebrush.routing.functions.values import FunctionVersion, Throttled, Unrunnable
from sagebrush.services.lambda_ import rows, serving
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.world import World

log = logging.getLogger(__name__)


def wanted(world: World, row: Row) -> dict[str, tuple[FunctionVersion, int]]:
    """ARN of a version -> it, and how many environments of it are to be ready; of a version and an alias
    that points to it together."""
    found: dict[str, tuple[FunctionVersion, int]] = {}
    for qualifier, held in plan_of(row).get("provisioned", {}).items():
        of = FunctionReference(row.account, row.region, row.name, qualifier)
        try:
            version = serving.target(world, of, 1.0).version
        except AwsError:  # not active yet, or gone
            continue
        before = found.get(version.arn, (version, 0))[1]
        found[version.arn] = (version, before + held["requested"])
    return found


def changed(world: World, row: Row) -> None:
    """What is kept ready of the function's versions will be what its plan says."""
    loop: asyncio.AbstractEventLoop | None = getattr(world.dispatch, "loop", None)
    if loop is None or loop.is_closed():
        return
    asyncio.run_coroutine_threadsafe(_apply(world, row), loop)


def warm(world: World, version: FunctionVersion) -> None:
    """The first invocation of the version will find what environments like its are begun from. In any
    thread."""
    loop: asyncio.AbstractEventLoop | None = getattr(world.dispatch, "loop", None)
    if loop is not None and not loop.is_closed():
        asyncio.run_coroutine_threadsafe(_warm(world, version), loop)


async def _warm(world: World, version: FunctionVersion) -> None:
    with contextlib.suppress(Unrunnable):  # which its invocations will say
        await world.functions.warm(version)


async def _apply(world: World, row: Row) -> None:
    asked = wanted(world, row)
    for each in (row, *rows.versions(world.rows, row)):
        if each.doc["FunctionArn"] not in asked:
            world.functions.release(each.doc["FunctionArn"])
    for version, count in asked.values():
        try:
            await world.functions.provision(version, count)
        except (Unrunnable, Throttled) as error:
            log.warning("provisioned concurrency of %s: %s", version.arn, error)


def start(world: World) -> None:
    """Everything that is asked for is begun, and what environments are begun from; when a server starts."""
    grounds: dict[tuple[str, str], FunctionVersion] = {}
    for row in world.rows.select(rows.FUNCTION):
        if plan_of(row).get("provisioned"):
            changed(world, row)
        if row.doc["State"] == "Active" and not plan_of(row).get("image"):
            version = serving.made(world, row, row.doc, plan_of(row))
            grounds[version.runtime, version.environment] = version
    for version in grounds.values():
        warm(world, version)


def ready(world: World, row: Row, qualifier: str, held: Doc) -> tuple[int, str]:
    """(how many environments of what the qualifier names are ready, of those that it asked for; AWS's
    reason why no more will be, "" where they will)."""
    of = FunctionReference(row.account, row.region, row.name, qualifier)
    try:
        version = serving.target(world, of, 1.0).version
    except AwsError:
        return 0, ""
    why = "FUNCTION_ERROR_INIT_FAILURE" if world.functions.unprovided(version) else ""
    return min(held["requested"], world.functions.live(version)), why
