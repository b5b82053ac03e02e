"""The private state in an endpoint's row: the fleets that it deploys, and every replica.

The names are those on disk: a row written by an older version is read by the next one, so a name
must never get another meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired, Required, TypedDict, cast

from sagebrush.errors import Doc
from sagebrush.services.sagemaker.serving import container
from sagebrush.services.sagemaker.serving.container import Container
from sagebrush.store.rows import Next, Row


class Needs(TypedDict):
    """What one copy of an inference component needs of an instance."""

    cpu: float
    """vCPUs."""
    memory: int
    """Bytes that it must have (MinMemoryRequiredInMb)."""
    most: int
    """Bytes that it may have (MaxMemoryRequiredInMb); 0: those of the instance."""
    accelerators: float


class Placed(TypedDict):
    """A copy of an inference component on the endpoint's instances."""

    component: str
    variant: str
    instance: str
    """The id of the instance's entry; "" while it waits for room."""
    needs: Needs


class Variant(TypedDict):
    """A production variant as it was when its fleet was deployed; later changes of its model do not
    affect it."""

    name: str
    model: str
    """The model's name."""
    count: int
    """How many replicas it should have."""
    weight: float
    type: str
    """Its instance type."""
    startup: int | None
    """Seconds until a replica must answer /ping, where the variant says."""
    containers: list[Container]
    """Its model's containers, in their order."""
    mode: str
    """`Serial`: each gets what the one before it answered; `Direct`: a request names its own."""
    role: str | None
    isolated: bool
    serverless: NotRequired[Doc]
    """Its ServerlessConfig; `type` is "" then, and `count` what must answer to begin with."""
    most: NotRequired[int]
    """How many processes a serverless variant has at most."""
    shadow: NotRequired[bool]
    """Whether it gets copies of the requests, and its answers are thrown away."""
    drain: NotRequired[float]
    """Seconds that open requests may take before a draining replica is ended regardless."""
    resolved: float
    """When its images were resolved, in seconds since the epoch."""
    managed: NotRequired[Doc]
    """Its ManagedInstanceScaling."""
    routing: NotRequired[Doc]
    """Its RoutingConfig."""
    needs: NotRequired[Needs]
    """Of an inference component: what each copy needs of an instance."""
    strategy: NotRequired[str]
    """Of an inference component: `SPREAD` or `BINPACK`."""


class Fleet(TypedDict):
    """What is deployed together: the variants of one endpoint configuration."""

    id: str
    config: str
    """The configuration's name."""
    variants: list[Variant]
    capture: NotRequired[Doc]
    """The configuration's DataCaptureConfig."""
    started: float
    changed: NotRequired[float]
    """When weights or counts were last changed."""
    now: NotRequired[dict[str, int]]
    """How many replicas its variants should have at this step of a rolling deployment, where these
    are fewer than the variants say."""
    specification: NotRequired[Doc]
    """Of an inference component: its Specification."""
    asynchronous: NotRequired[Doc]
    """The AsyncInferenceConfig, where requests come from a queue."""


class Entry(TypedDict):
    """One replica."""

    id: str
    key: str
    """Names its capacity, and its first container's process and directory."""
    keys: NotRequired[list[str]]
    """The keys of all its containers, where it has several."""
    fleet: str
    """The id of its fleet."""
    variant: str
    """The name of its variant."""
    state: str
    """Its state (`hosting.fleet` has the list)."""
    since: float
    """When it entered that state, in seconds since the epoch."""
    was: NotRequired[Variant]
    """The variant that it runs, kept because its fleet may be removed before it."""
    tries: NotRequired[int]
    """Consecutive ends of the replicas that it replaces."""
    replaces: NotRequired[bool]
    """Whether it replaces one that had been serving."""
    asked: NotRequired[float]
    """When it was added."""
    not_before: NotRequired[float]
    """The earliest time of its launch, in seconds since the epoch."""
    type: NotRequired[str]
    """Of a copy of an inference component: the type of the instance that it is on."""


class Deploying(TypedDict):
    """How far the pending fleet has come to take the place of the serving one."""

    config: Doc
    """The DeploymentConfig, {} without one."""
    step: int
    """The step of its policy, from 1."""
    stage: str
    """`Creating`, `ActivatingTraffic` or `Baking`."""
    since: float
    """When the stage began."""
    back: NotRequired[str]
    """Why it is rolled back, if it is."""


class Plan(TypedDict, total=False):
    """The plan of an endpoint's row, and of an inference component's, whose replicas are copies."""

    active: Fleet | None
    """The fleet that answers."""
    pending: Fleet | None
    """The fleet that is to replace it."""
    deployment: Deploying | None
    """How the pending fleet takes the place of the active one."""
    share: float | None
    """The part of the traffic that the pending fleet gets, 0..1."""
    replicas: Required[list[Entry]]
    waiting: str | None
    """What a replica waits for."""
    queued: bool | None
    """Whether it waits for capacity."""
    looping: bool | None
    """Whether replicas end again and again."""
    sleeps: float | None
    """After how many idle seconds the endpoint has no replicas; None: it always has."""
    stuck: bool | None
    """Whether its last step was given up in the midst of a deployment."""
    updated_by: str | None
    """Who asked for its last update, where that was a task of a state machine (`Ctx.started_by`): asked
    for again after a crash, it is not made again."""
    tags: dict[str, str]
    billed: Doc
    """Of an endpoint: for how long it had how many instances (`hosting.billed`)."""
    copies: dict[str, Placed]
    """Of an endpoint without models: the copies of inference components on it, by their keys."""


def plan_of(row: Row | Next) -> Plan:
    """The row's plan, in today's form; of a step's result, the members to change."""
    plan = cast(Doc, row.plan)
    fleets = [plan[name] for name in ("active", "pending") if plan.get(name)]
    known = [variant for fleet in fleets for variant in fleet["variants"]]
    known += [each["was"] for each in plan.get("replicas", ()) if "was" in each]
    return cast(Plan, plan if all("containers" in each for each in known) else _moved(plan))


PAUSE = 60.0
"""Seconds that a replica waits at most before it is launched again."""


def set_back(plan: Plan, now: float) -> None:
    """No time of the plan is of the future any more, as after a clock that was set back: what began
    then began now. The plan is changed: a copy is given."""
    whole = cast(Doc, plan)
    began: list[Doc] = [*whole.get("replicas", ())]
    began += [whole[name] for name in ("active", "pending", "deployment") if whole.get(name)]
    for each in began:
        for member in ("since", "started", "changed", "asked"):
            if each.get(member) is not None:
                each[member] = min(each[member], now)
        if "not_before" in each:
            each["not_before"] = min(each["not_before"], now + PAUSE)


def _moved(plan: Doc) -> Doc:
    """The plan that a version wrote whose variants had one container each, in today's form."""
    found = dict(plan)
    for name in ("active", "pending"):
        if fleet := plan.get(name):
            found[name] = {**fleet, "variants": [container.moved(v) for v in fleet["variants"]]}
    found["replicas"] = [
        {**each, "was": container.moved(each["was"])} if "was" in each else each
        for each in plan.get("replicas", ())
    ]
    return found


def keys_of(entry: Entry) -> Sequence[str]:
    """The keys of the replica's containers, in their order."""
    return entry.get("keys") or [entry["key"]]


def keys(key: str, variant: Variant) -> list[str]:
    """The keys of the containers of a replica that runs `variant` under `key`."""
    places = range(1, len(variant["containers"]))
    return [key, *(f"{key}-{place}" for place in places)]


def active_of(row: Row) -> Fleet:
    """The serving fleet of an endpoint that has one."""
    found = plan_of(row).get("active")
    assert found is not None
    return found
