"""Serverless variants: their configuration, checked, and what they are on this host.

Source: SageMaker's guide, "Deploy models with Amazon SageMaker Serverless Inference" (feature
exclusions, memory size, concurrent invocations) and the API reference (ProductionVariantServerlessConfig).
AWS's own sentences for these refusals are not published; ours name the member and the rule.
"""

from __future__ import annotations

from typing import Any

from sagebrush.compute.host import Host
from sagebrush.errors import AwsError, Doc
from sagebrush.routing.tallies import NAMESPACE
from sagebrush.scheduler import sizes
from sagebrush.scheduler.sizes import Size
from sagebrush.services.sagemaker.hosting import elastic
from sagebrush.services.sagemaker.hosting.plan import Fleet, Variant
from sagebrush.store.series import Point

SIZES = tuple(range(1024, 6144 + 1, 1024))
"""MB of memory that a serverless endpoint may have."""
STARTUP = 180
"""Seconds until a container must answer /ping: the guide gives it 3 minutes."""
ONE_WORKER = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
"""A process answers one request at a time, as each of AWS's does, where the user does not say."""
INSTANCES = (
    "InstanceType",
    "InitialInstanceCount",
    "AcceleratorType",
    "VolumeSizeInGB",
    "ModelDataDownloadTimeoutInSeconds",
    "ContainerStartupHealthCheckTimeoutInSeconds",
    "ManagedInstanceScaling",
    "RoutingConfig",
    "InferenceAmiVersion",
)
"""Members of a variant that are about its instances."""


def check(request: Doc) -> None:
    """Raises ValidationException for an endpoint configuration with a serverless variant that could not
    be deployed."""
    variants = request["ProductionVariants"]
    if not any("ServerlessConfig" in v for v in variants):
        if any("ServerlessConfig" in v for v in request.get("ShadowProductionVariants", ())):
            raise _excluded("shadow variants (ShadowProductionVariants)")
        return
    capture = request.get("DataCaptureConfig") or {}
    for given, what in (
        (len(variants) > 1, "multiple production variants"),
        (request.get("ShadowProductionVariants"), "shadow variants (ShadowProductionVariants)"),
        (capture.get("EnableCapture", bool(capture)), "data capture (DataCaptureConfig)"),
        (request.get("AsyncInferenceConfig"), "asynchronous inference (AsyncInferenceConfig)"),
        (request.get("EnableNetworkIsolation"), "network isolation (EnableNetworkIsolation)"),
        (request.get("VpcConfig"), "VPC configuration (VpcConfig)"),
        (request.get("ExplainerConfig"), "online explainability (ExplainerConfig)"),
    ):
        if given:
            raise _excluded(what)
    (variant,) = variants
    for member in INSTANCES:
        if member in variant:
            raise AwsError(
                "ValidationException",
                f"{member} cannot be given with ServerlessConfig in production variant"
                f" {variant['VariantName']}.",
            )
    check_config(variant["VariantName"], variant["ServerlessConfig"])


def check_config(name: str, config: Doc) -> None:
    """Raises ValidationException for a ServerlessConfig whose members do not fit."""
    memory, most = config["MemorySizeInMB"], config["MaxConcurrency"]
    if memory not in SIZES:
        raise AwsError(
            "ValidationException",
            f"MemorySizeInMB {memory} of production variant {name} is not one of"
            f" {', '.join(map(str, SIZES))}.",
        )
    provisioned = config.get("ProvisionedConcurrency", 0)
    if provisioned > most:
        raise AwsError(
            "ValidationException",
            f"ProvisionedConcurrency {provisioned} of production variant {name} must be less than or"
            f" equal to MaxConcurrency {most}.",
        )


def check_model(model: Doc, containers: int) -> None:
    """Raises ValidationException for a model that is not served serverless."""
    for given, what in (
        (containers > 1, "several containers (inference pipelines)"),
        (model.get("EnableNetworkIsolation"), "network isolation (EnableNetworkIsolation)"),
        (model.get("VpcConfig"), "VPC configuration (VpcConfig)"),
    ):
        if given:
            raise _excluded(what)


def variant(wanted: Doc, host: Host) -> dict[str, Any]:
    """What a serverless variant has in place of instances; {} for another."""
    config = wanted.get("ServerlessConfig")
    return {**_sized(config, host), "startup": STARTUP} if config else {}


def _sized(config: Doc, host: Host) -> dict[str, Any]:
    most = elastic.processes(config["MaxConcurrency"], host)
    count = min(most, max(1, config.get("ProvisionedConcurrency", 0)))
    return {"serverless": config, "type": "", "most": most, "count": count}


def updated(variant: Variant, change: Doc, host: Host) -> None:
    """The variant has the ServerlessUpdateConfig's members. Raises ValidationException."""
    config = {**variant.get("serverless", {}), **change}
    check_config(variant["name"], config)
    variant.update(_sized(config, host))  # type: ignore[typeddict-item]


def check_update(variant: Variant, desired: Doc) -> None:
    """Raises ValidationException for a change of instances of a serverless variant, or the reverse."""
    serverless = "serverless" in variant
    member = "DesiredInstanceCount" if serverless else "ServerlessUpdateConfig"
    if member in desired:
        kind = "a serverless" if serverless else "an instance-based"
        raise AwsError(
            "ValidationException",
            f"{member} cannot be set for production variant {variant['name']}: it is {kind} variant.",
        )


def require_same(old: Fleet | None, new: Fleet) -> None:
    """Raises ValidationException for an update from instances to serverless: "you cannot convert your
    instance-based, real-time endpoint to a serverless endpoint" (guide). The reverse is allowed."""
    if old and not _is(old) and _is(new):
        raise AwsError(
            "ValidationException",
            "Cannot update an instance-based endpoint to a serverless endpoint: create another"
            " endpoint.",
        )


def check_deployment(config: Doc | None, fleet: Fleet) -> None:
    """Raises ValidationException for a rolling update of a serverless endpoint
    (`deployment-guardrails-exclusions`)."""
    if config and config.get("RollingUpdatePolicy") and _is(fleet):
        raise _excluded("rolling deployments (RollingUpdatePolicy)")


def _is(fleet: Fleet) -> bool:
    return any("serverless" in variant for variant in fleet["variants"])


def size(variant: Variant, host: Host) -> tuple[Size, str]:
    """What one process of the variant gets of the host, and the sentence that says if that is less than
    its type. A serverless one has its memory, and one CPU for each GB of it."""
    config = variant.get("serverless")
    if config is None:
        (found,), banner = sizes.share([variant["type"]], host)
        return found, banner
    megabytes = config["MemorySizeInMB"]
    memory = min(megabytes << 20, host.memory)
    return Size(f"serverless.{megabytes}", min(megabytes / 1024, host.cpus), int(memory)), ""


def summary(variant: Variant, serving: int) -> Doc:
    """The members of DescribeEndpoint's summary of a serverless variant."""
    desired = variant.get("serverless", {})
    current = {**desired}
    if serving < min(desired.get("ProvisionedConcurrency", 0), variant.get("most", 0)):
        current["ProvisionedConcurrency"] = serving
        if not serving:
            del current["ProvisionedConcurrency"]
    return {"CurrentServerlessConfig": current, "DesiredServerlessConfig": desired}


def setup(seconds: float, at: float, endpoint: str, variant: str) -> Point:
    """The ModelSetupTime of one process, in microseconds."""
    dimensions = {"EndpointName": endpoint, "VariantName": variant}
    return Point(NAMESPACE, "ModelSetupTime", at, seconds * 1e6, dimensions, "Microseconds")


def _excluded(what: str) -> AwsError:
    return AwsError(
        "ValidationException",
        "One or more endpoint features are not supported using this configuration:"
        f" {what}, with serverless inference.",
    )
