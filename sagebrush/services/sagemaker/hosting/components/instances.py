"""The instances of an endpoint without models: which copies are on them, and how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from sagebrush.errors import AwsError, Doc
from sagebrush.routing.endpoints import COMPONENT
from sagebrush.scheduler import quotas
from sagebrush.scheduler.instances import instance
from sagebrush.services.sagemaker.hosting.components import placement
from sagebrush.services.sagemaker.hosting.deployment.replicas import Replicas
from sagebrush.services.sagemaker.hosting.plan import Fleet, Placed, Variant, plan_of
from sagebrush.services.sagemaker.serving.process import Waiting
from sagebrush.store.rows import Reader, Row
from sagebrush.workload.launch import Unstartable
from sagebrush.world import World

WAIT = 1.0
"""Seconds between two looks for room."""
NUDGE = 2.0
"""Seconds until a step of the endpoint that follows one in which copies had to move or to wait."""


class NoRoom(Waiting):
    """No instance of the endpoint has room for the copy."""


def bounds(managed: Doc) -> tuple[int, int]:
    """The fewest and the most instances that a ManagedInstanceScaling allows."""
    least = managed.get("MinInstanceCount", 1)
    return least, managed.get("MaxInstanceCount", max(1, least))


def enabled(variant: Variant) -> bool:
    """Whether the variant's instances follow what the copies need."""
    return variant.get("managed", {}).get("Status") == "ENABLED"


# ---- the copies' side: a row of the endpoint is changed in one transaction


def endpoint_of(world: World, row: Row) -> Row | None:
    """The endpoint that the inference component `row` is on."""
    return world.rows.get(row.account, row.region, "endpoint", row.doc["EndpointName"])


def place(world: World, row: Row, key: str, variant: Variant) -> str:
    """The type of the instance on which the copy `key` of the component `row` is from now on.

    Repeatable. Raises NoRoom, having noted the wish for managed scaling, and Unstartable.
    """
    needs = variant.get("needs", placement.NONE)
    wish: Placed = {
        "component": row.name,
        "variant": variant["name"],
        "instance": "",
        "needs": needs,
    }

    def change(endpoint: Row) -> Row | None:
        copies = dict(plan_of(endpoint).get("copies", {}))
        known = copies.get(key)
        if known is not None and known["instance"]:
            return None  # where it is gone, the copy has to leave
        found = _chosen(endpoint, copies, wish, variant.get("strategy", placement.SPREAD))
        if known is not None and not found:
            return None
        copies[key] = {**wish, "instance": found}
        return replace(endpoint, plan={**endpoint.plan, "copies": copies}, due_at=world.clock())

    endpoint = endpoint_of(world, row)
    endpoint = world.rows.update(endpoint.id, change) if endpoint else None
    if endpoint is None or endpoint.status in ("Failed", "Deleting"):
        raise Unstartable(f"Endpoint {row.doc['EndpointName']} is not in service.")
    if found := plan_of(endpoint).get("copies", {})[key]["instance"]:
        return _type_of(endpoint, found, variant)
    world.wake()
    raise NoRoom(
        f"no instance of endpoint {endpoint.name} has {_words(variant)} left", WAIT, queued=True
    )


def _chosen(endpoint: Row, copies: Mapping[str, Placed], wish: Placed, strategy: str) -> str:
    """The instance for `wish`, "" where there is none: of two fleets, whose types may differ, one of
    the newer one if it has room."""
    for fleet, here in _instances(endpoint, wish["variant"]):
        size = instance(_of(fleet, wish["variant"])["type"])
        if here and (found := placement.choose(size, here, copies, wish, strategy)):
            return found
    return ""


def _type_of(endpoint: Row, where: str, variant: Variant) -> str:
    for fleet, here in _instances(endpoint, variant["name"]):
        if where in here:
            return _of(fleet, variant["name"])["type"]
    return variant["type"]  # it serves no more: the copy leaves at its next step


def release(world: World, row: Row, key: str) -> None:
    """The copy holds nothing of an instance any more. Repeatable."""

    def change(endpoint: Row) -> Row | None:
        copies = dict(plan_of(endpoint).get("copies", {}))
        if copies.pop(key, None) is None:
            return None
        return replace(endpoint, plan={**endpoint.plan, "copies": copies}, due_at=world.clock())

    if endpoint := endpoint_of(world, row):
        world.rows.update(endpoint.id, change)
        world.wake()


def lost(world: World, row: Row, variant: str) -> set[str]:
    """The keys of the component's copies whose instance serves no more."""
    endpoint = endpoint_of(world, row)
    if endpoint is None:
        return set()
    here = serving(endpoint, variant)
    return {
        key
        for key, copy in plan_of(endpoint).get("copies", {}).items()
        if copy["component"] == row.name and copy["instance"] and copy["instance"] not in here
    }


def waiting(world: World, row: Row) -> set[str]:
    """The keys of the component's copies whose wish for room is noted, and that have none."""
    endpoint = endpoint_of(world, row)
    copies = plan_of(endpoint).get("copies", {}) if endpoint else {}
    return {k for k, c in copies.items() if c["component"] == row.name and not c["instance"]}


def serving(endpoint: Row, variant: str) -> list[str]:
    """The ids of the variant's instances that are in service, oldest first; of two fleets those of
    the newer one first."""
    return [each for _, here in _instances(endpoint, variant) for each in here]


def _instances(endpoint: Row, variant: str) -> Iterator[tuple[Fleet, list[str]]]:
    """The fleets, the newer one first, with the ids of the variant's instances in service."""
    plan = plan_of(endpoint)
    for fleet in (plan.get("pending"), plan.get("active")):
        if fleet:
            place = (fleet["id"], variant, "serving")
            yield (
                fleet,
                [
                    entry["id"]
                    for entry in plan["replicas"]
                    if (entry["fleet"], entry["variant"], entry["state"]) == place
                ],
            )


def _of(fleet: Fleet, name: str) -> Variant:
    return next(variant for variant in fleet["variants"] if variant["name"] == name)


def _words(variant: Variant) -> str:
    needs = variant.get("needs", placement.NONE)
    words = [f"{needs['memory'] >> 20} MiB of memory"]
    if needs["cpu"]:
        words.insert(0, f"{needs['cpu']:g} vCPU")
    if needs["accelerators"]:
        words.append(f"{needs['accelerators']:g} accelerators")
    return ", ".join(words)


# ---- the endpoint's side


def follow(world: World, row: Row, fleet: Fleet, replicas: Replicas) -> None:
    """The fleet's variants have as many instances as the copies need, where they are managed; those
    with copies retire last; components whose copies move or wait are due."""
    copies = plan_of(row).get("copies")
    if copies is None:  # nothing was ever on it: its initial count stays
        return
    replicas.kept = {copy["instance"] for copy in copies.values()}
    for variant in fleet["variants"]:
        if not variant["containers"] and enabled(variant):
            _scale(world, row, fleet, variant, replicas)
    here = {e["id"] for e in replicas.entries if e["state"] == "serving"}
    if any(copy["instance"] not in here for copy in copies.values()):
        for each in on(world.rows, row):
            world.rows.touch(each.id)
        replicas.within(NUDGE)


def _scale(world: World, row: Row, fleet: Fleet, variant: Variant, replicas: Replicas) -> None:
    copies = {
        key: copy
        for key, copy in plan_of(row).get("copies", {}).items()
        if copy["variant"] == variant["name"]
    }
    alive = [entry["id"] for entry in replicas.of(fleet, variant["name"])]
    limits = bounds(variant.get("managed", {}))
    count = placement.needed(instance(variant["type"]), alive, copies, limits)
    if count == variant["count"]:
        return
    more = [variant["type"]] * (count - variant["count"])
    try:
        ctx = world.service_ctx(region=row.region, account=row.account)
        quotas.check_quota(ctx, more, "endpoint", world.rows)
    except AwsError as error:
        replicas.message = error.message
        return
    variant["count"] = count
    fleet["changed"] = replicas.now


def require_room(rows: Reader, endpoint: Row, fleet: Fleet) -> None:
    """Raises ValidationException where an instance of the fleet that is to come could not hold a copy
    of an inference component that is on the endpoint: it could never move."""
    for component in on(rows, endpoint):
        plan = plan_of(component)
        for own in (plan.get("active"), plan.get("pending")):
            for variant in own["variants"] if own else ():
                _require_fits(component.name, variant, fleet)


def require_place(endpoint: Row | None, component: str, variant: Variant) -> None:
    """Raises ValidationException where an update of the endpoint goes on to instances that could not
    hold a copy of the component."""
    if endpoint is not None and (pending := plan_of(endpoint).get("pending")):
        _require_fits(component, variant, pending)


def _require_fits(component: str, variant: Variant, fleet: Fleet) -> None:
    size = instance(_of(fleet, variant["name"])["type"])
    if not placement.fits(size, variant.get("needs", placement.NONE)):
        raise AwsError(
            "ValidationException",
            f"A copy of inference component {component} needs {_words(variant)}: more than one"
            f" {size.name} of endpoint configuration {fleet['config']} has.",
        )


def on(rows: Reader, endpoint: Row) -> list[Row]:
    """The inference components on the endpoint."""
    found = rows.select(
        COMPONENT, account=endpoint.account, texts={"doc.EndpointName": endpoint.name}
    )
    return [each for each in found if each.region == endpoint.region]
