"""What a request about an inference component may not say, and what it means resolved."""

from __future__ import annotations

from sagebrush.engine import kinds
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import quotas
from sagebrush.scheduler.instances import instance
from sagebrush.scheduler.sizes import described
from sagebrush.services.sagemaker.hosting import model
from sagebrush.services.sagemaker.hosting.components import placement
from sagebrush.services.sagemaker.hosting.plan import Fleet, Needs, Variant
from sagebrush.services.sagemaker.serving import container
from sagebrush.services.sagemaker.serving.container import Container
from sagebrush.world import Ctx

UNSUPPORTED = {
    "BaseInferenceComponentName": "adapters on a base component (BaseInferenceComponentName)",
    "DataCacheConfig": "caching of model data (DataCacheConfig)",
    "InstanceType": "specifications by instance type (InstanceType)",
}
"""Members of a Specification that are refused because they would be ignored."""
MB = 1 << 20


def specification(request: Doc) -> Doc:
    """The request's Specification, checked. Raises ValidationException."""
    if request.get("Specifications"):
        raise _unsupported("several Specifications of an inference component")
    found = request.get("Specification")
    if not found:
        raise invalid("Specification is required.")
    for member, words in UNSUPPORTED.items():
        if found.get(member):
            raise _unsupported(words)
    own = found.get("Container")
    if bool(found.get("ModelName")) == bool(own):
        raise invalid("Provide exactly one of ModelName and Container in Specification.")
    if own and own.get("ContainerMetricsConfig"):
        raise _unsupported("metrics of containers (ContainerMetricsConfig)")
    if found.get("SchedulingConfig", {}).get("AvailabilityZoneBalance"):
        raise _unsupported("availability zones (AvailabilityZoneBalance)")
    return found


def completed(new: Doc | None, old: Doc) -> Doc | None:
    """The Specification of an update: what it leaves out is as before (SDK v2's `update_predictor`
    sends nothing else than what changes)."""
    if new is None:
        return None
    given = {member: value for member, value in new.items() if value}
    if "ModelName" in given:
        kept = {m: v for m, v in old.items() if m != "Container"}
    elif "Container" in given:
        kept = {m: v for m, v in old.items() if m != "ModelName"}
        given["Container"] = {**old.get("Container", {}), **given["Container"]}
    else:
        kept = old
    return {**kept, **given}


def needs_of(spec: Doc) -> Needs:
    """What each copy needs. Raises ValidationException."""
    wanted = spec.get("ComputeResourceRequirements")
    if not wanted:
        raise invalid("ComputeResourceRequirements is required in Specification.")
    if wanted.get("AcceleratorPartitionType"):
        raise _unsupported("accelerator partitions (AcceleratorPartitionType)")
    least, most = wanted["MinMemoryRequiredInMb"], wanted.get("MaxMemoryRequiredInMb", 0)
    if most and most < least:
        raise invalid(
            f"MaxMemoryRequiredInMb ({most}) must not be smaller than MinMemoryRequiredInMb"
            f" ({least})."
        )
    accelerators = float(wanted.get("NumberOfAcceleratorDevicesRequired", 0))
    if accelerators % 1:
        raise _unsupported("parts of an accelerator (NumberOfAcceleratorDevicesRequired)")
    return {
        "cpu": float(wanted.get("NumberOfCpuCoresRequired", 0)),
        "memory": least * MB,
        "most": most * MB,
        "accelerators": accelerators,
    }


def variant_of(ctx: Ctx, spec: Doc, on: Variant, count: int) -> Variant:
    """What `count` copies by the Specification run on the endpoint's variant `on`, resolved now.

    Raises ValidationException.
    """
    quotas.bound(count, "copies of an inference component")
    needs, size = needs_of(spec), instance(on["type"])
    if not placement.fits(size, needs):
        asked = described(needs["cpu"], needs["memory"], int(needs["accelerators"]))
        raise invalid(
            f"ComputeResourceRequirements ({asked}) are more than one {size.name} has"
            f" ({described(size.cpus, size.memory, size.gpus)})."
        )
    containers, mode, role, isolated = _program(ctx, spec, on)
    return {
        "name": on["name"],
        "model": spec.get("ModelName", ""),
        "count": count,
        "weight": 1.0,
        "type": on["type"],
        "startup": spec.get("StartupParameters", {}).get(
            "ContainerStartupHealthCheckTimeoutInSeconds"
        ),
        "containers": containers,
        "mode": mode,
        "role": role,
        "isolated": isolated,
        "resolved": ctx.world.clock(),
        "needs": needs,
        "strategy": spec.get("SchedulingConfig", {}).get("PlacementStrategy", placement.SPREAD),
    }


def _program(ctx: Ctx, spec: Doc, on: Variant) -> tuple[list[Container], str, str | None, bool]:
    """Containers, how they are invoked, role, whether they have no network."""
    if name := spec.get("ModelName"):
        found = kinds.find(ctx, model.KIND, name).doc
        role = found.get("ExecutionRoleArn") or on["role"]
        alone = on["isolated"] or model.isolated(found)
        return model.containers(ctx, found), model.mode(found), role, alone
    own = spec["Container"]
    definition: Doc = {"Image": own.get("Image"), "Environment": own.get("Environment", {})}
    if url := own.get("ArtifactUrl"):
        definition["ModelDataUrl"] = url
    image, data = model.resolve(ctx, definition), model.data_location(definition)
    one = container.resolved(definition, container.name_of(definition, 0), image, data)
    return [one], "Serial", on["role"], on["isolated"]


def deployment(config: Doc | None, count: int) -> Doc:
    """The DeploymentConfig of an update of `count` copies as endpoints have it; without one, a copy
    at a time. Raises ValidationException."""
    rolling = (config or {}).get("RollingUpdatePolicy") or {
        "MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1},
        "WaitIntervalInSeconds": 0,
    }
    found = dict(rolling)
    for member in ("MaximumBatchSize", "RollbackMaximumBatchSize"):
        if size := found.get(member):
            copies = size["Type"] == "COPY_COUNT"
            if not copies and size["Value"] > 100:
                raise invalid(f"{member} must not be more than 100% of the capacity.")
            found[member] = {**size, "Type": "INSTANCE_COUNT" if copies else size["Type"]}
    if not count:  # nothing answers: nothing to roll
        return {}
    return {**(config or {}), "RollingUpdatePolicy": found}


def fleet_of(fleet: Fleet) -> Variant:
    """The one variant of a component's fleet."""
    return fleet["variants"][0]


def invalid(text: str) -> AwsError:
    return AwsError("ValidationException", text)


def _unsupported(what: str) -> AwsError:
    return invalid(f"Sagebrush does not support {what} yet.")
