"""The resources that can be scaled, of SageMaker and of Comprehend: how they are named, and which metrics they
have.

Source: API reference of RegisterScalableTarget and PredefinedMetricSpecification; SageMaker's guide,
"Automatic scaling of Amazon SageMaker AI models"; Comprehend's, "Auto scaling with endpoints". Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sagebrush.errors import AwsError, Doc

SAGEMAKER, COMPREHEND = "sagemaker", "comprehend"
INSTANCES = "sagemaker:variant:DesiredInstanceCount"
COPIES = "sagemaker:inference-component:DesiredCopyCount"
CONCURRENCY = "sagemaker:variant:DesiredProvisionedConcurrency"
CLASSIFIERS = "comprehend:document-classifier-endpoint:DesiredInferenceUnits"
RECOGNIZERS = "comprehend:entity-recognizer-endpoint:DesiredInferenceUnits"
UNITS = (CLASSIFIERS, RECOGNIZERS)
METRICS = {SAGEMAKER: "AWS/SageMaker", COMPREHEND: "AWS/Comprehend"}
"""Service namespace, of which there are no others -> the namespace of its metrics."""
NAMES = {SAGEMAKER: "SageMaker", COMPREHEND: "Comprehend"}
"""The same -> the service, as messages call it."""


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

    @property
    def namespace(self) -> str:
        """The service namespace."""
        return self.name.partition(":")[0]


_VARIANT = re.compile(r"endpoint/([A-Za-z0-9-]{1,63})/variant/([A-Za-z0-9-]{1,63})")
_COMPONENT = re.compile(r"inference-component/([A-Za-z0-9-]{1,63})")
_FORM = "endpoint/ENDPOINT/variant/VARIANT"


def _endpoints(name: str, kind: str) -> Dimension:
    """The units of Comprehend's endpoints of that type, which go by their ARNs."""
    pattern = re.compile(
        rf"(arn:aws[^:]*:comprehend:[a-z0-9-]+:[0-9]{{12}}:{kind}/[A-Za-z0-9-]{{1,40}})"
    )
    form = f"arn:aws:comprehend:REGION:ACCOUNT:{kind}/NAME"
    return Dimension(name, "desired inference units", pattern, form)


DIMENSIONS: Mapping[str, Dimension] = {
    d.name: d
    for d in (
        Dimension(INSTANCES, "desired instance count", _VARIANT, _FORM),
        Dimension(COPIES, "desired copy count", _COMPONENT, "inference-component/NAME"),
        Dimension(CONCURRENCY, "desired provisioned concurrency", _VARIANT, _FORM),
        _endpoints(CLASSIFIERS, "document-classifier-endpoint"),
        _endpoints(RECOGNIZERS, "entity-recognizer-endpoint"),
    )
}


@dataclass(frozen=True)
class Metric:
    """A predefined metric: what its two alarms watch."""

    dimensions: tuple[str, ...]
    """Those that it is of."""
    name: str
    statistic: str
    period: int = 60
    """Seconds of a datapoint in the alarm that scales out."""


PREDEFINED: Mapping[str, Metric] = {
    "SageMakerVariantInvocationsPerInstance": Metric((INSTANCES,), "InvocationsPerInstance", "Sum"),
    "SageMakerInferenceComponentInvocationsPerCopy": Metric((COPIES,), "InvocationsPerCopy", "Sum"),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": Metric(
        (INSTANCES,), "ConcurrentRequestsPerModel", "Maximum", 10
    ),
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": Metric(
        (COPIES,), "ConcurrentRequestsPerCopy", "Maximum", 10
    ),
    "SageMakerVariantProvisionedConcurrencyUtilization": Metric(
        (CONCURRENCY,), "ServerlessProvisionedConcurrencyUtilization", "Average"
    ),
    # of each request, in percent of what the units read in a minute: a minute's are added up
    "ComprehendInferenceUtilization": Metric(UNITS, "InferenceUtilization", "Sum"),
}


def check_namespace(namespace: str) -> None:
    """Raises ValidationException for a service whose resources are not here."""
    if namespace not in METRICS:
        raise invalid(
            f"Sagebrush does not scale resources of the service namespace {namespace}: it has none of"
            f" that service. Supported: {', '.join(METRICS)}."
        )


def dimension_of(namespace: str, dimension: str) -> Dimension:
    """The dimension of that name. Raises ValidationException for another service's."""
    check_namespace(namespace)
    found = DIMENSIONS.get(dimension)
    if found is None or found.namespace != namespace:
        raise invalid(
            f"Unsupported service namespace, resource type or scalable dimension: {dimension} is"
            f" no dimension of {namespace}."
        )
    return found


def names(dimension: Dimension, resource: str) -> tuple[str, ...]:
    """(endpoint, variant), (component,), or (ARN,). Raises ValidationException for another form."""
    found = dimension.pattern.fullmatch(resource)
    if found is None:
        raise invalid(
            "Unsupported service namespace, resource type or scalable dimension: the ResourceId"
            f" {resource} of {dimension.name} must have the form {dimension.form}."
        )
    return found.groups()


_MEMBERS = {
    COPIES: ("InferenceComponentName",),
    CLASSIFIERS: ("EndpointArn",),
    RECOGNIZERS: ("EndpointArn",),
}


def metric_dimensions(dimension: str, resource: str) -> list[Doc]:
    """The dimensions of the resource's metrics, as CloudWatch's documents have them."""
    named = names(DIMENSIONS[dimension], resource)
    members = _MEMBERS.get(dimension, ("EndpointName", "VariantName"))
    return [{"Name": n, "Value": v} for n, v in zip(members, named, strict=True)]


def predefined(kind: str, dimension: str) -> Metric:
    """The predefined metric. Raises ValidationException for one of other resources."""
    found = PREDEFINED.get(kind)
    if found is None or dimension not in found.dimensions:
        raise invalid(
            f"The predefined metric type {kind} is not supported for the scalable dimension"
            f" {dimension}."
        )
    return found


def principal(namespace: str) -> str:
    """The service whose linked role scales resources of the namespace."""
    return f"{namespace}.application-autoscaling.amazonaws.com"


def invalid(message: str) -> AwsError:
    """AWS's error for a wrong request."""
    return AwsError("ValidationException", message)
