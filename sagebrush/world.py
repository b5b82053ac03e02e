"""What operations are given: the World and one request's Ctx."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sagebrush.credentials import Caller
from sagebrush.errors import Doc

if TYPE_CHECKING:
    from sagebrush.compute.base import Backend
    from sagebrush.credentials import CredentialBook
    from sagebrush.environments.store import Environments
    from sagebrush.settings import Settings
    from sagebrush.store.db import Db
    from sagebrush.store.objects import ObjectStore
    from sagebrush.store.rows import Rows
    from sagebrush.store.series import Series
    from sagebrush.store.streams import Streams

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
class Origin:
    """What a resource gets from the resource that starts it (`engine.children`)."""

    parent: str
    """The ARN of the resource that starts it."""
    doc: Doc = field(default_factory=dict)
    """Members of its document that no request can set (`TuningJobArn`)."""
    plan: Doc = field(default_factory=dict)
    """Members of its plan, which its own kind defines."""


@dataclass(frozen=True)
class Ctx:
    """A World, and who asks for what."""

    world: World
    account: str
    region: str
    caller: Caller
    request_id: str
    origin: Origin | None = None
    """Set for the one operation by which `engine.children` creates a resource."""

    def call(self, service: str, operation: str, params: Doc) -> Doc:
        """The result of another operation, checked and authorised as a request would be, without HTTP."""
        ctx = self if self.origin is None else replace(self, origin=None)
        return self.world.dispatch(ctx, service, operation, params)

    def as_role(self, role_arn: str) -> Ctx:
        """This context, acting as `role_arn`."""
        return replace(self, caller=self.world.service_ctx(role_arn).caller)
