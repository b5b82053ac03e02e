"""Inference components: create, describe, list, update, scale, delete. Their life: `life`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind, arn_of, moment
from sagebrush.errors import AwsError, Busy, Doc
from sagebrush.routing import endpoints
from sagebrush.scheduler import quotas
from sagebrush.services.sagemaker.hosting import endpoint, scaling
from sagebrush.services.sagemaker.hosting.components import checks, instances, life, modelless
from sagebrush.services.sagemaker.hosting.components.facts import COMPONENT
from sagebrush.services.sagemaker.hosting.deployment import rollback_alarms
from sagebrush.services.sagemaker.hosting.deployment.given_up import new_deployment
from sagebrush.services.sagemaker.hosting.fleet import new_fleet, policy_of
from sagebrush.services.sagemaker.hosting.plan import Fleet, Variant, plan_of
from sagebrush.store.rows import Check, Reader, Row
from sagebrush.world import Ctx

KIND = Kind(
    COMPONENT.kind,
    COMPONENT.noun,
    running=COMPONENT,
    summary=("EndpointArn", "EndpointName", "VariantName"),
    reconcile=life.reconcile,
    fail=life.fail,
)
BUSY = ("Creating", "Updating", "Deleting")


def create_inference_component(ctx: Ctx, request: Doc) -> Doc:
    """The component exists, Creating. Raises ValidationException."""
    spec = checks.specification(request)
    checks.needs_of(spec)
    if "RuntimeConfig" not in request:
        raise checks.invalid("RuntimeConfig is required.")
    kinds.check_new(ctx, KIND, request)
    host = _endpoint(ctx, request["EndpointName"])
    on = _variant_of(host, request.get("VariantName"))
    variant = checks.variant_of(ctx, spec, on, request["RuntimeConfig"]["CopyCount"])
    doc = {
        "EndpointName": host.name,
        "EndpointArn": arn_of(host),
        "VariantName": on["name"],
        "RuntimeConfig": None,
    }
    plan = {"pending": _fleet(ctx, spec, variant), "replicas": []}

    def there(rows: Reader) -> None:
        found = rows.by_id(host.id)
        if found is None or found.status in ("Deleting", "Failed"):
            raise _not_in_service(ctx, host)
        instances.require_place(found, request["InferenceComponentName"], variant)

    row = kinds.draft(ctx, KIND, request, "Creating", doc, plan)
    row = replace(row, doc={k: v for k, v in row.doc.items() if v is not None})
    stored = kinds.insert(ctx, KIND, row, there)
    return {"InferenceComponentArn": stored.doc["InferenceComponentArn"]}


def describe_inference_component(ctx: Ctx, request: Doc) -> Doc:
    """The component with the copies that it has and should have."""
    row = kinds.find(ctx, KIND, request["InferenceComponentName"])
    found, plan = kinds.describe(KIND, row), plan_of(row)
    fleet = plan.get("active") or plan.get("pending")
    if fleet is None:
        return found
    variant = checks.fleet_of(fleet)
    newest = checks.fleet_of(plan.get("pending") or fleet)
    found["RuntimeConfig"] = {
        "DesiredCopyCount": newest["count"],
        "CurrentCopyCount": sum(e["state"] == "serving" for e in plan["replicas"]),
    }
    found["Specification"] = _described(ctx, fleet.get("specification", {}), variant)
    return found


def list_inference_components(ctx: Ctx, request: Doc) -> Doc:
    """A page of the components, of one endpoint or variant where the request says so."""
    names = {m: request.get(f"{m}Equals") for m in ("EndpointName", "VariantName")}
    if not any(names.values()):
        return kinds.list_page(ctx, KIND, request)
    whole = {k: v for k, v in request.items() if k not in ("NextToken", "MaxResults")}
    every: list[Doc] = []
    more: Doc = {}
    while True:
        page = kinds.list_page(ctx, KIND, {**whole, **more, "MaxResults": 100})
        every += page[KIND.summaries]
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    found = [
        each
        for each in every
        if all(value is None or each[member] == value for member, value in names.items())
    ]
    shown, token = kinds.paginate(found, request.get("NextToken"), request.get("MaxResults", 10))
    return {KIND.summaries: list(shown), **({"NextToken": token} if token else {})}


def update_inference_component(ctx: Ctx, request: Doc) -> Doc:
    """Copies by the new Specification take the place of the old ones, batch by batch.

    Raises ValidationException.
    """
    name = request["InferenceComponentName"]
    if "Specification" not in request and "Specifications" not in request:
        if "RuntimeConfig" not in request:
            raise checks.invalid("Specification or RuntimeConfig is required.")
        return _scaled(ctx, name, request["RuntimeConfig"]["CopyCount"])
    row = kinds.find(ctx, KIND, name)
    _require_steady(ctx, row)
    active = _active(row)
    wanted = checks.completed(request.get("Specification"), active.get("specification", {}))
    spec = checks.specification({**request, "Specification": wanted})
    asked = request.get("RuntimeConfig", {}).get("CopyCount")
    count = checks.fleet_of(active)["count"] if asked is None else asked
    host = _endpoint(ctx, row.doc["EndpointName"])
    variant = checks.variant_of(ctx, spec, _variant_of(host, row.doc["VariantName"]), count)
    fleet, now = _fleet(ctx, spec, variant), ctx.world.clock()
    config = request.get("DeploymentConfig")
    deploying = new_deployment(checks.deployment(config, count), now)
    rollback_alarms.require(ctx, variant["role"], policy_of(deploying, active, fleet).alarms)

    def change(row: Row) -> Row:
        _require_steady(ctx, row)
        if asked is None:  # it may have been scaled since
            there = checks.fleet_of(_active(row))["count"]
            checks.fleet_of(fleet)["count"] = there
            deploying["config"] = checks.deployment(config, there)
        doc = {**row.doc, "LastModifiedTime": moment(now), "LastDeploymentConfig": config}
        doc.pop("FailureReason", None)
        if config is None:
            del doc["LastDeploymentConfig"]
        plan = {**row.plan, "pending": fleet, "deployment": deploying, "share": 0.0}
        return replace(row, status="Updating", doc=doc, plan=plan, due_at=now)

    def place(rows: Reader) -> None:
        instances.require_place(rows.by_id(host.id), name, variant)

    return _changed(ctx, name, change, place)


def update_inference_component_runtime_config(ctx: Ctx, request: Doc) -> Doc:
    """Copies are added or drained until there are so many. Raises ValidationException."""
    name, wanted = request["InferenceComponentName"], request["DesiredRuntimeConfig"]
    return _scaled(ctx, name, wanted["CopyCount"])


def delete_inference_component(ctx: Ctx, request: Doc) -> None:
    """The component takes no more requests; its row is deleted when its copies have ended.

    Raises ValidationException while it is being updated or deleted. One that is Creating is deleted:
    AWS refuses it, and people wait for days (aws/amazon-sagemaker-examples#3432).
    """

    def change(row: Row) -> Row:
        if row.status in BUSY and row.status != "Creating" and not plan_of(row).get("stuck"):
            raise _undeletable(ctx, row)
        now = ctx.world.clock()
        doc = {**row.doc, "LastModifiedTime": moment(now)}
        return replace(row, status="Deleting", doc=doc, due_at=now)

    row = kinds.update(ctx, KIND, request["InferenceComponentName"], change)
    ctx.world.endpoints.end(endpoints.name_of(row), row.id)
    scaling.deregister_component(ctx, row.name)
    ctx.world.wake()


def _scaled(ctx: Ctx, name: str, count: int) -> Doc:
    """The component is to have so many copies. Raises ResourceLimitExceeded."""
    quotas.bound(count, "copies of an inference component")

    def change(row: Row) -> Row:
        _require_steady(ctx, row)
        active, now = _active(row), ctx.world.clock()
        variant: Variant = {**checks.fleet_of(active), "count": count}
        doc = {**row.doc, "LastModifiedTime": moment(now)}
        doc.pop("FailureReason", None)
        fleet: Fleet = {**active, "variants": [variant], "changed": now}
        fleet.pop("now", None)  # of a mix that a failed rollback left
        plan = {**row.plan, "active": fleet}
        return replace(row, status="Updating", doc=doc, plan=plan, due_at=now)

    return _changed(ctx, name, change)


def _changed(ctx: Ctx, name: str, change: Callable[[Row], Row], check: Check | None = None) -> Doc:
    row = kinds.update(ctx, KIND, name, change, check)
    ctx.world.wake()
    return {"InferenceComponentArn": row.doc["InferenceComponentArn"]}


def _endpoint(ctx: Ctx, name: str) -> Row:
    """The endpoint, which takes inference components. Raises ValidationException."""
    row = kinds.find(ctx, endpoint.KIND, name)
    if row.status in ("Deleting", "Failed"):
        raise _not_in_service(ctx, row)
    return row


def _variant_of(host: Row, name: str | None) -> Variant:
    """The endpoint's variant of that name (None: its first). Raises ValidationException."""
    plan = plan_of(host)
    fleet = plan.get("active") or plan.get("pending")
    assert fleet is not None  # every endpoint that is in service has one
    found = [v for v in fleet["variants"] if name in (None, v["name"])]
    if not modelless.bare(fleet):
        # AWS's words: pulumi/pulumi-aws#4940
        raise checks.invalid(
            "Inference Components are not supported in this Endpoint. Please make sure this endpoint"
            " can deploy inference components. (Production variants of its configuration have a"
            " ModelName.)"
        )
    if not found:
        raise checks.invalid(f'Could not find production variant "{name}" of "{arn_of(host)}".')
    return found[0]


def _fleet(ctx: Ctx, spec: Doc, variant: Variant) -> Fleet:
    return {**new_fleet("", [variant], ctx.world.clock()), "specification": spec}


def _active(row: Row) -> Fleet:
    found = plan_of(row).get("active")
    assert found is not None  # it is InService
    return found


def _described(ctx: Ctx, spec: Doc, variant: Variant) -> Doc:
    """The Specification as Describe shows it: with the image that runs."""
    own = spec.get("Container")
    if not own:
        return spec
    image = {
        "SpecifiedImage": own["Image"],
        "ResolvedImage": endpoint.resolved(ctx.world, variant["containers"][0]),
        "ResolutionTime": moment(variant["resolved"]),
    }
    kept = {k: v for k, v in own.items() if k != "Image"}
    return {**spec, "Container": {**kept, "DeployedImage": image}}


def _require_steady(ctx: Ctx, row: Row) -> None:
    """Raises ValidationException unless the component is InService."""
    if row.status == "Failed":
        raise checks.invalid(
            f'Cannot update failed inference component "{KIND.arn(ctx, row.name)}":'
            " DeleteInferenceComponent is the only operation that can be performed on it."
        )
    if row.status in BUSY or (plan_of(row).get("active") and plan_of(row).get("pending")):
        raise _in_progress(ctx, row)


def _in_progress(ctx: Ctx, row: Row) -> AwsError:
    arn = KIND.arn(ctx, row.name)
    words = f'Cannot update in-progress inference component "{arn}".'
    return Busy("ValidationException", words)


def _undeletable(ctx: Ctx, row: Row) -> AwsError:
    """AWS's sentence, and its name for a change of the number of copies; those for the other changes
    were not seen, and are DescribeInferenceComponent's."""
    scaling = row.status == "Updating" and not plan_of(row).get("pending")
    state = "UPDATE_RC_IN_PROGRESS" if scaling else row.status
    arn = KIND.arn(ctx, row.name)
    return checks.invalid(
        f'Cannot delete inference component "{arn}" while it is in state {state}.'
    )


def _not_in_service(ctx: Ctx, host: Row) -> AwsError:
    arn = endpoint.KIND.arn(ctx, host.name)
    return checks.invalid(f'Endpoint "{arn}" is not in service.')
