"""What operations are given: the World and one request's Ctx."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from sagebrush.credentials import Caller, role_of
from sagebrush.errors import Doc

if TYPE_CHECKING:
    from sagebrush.asl.steps import Happened
    from sagebrush.compute.base import Backend
    from sagebrush.compute.host import Host
    from sagebrush.credentials import CredentialBook, Identity
    from sagebrush.environments.builds import LayerBuilds
    from sagebrush.environments.store import Environments
    from sagebrush.facts import Running
    from sagebrush.routing.capture.captures import Captures
    from sagebrush.routing.endpoints import Endpoints
    from sagebrush.routing.forward import Forward
    from sagebrush.routing.function_counts import FunctionCounts
    from sagebrush.routing.functions.functions import Functions
    from sagebrush.routing.health import Health
    from sagebrush.routing.notebooks import Notebooks
    from sagebrush.routing.tallies import Tallies
    from sagebrush.routing.unit_counts import UnitCounts
    from sagebrush.samples.downloads import Samples
    from sagebrush.settings import Settings
    from sagebrush.store.db import Db, Tx
    from sagebrush.store.deliveries import Deliveries
    from sagebrush.store.edges import EdgeReader
    from sagebrush.store.events import Events
    from sagebrush.store.execution_values import New, Run
    from sagebrush.store.executions import Executions
    from sagebrush.store.messages import Messages
    from sagebrush.store.news import News
    from sagebrush.store.objects import ObjectStore
    from sagebrush.store.rows import Rows
    from sagebrush.store.series import Series
    from sagebrush.store.streams import Streams


@dataclass(frozen=True)
class Origin:
    """How a request came, as policies may ask of its connection, headers and signature."""

    connection: Callable[[str], Any]
    """asyncio's `get_extra_info` of the connection."""
    headers: Mapping[str, str]
    """With lower-case names."""
    presigned: bool = False
    """The signature is in the URL."""
    signed_at: float | None = None
    """When it was signed, in seconds since the epoch; None where the signature does not say."""
    left: Callable[[], bool] = lambda: False
    """Whether the client has left."""
    region: str = ""
    """The region that it was signed for; "" where the signature names none (version 2)."""

    @property
    def address(self) -> str | None:
        """The client's IP address; None for a connection out of a sandbox, which has none."""
        peer = self.connection("peername")
        # a socket for both protocols gives IPv4 addresses as IPv6's (RFC 4291, 2.5.5.2)
        return str(peer[0]).removeprefix("::ffff:") if isinstance(peer, tuple) else None

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.connection("sslcontext") is not None

    @property
    def tls(self) -> str | None:
        """The version of TLS: `1.3`."""
        secured = self.connection("ssl_object")
        return secured.version().removeprefix("TLSv") if secured is not None else None

    def header(self, name: str) -> str | None:
        """The header's value."""
        return self.headers.get(name)


Operation = Callable[["Ctx", Doc], Doc | Awaitable[Doc | None] | Future[Doc] | None]
"""(ctx, request document) -> result document; raises AwsError. Async only where bytes flow.

One that ends with a write may answer the write's future, so that no thread waits for the disk.
"""

Operations = dict[tuple[str, str], Operation]
"""(botocore service name, operation name) -> operation."""


class Executing(Protocol):
    """What moves executions of workflows on: `engine.executions` says what each of these promises."""

    ports: Mapping[str, Any]

    def begin(
        self, new: New, more: Callable[[Tx, Run], None] | None = None
    ) -> Future[tuple[Run, bool]]: ...

    def report(self, execution: int, happened: Happened, insists: bool = True) -> Future[bool]: ...

    def ended(self, arn: str) -> Future[Run]: ...

    def redrive(
        self, execution: int, plan: Doc, more: Callable[[Tx, Run], None] | None = None
    ) -> Future[bool]: ...

    def expect(self, arn: str) -> Future[Run]: ...

    def wake(self) -> None: ...

    def empty(self) -> None: ...


class NotExecuting:
    """No execution is moved on, in a World without the engine."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("nothing moves executions on in this World")


def _not_begun() -> Future[Any]:
    raise RuntimeError("nothing begins operations in this World")


@dataclass
class World:
    """Everything that lives as long as the server; built once, in `app.py`.

    What is in memory alone (layers to notebooks, identities, curves) may be lost at any time: it is
    rebuilt from rows, the backend and the disk.
    """

    settings: Settings
    clock: Callable[[], float]
    """Seconds since the epoch; a test passes its own."""
    db: Db
    rows: Rows
    edges: EdgeReader
    objects: ObjectStore
    series: Series
    streams: Streams
    messages: Messages
    """Messages of queues."""
    executions: Executions
    """Executions of workflows, as they are stored."""
    events: Events
    """What happened, for whoever consumes it (`engine.outbox`)."""
    deliveries: Deliveries
    """Messages on their way to targets (`engine.outbox`)."""
    news: News
    """Who waits for rows without being one."""
    samples: Samples
    """AWS's public sample buckets, as far as they are kept, and AWS behind them."""
    backend: Backend
    environments: Environments
    host: Host
    """CPUs, memory and GPUs, measured when the server starts."""
    fuse_lacking: Callable[[], str]
    """Why no sandbox of this host can have a file system by FUSE; "" where one can. Tried once."""
    overlayfs_lacking: Callable[[], str]
    """Why no two sandboxes of this host can share a directory that each may change for itself; ""
    where they can. Tried once."""
    layers: LayerBuilds
    """Builds of layers over environments (requirements.txt)."""
    endpoints: Endpoints
    """Routes to the replicas of endpoints."""
    forward: Forward
    """Forwards requests to replicas."""
    captures: Captures
    """Captured requests of endpoints, on their way to S3."""
    tallies: Tallies
    """Counts of replicas' answers, for their metrics."""
    health: Health
    """Health checks of replicas and notebooks' servers."""
    notebooks: Notebooks
    """Host names, tokens and use of notebooks."""
    function_counts: FunctionCounts
    """Counts of functions' invocations, for their metrics."""
    unit_counts: UnitCounts
    """What requests to endpoints of custom text models consume, for their metrics."""
    functions: Functions
    """Execution environments of Lambda functions."""
    credentials: CredentialBook
    operations: Operations
    dispatch: Callable[[Ctx, str, str, Doc], Doc]
    """Checks the parameters, asks the policy and runs a synchronous operation."""
    kinds: Mapping[str, Running]
    """`Row.kind` -> the facts of each kind that runs something."""
    begin: Callable[[Ctx, str, str, Doc], Future[Any]] = lambda *_: _not_begun()
    """As `dispatch`, for whoever holds no thread until an answer is there (`Dispatcher.begin`)."""
    before_body: Mapping[tuple[str, str], Callable[[Ctx, Doc], object]] = field(
        default_factory=dict
    )
    """What an upload's headers alone are refused for, by service and operation."""
    ports: tuple[int, int] = (0, 0)
    """The ports that it answers on: plain HTTP and TLS; known once it answers."""
    reset: Callable[[], Doc] = lambda: {}
    """Empties all accounts and says what was there (`engine.reset`)."""
    wake: Callable[[], None] = lambda: None
    """Makes the loop look for due rows now."""
    mappings_changed: Callable[[], None] = lambda: None
    """Makes the event source mappings be read as they are now, with their queues and functions."""
    executing: Executing = field(default_factory=lambda: cast(Executing, NotExecuting()))
    """Moves executions on (`engine.executions`)."""
    identities: dict[tuple[str, str], Identity | None] = field(default_factory=dict)
    """(account, role, or `user/` and a user's name) -> its policies and tags, as read from rows; None
    if there is none."""
    curves: dict[tuple[int, str], tuple[float, ...]] = field(default_factory=dict)
    """(row id of a tuning job, name of an ended trial) -> the values of its metric over time."""
    rules: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    """(account, region, bus) -> its rules, compiled by EventBridge as they were read from rows."""

    def ctx(
        self, caller: Caller, request_id: str = "", origin: Origin | None = None, region: str = ""
    ) -> Ctx:
        """A context for `caller`, in the caller's account and in `region` (default: the setting's).

        No `request_id` or `origin` for work that no request began.
        """
        region = region or self.settings.region
        return Ctx(self, caller.account, region, caller, request_id, origin)

    def service_ctx(self, role_arn: str | None = None, region: str = "", account: str = "") -> Ctx:
        """A context for work done as the role `role_arn`, in its account; without one for
        Sagebrush's own work in `account` (default: the setting's)."""
        if not role_arn:
            account = account or self.settings.account
            root = Caller(f"arn:aws:iam::{account}:root", account, account)
            return self.ctx(root, region=region)
        account, role = role_of(role_arn)
        return self.ctx(Caller(role_arn, "AROASAGEBRUSH", account, role), region=region)


@dataclass(frozen=True)
class StartedBy:
    """What a resource gets from the resource that starts it (`engine.children`)."""

    parent: str
    """The ARN of the resource that starts it."""
    doc: Doc = field(default_factory=dict)
    """Members of its document that no request can set (`TuningJobArn`)."""
    plan: Doc = field(default_factory=dict)
    """Members of its plan, which its own kind defines."""


@dataclass(frozen=True)
class Ctx:
    """A World, with the caller and the request on whose behalf something is done. Immutable."""

    world: World
    account: str
    region: str
    caller: Caller
    request_id: str
    origin: Origin | None = None
    """How the caller's request came; None for what the server asks of itself."""
    started_by: StartedBy | None = None
    """Set for the one operation by which `engine.children` creates a resource."""
    event_trace: str = ""
    """The trace header of the request that a delivery comes from, for what no request asks."""

    @property
    def trace(self) -> str:
        """The trace header, by which loops of functions are found (`X-Amzn-Trace-Id`); "" for none."""
        given = self.origin.header("x-amzn-trace-id") if self.origin else None
        return (given or self.event_trace)[:1024]

    def call(self, service: str, operation: str, params: Doc) -> Doc:
        """The result of another operation, checked and authorised as a request would be, without
        HTTP.

        The caller of this context needs the permission; `as_role` and `World.service_ctx` act as
        others. Raises AwsError as the request would, KeyError for an operation of no model, and
        RuntimeError for an asynchronous operation in the event loop's own thread.
        """
        ctx = self if self.started_by is None else replace(self, started_by=None)
        return self.world.dispatch(ctx, service, operation, params)

    def as_role(self, role_arn: str) -> Ctx:
        """This context, acting as `role_arn`."""
        return replace(self, caller=self.world.service_ctx(role_arn).caller, origin=None)
