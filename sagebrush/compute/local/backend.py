"""Runs jobs on this machine, each supervised by a shim that outlives the server."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import platform
import random
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import sagebrush
from sagebrush.compute.base import (
    Exited,
    Gone,
    LogLine,
    Pending,
    Running,
    Spec,
    State,
    Unsupported,
)
from sagebrush.compute.local import limits, record, sandbox, seccomp
from sagebrush.compute.shim import cgroup, network, switch
from sagebrush.compute.shim import log as joblog
from sagebrush.net import dial

log = logging.getLogger(__name__)

Attach = Callable[[Spec, str, socket.socket], Any]
"""Serves a listener of a job: (spec, name, listening socket). What it returns, if callable, is
called once the job has ended."""

_SHIM = "import os, sys; sys.path.append(os.environ['SHIM']); from sagebrush.compute.shim import main; main.main()"
"""Its own path comes by the environment: a job can read its first process's command line."""

WRITABLE = ("/tmp", "/var/tmp", "/dev", "/proc")
"""Where a job in process mode may write beside its own /opt/ml, where the kernel can confine it."""


@dataclass
class _Job:
    """A job whose shim this process is connected to, or that has ended."""

    spec: Spec
    mode: str = ""
    """The isolation it was launched with, whatever this server's is."""
    link: socket.socket | None = None
    running: Running | None = None
    exited: Exited | None = None
    heard: bytes = b""
    closers: list[Callable[[], Any]] = field(default_factory=list)


class LocalBackend:
    """The Backend of one machine; `jobs_dir` holds a directory per key."""

    def __init__(
        self,
        jobs_dir: Path,
        attach: Attach,
        changed: Callable[[str], Any],
        isolation: str,
        outside: Callable[[Spec], Mapping[str, str]] | None = None,
        networked: Callable[[], bool] = lambda: False,
    ) -> None:
        """`isolation` is "sandbox" or "process"; `networked()` tells whether this host can give the
        instances of one job a network of their own. `outside(spec)` are the environment variables that a job in process mode needs to reach
        AWS's API and its credentials, since it has no listeners of its own."""
        self.jobs_dir = jobs_dir
        self.attach = attach
        self.changed = changed
        self.outside = outside
        self.layout = limits.survey()
        self.host = sandbox.host()
        self._jobs: dict[str, _Job] = {}
        self._children: list[subprocess.Popen[bytes]] = []
        self._lock = threading.RLock()
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake = socket.socketpair()
        self._wake_read.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._closing = False
        self._thread: threading.Thread | None = None
        self.isolation = isolation
        self._networked = networked
        self._connects = False

    # -- Backend

    @property
    def networks(self) -> bool:
        """Whether several instances of one job get a network of their own here: tried when asked,
        until it has worked once."""
        if self.isolation == "sandbox" and not self._connects:
            self._connects = self._networked()
        return self._connects

    def launch(self, spec: Spec) -> None:
        """The job runs or will; a key that was launched before is left as it is."""
        with self._lock:
            if not isinstance(self._find(spec.key), Gone):
                return
            root = spec.root
            if root != self.jobs_dir / spec.key:
                raise ValueError(f"the job's root is {root}, not {self.jobs_dir / spec.key}")
            if spec.peers:
                self._check_peers(spec)
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            (root / "ml").mkdir(exist_ok=True)
            spec = self._ported(spec)
            told = self._told(spec)
            record.write(root, "spec.json", {"spec": record.to_json(spec), "shim": told})
            if spec.peers:
                place = self._network(spec)
                self._children += switch.start(place, spec.peers, _environment(False))
            ours, theirs = socket.socketpair()
            with theirs:
                self._spawn(root, told, theirs)
            self._watch(_Job(spec, self.isolation, ours))

    def poll(self, key: str) -> State:
        """What is known of the job now."""
        job = self._jobs.get(key)
        if job is not None:
            if job.exited is not None:
                return job.exited
            if job.link is not None:
                return job.running or Pending()
        with self._lock:
            return self._find(key)

    def stop(self, key: str, grace: float) -> None:
        """The job has had SIGTERM and gets SIGKILL after `grace` seconds. Stopping twice is fine."""
        state = self.poll(key)
        if isinstance(state, Exited | Gone):
            return
        directory = self.jobs_dir / key
        (directory / "stop").touch(mode=0o600)  # for a shim that does not listen yet
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            dial.control(directory / "ctl", f"stop {grace}").close()

    def logs(self, key: str, offset: int = 0, limit: int = 10_000) -> list[LogLine]:
        """Up to `limit` whole lines from byte `offset` on; [] when there is nothing (yet)."""
        ended = isinstance(self.poll(key), Exited)
        return record.lines(self.jobs_dir / key, offset, limit, ended)

    def log_end(self, key: str) -> int:
        """Where the job's log ends now."""
        return joblog.end(str(self.jobs_dir / key))

    def forget(self, key: str) -> None:
        """The job's directory and log may be removed by the caller; nothing of it still runs."""
        self.stop(key, 0)
        directory = self.jobs_dir / key
        limit = time.monotonic() + 10
        while record.held(directory) and time.monotonic() < limit:
            time.sleep(0.01)
        with self._lock:
            found = record.read(directory, "spec.json")
            if found is not None and found["spec"].get("network"):
                switch.remove(self._network(record.from_json(found["spec"])))
            job = self._jobs.pop(key, None)
            if job is not None and job.link is not None:
                self._unlink(job)

    # -- beside Backend

    def adopt(self) -> list[str]:
        """The keys of jobs that live on from before; their listeners have been attached again."""
        alive: list[str] = []
        cgroup.sweep(self.layout.roots.values(), 60.0)
        if not self.jobs_dir.is_dir():
            return alive
        for directory in sorted(self.jobs_dir.iterdir()):
            if not (directory / "spec.json").exists() or (directory / "exit.json").exists():
                continue
            if isinstance(self.poll(directory.name), Pending | Running):
                alive.append(directory.name)
        return alive

    def close(self) -> None:
        """This process watches no job any more; the jobs go on."""
        if self._closing:
            return
        self._closing = True
        self._wake.send(b"x")
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            for job in self._jobs.values():
                if job.link is not None:
                    job.link.close()
            self._jobs.clear()
        self._selector.close()
        self._wake.close()
        self._wake_read.close()

    # -- launching

    def _check_peers(self, spec: Spec) -> None:
        if self.isolation != "sandbox":
            raise Unsupported("several instances of one job need the sandbox, for their network")
        if len(spec.peers) > network.MOST:
            raise Unsupported(f"{len(spec.peers)} instances: a network has {network.MOST} at most")
        if not spec.network or spec.hostname not in spec.peers:
            raise ValueError(f"{spec.hostname} is none of {spec.peers}, or they have no network")

    def _network(self, spec: Spec) -> Path:
        """The directory of the network that the job's instances share."""
        return self.jobs_dir / f"{spec.network}.net"

    def _ported(self, spec: Spec) -> Spec:
        """`spec`, in process mode with a free port of the host instead of the one asked for."""
        if self.isolation == "sandbox":
            return spec
        port, env = spec.port, dict(spec.env)
        if self.outside is not None and spec.listeners:
            env |= self.outside(spec)
        if port is not None:
            port = _free_port()
            env["SAGEMAKER_BIND_TO_PORT"] = str(port)
        return replace(spec, port=port, env=env)

    def _told(self, spec: Spec) -> dict[str, Any]:
        """What the shim reads: plain values only."""
        sandboxed = self.isolation == "sandbox"
        processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        plan = limits.plan(spec.limits, self.layout, _group(spec), len(processors))
        affinity: list[int] = []
        if plan.processors:
            first = hash(spec.key) % len(processors)
            affinity = [processors[(first + i) % len(processors)] for i in range(plan.processors)]
        told: dict[str, Any] = {
            "mode": self.isolation,
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
            told |= {"companion": self._companion(spec), "mounts": list(spec.mounts)}
        if sandboxed:
            hidden = (self.jobs_dir.parent.resolve(),)
            shown = tuple(replace(each, source=each.source.resolve()) for each in spec.binds)
            told |= {
                "stage": str(spec.root / "mnt"),
                "steps": sandbox.plan(replace(spec, binds=shown), self.host, hidden),
                "give": [str(bind.source) for bind in shown if bind.give],
                "uids": sandbox.UIDS if os.geteuid() == 0 else (0, 0),
                "aliases": sandbox.aliases(spec.listeners),
                "network": [str(self._network(spec)), spec.hostname] if spec.peers else [],
                "listeners": {name: sandbox.LISTENERS[name] for name in spec.listeners},
            }
        return told

    def _companion(self, spec: Spec) -> dict[str, Any]:
        """What the process beside the job is told."""
        reach = self.outside(spec) if self.outside is not None else {}
        url = reach.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
        return {
            "plan": spec.companion,
            "folder": spec.feeds.split("/"),
            "path": urlsplit(url).path,
            "token": reach.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", ""),
        }

    def _spawn(self, root: Path, told: dict[str, Any], link: socket.socket) -> None:
        command = [*told["limits"]["prefix"], sys.executable, "-I", "-S", "-c", _SHIM]
        command.append(str(link.fileno()))
        with open(root / "shim.err", "ab") as errors:
            child = subprocess.Popen(
                command,
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=(link.fileno(),),
                start_new_session=True,
                env=_environment(bool(told["limits"]["prefix"])),
            )
        self._children.append(child)

    # -- finding

    def _find(self, key: str) -> State:
        """The state as the job's directory tells it; a live shim is connected to."""
        job = self._jobs.get(key)
        if job is not None and job.exited is not None:
            return job.exited
        if job is not None and job.link is not None:
            return job.running or Pending()
        directory = self.jobs_dir / key
        found = record.read(directory, "spec.json")
        if found is None:
            return Gone()
        spec = record.from_json(found["spec"])
        if record.held(directory):
            return self._connect(spec, found["shim"]["mode"])
        exited = record.ended(directory)
        if exited is None and (directory / "state.json").exists():
            exited = record.lose(directory, time.time())
            cgroup.remove(found["shim"]["limits"])
        if exited is None:
            return Gone()
        self._jobs[key] = _Job(spec, exited=exited)
        return exited

    def _connect(self, spec: Spec, mode: str) -> State:
        """Attached to the live shim of `spec`; Pending while it does not listen yet."""
        try:
            link = dial.control(spec.root / "ctl", "attach")
        except OSError:
            return record.ended(spec.root) or Pending()
        job = _Job(spec, mode, link)
        self._watch(job)
        state = record.read(spec.root, "state.json")
        if state is not None and state["phase"] == "running":
            job.running = _running(job, state["started"])
        return job.running or Pending()

    # -- watching

    def _watch(self, job: _Job) -> None:
        """The job's link is listened to from now on."""
        assert job.link is not None
        job.link.setblocking(False)
        self._jobs[job.spec.key] = job
        self._selector.register(job.link, selectors.EVENT_READ, job.spec.key)
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="jobs", daemon=True)
            self._thread.start()
        self._wake.send(b"x")

    def _unlink(self, job: _Job) -> None:
        if job.link is not None:
            self._selector.unregister(job.link)
            job.link.close()
            job.link = None
        for closer in job.closers:
            closer()
        job.closers.clear()

    def _abandon(self, key: str) -> None:
        """The job is watched no more; the next question about it starts from its directory."""
        job = self._jobs.pop(key, None)
        if job is not None:
            self._unlink(job)

    def _loop(self) -> None:
        while not self._closing:
            events = self._selector.select(1.0 if self._children else None)
            for selected, _ in events:
                if selected.data is None:
                    with contextlib.suppress(BlockingIOError):
                        self._wake_read.recv(4096)
                else:
                    try:
                        self._hear(selected.data)
                    except Exception:  # one job's trouble must not end the watching of others
                        log.exception("job %s", selected.data)
                        self._abandon(selected.data)
            self._children = [child for child in self._children if child.poll() is None]

    def _hear(self, key: str) -> None:
        """One message of a shim has been taken in, or its end."""
        job = self._jobs.get(key)
        if job is None or job.link is None:
            return
        try:
            data, fds, _, _ = socket.recv_fds(job.link, 4096, 8, dial.CLOSED_ON_EXEC)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            self._end(key, job)
            return
        job.heard += data
        while b"\n" in job.heard:
            line, _, job.heard = job.heard.partition(b"\n")
            word, _, rest = line.decode().partition(" ")
            if word == "running":
                job.running = _running(job, float(rest))
                self._tell(key)
            elif word == "listeners" and rest:
                for name, fd in zip(rest.split(","), fds, strict=False):
                    self._serve(job, name, socket.socket(fileno=fd))

    def _serve(self, job: _Job, name: str, listener: socket.socket) -> None:
        """The server has the job's listener; a failure there must not end the watching of others."""
        try:
            closer = self.attach(job.spec, name, listener)
        except Exception:
            log.exception("listener %s of %s could not be served", name, job.spec.key)
            return
        if callable(closer):
            job.closers.append(closer)

    def _tell(self, key: str) -> None:
        try:
            self.changed(key)
        except Exception:
            log.exception("the change of %s could not be told", key)

    def _end(self, key: str, job: _Job) -> None:
        """The shim closed the link: the job has ended, or the shim has."""
        directory = job.spec.root
        exited = record.ended(directory)
        if exited is None:
            # The kernel closes a killed process's sockets before it frees its locks.
            limit = time.monotonic() + 2
            while record.held(directory) and time.monotonic() < limit:
                time.sleep(0.002)
            exited = record.ended(directory)
        if exited is None and record.held(directory):
            with self._lock:  # a shim that the last server had started came before this one
                self._abandon(key)
                self._find(key)
            self._tell(key)
            return
        if exited is None:
            exited = record.lose(directory, time.time())
            found = record.read(directory, "spec.json")
            if found is not None:  # else somebody removed it all
                cgroup.remove(found["shim"]["limits"])
        with self._lock:
            job.exited = exited
            self._unlink(job)
        self._tell(key)


def _running(job: _Job, started: float) -> Running:
    port = job.spec.port
    if port is None:
        return Running(started)
    if job.mode == "process":
        return Running(started, f"tcp:127.0.0.1:{port}")
    return Running(started, f"unix:{job.spec.root / 'ctl'}:{port}")


def _filter() -> str:
    """The system call filter for this machine, "" where there is none."""
    try:
        return seccomp.filter(platform.machine()).hex() if sys.platform == "linux" else ""
    except seccomp.UnknownArchitecture:
        return ""


def _environment(session: bool) -> dict[str, str]:
    """What a shim's environment holds: nothing of the server's but what systemd-run asks for."""
    names = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS") if session else ()
    kept = {name: os.environ[name] for name in names if name in os.environ}
    parent = Path(sagebrush.__file__).parent.parent
    return {"PATH": os.defpath, "SHIM": str(parent), **kept}


def _free_port() -> int:
    """A port of this host that nobody listens on.

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
    return f"{spec.key}-{hashlib.sha256(str(spec.root).encode()).hexdigest()[:10]}"
