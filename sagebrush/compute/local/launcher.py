"""How a job is handed to a shim: the configuration that the shim reads, and its process."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import sagebrush
from sagebrush.compute.base import Spec, Unsupported
from sagebrush.compute.local import limits, sandbox, seccomp
from sagebrush.compute.shim import network

Outside = Callable[[Spec], Mapping[str, str]]
"""The environment variables by which a job that has no listeners of its own reaches AWS's API and
its credentials."""

_SHIM = "import os, sys; sys.path.append(os.environ['SHIM']); from sagebrush.compute.shim import main; main.main()"
"""Its own path comes by the environment: a job can read its first process's command line."""

RUNTIME = "AWS_LAMBDA_RUNTIME_API"
"""The variable that names the address of the listener `runtime`."""

WRITABLE = ("/tmp", "/var/tmp", "/dev", "/proc")
"""Where else than its own /opt/ml a job in process mode may write, if the kernel can confine it."""


class Launcher:
    """Starts shims for the jobs of one directory, with one isolation."""

    def __init__(self, jobs_dir: Path, isolation: str, outside: Outside | None) -> None:
        self.isolation = isolation
        self._jobs_dir = jobs_dir
        self._outside = outside
        self._host = sandbox.host()

    @functools.cached_property
    def layout(self) -> limits.Layout:
        """The control groups of jobs: tried with a process, once the first one is to be limited."""
        return limits.survey()

    def check_peers(self, spec: Spec) -> None:
        """Raises Unsupported where this host has no network for the job's instances, and ValueError
        where the job is none of them."""
        if self.isolation != "sandbox":
            raise Unsupported("several instances of one job need the sandbox, for their network")
        if len(spec.peers) > network.MOST:
            raise Unsupported(f"{len(spec.peers)} instances: a network has {network.MOST} at most")
        if not spec.network or spec.hostname not in spec.peers:
            raise ValueError(f"{spec.hostname} is none of {spec.peers}, or they have no network")

    def network(self, spec: Spec) -> Path:
        """The directory of the network that the job's instances share."""
        return self._jobs_dir / f"{spec.network}.net"

    def ported(self, spec: Spec) -> Spec:
        """`spec`, in process mode with a free port of the host instead of the one asked for."""
        if self.isolation == "sandbox" and not spec.outside:
            return spec
        port, env = spec.port, dict(spec.env)
        if self._outside is not None and (spec.listeners or spec.outside):
            env |= self._outside(spec)
        if port is not None:
            port = _free_port()
            env["SAGEMAKER_BIND_TO_PORT"] = str(port)
        return replace(spec, port=port, env=env)

    def limited(self, spec: Spec) -> tuple[limits.Plan, list[int]]:
        """The job's control groups, and the processors that it is bound to ([]: all)."""
        processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        plan = limits.plan(spec.limits, self.layout, _group(spec), len(processors))
        affinity: list[int] = []
        if plan.processors:
            first = hash(spec.key) % len(processors)
            affinity = [processors[(first + i) % len(processors)] for i in range(plan.processors)]
        return plan, affinity

    def told(self, spec: Spec, variables: Mapping[str, str]) -> dict[str, Any]:
        """What the shim of a tied job is told when it is known what the job is (`shim.blank`); of the
        binds, those that come last. `spec` has the key of the job that was begun."""
        plan, affinity = self.limited(spec)
        binds = [["bind", str(b.source.resolve()), b.target, "ro"] for b in spec.binds]
        return {
            "argv": list(spec.argv),
            "env": dict(variables),
            "cwd": spec.cwd,
            "banner": spec.banner,
            "limits": asdict(plan),
            "pids": spec.limits.pids,
            "affinity": affinity,
            "executed": spec.executed,
            "file_size": spec.storage,
            "steps": binds if self.isolation == "sandbox" else [],
        }

    def configuration(self, spec: Spec) -> dict[str, Any]:
        """What the shim reads: plain values only."""
        plan, affinity = self.limited(spec)
        values: dict[str, Any] = {
            "mode": self.mode(spec),
            "argv": list(spec.argv),
            "env": network.environment(spec.env, spec.peers),
            "cwd": spec.cwd,
            "hostname": spec.hostname,
            "time_limit": spec.time_limit,
            "grace": spec.grace,
            "log_limit": spec.log_limit,
            "banner": spec.banner,
            "limits": asdict(plan),
            "spare": spec.limits.spare,
            "pids": spec.limits.pids,
            "affinity": affinity,
            "listeners": {},
            "writable": [str(spec.root / "ml"), *WRITABLE],
            "seccomp": _filter(),
        }
        if spec.companion:
            values |= {"companion": self._companion(spec), "mounts": list(spec.mounts)}
        if spec.outside:
            values |= {"outside": True}
        if spec.tied:
            values |= _tied(spec)
        return values | (self._sandbox(spec) if values["mode"] == "sandbox" else {})

    def mode(self, spec: Spec) -> str:
        """The isolation that the job gets."""
        return "process" if spec.outside else self.isolation

    def _sandbox(self, spec: Spec) -> dict[str, Any]:
        """What the shim reads of the job's sandbox."""
        hidden = (self._jobs_dir.parent.resolve(),)
        shown = tuple(replace(each, source=each.source.resolve()) for each in spec.binds)
        return {
            "stage": str(spec.root / "mnt"),
            "steps": sandbox.plan(replace(spec, binds=shown), self._host, hidden),
            "give": [str(bind.source) for bind in shown if bind.give],
            "apart": [sandbox.apart(spec, bind) for bind in shown if bind.apart],
            "uids": sandbox.UIDS if os.geteuid() == 0 else (0, 0),
            "aliases": sandbox.aliases(spec.listeners),
            "network": [str(self.network(spec)), spec.hostname] if spec.peers else [],
            "listeners": {name: sandbox.LISTENERS[name] for name in spec.listeners},
        }

    def _companion(self, spec: Spec) -> dict[str, Any]:
        """What the job's companion reads."""
        reach = self._outside(spec) if self._outside is not None else {}
        url = reach.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
        return {
            "plan": spec.companion,
            "folder": spec.feeds.split("/"),
            "path": urlsplit(url).path,
            "token": reach.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", ""),
        }


def _tied(spec: Spec) -> dict[str, Any]:
    """What the shim reads of a job that is tied to its server."""
    writable = [str(spec.root / "tmp"), *WRITABLE]
    return {
        "tied": True,
        "awaited": spec.awaited,
        "writable": writable,
        "outside_listeners": {"runtime": RUNTIME} if "runtime" in spec.listeners else {},
    }


def spawn(
    root: Path, configuration: Mapping[str, Any], link: socket.socket
) -> subprocess.Popen[bytes]:
    """A shim's process for the job in `root`, attached to it by the other end of `link`.

    Raises OSError.
    """
    prefix = configuration["limits"]["prefix"]
    with open(root / "shim.err", "ab") as errors:
        return subprocess.Popen(
            [*prefix, sys.executable, "-I", "-S", "-c", _SHIM, str(link.fileno())],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            pass_fds=(link.fileno(),),
            start_new_session=True,
            env=environment(session=bool(prefix)),
        )


def environment(session: bool) -> dict[str, str]:
    """What a shim's environment holds: nothing of the server's but what systemd-run asks for."""
    names = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS") if session else ()
    given = {name: os.environ[name] for name in names if name in os.environ}
    parent = Path(sagebrush.__file__).parent.parent
    return {"PATH": os.defpath, "SHIM": str(parent), **given}


@functools.cache
def _filter() -> str:
    """The system call filter for this machine, "" where there is none."""
    try:
        return seccomp.filter(platform.machine()).hex() if sys.platform == "linux" else ""
    except seccomp.UnknownArchitecture:
        return ""


def _free_port() -> int:
    """A port of this host that no process listens on.

    Below the range that the system gives to outgoing connections (Linux: from 32768): from there
    it could be taken again before the job binds it.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        try:
            socket.create_server(("127.0.0.1", port)).close()
            return port
        except OSError:
            continue
    raise OSError("no free port between 20000 and 32000")


def _group(spec: Spec) -> str:
    """A name for the job's control group that no job of another data directory shares."""
    return f"{spec.key}-{_directory(spec.root.parent)}"


@functools.cache
def _directory(jobs: Path) -> str:
    return hashlib.sha256(str(jobs).encode()).hexdigest()[:10]
