"""The capacity of a resource: read from its service and set there, by the service's own operations."""

from __future__ import annotations

from dataclasses import dataclass

from sagebrush.errors import Doc, Missing
from sagebrush.services.autoscaling import resources
from sagebrush.services.autoscaling.resources import Dimension
from sagebrush.world import Ctx

BURSTABLE = ("ml.t2.", "ml.t3.")
"""Types of "burstable instances such as T2", which SageMaker does not scale (developer guide, "Auto
scaling prerequisites")."""


CHANGING = ("Creating", "Updating", "SystemUpdating", "RollingBack", "CREATING", "UPDATING")
"""Statuses in which a service is at work on a resource: SageMaker's, and Comprehend's."""


@dataclass(frozen=True)
class Seen:
    """A resource's capacity as its service tells it."""

    status: str
    desired: int
    current: int
    type: str = ""
    """Of its instances."""
    reason: str = ""
    """Its FailureReason."""
    to_zero: bool = False
    """Whether its capacity may be 0."""

    @property
    def changing(self) -> bool:
        """Whether its service is at work on it."""
        return self.status in CHANGING


def see(ctx: Ctx, dimension: Dimension, resource: str) -> Seen:
    """The resource as it is. Raises what its service's Describe operation raises, and Missing for a
    variant that the endpoint lacks."""
    named = resources.names(dimension, resource)
    if dimension.name == resources.COPIES:
        return _component(ctx, named[0])
    if dimension.namespace == resources.COMPREHEND:
        return _units(ctx, named[0])
    doc = ctx.call("sagemaker", "DescribeEndpoint", {"EndpointName": named[0]})
    variants = [v for v in doc.get("ProductionVariants", ()) if v["VariantName"] == named[1]]
    if not variants or doc["EndpointStatus"] == "Deleting":
        words = f'Could not find production variant "{named[1]}" of endpoint "{named[0]}".'
        raise Missing("ValidationException", words)
    (variant,) = variants
    reason = doc.get("FailureReason", "")
    if dimension.name == resources.CONCURRENCY:
        desired = variant.get("DesiredServerlessConfig", {}).get("ProvisionedConcurrency", 0)
        current = variant.get("CurrentServerlessConfig", {}).get("ProvisionedConcurrency", 0)
        return Seen(doc["EndpointStatus"], desired, current, "", reason, True)
    return Seen(
        doc["EndpointStatus"],
        variant.get("DesiredInstanceCount", 0),
        variant.get("CurrentInstanceCount", 0),
        variant.get("InstanceType", ""),
        reason,
        "AsyncInferenceConfig" in doc or "ManagedInstanceScaling" in variant,
    )


def _component(ctx: Ctx, name: str) -> Seen:
    asked = {"InferenceComponentName": name}
    doc = ctx.call("sagemaker", "DescribeInferenceComponent", asked)
    config = doc.get("RuntimeConfig", {})
    return Seen(
        doc["InferenceComponentStatus"],
        config.get("DesiredCopyCount", 0),
        config.get("CurrentCopyCount", 0),
        reason=doc.get("FailureReason", ""),
        to_zero=True,
    )


def _units(ctx: Ctx, arn: str) -> Seen:
    """An endpoint of a custom model, whose capacity are its inference units."""
    asked = {"EndpointArn": arn}
    doc = ctx.call("comprehend", "DescribeEndpoint", asked)["EndpointProperties"]
    if doc["Status"] == "DELETING":
        raise Missing("ResourceNotFoundException", "The endpoint is being deleted.")
    return Seen(
        doc["Status"],
        doc["DesiredInferenceUnits"],
        doc.get("CurrentInferenceUnits", 0),
        reason=doc.get("Message", ""),
    )


def set_to(ctx: Ctx, dimension: Dimension, resource: str, capacity: int) -> None:
    """The resource's service works towards that capacity. Raises what its operation raises."""
    named = resources.names(dimension, resource)
    if dimension.name == resources.COPIES:
        params: Doc = {
            "InferenceComponentName": named[0],
            "DesiredRuntimeConfig": {"CopyCount": capacity},
        }
        ctx.call("sagemaker", "UpdateInferenceComponentRuntimeConfig", params)
        return
    if dimension.namespace == resources.COMPREHEND:
        params = {"EndpointArn": named[0], "DesiredInferenceUnits": capacity}
        ctx.call("comprehend", "UpdateEndpoint", params)
        return
    wanted: Doc = {"VariantName": named[1], "DesiredInstanceCount": capacity}
    if dimension.name == resources.CONCURRENCY:
        wanted = {
            "VariantName": named[1],
            "ServerlessUpdateConfig": {"ProvisionedConcurrency": capacity},
        }
    params = {"EndpointName": named[0], "DesiredWeightsAndCapacities": [wanted]}
    ctx.call("sagemaker", "UpdateEndpointWeightsAndCapacities", params)
