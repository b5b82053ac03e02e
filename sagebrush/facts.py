"""What the layers below the services, and the commands, know of a kind of resource that runs.

Each such kind has a `facts.py` in its own folder that holds one `Running`, or a mapping of several;
`services.running` finds them. No fact has a default where a kind runs processes: one that forgets it stops the server from
starting. These modules are imported by every command, so they import nothing but values.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from sagebrush.errors import Doc


@dataclass(frozen=True)
class Tree:
    """One process tree of a resource."""

    host: str
    """Which of its instances: `algo-1`, of an endpoint `<variant>/<id>`, "" where there is one."""
    key: str
    """Names it for the backend, and its directory."""
    type: str
    """Its instance type."""


@dataclass(frozen=True)
class Quota:
    """A quota of AWS's: `<type> for <use> usage` (Service Quotas, Amazon SageMaker)."""

    use: str
    """`training job`, `spot training job` …"""
    shape: str
    """The shape of AWS's model that lists the instance types for it."""
    counts: Callable[[Doc], bool]
    """Whether a resource with this document counts against it."""


@dataclass(frozen=True)
class Stop:
    """How a server that ends stops what runs, as its user would."""

    operation: str
    """`StopTrainingJob`: its one parameter is the name."""
    when: tuple[str, ...]
    """Statuses in which it is called."""
    until: tuple[str, ...]
    """Statuses in which the server's end waits for the resource."""


@dataclass(frozen=True)
class Metrics:
    """Where AWS puts what its instances use ("SageMaker AI metrics in Amazon CloudWatch")."""

    namespace: str
    dimensions: Callable[[str, str], Mapping[str, str]]
    """(resource's name, `Tree.host`) -> dimensions."""


@dataclass(frozen=True)
class Program:
    """What an image of the user's own is run with, under the host's container engine."""

    image: str
    arguments: tuple[str, ...]
    entrypoint: tuple[str, ...]
    """() for the image's own."""
    environment: Mapping[str, str]
    role: str
    isolated: bool
    """Without a network (EnableNetworkIsolation)."""
    seconds: float | None
    """How long it may run, in seconds; None: without limit."""
    hostname: str = "algo-1"


@dataclass(frozen=True)
class Running:
    """The facts of a kind that runs something. Documents are `Row.doc`, plans `Row.plan`."""

    service: str
    """botocore's name of the service whose operations it has."""
    kind: str
    """`Row.kind` (`training-job`)."""
    noun: str
    """As in operation names (`TrainingJob`)."""
    label: str
    """What commands call it: `sagebrush logs LABEL NAME`."""
    listed: str
    """The member of List<noun>s' answer that holds the summaries; "" where AWS has no such
    resource, and so no ARN of it."""
    busy: tuple[str, ...]
    """Statuses in which its instances are in use: quotas count them, changed tags matter."""
    ended: tuple[str, ...]
    """Statuses in which nothing of it goes on. A server that starts looks at all others at once:
    its processes may have ended while no server ran."""
    stop: Stop | None
    """None: what it runs needs no stop of its own, and only has its processes ended."""
    trees: Callable[[str, Doc, Doc], Iterable[Tree]] | None
    """(name, document, plan) -> its process trees while it holds capacity; None: it runs nothing
    itself, but starts other resources."""
    keys: Callable[[Doc], Collection[str]]
    """(plan) -> the keys, other than its name, that its capacity and the directories of its processes
    go by, those of earlier attempts included."""
    instances: Callable[[Doc, Doc], Iterable[tuple[str, int]]]
    """(document, plan) -> (type, number) of its instances."""
    quotas: tuple[Quota, ...]
    """Those that its instances count against."""
    shares_cpu: bool
    """Its instances take CPU by share: each must fit this host, not all of them together."""
    metrics: Metrics | None
    """None: AWS has no instance metrics of it."""
    logs: str | None
    """Its log group; with `{name}` in it each resource has a group of its own, else its streams
    begin with its name. None: it writes no log."""
    variable: str | None
    """The variable of its programs that holds its name."""
    reacts_to_tags: bool
    """Whether it is due when its tags change while it is busy."""
    container: Callable[[Doc], Program] | None
    """What a document (of an endpoint: a variant) runs with in an image of the user's own; None:
    it never runs one."""

    @property
    def id_member(self) -> str:
        return f"{self.noun}Name"

    @property
    def arn_member(self) -> str:
        return f"{self.noun}Arn"

    @property
    def status_member(self) -> str:
        return f"{self.noun}Status"


def no_instances(_doc: Doc, _plan: Doc) -> Iterable[tuple[str, int]]:
    """`Running.instances` of what has none of its own."""
    return ()


def no_keys(_plan: Doc) -> Collection[str]:
    """`Running.keys` of what goes by its name, or has no capacity and no processes."""
    return ()


@dataclass(frozen=True)
class WithoutProcesses(Running):
    """A kind that acts, or starts other resources, and runs no process: it names what it has."""

    stop: Stop | None = None
    trees: Callable[[str, Doc, Doc], Iterable[Tree]] | None = None
    keys: Callable[[Doc], Collection[str]] = no_keys
    instances: Callable[[Doc, Doc], Iterable[tuple[str, int]]] = no_instances
    quotas: tuple[Quota, ...] = ()
    shares_cpu: bool = False
    metrics: Metrics | None = None
    logs: str | None = None
    variable: str | None = None
    reacts_to_tags: bool = False
    container: Callable[[Doc], Program] | None = None


class Plain(Running):
    """A kind whose own members AWS calls `Name`, `Arn` and `Status`, without its noun."""

    @property
    def id_member(self) -> str:
        return "Name"

    @property
    def arn_member(self) -> str:
        return "Arn"

    @property
    def status_member(self) -> str:
        return "Status"


def always(_doc: Doc) -> bool:
    """`Quota.counts` where every resource of the kind does."""
    return True
