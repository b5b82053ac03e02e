"""A container that lives as long as its server: the execution environment of a function.

It has no network. What it reaches are sockets of this server that listen on its own loopback, made
between the moment in which its namespace is there and the one in which its program begins; so nobody
else can connect to them. For that this process and the engine must be root's. Podman has a call (`init`)
for the first moment; under Docker another container has the namespace (`holder`). The methods block,
except those that say so.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagebrush.compute.base import Exited, Spec
from sagebrush.compute.containers import container, holder
from sagebrush.compute.containers.container import Memory, Unstartable
from sagebrush.compute.containers.engines import Engine
from sagebrush.compute.local import sandbox
from sagebrush.compute.shim import namespaces

if TYPE_CHECKING:
    from docker import APIClient

HOME = "sagebrush.functions"
"""The label of such containers: of which data directory they are."""
SERVER = "sagebrush.server"
"""The label that says of which start of the server."""
USER = "900993:900990"
"""Who runs in it, whatever the image says: nobody that this host knows."""
LIBPOD = "v4.0.0"
"""The version of Podman's own API with the call `init`."""
NEVER = 125
ENDING = 5.0
"""Seconds that an engine has to tell how a process ended which is gone."""
BACKLOG = 128
WHY = (
    "executable file not found in $path", "no such file or directory", "permission denied",
    "exec format error", "is a directory",
)  # fmt: skip
"""Why a program cannot be executed, in small letters."""


def lacking(engine: Engine | None) -> str:
    """Why functions of images cannot run by that engine; "" where they can."""
    if engine is None:
        return "neither Docker nor Podman answers on this machine"
    remote = engine.rootless or engine.desktop or not engine.url.startswith("unix://")
    if remote or os.geteuid() != 0 or not sys.platform.startswith("linux"):
        return (
            f"{engine.name} answers, but engine and server must both be root's, on this Linux: only so"
            " has each function a Runtime API that no other program can reach"
        )
    if not engine.podman and not holder.possible():
        return f"{engine.name} answers, but for them Docker must run on {holder.MACHINE}"
    return ""


class TiedContainer:
    """One such container, under the key of its `spec`."""

    def __init__(self, engine: Engine, spec: Spec, labels: Mapping[str, str]) -> None:
        self.spec = spec
        self._engine = engine
        self._labels = dict(labels)
        self._pid = 0
        self._lock = threading.Lock()
        self._killed = False
        self.pidfd = -1
        """Readable once its first process has ended."""
        self.outputs: tuple[int, ...] = ()
        """Pipes of its first process, to which marks are written: standard output, standard error."""
        self.memory = Memory(0)
        self._still = Freezer(0)
        self._started = 0.0

    def make(self, env: Mapping[str, str]) -> dict[str, socket.socket]:
        """Its namespaces are there, its program does not run yet; what listens in them, by listener.

        Raises Unstartable, and OSError where the engine does not answer.
        """
        from docker import errors

        with self._engine.client() as client:
            try:
                if self._engine.podman:
                    network, space = "none", 0
                else:
                    space = holder.start(client, self._holder, USER, self._labels)
                    network = f"container:{self._holder}"
                client.create_container(**_container(client, self.spec, env, self._labels, network))
            except errors.APIError as error:
                raise Unstartable(f"create: {_words(error)}") from error
            if self._engine.podman:
                url = f"{client.base_url}/{LIBPOD}/libpod/containers/{self.spec.key}/init"
                answer = client.post(url)
                if answer.status_code >= 400:
                    said = str(answer.json().get("message"))
                    raise Unstartable(unstarted(said, self.spec))
                self._seize(client)
        return inside(space or self._pid, self.spec.listeners)

    @property
    def _holder(self) -> str:
        return f"{self.spec.key}-network"

    def _seize(self, client: APIClient) -> None:
        """Its first process, which is there, is known, and what is reached by that; maybe it has ended."""
        pid = int(client.inspect_container(self.spec.key)["State"]["Pid"] or 0)
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            if pid:
                self.pidfd = os.pidfd_open(pid)
                self.memory, self._still = Memory(pid), Freezer(pid)
                self._limit(pid)
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
                self.outputs = tuple(os.open(f"/proc/{pid}/fd/{n}", flags) for n in (1, 2))
        self._pid = pid

    def _limit(self, pid: int) -> None:
        """No file that it writes is larger than its storage, where that can be said.

        Not by the engine: Podman adds limits of its own then, which not every host lets it set.
        """
        if storage := self.spec.storage:
            with contextlib.suppress(PermissionError):  # nor lets every host this process
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (storage, storage))

    def start(self) -> None:
        """Its program runs. Raises Unstartable."""
        from docker import errors

        with self._engine.client() as client:
            try:
                client.start(self.spec.key)
            except errors.APIError as error:
                raise Unstartable(unstarted(_words(error), self.spec)) from error
            self._started = time.time()
            if not self._pid:
                self._seize(client)

    def freeze(self, frozen: bool) -> None:
        """All that runs in it stands still, or goes on. At once."""
        with contextlib.suppress(OSError):
            self._still.set(frozen)

    def kill(self) -> None:
        """All that runs in it has SIGKILL. At once; repeatable."""
        with self._lock:
            self._killed = True
            if self.pidfd >= 0:
                self.freeze(False)  # under cgroup v1 what is frozen does not end
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    @property
    def killed(self) -> bool:
        """Whether it was to be killed, maybe before there was anything to kill."""
        return self._killed

    def exited(self, reason: str) -> Exited:
        """How it ended, which was by `reason` where that is not "". Raises OSError."""
        state = self._ended_state()
        code = int(state.get("ExitCode") or 0)
        if not reason and code:
            full = code == 137 and self.memory.exhausted(self.spec.limits.memory)
            reason = "oom" if state.get("OOMKilled") or self.memory.killed or full else ""
        code = 128 - code if 128 < code < 193 else code
        return Exited(code, reason, "", self._started, time.time(), self.memory.peak)

    def _ended_state(self) -> dict[str, Any]:
        """The engine's description of its state, once it has ended or will not in time."""
        until = time.monotonic() + ENDING
        with self._engine.client() as client:
            while True:
                state = client.inspect_container(self.spec.key)["State"]
                over = time.monotonic() > until
                if over or not (state.get("Running") or state.get("Paused")):
                    return state
                time.sleep(0.01)

    def remove(self) -> None:
        """The container and what it wrote are gone. Raises OSError where the engine does not answer."""
        self.kill()
        with self._lock:
            for fd in (self.pidfd, *self.outputs):
                if fd >= 0:
                    os.close(fd)
            self.pidfd, self.outputs = -1, ()
        with self._engine.client() as client:
            container.discard(client, self.spec.key)
            if not self._engine.podman:
                container.discard(client, self._holder)


def _container(
    client: APIClient,
    spec: Spec,
    env: Mapping[str, str],
    labels: Mapping[str, str],
    network: str,
) -> dict[str, Any]:
    """What docker-py makes the container of."""
    limits = spec.limits
    host = client.create_host_config(
        binds={
            str(each.source): {"bind": each.target, "mode": "ro" if each.read_only else "rw"}
            for each in spec.binds
        },
        network_mode=network,
        ipc_mode="none",  # as at AWS there is no /dev/shm
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit=limits.memory,
        memswap_limit=limits.memory,
        pids_limit=limits.pids,
        cpu_shares=min(max(2, int(limits.cpu * 1024)), 262_144),
        log_config={"Type": "none"},  # it is attached to
    )
    return {
        "image": spec.image,
        "command": list(spec.argv) or None,
        "entrypoint": list(spec.entrypoint) or None,
        "environment": dict(env),
        "working_dir": spec.cwd or None,
        "user": USER,
        "name": spec.key,
        "hostname": spec.hostname if network == "none" else None,
        "labels": dict(labels),
        "host_config": host,
    }


def inside(pid: int, names: Iterable[str]) -> dict[str, socket.socket]:
    """Sockets that listen in the network namespace of that process, by listener. Raises OSError."""
    found: dict[str, socket.socket] = {}
    failed: list[BaseException] = []

    def work() -> None:
        try:
            space = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                namespaces.join(space)
            finally:
                os.close(space)
            for name in names:
                sock = found[name] = socket.socket()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(sandbox.LISTENERS[name])
                sock.listen(BACKLOG)
                sock.setblocking(False)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, name="inside")  # which ends there: no way back is needed
    thread.start()
    thread.join()
    if failed:
        for sock in found.values():
            sock.close()
        raise OSError(f"its network cannot be entered: {failed[0]}") from failed[0]
    return found


class Freezer:
    """Makes the control group of a process stand still."""

    def __init__(self, pid: int) -> None:
        """Raises OSError where the process is gone."""
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines() if pid else []
        groups = {names: path for _, names, path in (line.split(":", 2) for line in lines)}
        self._file, self._words = "", ("", "")
        if "freezer" in groups:
            self._file = f"/sys/fs/cgroup/freezer{groups['freezer']}/freezer.state"
            self._words = ("THAWED", "FROZEN")
        elif "" in groups:
            self._file, self._words = f"/sys/fs/cgroup{groups['']}/cgroup.freeze", ("0", "1")

    def set(self, frozen: bool) -> None:
        """It stands still, or goes on; nothing where it has none. Raises OSError."""
        if self._file:
            with open(self._file, "w") as file:
                file.write(self._words[frozen])


def unstarted(words: str, spec: Spec) -> str:
    """What an engine said of a program that it cannot start, as `routing.functions.failures` reads it:
    `STEP: WHY: PATH`. Pure."""
    text = " ".join(words.split())
    why = next((each for each in WHY if each in text.lower()), "")
    # to the kernel a directory is no program either
    why = "permission denied" if why == "is a directory" else why
    if why and re.search(r"workdir|working directory|chdir", text):
        return f"chdir: {why}: {spec.cwd}"
    if why and re.search(r'exec:? ["/]', text):
        return f"exec: {why}: {([*spec.entrypoint, *spec.argv] or [''])[0]}"
    return f"start: {text[: container.WORDS]}"


def sweep(engine: Engine, home: str, server: str) -> None:
    """Containers of functions that earlier servers of that data directory left are gone."""
    with engine.client() as client:
        for found in client.containers(all=True, filters={"label": f"{HOME}={home}"}):
            if found["Labels"].get(SERVER) != server:
                container.discard(client, found["Id"])


def _words(error: Exception) -> str:
    return " ".join(str(getattr(error, "explanation", None) or error).split())[: container.WORDS]
