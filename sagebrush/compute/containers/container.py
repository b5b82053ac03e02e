"""One job as a container of an engine: what it is made of, its log, its memory, its end."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import http.client
import os
import re
import socket
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagebrush.compute.base import Spec
from sagebrush.compute.containers.engines import BRIDGE, Engine
from sagebrush.compute.shim.log import Writer

if TYPE_CHECKING:
    from docker import APIClient

SHARED = 2 << 30
"""Bytes of /dev/shm, as in the sandbox: data loaders of frameworks need it."""
LOOSE = "network isolation: {} cannot give a reachable port without a network of its own here; this container can reach the network"
HOME = "sagebrush.home"
KEY = "sagebrush.key"
LIVE = 2.0
"""Seconds for which a line counts as just written: Podman's times have no fractions."""
TIGHT = 0.9
"""Share of its memory limit from which a killed container counts as out of memory, where no
counter shows it."""
WORDS = 600
"""Characters of an engine's message that stay."""


class Unstartable(Exception):
    """The container cannot run; the text says at which step and holds the engine's words."""


def home(jobs_dir: Path) -> str:
    """Tells the containers of one data directory from those of others."""
    return hashlib.sha256(str(jobs_dir).encode()).hexdigest()[:10]


def name(spec: Spec) -> str:
    """The name of the job's container; it never changes."""
    safe = re.sub(r"[^a-zA-Z0-9_.-]", "-", spec.key)
    return f"sagebrush-{safe}-{home(spec.root.parent)}"


def isolated(spec: Spec) -> bool:
    """Whether the job asks for no network (EnableNetworkIsolation)."""
    return not spec.listeners


def banner(spec: Spec, engine: Engine) -> bytes:
    """What stands first in the log."""
    lines = [spec.banner] if spec.banner else []
    if isolated(spec) and spec.port is not None and not engine.direct:
        lines.append(LOOSE.format(engine.name))
    return "".join(line + "\n" for line in lines).encode()


def pull(client: APIClient, spec: Spec, stopped: Callable[[], object]) -> None:
    """The image is on this machine, unless `stopped()` became true. Raises Unstartable with the
    engine's reason."""
    from docker import errors

    with contextlib.suppress(errors.NotFound):
        client.inspect_image(spec.image)
        return
    try:
        for line in client.pull(spec.image, stream=True, decode=True):
            if isinstance(line, dict) and line.get("error"):
                raise Unstartable(f"pull: {spec.image}: {line['error']}"[:WORDS])
            if stopped():
                return
        client.inspect_image(spec.image)
    except errors.APIError as error:
        raise Unstartable(f"pull: {spec.image}: {_words(error)}") from error


def create(client: APIClient, engine: Engine, spec: Spec, env: Mapping[str, str]) -> None:
    """The container is there, not started. Raises Unstartable."""
    from docker import errors

    try:
        user = client.inspect_image(spec.image)["Config"].get("User") or ""
        if user.partition(":")[0] not in ("", "0", "root"):
            _open(spec.root / "ml")
        mode = _network(client, engine, spec)
        client.create_container(
            spec.image,
            command=list(spec.argv) or None,
            entrypoint=list(spec.entrypoint) or None,
            environment={**spec.env, **env},
            name=name(spec),
            hostname=None if mode == "host" else spec.hostname,
            labels={HOME: home(spec.root.parent), KEY: spec.key},
            ports=[] if spec.port is None or mode == "none" else [spec.port],
            host_config=client.create_host_config(**_host_config(engine, spec, mode)),
        )
    except errors.APIError as error:
        raise Unstartable(f"create: {spec.image}: {_words(error)}") from error


def _network(client: APIClient, engine: Engine, spec: Spec) -> str:
    """The network that the container is in, made if need be."""
    if isolated(spec):
        if spec.port is None:
            return "none"
        if engine.direct:
            own = name(spec)
            if not any(each["Name"] == own for each in client.networks(names=[own])):
                labels = {HOME: home(spec.root.parent), KEY: spec.key}
                client.create_network(own, driver="bridge", internal=True, labels=labels)
            return own
    if engine.podman and engine.rootless:
        return "slirp4netns:allow_host_loopback=true"  # so that it reaches the server
    return BRIDGE


def _host_config(engine: Engine, spec: Spec, mode: str) -> dict[str, Any]:
    """Limits, mounts, ports."""
    limits = spec.limits
    found: dict[str, Any] = {
        "binds": {str(spec.root / "ml"): {"bind": "/opt/ml", "mode": "rw"}},
        "network_mode": mode,
        "security_opt": ["no-new-privileges"],
        "shm_size": SHARED,
        "pids_limit": limits.pids or None,
        # rotated, it could not be gone on with by counting bytes
        "log_config": {"Type": "json-file", "Config": {"max-size": "1t"}},
    }
    if limits.memory:
        found |= {"mem_limit": limits.memory, "memswap_limit": limits.memory}
    if limits.cpu and limits.share:
        found["cpu_shares"] = min(max(2, int(limits.cpu * 1024)), 262_144)
    elif limits.cpu:
        cpus = min(limits.cpu, engine.processors or limits.cpu)
        found["nano_cpus"] = int(cpus * 1e9)
    if limits.gpus and engine.podman:
        ids = [f"nvidia.com/gpu={gpu}" for gpu in limits.gpus]
        found["device_requests"] = [{"Driver": "cdi", "DeviceIDs": ids}]
    elif limits.gpus:
        ids = [str(gpu) for gpu in limits.gpus]
        found["device_requests"] = [{"DeviceIDs": ids, "Capabilities": [["gpu"]]}]
    if spec.port is not None and mode != name(spec):
        found["port_bindings"] = {spec.port: ("127.0.0.1", None)}
    return found


def start(client: APIClient, spec: Spec) -> None:
    """It runs. Raises Unstartable."""
    from docker import errors

    try:
        client.start(name(spec))
    except errors.APIError as error:
        words = _words(error)
        step = "exec" if re.search(r"\bexec\b|executable file", words) else "start"
        raise Unstartable(f"{step}: {spec.image}: {words}") from error


def inspect(client: APIClient, spec: Spec) -> dict[str, Any] | None:
    """The engine's description of the job's container; None where there is none."""
    from docker import errors

    try:
        return client.inspect_container(name(spec))
    except errors.NotFound:
        return None


def remove(client: APIClient, spec: Spec) -> None:
    """Neither the container nor its network is there."""
    from docker import errors

    discard(client, name(spec))
    if isolated(spec) and spec.port is not None:
        with contextlib.suppress(errors.NotFound):
            client.remove_network(name(spec))


def discard(client: APIClient, container: str) -> None:
    """Removes the container, running or not; one that does not exist is ignored."""
    from docker import errors

    with contextlib.suppress(errors.APIError):  # it has ended; else Podman would wait 10 s for it
        client.kill(container)
    with contextlib.suppress(errors.NotFound):
        client.remove_container(container, force=True, v=True)


def signal(client: APIClient, spec: Spec, number: str) -> None:
    """The container has had the signal, unless it has ended."""
    from docker import errors

    with contextlib.suppress(errors.APIError):  # it has ended meanwhile
        client.kill(name(spec), number)


def address(spec: Spec, info: Mapping[str, Any]) -> str:
    """Where `dial` reaches the container's port; "" without one."""
    if spec.port is None:
        return ""
    settings = info["NetworkSettings"]
    own = (settings.get("Networks") or {}).get(name(spec))
    if own is not None:
        return f"tcp:{own['IPAddress']}:{spec.port}"
    published = (settings.get("Ports") or {}).get(f"{spec.port}/tcp")
    return f"tcp:127.0.0.1:{published[0]['HostPort']}" if published else ""


def moment(text: str) -> float:
    """Seconds since the epoch of an engine's time; 0 for its year 1."""
    if not text or text.startswith("0001-"):
        return 0.0
    return dt.datetime.fromisoformat(text).timestamp()


def take(frames: Iterable[bytes], writer: Writer, skip: int) -> None:
    """What the engine's log holds beyond its first `skip` bytes is in the job's.

    Each frame is an engine's time, a space and what was written: the engine's log is the same each
    time it is read, so the size stored already determines where to go on.
    """
    known, ms = b"", 0
    for frame in frames:
        stamp, _, text = frame.partition(b" ")
        if skip >= len(text):
            skip -= len(text)
            continue
        if stamp != known:
            known, ms = stamp, int(moment(stamp.decode()) * 1000)
        now = int(time.time() * 1000)
        writer.write(text[skip:], now if now - ms < LIVE * 1000 else ms)
        skip = 0


def give_back(client: APIClient, spec: Spec, uid: int, gid: int) -> None:
    """All under the job's /opt/ml belongs to that user: an engine of root's leaves root's files.

    Done by the host's own chown in a container, since only the engine may; the image's programs
    are not to be counted on.
    """
    places = [place for place in ("/usr", "/lib", "/lib64", "/bin") if Path(place).exists()]
    binds = {place: {"bind": place, "mode": "ro"} for place in places}
    binds[str(spec.root / "ml")] = {"bind": "/opt/ml", "mode": "rw"}
    made = client.create_container(
        spec.image,
        command=["-R", "-h", f"{uid}:{gid}", "/opt/ml"],
        entrypoint=["/bin/chown"],
        user="0:0",
        labels={HOME: home(spec.root.parent), KEY: spec.key},
        host_config=client.create_host_config(binds=binds, network_mode="none"),
    )
    try:
        client.start(made["Id"])
        client.wait(made["Id"])
    finally:
        client.remove_container(made["Id"], force=True)


def _open(ml: Path) -> None:
    """An image with a user of its own can read its input and write the rest (no other user sees it:
    the job's directory is private)."""
    for folder, _, files in os.walk(ml):
        read_only = Path(folder).relative_to(ml).parts[:1] == ("input",)
        os.chmod(folder, 0o755 if read_only else 0o777)
        for file in files:
            path = os.path.join(folder, file)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode):
                os.chmod(path, stat.S_IMODE(mode) | (0o444 if read_only else 0o666))


def _words(error: Exception) -> str:
    """The engine's message, in one line."""
    text = str(getattr(error, "explanation", None) or error)
    return " ".join(text.split())[:WORDS]


class Logs:
    """The engine's log of a container, frame by frame; `close` ends the reading, from any thread.

    (docker-py's stream can be closed only once the engine has begun to answer, and Podman begins
    with the first line.)
    """

    def __init__(self, engine: Engine, spec: Spec, follow: bool) -> None:
        self._connection = _Connection(engine.url)
        self._closed = False
        self._path = f"/v{engine.api}/containers/{name(spec)}/logs?" + "&".join(
            (f"follow={int(follow)}", "stdout=1", "stderr=1", "timestamps=1")
        )

    def __iter__(self) -> Iterator[bytes]:
        """Each frame, until the container has ended (or all was read); raises OSError."""
        try:
            self._connection.request("GET", self._path)
            if self._closed:
                return
            response = self._connection.getresponse()
            if response.status != 200:
                raise OSError(f"its log cannot be read: {response.read(WORDS)!r}")
            # stream, three zeros, length: Docker's API, "Attach to a container", stream format
            while len(head := response.read(8)) == 8:
                yield response.read(int.from_bytes(head[4:], "big"))
        except http.client.HTTPException as error:
            raise OSError(f"its log broke off: {error!r}") from error
        finally:
            self._connection.close()

    def close(self) -> None:
        """Who reads it gets no more."""
        self._closed = True
        with contextlib.suppress(OSError, AttributeError):  # not connected yet, or closed
            self._connection.sock.shutdown(socket.SHUT_RDWR)


class _Connection(http.client.HTTPConnection):
    """HTTP to an engine's socket."""

    def __init__(self, url: str) -> None:
        kind, _, self._place = url.partition("://")
        self._unix = kind == "unix"
        super().__init__("localhost" if self._unix else self._place)

    def connect(self) -> None:
        """The socket is connected."""
        if not self._unix:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._place)


class Memory:
    """The memory counters of a running container, by its control group where this host sees it."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self.killed = False
        self._peak, self._kills = _counters(pid)

    def look(self) -> None:
        """Updates peak and kills from the kernel's counters; without those they stay as they are."""
        with contextlib.suppress(OSError, ValueError):
            self.peak = max(self.peak, int(Path(self._peak).read_text()))
        with contextlib.suppress(OSError):
            found = re.search(r"^oom_kill (\d+)$", Path(self._kills).read_text(), re.MULTILINE)
            self.killed = self.killed or bool(found and int(found[1]))

    def exhausted(self, limit: int) -> bool:
        """Whether it was killed for its memory, or was so near its limit that nothing else is likely."""
        return self.killed or (bool(limit) and self.peak >= TIGHT * limit)


def _counters(pid: int) -> tuple[str, str]:
    """The files that hold a process's peak and its group's kills; "" where they are not seen."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines() if pid else []
    except OSError:
        lines = []
    groups = {controllers: path for _, controllers, path in (x.split(":", 2) for x in lines)}
    old = next((path for names, path in groups.items() if "memory" in names.split(",")), None)
    if old is not None:
        base = f"/sys/fs/cgroup/memory{old}"
        return f"{base}/memory.max_usage_in_bytes", f"{base}/memory.oom_control"
    if "" in groups:
        base = f"/sys/fs/cgroup{groups['']}"
        return f"{base}/memory.peak", f"{base}/memory.events"
    return "", ""
