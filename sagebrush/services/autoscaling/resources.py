"""The resources of SageMaker that can be scaled: how they are named, and which metrics they have.

Source: API reference of RegisterScalableTarget and PredefinedMetricSpecification; SageMaker's guide,
"Automatic scaling of Amazon SageMaker AI models". Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sagebrush.errors import AwsError, Doc

NAMESPACE = "sagemaker"
INSTANCES = "sagemaker:variant:DesiredInstanceCount"
COPIES = "sagemaker:inference-component:DesiredCopyCount"
CONCURRENCY = "sagemaker:variant:DesiredProvisionedConcurrency"
PRINCIPAL = "sagemaker.application-autoscaling.amazonaws.com"
"""The service whose linked role scales them."""
METRICS = "AWS/SageMaker"


@dataclass(frozen=True)
class Dimension:
    """A scalable dimension."""

    name: str
    words: str
    """As activities call it: "Setting desired instance count to 2."."""
    pattern: re.Pattern[str]
    """Of its resource ids."""
    form: str
    """The same, for a message."""


_VARIANT = re.compile(r"endpoint/([A-Za-z0-9-]{1,63})/variant/([A-Za-z0-9-]{1,63})")
_COMPONENT = re.compile(r"inference-component/([A-Za-z0-9-]{1,63})")
_FORM = "endpoint/ENDPOINT/variant/VARIANT"

DIMENSIONS: Mapping[str, Dimension] = {
    d.name: d
    for d in (
        Dimension(INSTANCES, "desired instance count", _VARIANT, _FORM),
        Dimension(COPIES, "desired copy count", _COMPONENT, "inference-component/NAME"),
        Dimension(CONCURRENCY, "desired provisioned concurrency", _VARIANT, _FORM),
    )
}


@dataclass(frozen=True)
class Metric:
    """A predefined metric: what its two alarms watch."""

    dimension: str
    name: str
    statistic: str
    period: int = 60
    """Seconds of a datapoint in the alarm that scales out."""


PREDEFINED: Mapping[str, Metric] = {
    "SageMakerVariantInvocationsPerInstance": Metric(INSTANCES, "InvocationsPerInstance", "Sum"),
    "SageMakerInferenceComponentInvocationsPerCopy": Metric(COPIES, "InvocationsPerCopy", "Sum"),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": Metric(
        INSTANCES, "ConcurrentRequestsPerModel", "Maximum", 10
    ),
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": Metric(
        COPIES, "ConcurrentRequestsPerCopy", "Maximum", 10
    ),
    "SageMakerVariantProvisionedConcurrencyUtilization": Metric(
        CONCURRENCY, "ServerlessProvisionedConcurrencyUtilization", "Average"
    ),
}


def check_namespace(namespace: str) -> None:
    """Raises ValidationException for a service whose resources are not here."""
    if namespace != NAMESPACE:
        raise invalid(
            f"Sagebrush does not scale resources of the service namespace {namespace}: it has none of"
            f" that service. The namespace {NAMESPACE} is supported."
        )


def dimension_of(namespace: str, dimension: str) -> Dimension:
    """The dimension of that name. Raises ValidationException for another service's."""
    check_namespace(namespace)
    found = DIMENSIONS.get(dimension)
    if found is None:
        raise invalid(
            f"Unsupported service namespace, resource type or scalable dimension: {dimension} is"
            f" no dimension of {namespace}."
        )
    return found


def names(dimension: Dimension, resource: str) -> tuple[str, ...]:
    """(endpoint, variant), or (component,). Raises ValidationException for another form."""
    found = dimension.pattern.fullmatch(resource)
    if found is None:
        raise invalid(
            "Unsupported service namespace, resource type or scalable dimension: the ResourceId"
            f" {resource} of {dimension.name} must have the form {dimension.form}."
        )
    return found.groups()


def metric_dimensions(dimension: str, resource: str) -> list[Doc]:
    """The dimensions of the resource's metrics, as CloudWatch's documents have them."""
    named = names(DIMENSIONS[dimension], resource)
    members = (
        ("InferenceComponentName",) if dimension == COPIES else ("EndpointName", "VariantName")
    )
    return [{"Name": n, "Value": v} for n, v in zip(members, named, strict=True)]


def predefined(kind: str, dimension: str) -> Metric:
    """The predefined metric. Raises ValidationException for one of other resources."""
    found = PREDEFINED.get(kind)
    if found is None or found.dimension != dimension:
        raise invalid(
            f"The predefined metric type {kind} is not supported for the scalable dimension"
            f" {dimension}."
        )
    return found


def invalid(message: str) -> AwsError:
    """AWS's error for a wrong request."""
    return AwsError("ValidationException", message)
