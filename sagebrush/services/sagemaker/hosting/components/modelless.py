"""Endpoints whose variants have no model: instances for inference components."""

from __future__ import annotations

from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import quotas
from sagebrush.services.sagemaker.hosting.components import instances
from sagebrush.services.sagemaker.hosting.plan import Fleet, Variant
from sagebrush.store.rows import Reader, Row


def check(request: Doc) -> None:
    """Raises ValidationException for an endpoint configuration with variants without ModelName, or
    with ManagedInstanceScaling, that could not be carried out; ResourceLimitExceeded for more
    instances than may be."""
    variants = request["ProductionVariants"]
    for variant in (*variants, *request.get("ShadowProductionVariants", ())):
        _check_managed(variant)
    bare = [v for v in variants if "ModelName" not in v and "ServerlessConfig" not in v]
    if any("ModelName" not in v for v in request.get("ShadowProductionVariants", ())):
        raise _invalid("ModelName is required in ShadowProductionVariants.")
    if not bare:
        return
    name = bare[0]["VariantName"]
    if len(bare) < len(variants):
        raise _invalid(
            f"Production variant {name} has no ModelName: either every production variant has one, or"
            " none (for inference components)."
        )
    if not request.get("ExecutionRoleArn"):
        raise _invalid(
            f"ExecutionRoleArn is required, as production variant {name} has no ModelName."
        )
    for member in ("AsyncInferenceConfig", "ShadowProductionVariants", "DataCaptureConfig"):
        if request.get(member):
            raise _invalid(
                f"Sagebrush does not support {member} with inference components (production variant"
                f" {name} has no ModelName) yet."
            )


def _check_managed(variant: Doc) -> None:
    managed, name = variant.get("ManagedInstanceScaling"), variant["VariantName"]
    if not managed:
        return
    if managed.get("ScaleInPolicy"):
        raise _invalid(
            "Sagebrush does not support ScaleInPolicy of ManagedInstanceScaling yet: instances without"
            " copies are given back at once."
        )
    if managed.get("Status") == "ENABLED" and "ModelName" in variant:
        # AWS's words: hashicorp/terraform-provider-aws#45926
        raise _invalid(
            "ManagedInstanceScaling is only supported for inference component endpoints."
            f" (Production variant {name} has a ModelName.)"
        )
    least, most = instances.bounds(managed)
    quotas.bound(least, f"instances of production variant {name}")
    if least > most:
        raise _invalid(
            f"Production variant {name}: MinInstanceCount ({least}) must not be larger than"
            f" MaxInstanceCount ({most})."
        )
    count = variant.get("InitialInstanceCount", least)
    if managed.get("Status") == "ENABLED" and count > most:
        raise _invalid(
            f"Production variant {name}: InitialInstanceCount ({count}) must not be larger than"
            f" MaxInstanceCount ({most})."
        )


def variant_of(wanted: Doc, config: Doc, now: float) -> Variant:
    """The production variant of a fleet of instances without a model."""
    return {
        "name": wanted["VariantName"],
        "model": "",
        "count": wanted["InitialInstanceCount"],
        "weight": wanted["InitialVariantWeight"],
        "type": wanted["InstanceType"],
        "startup": wanted.get("ContainerStartupHealthCheckTimeoutInSeconds"),
        "containers": [],
        "mode": "Serial",
        "role": config.get("ExecutionRoleArn"),
        "isolated": bool(config.get("EnableNetworkIsolation")),
        "resolved": now,
    }


def scaling_of(variant: Variant, wanted: Doc) -> Variant:
    """The variant with what its configuration says of scaling and routing."""
    if managed := wanted.get("ManagedInstanceScaling"):
        variant["managed"] = managed
    if routing := wanted.get("RoutingConfig"):
        variant["routing"] = routing
    return variant


def summary(variant: Variant) -> Doc:
    """The same as DescribeEndpoint shows it."""
    found: Doc = {}
    if managed := variant.get("managed"):
        found["ManagedInstanceScaling"] = managed
    if routing := variant.get("routing"):
        found["RoutingConfig"] = routing
    return found


def require_same(old: Fleet | None, new: Fleet) -> None:
    """Raises ValidationException where an update would take the instances of inference components
    away, or make an endpoint of models one of inference components, or the reverse."""
    if old is None:
        return
    if bare(old) != bare(new):
        raise _invalid(
            "Cannot update an endpoint from models to inference components or the reverse: create"
            " another endpoint."
        )
    names = {variant["name"] for variant in new["variants"]}
    if bare(old) and (gone := {v["name"] for v in old["variants"]} - names):
        raise _invalid(
            "The new endpoint configuration must have the production variants that inference"
            f" components are on: {', '.join(sorted(gone))}."
        )


def bare(fleet: Fleet) -> bool:
    """Whether the fleet's variants have no model."""
    return not fleet["variants"][0]["containers"]


def require_empty(rows: Reader, row: Row) -> None:
    """Raises ValidationException where inference components are on the endpoint, in AWS's words
    (gruntwork-io/cloud-nuke#1142), followed by their names."""
    if found := [each.name for each in instances.on(rows, row)]:
        raise _invalid(
            "Cannot delete endpoint with inference component associated. Please delete inference"
            f" component and try it again. (It has {', '.join(found)}.)"
        )


def fewest(variant: Variant) -> int:
    """How few instances a variant may be scaled to by its own scaling; 1 without."""
    return instances.bounds(variant.get("managed", {}))[0] if instances.enabled(variant) else 1


def _invalid(text: str) -> AwsError:
    return AwsError("ValidationException", text)
