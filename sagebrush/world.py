"""What operations are given: the World, one request's Ctx, AWS's errors and the operation table."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagebrush.compute.base import Backend
    from sagebrush.compute.environments import Environments
    from sagebrush.credentials import CredentialBook
    from sagebrush.settings import Settings
    from sagebrush.store.db import Db
    from sagebrush.store.objects import ObjectStore
    from sagebrush.store.rows import Rows
    from sagebrush.store.series import Series
    from sagebrush.store.streams import Streams

Doc = dict[str, Any]
"""A document in AWS's shape, checked against botocore's model at the edge."""


class AwsError(Exception):
    """An answer that is an error: AWS's code, a message and the HTTP status.

    `fields` are further members of the error shape (`Resource`, `OriginalStatusCode` …).
    Only `protocol.reply` turns it into bytes.
    """

    def __init__(self, code: str, message: str, status: int = 400, **fields: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields


@dataclass(frozen=True)
class Caller:
    """Who asks: the principal's ARN, its unique id, and the role name when it is a role session."""

    arn: str
    user_id: str
    account: str
    role: str | None = None
    access_key: str = ""
    policies: tuple[Doc, ...] = field(default=(), hash=False)
    """Session policies: what the session may do at most."""


Operation = Callable[["Ctx", Doc], Doc | Awaitable[Doc | None] | Future[Doc] | None]
"""(ctx, request document) -> result document; raises AwsError. Async only where bytes flow.

One that ends with a write may answer the write's future, so that no thread waits for the disk.
"""

Operations = dict[tuple[str, str], Operation]
"""(botocore service name, operation name) -> operation."""


@dataclass
class World:
    """Everything that lives as long as the server; built once, in `app.py`."""

    settings: Settings
    clock: Callable[[], float]
    """Seconds since the epoch; a test passes its own."""
    db: Db
    rows: Rows
    objects: ObjectStore
    series: Series
    streams: Streams
    backend: Backend
    environments: Environments
    credentials: CredentialBook
    operations: Operations
    dispatch: Callable[[Ctx, str, str, Doc], Doc]
    """Checks the parameters, asks the policy and runs a synchronous operation."""
    ports: tuple[int, int] = (0, 0)
    """The ports that it answers on: plain HTTP and TLS; known once it answers."""
    wake: Callable[[], None] = lambda: None
    """Makes the loop look for due rows now."""
    cache: dict[str, Any] = field(default_factory=dict)
    """In-memory state by owner module (live endpoint counters …); may be lost at any time."""

    def ctx(self, caller: Caller, request_id: str = "") -> Ctx:
        """A context for `caller`; empty `request_id` for work that no request began."""
        return Ctx(self, self.settings.account, self.settings.region, caller, request_id)

    def service_ctx(self, role_arn: str | None = None) -> Ctx:
        """A context for Sagebrush's own work, or for work done as the role `role_arn`."""
        account = self.settings.account
        arn = role_arn or f"arn:aws:iam::{account}:root"
        role = arn.rsplit("/", 1)[-1] if role_arn else None
        return self.ctx(Caller(arn, "AROASAGEBRUSH" if role else account, account, role))


@dataclass(frozen=True)
class Ctx:
    """A World, and who asks for what."""

    world: World
    account: str
    region: str
    caller: Caller
    request_id: str

    def call(self, service: str, operation: str, params: Doc) -> Doc:
        """The result of another operation, checked and authorised as a request would be, without HTTP."""
        return self.world.dispatch(self, service, operation, params)

    def as_role(self, role_arn: str) -> Ctx:
        """This context, acting as `role_arn`."""
        return replace(self, caller=self.world.service_ctx(role_arn).caller)


def collect(service: str, modules: Iterable[ModuleType], known: dict[str, str]) -> Operations:
    """The operations that `modules` define for `service`.

    An operation is a public function whose parameters begin `(ctx, request)`; its name is the AWS
    name in snake case. A module may add generated ones in a table `OPERATIONS` (AWS name ->
    function). `known` maps snake case to the model's names. Raises LookupError when a function
    names no operation of the model, or when two define the same one.
    """
    table: Operations = {}
    for module in modules:
        found = dict(getattr(module, "OPERATIONS", {}))
        for name, value in vars(module).items():
            if name.startswith("_") or not inspect.isfunction(value):
                continue
            if value.__module__ != module.__name__:
                continue
            if list(inspect.signature(value).parameters)[:2] == ["ctx", "request"]:
                if name not in known:
                    raise LookupError(f"{module.__name__}.{name} names no operation of {service}")
                found[known[name]] = value
        for aws_name, function in found.items():
            if aws_name not in known.values():
                raise LookupError(f"{module.__name__}: {service} has no operation {aws_name}")
            if (service, aws_name) in table:
                raise LookupError(f"{service}.{aws_name} is defined twice")
            table[service, aws_name] = function
    return table
