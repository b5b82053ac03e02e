"""The condition keys of a request, each computed when a policy refers to it.

IAM user guide, "AWS global condition context keys"; the keys of services are in their tables
(`access.actions`). A key that is not known here is absent, as on AWS for requests that do not carry
it: conditions on it are false, negated ones true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from sagebrush.access import actions, principals
from sagebrush.access.actions.entries import Need, Value, tag_value
from sagebrush.errors import Doc
from sagebrush.world import Ctx


class Known:
    """The condition keys of one need of a request. `get` takes keys in lower case."""

    def __init__(self, ctx: Ctx, need: Need, account: str = "") -> None:
        """`account` is the resource's; empty for the caller's own."""
        self._ctx = ctx
        self._need = need
        self._account = account or ctx.account

    def get(self, name: str, /) -> Value | None:
        """The value of the condition key, or None where the request does not have it."""
        s3 = self._need.action.startswith("s3:")
        if name == "aws:resourceaccount" or (name == "s3:resourceaccount" and s3):
            return self._account
        found = GLOBAL.get(name)
        if found is not None:
            return found(self._ctx)
        target = self._need.target
        if name in target.known:
            return target.known[name]
        for key in self._need.keys:
            value = key.value(self._ctx, name, self._need.part)
            if value is not None:
                return value
        if target.tags is not None:
            for prefix in target.tag_keys:
                if name.startswith(prefix):
                    return tag_value(list(target.tags().items()), name, prefix)
        if name.startswith("aws:"):
            return self._caller.get(name)
        if name.startswith("s3:") and s3:
            found = S3.get(name)
            return found(self._ctx) if found is not None else None
        return None

    @cached_property
    def _caller(self) -> Mapping[str, str]:
        """The keys about the caller and its session, in lower case."""
        return {key.lower(): value for key, value in principals.keys(self._ctx).items()}


def of_connection(ctx: Ctx, account: str) -> dict[str, Value]:
    """The keys about the connection, and about the resource's `account`, in lower case."""
    found = {key: value(ctx) for key, value in GLOBAL.items()}
    told = {key: value for key, value in found.items() if value is not None}
    return {**told, "aws:resourceaccount": account}


def of_operation(ctx: Ctx, service: str, operation: str, params: Doc) -> Known:
    """The keys of the operation's own action, on the resource that `params` name first."""
    return Known(ctx, next(actions.needs(ctx, service, operation, params)))


def _secure(ctx: Ctx) -> str:
    # The server's own calls for a role cross no network; a service of AWS would use TLS.
    return "false" if ctx.origin is not None and not ctx.origin.secure else "true"


GLOBAL: Mapping[str, Callable[[Ctx], Value | None]] = {
    "aws:referer": lambda ctx: ctx.origin.header("referer") if ctx.origin else None,
    "aws:securetransport": _secure,
    "aws:sourceip": lambda ctx: ctx.origin.address if ctx.origin else None,
    "aws:useragent": lambda ctx: ctx.origin.header("user-agent") if ctx.origin else None,
}
"""Global keys that are not about the caller (`principals.keys` has those), in lower case.
`aws:SourceArn` is of services that call on somebody's behalf (`access.resource_policies`)."""


def _auth_type(ctx: Ctx) -> str | None:
    if ctx.origin is None:
        return None
    return "REST-QUERY-STRING" if ctx.origin.presigned else "REST-HEADER"


def _signature_age(ctx: Ctx) -> str | None:
    """Milliseconds since a presigned URL was signed; only URLs of version 4 hold that time."""
    origin = ctx.origin
    if origin is None or not origin.presigned or origin.signed_at is None:
        return None
    return str(int((ctx.world.clock() - origin.signed_at) * 1000))


def _signature_version(ctx: Ctx) -> str | None:
    if ctx.origin is None:
        return None
    return "AWS" if ctx.origin.signed_at is None else "AWS4-HMAC-SHA256"


S3: Mapping[str, Callable[[Ctx], Value | None]] = {
    "s3:authtype": _auth_type,
    "s3:signatureage": _signature_age,
    "s3:signatureversion": _signature_version,
    "s3:tlsversion": lambda ctx: ctx.origin.tls if ctx.origin else None,
    "s3:x-amz-content-sha256": (
        lambda ctx: ctx.origin.header("x-amz-content-sha256") if ctx.origin else None
    ),
}
"""Keys that every request to S3 has, in lower case."""
