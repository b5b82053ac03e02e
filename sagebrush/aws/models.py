"""botocore's service models, loaded once, and the names by which requests refer to them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from json import JSONDecoder
from pathlib import Path
from types import MappingProxyType
from typing import Any

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape

from sagebrush.aws import old_queues
from sagebrush.errors import Doc

SERVICES = (
    "s3",
    "sagemaker",
    "sagemaker-runtime",
    "sagemaker-metrics",
    "lambda",
    "stepfunctions",
    "comprehend",
    "application-autoscaling",
    "cloudwatch",
    "logs",
    "sts",
    "iam",
    "ecr",
    "events",
    "scheduler",
    "sqs",
    "sns",
)
"""The services whose wire formats are implemented, by botocore's names."""

QUERY_CODES = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    **{
        name: f"AWS.SimpleQueueService.{name}"
        for name in (
            "BatchEntryIdsNotDistinct", "BatchRequestTooLong", "EmptyBatchRequest",
            "InvalidBatchEntryId", "MessageNotInflight", "PurgeQueueInProgress",
            "QueueDeletedRecently", "TooManyEntriesInBatchRequest", "UnsupportedOperation",
        )
    },
}  # fmt: skip
"""Errors of SQS -> their codes in the query protocol that it had, which clients still go by; botocore's
model has lost them (SQS API Reference, the errors of each action)."""

_SPACE = re.compile(r"[ \t\n\r]*")
PROTOCOLS = ("json", "rest-json", "rest-xml", "query", "smithy-rpc-v2-cbor")


@cache
def model(service: str) -> ServiceModel:
    """botocore's model of `service`; raises KeyError for one not in SERVICES.

    The user's own `~/.aws/models` and AWS_DATA_PATH are not read.
    """
    if service not in SERVICES:
        raise KeyError(service)
    return ServiceModel(_loader().load_service_model(service, "service-2"), service)


@cache
def spoken(service: str, protocol: str) -> ServiceModel:
    """The model as that protocol has it: botocore's, but for what it has lost of SQS's query protocol."""
    if (service, protocol) != ("sqs", "query"):
        return model(service)
    return ServiceModel(
        old_queues.with_forms(_loader().load_service_model(service, "service-2")), service
    )


@cache
def _loader() -> Loader:
    """One for all services: each looks through all of botocore's folders once."""
    return Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


@cache
def outline(service: str) -> ServiceModel:
    """The model without its shapes; raises KeyError for a service not in SERVICES.

    A server starts with the outlines of all services, a sixth of the time that their models take, and
    parses the models of those that it is asked for.
    """
    if service not in SERVICES:
        raise KeyError(service)
    version = _loader().determine_latest_version(service, "service-2")
    name = Path(Loader.BUILTIN_DATA_PATH) / service / version / "service-2.json"
    packed = name.with_name(name.name + ".gz")
    data = gzip.decompress(packed.read_bytes()) if packed.exists() else name.read_bytes()
    return ServiceModel(members(data.decode(), ("metadata", "operations")), service)


def members(text: str, wanted: Sequence[str]) -> Doc:
    """Those members of the JSON object in `text`; what follows the last of them is not looked at.

    Raises ValueError for what is no such object.
    """
    found: Doc = {}
    decode, space = JSONDecoder().raw_decode, _SPACE.match

    def after(at: int, character: str) -> int:
        at = _end(space(text, at))
        if text[at : at + 1] != character:
            raise ValueError(f"{character} is missing at {at}")
        return _end(space(text, at + 1))

    at = after(0, "{")
    while True:
        name, at = decode(text, at)
        found[name], at = decode(text, after(at, ":"))
        if found.keys() >= set(wanted):
            return found
        at = after(at, ",")


def _end(found: re.Match[str] | None) -> int:
    """The end of a match of what always matches."""
    assert found is not None
    return found.end()


@cache
def names(service: str) -> tuple[str, ...]:
    """The names of the service's operations."""
    found: Any = outline(service).operation_names
    return tuple(found)


@cache
def known(service: str) -> dict[str, str]:
    """Snake-case name -> operation name, for every operation of `service`."""
    return {xform_name(name): name for name in names(service)}


@cache
def _name_set(service: str) -> frozenset[str]:
    return frozenset(names(service))


def operation(service: str, name: str, protocol: str = "") -> OperationModel | None:
    """The operation `name`, as the protocol has it where one is given; None when the service has none
    of that name."""
    if name not in _name_set(service):
        return None
    return spoken(service, protocol).operation_model(name)


@cache
def signing_name(service: str) -> str:
    """The name in the credential scope of requests to `service` (`monitoring`, `states` …)."""
    found: Any = outline(service).signing_name
    return found


@cache
def by_signing_name() -> Mapping[str, tuple[str, ...]]:
    """Signing name -> the services that share it."""
    table: dict[str, tuple[str, ...]] = {}
    for service in SERVICES:
        name = signing_name(service)
        table[name] = (*table.get(name, ()), service)
    return MappingProxyType(table)


@cache
def by_target_prefix() -> Mapping[str, str]:
    """Prefix of X-Amz-Target -> service."""
    metadata = {service: outline(service).metadata for service in SERVICES}
    return MappingProxyType(
        {str(m["targetPrefix"]): service for service, m in metadata.items() if "targetPrefix" in m}
    )


@cache
def protocols(service: str) -> tuple[str, ...]:
    """The protocols that the model declares, botocore's own choice first; and SQS's older one."""
    chosen: Any = outline(service).resolved_protocol
    declared = outline(service).metadata.get("protocols") or [chosen]
    older = ("query",) if service == "sqs" else ()
    return (chosen, *(p for p in declared if p != chosen), *older)


@dataclass(frozen=True)
class ErrorShape:
    """An error of a model: its name, its code in the query protocol, its status, its shape."""

    name: str
    code: str
    status: int | None
    shape: Shape


@cache
def error_shapes(service: str) -> Mapping[str, ErrorShape]:
    """Error code -> its shape, under both the shape's name and its query code."""
    found: Any = model(service).error_shapes
    old = QUERY_CODES if service == "sqs" else {}
    table: dict[str, ErrorShape] = {}
    for shape in found:
        traits = shape.metadata.get("error", {})
        status = traits.get("httpStatusCode")
        table[shape.name] = ErrorShape(
            shape.name, traits.get("code", old.get(shape.name, shape.name)), status, shape
        )
    for error in list(table.values()):
        table.setdefault(error.code, error)
    return MappingProxyType(table)
