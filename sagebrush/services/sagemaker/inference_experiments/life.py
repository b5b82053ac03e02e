"""The life of an inference experiment: its endpoint gets a shadow variant, and loses it again.

All that it does is done by operations, as its role: CreateEndpointConfig, UpdateEndpoint,
UpdateEndpointWeightsAndCapacities. Each step looks at the endpoint first, so it may be repeated. An
endpoint that somebody else has given another configuration is left as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sagebrush.engine import children
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Busy, Doc
from sagebrush.services.sagemaker.hosting import endpoint, endpoint_config
from sagebrush.services.sagemaker.inference_experiments import checks, configurations
from sagebrush.services.sagemaker.inference_experiments.configurations import END, OWN, SHADOW
from sagebrush.services.sagemaker.inference_experiments.facts import INFERENCE_EXPERIMENT
from sagebrush.services.sagemaker.inference_experiments.plan import plan_of
from sagebrush.store.rows import Next, Row
from sagebrush.world import Ctx, World

log = logging.getLogger(__name__)

SOON, WATCH = 0.5, 10.0
"""Seconds between looks at an endpoint that is being changed, and at one that is not."""


class Over(Exception):
    """The experiment cannot go on; the message is its StatusReason."""


def reconcile(world: World, row: Row) -> Next:
    """The next step. Raises AwsError for faults of the server (5xx), which the loop tries again."""
    if row.status in INFERENCE_EXPERIMENT.ended:
        return Next()
    try:
        return _STEPS[row.status](world, row)
    except AwsError as error:
        if error.status >= 500:
            raise
        if isinstance(error, Busy):  # scaled since it was looked at
            return Next(due=SOON)
        return _give_up(world, row, error.message)
    except Over as over:
        return _give_up(world, row, str(over))


def fail(world: World, row: Row, reason: str) -> Next:
    """The experiment is Cancelled for `reason`; AWS has no failed ones."""
    return _ended(world, row, "Cancelled", reason, None)


def _creating(_world: World, _row: Row) -> Next:
    return Next("Created", due=0.0)


def _created(world: World, row: Row) -> Next:
    """It starts at its StartTime."""
    left = row.doc["Schedule"]["StartTime"].timestamp() - world.clock()
    return Next(due=left) if left > 0 else Next("Starting", _modified(world), due=0.0)


def _starting(world: World, row: Row) -> Next:
    """The endpoint gets the shadow variant."""
    ctx = _ctx(world, row)
    if "own" not in plan_of(row):
        found = _endpoint(world, row)
        if found.status != "InService":
            return Next(due=SOON)
        own = configurations.request_of(checks.own(ctx, row.doc, found))
        return Next(plan={"own": own}, due=0.0)
    config = configurations.experimental(row.doc, plan_of(row).get("own", {}))
    waits = _deploy(ctx, row, _name(row, SHADOW), config)
    return waits or Next("Running", _modified(world), due=0.0)


def _updating(world: World, row: Row) -> Next:
    """What was changed is so: of a running experiment, the part of the requests that are copied."""
    back = plan_of(row).get("back", "Created")
    if back == "Created":
        return Next(back, due=0.0)
    if _endpoint(world, row).status != "InService":
        return Next(due=SOON)
    ctx, name, shadow = _ctx(world, row), row.doc["EndpointName"], configurations.shadow_of(row.doc)
    told = ctx.call("sagemaker", "DescribeEndpoint", {"EndpointName": name})
    _expect(row, told["EndpointConfigName"], (_name(row, SHADOW),))
    weight = configurations.weight_of(row.doc)
    if told["ShadowProductionVariants"][0]["CurrentWeight"] == weight:
        return Next(back, due=0.0)
    desired = [{"VariantName": shadow, "DesiredWeight": weight}]
    params = {"EndpointName": name, "DesiredWeightsAndCapacities": desired}
    ctx.call("sagemaker", "UpdateEndpointWeightsAndCapacities", params)
    return Next(due=SOON)


def _running(world: World, row: Row) -> Next:
    """It runs until its EndTime; then the endpoint gets its own configuration back."""
    found = _endpoint(world, row)
    if found.status == "InService":
        _expect(row, found.doc["EndpointConfigName"], (_name(row, SHADOW),))
    left = row.doc["Schedule"]["EndTime"].timestamp() - world.clock()
    if left > 0:
        return Next(due=min(left, WATCH))
    return Next("Stopping", _modified(world), {"end": "Completed", "actions": None}, due=0.0)


def _stopping(world: World, row: Row) -> Next:
    """The endpoint gets the configuration that it has after the experiment."""
    plan, ctx = plan_of(row), _ctx(world, row)
    end, own = plan.get("end", "Cancelled"), plan.get("own")
    if own is None:  # it never started
        return _ended(world, row, end, None, [configurations.source_of(row.doc)])
    actions, desired = plan.get("actions"), plan.get("desired") or ()
    step, config = configurations.final(row.doc, own, actions, desired)
    name = _name(row, step)
    if step == OWN and _config(world, row, own["EndpointConfigName"]) is not None:
        name = own["EndpointConfigName"]
    if waits := _deploy(ctx, row, name, config):
        return waits
    if step != SHADOW:
        _discard(ctx, row, SHADOW)
    return _ended(world, row, end, None, configurations.names(config))


_STEPS = {
    "Creating": _creating,
    "Created": _created,
    "Starting": _starting,
    "Updating": _updating,
    "Running": _running,
    "Stopping": _stopping,
}


def _deploy(ctx: Ctx, row: Row, name: str, config: Doc) -> Next | None:
    """None once the endpoint has that configuration; otherwise what to store before the next look.

    Raises Over where it cannot have it.
    """
    found = _endpoint(ctx.world, row)
    if found.status in ("Failed", "Deleting", "UpdateRollbackFailed"):
        raise Over(f'The endpoint "{found.name}" is {found.status}.')
    if found.status != "InService":
        return Next(due=SOON)
    at, plan = found.doc["EndpointConfigName"], plan_of(row)
    if at == name:
        return None
    if plan.get("asked") == name:
        why = found.doc.get("FailureReason", "the update was rolled back")
        raise Over(f'The endpoint "{found.name}" could not be updated: {why}')
    own = plan.get("own", {}).get("EndpointConfigName", "")
    _expect(row, at, (own, _name(row, SHADOW)))
    if _config(ctx.world, row, name) is None:
        ctx.call("sagemaker", "CreateEndpointConfig", {**config, "EndpointConfigName": name})
    params = {"EndpointName": found.name, "EndpointConfigName": name}
    ctx.call("sagemaker", "UpdateEndpoint", params)
    return Next(plan={"asked": name}, due=SOON)


def _discard(ctx: Ctx, row: Row, step: str) -> None:
    """The configuration that was made at that step, which nothing uses any more, is gone, if the role
    may delete it."""
    try:
        params = {"EndpointConfigName": _name(row, step)}
        ctx.call("sagemaker", "DeleteEndpointConfig", params)
    except AwsError as error:
        log.info("inference experiment %s: %s", row.name, error.message)


def _give_up(world: World, row: Row, reason: str) -> Next:
    """The experiment is Cancelled for `reason`, after its endpoint has its own configuration again
    where it has the experiment's."""
    found = world.rows.get(row.account, row.region, endpoint.KIND.name, row.doc["EndpointName"])
    at = found.doc["EndpointConfigName"] if found else ""
    if row.status in ("Running", "Updating") and at == _name(row, SHADOW):
        plan = {"end": "Cancelled", "actions": None}
        return Next("Stopping", {**_modified(world), "StatusReason": reason}, plan, due=0.0)
    config = _config(world, row, at)
    for step in (SHADOW, END) if found is None or found.status == "InService" else ():
        if _config(world, row, name := _name(row, step)) is not None and name != at:
            _discard(_ctx(world, row), row, step)
    return _ended(world, row, "Cancelled", reason, configurations.names(config) if config else [])


def _ended(
    world: World, row: Row, status: str, reason: str | None, kept: Sequence[str] | None
) -> Next:
    now = moment(world.clock())
    schedule = row.doc["Schedule"]
    doc = {
        **_modified(world),
        "CompletionTime": now,
        "Schedule": {**schedule, "EndTime": min(now, schedule["EndTime"])},
    }
    if reason:
        doc["StatusReason"] = reason[:1024]
    return Next(status, doc, {"kept": list(kept or ())})


def _modified(world: World) -> Doc:
    return {"LastModifiedTime": moment(world.clock())}


def _ctx(world: World, row: Row) -> Ctx:
    """Acts as the experiment's role, in its region."""
    return world.service_ctx(row.doc["RoleArn"], region=row.region)


def _name(row: Row, step: str) -> str:
    """The name of the configuration that the experiment makes at that step."""
    return children.name(row, step)


def _config(world: World, row: Row, name: str) -> Doc | None:
    found = world.rows.get(row.account, row.region, endpoint_config.KIND.name, name)
    return found.doc if found else None


def _endpoint(world: World, row: Row) -> Row:
    """The experiment's endpoint; raises Over where it is gone."""
    name = row.doc["EndpointName"]
    found = world.rows.get(row.account, row.region, endpoint.KIND.name, name)
    if found is None:
        raise Over(f'The endpoint "{name}" was deleted.')
    return found


def _expect(row: Row, at: str, names: Sequence[str]) -> None:
    """Raises Over where the endpoint has a configuration that this experiment did not give it."""
    if at not in names:
        name = row.doc["EndpointName"]
        raise Over(f'The endpoint "{name}" was given the configuration "{at}" meanwhile.')
