"""Endpoints: create, describe, list, update, scale, delete. Their life: `hosting.fleet`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind, moment
from sagebrush.environments import standins
from sagebrush.errors import AwsError, Busy, Doc
from sagebrush.scheduler import quotas
from sagebrush.services.sagemaker.hosting import (
    asynchronous,
    endpoint_config,
    model,
    scaling,
    serverless,
    variants,
)
from sagebrush.services.sagemaker.hosting.components import instances, modelless
from sagebrush.services.sagemaker.hosting.deployment import (
    rollback_alarms,
    shifting,
    update_policy,
)
from sagebrush.services.sagemaker.hosting.deployment.given_up import new_deployment
from sagebrush.services.sagemaker.hosting.deployment.replicas import full, production
from sagebrush.services.sagemaker.hosting.deployment.shifting import Progress
from sagebrush.services.sagemaker.hosting.facts import ENDPOINT
from sagebrush.services.sagemaker.hosting.fleet import (
    fail,
    new_fleet,
    policy_of,
    reconcile,
)
from sagebrush.services.sagemaker.hosting.plan import Fleet, Variant, active_of, plan_of
from sagebrush.services.sagemaker.serving.container import Container
from sagebrush.store.rows import Check, Reader, Row
from sagebrush.world import Ctx, World

KIND = Kind(
    ENDPOINT.kind,
    ENDPOINT.noun,
    running=ENDPOINT,
    # "The name is case-insensitive in CreateEndpoint" (API reference)
    cased=False,
    reconcile=reconcile,
    fail=fail,
)
BUSY = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
"""Statuses in which AWS refuses UpdateEndpoint, UpdateEndpointWeightsAndCapacities and
DeleteEndpoint alike."""


def create_endpoint(ctx: Ctx, request: Doc) -> Doc:
    """The endpoint exists, Creating. Raises ValidationException or ResourceLimitExceeded."""
    fleet = _fleet(ctx, request["EndpointConfigName"])
    serverless.check_deployment(request.get("DeploymentConfig"), fleet)
    update_policy.check(request.get("DeploymentConfig"), production(fleet))
    kinds.check_new(ctx, KIND, request)
    types = _types(fleet, full(fleet))
    quotas.refuse(ctx, types, "endpoint")
    doc = {"LastDeploymentConfig": request.get("DeploymentConfig"), "DeploymentConfig": None}
    plan = {"pending": fleet, "replicas": []}

    def quota(rows: Reader) -> None:
        quotas.check_quota(ctx, types, "endpoint", rows)

    members = {k: v for k, v in doc.items() if v is not None}
    row = kinds.insert(ctx, KIND, kinds.draft(ctx, KIND, request, "Creating", members, plan), quota)
    return {"EndpointArn": row.doc["EndpointArn"]}


def describe_endpoint(ctx: Ctx, request: Doc) -> Doc:
    """The endpoint's document, each variant with its current weight, count and images."""
    row = kinds.find(ctx, KIND, request["EndpointName"])
    found = kinds.describe(KIND, row)
    plan = plan_of(row)
    active, pending = plan.get("active"), plan.get("pending")
    if fleet := active or pending:
        if config := fleet.get("asynchronous"):
            found["AsyncInferenceConfig"] = config
        found |= _summaries(ctx.world, row, fleet)
    if active and pending:
        found["PendingDeploymentSummary"] = {
            "EndpointConfigName": pending["config"],
            "StartTime": moment(pending["started"]),
            **_summaries(ctx.world, row, pending),
        }
    if capture := (active or pending or {}).get("capture"):
        found["DataCaptureConfig"] = _capture_summary(capture)
    return found


def _summaries(world: World, row: Row, fleet: Fleet) -> Doc:
    """The variants of a fleet as DescribeEndpoint shows them, production and shadow ones."""
    found: Doc = {}
    for variant in fleet["variants"]:
        member = "ShadowProductionVariants" if variant.get("shadow") else "ProductionVariants"
        found.setdefault(member, []).append(_summary(world, row, fleet, variant))
    return found


def _capture_summary(capture: Doc) -> Doc:
    """A DataCaptureConfig as DescribeEndpoint shows it."""
    enabled = capture.get("EnableCapture", True)
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
        "DestinationS3Uri": capture["DestinationS3Uri"],
        "KmsKeyId": capture.get("KmsKeyId", ""),
    }


def list_endpoints(ctx: Ctx, request: Doc) -> Doc:
    """A page of the endpoints."""
    return kinds.list_page(ctx, KIND, request)


def update_endpoint(ctx: Ctx, request: Doc) -> Doc:
    """A new fleet is deployed and takes the place of the serving one as the DeploymentConfig says.

    Raises ValidationException or ResourceLimitExceeded.
    """
    excluded = {
        e["VariantPropertyType"] for e in request.get("ExcludeRetainedVariantProperties", ())
    }
    retained = bool(request.get("RetainAllVariantProperties"))
    if excluded and not retained:
        raise AwsError(
            "ValidationException",
            "ExcludeRetainedVariantProperties needs RetainAllVariantProperties.",
        )
    row = kinds.find(ctx, KIND, request["EndpointName"])
    by = ctx.started_by.parent if ctx.started_by else None
    if by and plan_of(row).get("updated_by") == by:
        # asked for again, by who does not know the answer
        return {"EndpointArn": row.doc["EndpointArn"]}
    fleet = _fleet(ctx, request["EndpointConfigName"])
    _require_steady(ctx, row)
    # "You must not delete an EndpointConfig in use by an endpoint that is live": AWS cannot update
    # such an endpoint any more, in these words (hashicorp/terraform-provider-aws#40048).
    kinds.find(ctx, endpoint_config.KIND, row.doc["EndpointConfigName"])
    if retained:
        _retain(fleet, active_of(row), excluded)
    config = request.get("DeploymentConfig")
    if config is None and request.get("RetainDeploymentConfig"):
        config = row.doc.get("LastDeploymentConfig")
    serverless.check_deployment(config, fleet)
    update_policy.check(config, production(fleet))
    update_policy.check_change(config, production(active_of(row)), production(fleet))
    now = ctx.world.clock()
    deployment = new_deployment(config, now)
    policy = policy_of(deployment, active_of(row), fleet)
    rollback_alarms.require(ctx, fleet["variants"][0]["role"], policy.alarms)
    shares = policy.shares(production(fleet))
    types = _types(fleet, shifting.wanted(policy, shares, Progress(), full(fleet)))
    quotas.refuse(ctx, types, "endpoint")

    def change(row: Row) -> Row:
        _require_steady(ctx, row)
        asynchronous.require_same(plan_of(row).get("active"), fleet)
        modelless.require_same(plan_of(row).get("active"), fleet)
        serverless.require_same(plan_of(row).get("active"), fleet)
        if retained:  # weights may have changed since
            _retain(fleet, active_of(row), excluded)
        doc = {**row.doc, "LastModifiedTime": moment(now), "LastDeploymentConfig": config}
        doc.pop("FailureReason", None)
        if config is None:
            del doc["LastDeploymentConfig"]
        plan = {**row.plan, "pending": fleet, "deployment": deployment, "share": 0.0}
        plan["updated_by"] = by
        return replace(row, status="Updating", doc=doc, plan=plan, due_at=now)

    def room(rows: Reader) -> None:
        instances.require_room(rows, row, fleet)

    return _changed(ctx, request, change, types, room)


def update_endpoint_weights_and_capacities(ctx: Ctx, request: Doc) -> Doc:
    """Weights apply immediately; replicas are added or drained until each variant has its count.

    Raises ValidationException or ResourceLimitExceeded.
    """
    row = kinds.find(ctx, KIND, request["EndpointName"])
    _require_steady(ctx, row)
    _require_one_fleet(ctx, row)
    more = _added(active_of(row), _scaled(ctx.world, active_of(row), request))
    quotas.refuse(ctx, more, "endpoint")

    def change(row: Row) -> Row:
        _require_steady(ctx, row)
        _require_one_fleet(ctx, row)
        active = active_of(row)
        now = ctx.world.clock()
        fleet = {**active, "variants": _scaled(ctx.world, active, request), "changed": now}
        plan = {**row.plan, "active": fleet}
        doc = {**row.doc, "LastModifiedTime": moment(now)}
        doc.pop("FailureReason", None)
        return replace(row, status="Updating", doc=doc, plan=plan, due_at=now)

    return _changed(ctx, request, change, more)


def _scaled(world: World, active: Fleet, request: Doc) -> list[Variant]:
    """The fleet's variants with the weights and counts of the request. Raises ValidationException."""
    variants = {v["name"]: v.copy() for v in active["variants"]}
    wanted = request["DesiredWeightsAndCapacities"]
    missing = [d["VariantName"] for d in wanted if d["VariantName"] not in variants]
    if missing:
        raise AwsError(
            "ValidationException",
            f'The variant name(s) "{", ".join(missing)}" is/are not present within endpoint'
            f' configuration "{active["config"]}".',
        )
    for desired in wanted:
        variant = variants[desired["VariantName"]]
        serverless.check_update(variant, desired)
        variant["weight"] = float(desired.get("DesiredWeight", variant["weight"]))
        variant["count"] = desired.get("DesiredInstanceCount", variant["count"])
        quotas.bound(variant["count"], f"instances of production variant {variant['name']}")
        if change := desired.get("ServerlessUpdateConfig"):
            serverless.updated(variant, change, world.host)
        if variant["count"] < min(asynchronous.floor(active), modelless.fewest(variant)):
            raise AwsError(
                "ValidationException",
                f"Production variant {variant['name']} needs a DesiredInstanceCount of at least 1:"
                " only asynchronous endpoints are scaled to zero.",
            )
    return list(variants.values())


def _added(active: Fleet, scaled: list[Variant]) -> list[str]:
    """The types of the instances that `scaled` has in addition to those of `active`."""
    before = {variant["name"]: variant["count"] for variant in active["variants"]}
    return [
        v["type"]
        for v in scaled
        if "serverless" not in v
        for _ in range(v["count"] - before[v["name"]])
    ]


def delete_endpoint(ctx: Ctx, request: Doc) -> None:
    """The endpoint takes no more requests; its row is deleted when its processes have ended.

    Raises ValidationException while it is being created, updated or deleted. One that is Creating
    and waits for capacity is deleted: AWS's would fail by itself, ours may wait for as long as
    others hold the capacity. So is one whose deployment can go neither on nor back.
    """

    def change(row: Row) -> Row:
        waits = row.status == "Creating" and plan_of(row).get("queued")
        if row.status in BUSY and not waits and not plan_of(row).get("stuck"):
            raise _in_progress(ctx, row)
        now = ctx.world.clock()
        doc = {**row.doc, "LastModifiedTime": moment(now)}
        return replace(row, status="Deleting", doc=doc, due_at=now)

    def empty(rows: Reader) -> None:
        modelless.require_empty(rows, kinds.find(ctx, KIND, request["EndpointName"]))

    row = kinds.update(ctx, KIND, request["EndpointName"], change, empty)
    ctx.world.endpoints.end((row.account, row.region, row.name), row.id)
    fleets = [fleet for fleet in (plan_of(row).get("active"), plan_of(row).get("pending")) if fleet]
    scaling.deregister(ctx, row.name, {v["name"] for fleet in fleets for v in fleet["variants"]})
    ctx.world.wake()


def _changed(
    ctx: Ctx,
    request: Doc,
    change: Callable[[Row], Row],
    types: list[str],
    check: Check | None = None,
) -> Doc:
    """The endpoint is changed and due; returns its ARN. Raises ResourceLimitExceeded where
    instances of `types` in addition to its own exceed a quota, and what `check` raises."""

    def quota(rows: Reader) -> None:
        quotas.check_quota(ctx, types, "endpoint", rows)
        if check is not None:
            check(rows)

    found = kinds.update(ctx, KIND, request["EndpointName"], change, quota)
    ctx.world.wake()
    return {"EndpointArn": found.doc["EndpointArn"]}


def _require_steady(ctx: Ctx, row: Row) -> None:
    """Raises ValidationException unless the endpoint is InService."""
    arn = KIND.arn(ctx, row.name)
    if row.status == "Failed":
        raise AwsError(
            "ValidationException",
            f'Cannot update failed endpoint "{arn}": DeleteEndpoint is the only operation that can'
            " be performed on it.",
        )
    plan = plan_of(row)
    # an older version said InService of a deployment whose step had failed, and went on with it
    if row.status in BUSY or (plan.get("active") and plan.get("pending")):
        raise _in_progress(ctx, row)


def _require_one_fleet(ctx: Ctx, row: Row) -> None:
    """Raises ValidationException where a rollback failed: two configurations serve."""
    if row.status == "UpdateRollbackFailed":
        arn = KIND.arn(ctx, row.name)
        raise AwsError(
            "ValidationException",
            f'Cannot update endpoint "{arn}" in status UpdateRollbackFailed: it serves with a mix of'
            " two endpoint configurations until UpdateEndpoint replaces them.",
        )


def _in_progress(ctx: Ctx, row: Row) -> AwsError:
    arn = KIND.arn(ctx, row.name)
    return Busy("ValidationException", f'Cannot update in-progress endpoint "{arn}".')


def _fleet(ctx: Ctx, config_name: str) -> Fleet:
    """Everything that the configuration deploys; later changes of its models do not affect it.

    Raises ValidationException when the configuration or one of its models is not there.
    """
    config = kinds.find(ctx, endpoint_config.KIND, config_name)
    alone = bool(config.doc.get("EnableNetworkIsolation"))
    variants = [
        modelless.scaling_of(_variant(ctx, v, alone), v)
        if "ModelName" in v
        else modelless.scaling_of(modelless.variant_of(v, config.doc, ctx.world.clock()), v)
        for v in config.doc["ProductionVariants"]
    ]
    for wanted in config.doc.get("ShadowProductionVariants", ()):
        variants.append({**_variant(ctx, wanted, alone), "shadow": True})
    for each in variants:
        quotas.bound(each["count"], f"instances of production variant {each['name']}")
    fleet = new_fleet(config_name, variants, ctx.world.clock())
    if capture := config.doc.get("DataCaptureConfig"):
        fleet["capture"] = capture
    return asynchronous.apply(fleet, config.doc.get("AsyncInferenceConfig"))


def _variant(ctx: Ctx, wanted: Doc, alone: bool) -> Variant:
    found = kinds.find(ctx, model.KIND, wanted["ModelName"])
    now = ctx.world.clock()
    made: Variant = {
        "name": wanted["VariantName"],
        "model": wanted["ModelName"],
        "count": wanted.get("InitialInstanceCount", 1),
        "weight": wanted["InitialVariantWeight"],
        "type": wanted.get("InstanceType", ""),
        "startup": wanted.get("ContainerStartupHealthCheckTimeoutInSeconds"),
        "containers": model.containers(ctx, found.doc),
        "mode": model.mode(found.doc),
        "role": found.doc.get("ExecutionRoleArn"),
        "isolated": alone or model.isolated(found.doc),
        "resolved": now,
    }
    made.update(serverless.variant(wanted, ctx.world.host))  # type: ignore[typeddict-item]
    if "serverless" in made:
        serverless.check_model(found.doc, len(made["containers"]))
        for each in made["containers"]:
            if not each["container"]:
                each["env"] = {**serverless.ONE_WORKER, **each["env"]}
    return made


def _types(fleet: Fleet, counts: dict[str, int]) -> list[str]:
    """The types of so many of the fleet's instances."""
    return [
        variant["type"]
        for variant in fleet["variants"]
        if "serverless" not in variant
        for _ in range(counts[variant["name"]])
    ]


def _retain(fleet: Fleet, active: Fleet, excluded: set[str]) -> None:
    """Weights and counts changed since the deployment are kept, except the `excluded`
    properties."""
    if "DataCaptureConfig" not in excluded:
        fleet.pop("capture", None)
        if "capture" in active:
            fleet["capture"] = active["capture"]
    before = {v["name"]: v for v in active["variants"]}
    for variant in fleet["variants"]:
        old = before.get(variant["name"])
        if old is None:
            continue
        if "DesiredInstanceCount" not in excluded and "serverless" not in {**old, **variant}:
            variant["count"] = old["count"]
        if "DesiredWeight" not in excluded:
            variant["weight"] = old["weight"]


def resolved(world: World, container: Container) -> str:
    """The image that the container's image resolves to here, with the library versions that run, and
    for which of those that were asked for they stand in."""
    built = world.environments.built(container["environment"])
    if built is None:
        return container["image"]
    changes = standins.changes(container.get("asked", {}), built)
    return built.image({c.name: c.asked for c in changes if c.name in built.versions})


def _summary(world: World, row: Row, fleet: Fleet, variant: Variant) -> Doc:
    """A variant as DescribeEndpoint shows it."""
    found = variants.shown(row, fleet, variant)
    if variant["containers"]:
        found["DeployedImages"] = [
            {
                "SpecifiedImage": container["image"],
                "ResolvedImage": resolved(world, container),
                "ResolutionTime": moment(variant["resolved"]),
            }
            for container in variant["containers"]
        ]
    return found
