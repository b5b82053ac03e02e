"""Which service and which protocol one request speaks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sagebrush.aws import models
from sagebrush.errors import AwsError
from sagebrush.protocol import routes
from sagebrush.protocol.message import Request
from sagebrush.protocol.query import fields

CBOR = "smithy-rpc-v2-cbor"
_QUERY_VERSIONS = {
    "2011-06-15": "sts",
    "2010-05-08": "iam",
    "2010-08-01": "cloudwatch",
    "2010-03-31": "sns",
    "2012-11-05": "sqs",
}
"""API version in a form -> service, for requests that carry no signature."""
_HOST_WORDS = {
    "api.sagemaker": "sagemaker",
    "runtime.sagemaker": "sagemaker-runtime",
    "metrics.sagemaker": "sagemaker-metrics",
    "api.ecr": "ecr",
}


@dataclass(frozen=True)
class Target:
    """The service (botocore's name) that a request is for, and the protocol it speaks."""

    service: str
    protocol: str

    @property
    def signing_name(self) -> str:
        """The service name that the request's credential scope must hold."""
        return models.signing_name(self.service)


def dialect(request: Request) -> str:
    """The protocol that the request's form suggests, without regard to its service; for errors
    before `detect` has found the target."""
    headers = request.headers
    if "smithy-protocol" in headers:
        return CBOR
    if "x-amz-target" in headers:
        return "json"
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return "query"
    if headers.get("content-type", "").startswith("application/json"):
        return "rest-json"
    return "rest-xml"


def scope_service(request: Request) -> str | None:
    """The service in the request's SigV4 credential scope (header or query), or None."""
    authorization = request.headers.get("authorization", "")
    _, found, rest = authorization.partition("Credential=")
    credential = rest.partition(",")[0] if found else ""
    if not found:
        credential = next((v for k, v in request.query if k == "X-Amz-Credential"), "")
    parts = credential.strip().split("/")
    return parts[-2] if len(parts) >= 5 else None


def detect(request: Request) -> Target:
    """The target of `request`; looks at the body only where nothing else decides.

    Raises AwsError (NotImplemented, 400) for a service that is not spoken here, and
    UnknownOperationException for a target that names no service.
    """
    scope = scope_service(request)
    if scope is None:
        return _unsigned(request)
    candidates = models.by_signing_name().get(scope)
    if candidates is None:
        raise AwsError("NotImplemented", f"Sagebrush does not offer the service '{scope[:100]}'.")
    return _among(candidates, request)


def _among(candidates: tuple[str, ...], request: Request) -> Target:
    """The target, when the signature has left only `candidates`."""
    named = _named(request)
    if named and named.service in candidates:
        return named
    rest = _rest(candidates)
    if len(rest) > 1 and "x-amz-target" not in request.headers:
        for target in rest:
            if _routed(target.service, request):
                return target
        rest = _by_host(rest, request) or rest
    if rest and (len(rest) == 1 or "x-amz-target" not in request.headers):
        return rest[0]
    service = candidates[0]
    if "query" in models.protocols(service):
        return Target(service, "query")
    if named:
        raise AwsError("UnknownOperationException", "The target names another service's operation")
    raise AwsError("UnknownOperationException", f"The request names no operation of {service}")


@cache
def _rest(candidates: tuple[str, ...]) -> list[Target]:
    """Those of the services whose requests are distinguished by method and path."""
    targets = [Target(service, models.protocols(service)[0]) for service in candidates]
    return [target for target in targets if target.protocol in ("rest-json", "rest-xml")]


def _named(request: Request) -> Target | None:
    """The target that the request names itself: X-Amz-Target, or the path of Smithy's RPC."""
    headers = request.headers
    if "smithy-protocol" in headers:
        service = models.by_target_prefix().get(_rpc_service(request.path))
        if service and headers["smithy-protocol"] == "rpc-v2-cbor":
            return Target(service, CBOR)
        raise AwsError("UnknownOperationException", "No such Smithy service or protocol", 404)
    prefix, dot, _ = headers.get("x-amz-target", "").rpartition(".")
    service = models.by_target_prefix().get(prefix)
    return Target(service, "json") if dot and service else None


def _rpc_service(path: str) -> str:
    parts = path.split("/")
    return parts[2] if len(parts) == 5 and parts[1] == "service" else ""


def _routed(service: str, request: Request) -> bool:
    return (
        routes.match(service, request.method, request.path, request.query, request.headers)
        is not None
    )


def _by_host(targets: list[Target], request: Request) -> list[Target]:
    host = request.headers.get("host", "")
    named = [service for word, service in _HOST_WORDS.items() if host.startswith(word)]
    return [target for target in targets if target.service in named]


def _unsigned(request: Request) -> Target:
    named = _named(request)
    if named:
        return named
    if "x-amz-target" in request.headers:
        raise AwsError("UnknownOperationException", "The target names no service offered here")
    if dialect(request) == "query" and isinstance(request.body, bytes):
        form = dict(fields(request.body)) | dict(request.query)
        if "Action" in form:
            return _query_target(form)
    if any(key == "Action" for key, _ in request.query):
        return _query_target(dict(request.query))
    host = request.headers.get("host", "").partition(":")[0]
    for word, service in _HOST_WORDS.items():
        if host.startswith(word):
            return Target(service, models.protocols(service)[0])
    for service in ("sagemaker-runtime", "lambda"):
        if request.path.startswith(("/endpoints/", "/2015-03-31/")) and _routed(service, request):
            return Target(service, "rest-json")
    return Target("s3", "rest-xml")


def _query_target(form: dict[str, str]) -> Target:
    service = _QUERY_VERSIONS.get(form.get("Version", ""))
    if service is None:
        action = form["Action"]
        found = (s for s in _QUERY_VERSIONS.values() if models.operation(s, action))
        service = next(found, None)
    if service is None:
        raise AwsError("InvalidAction", f"Could not find operation {form['Action'][:200]}")
    return Target(service, "query")
