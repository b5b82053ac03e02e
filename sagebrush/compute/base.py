"""What runs a job: the Spec it is given, the methods of a Backend, the states it reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class NotYet(Exception):
    """Ask again later: it is being prepared."""


class NoCapacity(Exception):
    """It does not fit now; the text says what is short."""


class Unsupported(Exception):
    """This host cannot run it, now or later; the text says why."""


@dataclass(frozen=True)
class Bind:
    """The host's `source` appears in the sandbox at `target`."""

    source: Path
    target: str
    read_only: bool = True
    give: bool = False
    """Where each job has a user of its own: all that is in `source` belongs to this job's user."""
    apart: bool = False
    """The job may change what it sees there, as its own, and `source` stays as it is: what it changes
    lies in its directory. Only where `compute.local.overlayfs` finds nothing lacking."""


@dataclass(frozen=True)
class Limits:
    """What one job may use. `memory` in bytes; 0 or empty: no limit."""

    cpu: float = 0.0
    memory: int = 0
    pids: int = 4096
    gpus: tuple[int, ...] = ()
    name: str = ""
    """The instance type, for messages (`ml.m5.large`)."""
    share: bool = False
    """`cpu` is a weight among the busy, not a ceiling (endpoints, mostly idle)."""
    spare: bool = False
    """Beyond `memory` its largest process ends, not the whole (a notebook has many kernels)."""
    freezable: bool = False
    """It may be made to stand still."""


@dataclass(frozen=True)
class Spec:
    """One process tree to run: all that a Backend needs, as plain values.

    `Backend.launch` stores it as JSON in the job's directory, and a backend reads it from there
    after a restart of the server, so a Spec given again under the same key has no effect. Times are
    in seconds, sizes in bytes.
    """

    key: str
    """Its name, which never changes: the same key launched twice is the same job."""
    argv: Sequence[str]
    env: Mapping[str, str]
    root: Path
    """The job's directory; `root/ml` is its /opt/ml. Made by the caller, private to the job."""
    role: str = ""
    """ARN of the role whose credentials the job gets."""
    region: str = ""
    """The AWS region that it is in; "" for the server's own (of a job that an older version began)."""
    binds: tuple[Bind, ...] = ()
    cwd: str = "/opt/ml"
    hostname: str = "algo-1"
    user: str = "root"
    """What its user is called in a sandbox; it has no rights by that name."""
    home: str = "/root"
    """That user's home directory, as the password file of its sandbox has it."""
    shell: str = "/bin/sh"
    """That user's login shell there."""
    limits: Limits = field(default_factory=Limits)
    listeners: tuple[str, ...] = ()
    """In-sandbox listeners that the server answers: of `aws`, `credentials`, `metadata`, `egress`
    or `packages`."""
    port: int | None = None
    """The port that the job will listen on (8080), where others reach it by `Running.address`."""
    time_limit: float | None = None
    """Seconds until it is stopped as `stop` does."""
    grace: float = 120.0
    """Seconds between SIGTERM and SIGKILL when the time limit ends it."""
    log_limit: int = 256 * 1024 * 1024
    """The most bytes of its log on the disk; the oldest segments go first."""
    banner: str = ""
    """What stands first in the job's log, "" for nothing: the environment, a type scaled down."""
    image: str = ""
    """The container image that it runs in, by the host's container engine; "" for an environment.

    `argv` are then the arguments of its entry point (`train`, `serve`), and its own folder is the
    working directory: `cwd` and `binds` do not matter.
    """
    entrypoint: tuple[str, ...] = ()
    """What runs instead of the image's own entry point; () leaves it."""
    peers: tuple[str, ...] = ()
    """The host names of all instances of the job, itself (`hostname`) among them; () for one alone.
    Where the backend has no networks, `launch` raises Unsupported.

    They share a network on which each has an address and is found by its name; none of their
    programs starts before all of them are on it.
    """
    network: str = ""
    """Names that network; the same for all peers. Every attempt of a job has one of its own."""
    companion: str = ""
    """The file that says what the job's companion, a process outside its sandbox, supplies it with;
    "" for none.

    It reads S3 as the job's role, by way of the listener `feed`, and ends with the job.
    """
    feeds: str = "input/data"
    """The directory of the job's /opt/ml that holds its FIFOs."""
    mounts: tuple[str, ...] = ()
    """Directories of the sandbox at which it serves a file system, in the order of that file."""
    outside: bool = False
    """It is a program of ours that never runs a user's code, and so has no sandbox whatever the
    backend's isolation: it reaches other jobs at their `Running.address`, and S3 as `role` by the
    listener `feed`, at the port in FEED (`compute.shim.isolation`), over restarts of the server."""
    tied: bool = False
    """It lives no longer than the server that started it, has no /opt/ml, and its shim is told what
    `compute.shim.tied` names; `env` is handed over in memory and not kept in a file."""
    awaited: bool = False
    """Of a tied job: somebody waits for it already, so nothing is done ahead."""
    executed: bool = False
    """Of a tied job: `argv` is executed, where else it would be what is warm that goes on as the job."""
    storage: int = 0
    """The most bytes that one file which it writes can have; 0: as many as the disk has."""


@dataclass(frozen=True)
class Pending:
    """Launched, not running yet."""


@dataclass(frozen=True)
class Running:
    """It runs since `started`; `address` is what `compute.dial` connects to ("" without a port)."""

    started: float
    address: str = ""


@dataclass(frozen=True)
class Exited:
    """It ended. `code` is the exit status, negative for a signal; `reason` says more where known:

    "" (by itself) | "oom" | "timeout" | "stopped" | "lost" (no exit status was recorded: never a
    success) | "input" (what it reads broke off; `message` says why) | "sandbox: …" (it never
    started; `message` is the failed step).
    """

    code: int
    reason: str = ""
    message: str = ""
    started: float = 0.0
    ended: float = 0.0
    peak_memory: int = 0


@dataclass(frozen=True)
class Gone:
    """Nothing is known of that key."""


State = Pending | Running | Exited | Gone


@dataclass(frozen=True)
class LogLine:
    """One line that a job wrote, without its newline; `ms` since the epoch, `offset` of its start."""

    offset: int
    ms: int
    text: str
    end: int = 0
    """The offset to read on from."""


class Backend(Protocol):
    """Runs jobs, each under its key.

    Every method returns soon, may be repeated, and survives a restart of the server, because the
    job's directory holds the state. A key goes from Gone to Pending, Running and Exited, in that
    order, where Pending may end as Exited at once; Exited is final.
    """

    isolation: str
    """`sandbox` or `process`: in process mode paths are the host's own (`root/ml`, not /opt/ml)."""

    @property
    def networks(self) -> bool:
        """Whether several instances of one job get a network of their own here."""
        ...

    def launch(self, spec: Spec) -> None:
        """The job runs or will; a key that was launched before is left as it is.

        Raises Unsupported where this host cannot run it, now or later: several instances (`peers`)
        without a network for them. Raises ValueError where `peers` does not name the job itself.
        """
        ...

    def poll(self, key: str) -> State:
        """The state of the job now; Gone where its directory has no record of a launch.

        Only Exited is final. A job whose process vanished without an exit status is Exited with the
        reason "lost", never a success.
        """
        ...

    def stop(self, key: str, grace: float) -> None:
        """Sends the job SIGTERM, and SIGKILL after `grace` seconds; does not wait for its end.

        `poll` reports the end. May be repeated; a job that is Exited or Gone is left as it is.
        """
        ...

    def logs(self, key: str, offset: int = 0, limit: int = 10_000) -> list[LogLine]:
        """Up to `limit` whole lines that start at or after byte `offset`; [] when there are none (yet).

        So `last.offset + 1` asks for what follows a line. An unfinished line is withheld while the
        job runs and given when it has ended.
        """
        ...

    def log_end(self, key: str) -> int:
        """The byte at which the job's log ends now: none of its lines starts there or after."""
        ...

    def forget(self, key: str) -> None:
        """Nothing of the job still runs; the caller may remove its directory and log.

        The key may be launched again once the caller has removed the directory.
        """
        ...
