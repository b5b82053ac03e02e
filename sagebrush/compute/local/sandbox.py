"""The plan of a job's sandbox: what its file system holds, built from a Spec and applied by the shim.

Everything starts from an empty root and is allowed one by one, so what is not named here is absent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from sagebrush.compute.base import Bind, Spec
from sagebrush.compute.shim import network

SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
)
"""Programs and libraries of the host, read-only."""

ETC = (
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/protocols",
    "/etc/services",
    "/etc/fonts",
    "/etc/OpenCL",
)
"""The files of /etc that programs need; none holds a secret."""

MACHINE = ("/sys/devices/system/cpu", "/sys/devices/system/node")
"""What thread pools read to know the processors."""

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
GPU_DEVICES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")

CREDENTIALS = "169.254.170.2"
"""Where AWS's container credentials live; an address of the sandbox's loopback."""
METADATA = "169.254.169.254"
"""Where EC2's instance metadata live; an address of the sandbox's loopback too."""

LISTENERS: dict[str, tuple[str, int]] = {
    "aws": ("127.0.0.1", 4566),
    "credentials": (CREDENTIALS, 80),
    "metadata": (METADATA, 80),
    "egress": ("127.0.0.1", 3128),
    "packages": ("127.0.0.1", 3128),  # instead of it, where packages are installed
    "runtime": ("127.0.0.1", 9001),  # Lambda's Runtime API
}
"""In-sandbox listeners: address and port."""

CONDA = "/opt/conda"
"""Where AWS's images have their Python, and a job its environment."""
MINICONDA = "/miniconda3"
"""The same in its images of scikit-learn and XGBoost."""

UIDS = (1_900_000_000, 100_000)
"""First user id of jobs and how many: above login, subordinate and container ranges alike."""

Step = list[str]
"""One act of the plan: its name, then its texts; `shim.namespaces.Builder` knows each."""


@dataclass(frozen=True)
class HostPaths:
    """What the plan needs to know of the host: which paths are links, directories, files."""

    links: dict[str, str] = field(default_factory=dict)
    directories: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()

    def has(self, path: str) -> bool:
        """Whether the host has `path`."""
        return path in self.links or path in self.directories or path in self.files


def survey(paths: Iterable[str]) -> HostPaths:
    """What of `paths` this host has."""
    links: dict[str, str] = {}
    directories: set[str] = set()
    files: set[str] = set()
    for path in paths:
        if os.path.islink(path) and path.count("/") == 1:
            links[path] = os.readlink(path)
        elif os.path.isdir(path):
            directories.add(path)
        elif os.path.exists(path):
            files.add(path)
    return HostPaths(links, frozenset(directories), frozenset(files))


def host() -> HostPaths:
    """This host, as far as plans need it."""
    devices = [f"/dev/{name}" for name in (*DEVICES, *GPU_DEVICES)]
    devices += [f"/dev/nvidia{n}" for n in range(16)]
    return survey([*SYSTEM, *ETC, *MACHINE, *devices])


def plan(spec: Spec, host: HostPaths, hidden: tuple[Path, ...] = ()) -> list[Step]:
    """The steps that make the job's file system, in order; paths are as seen from inside.

    `hidden` directories (the platform's data) are covered where a bind would show them.
    """
    steps: list[Step] = []
    steps += _system(host)
    steps += _made(spec)
    steps += _job(spec)  # before the binds: what they show may lie under the host's /tmp
    steps += [["served", target] for target in spec.mounts]
    binds = sorted(spec.binds, key=lambda bind: len(PurePosixPath(bind.target).parts))
    for bind in binds:
        if bind.apart:
            steps.append(["apart", str(bind.source), bind.target, apart(spec, bind)])
            continue
        mode = "ro" if bind.read_only else "rw"
        steps.append(["bind", str(bind.source), bind.target, mode])
    if any(bind.target == CONDA for bind in binds):
        steps.append(["link", CONDA, MINICONDA])
    shown = [(bind.source, bind.target) for bind in binds] + [(Path(p), p) for p in SYSTEM]
    for source, target in shown:
        for path in hidden:
            if path == source or source in path.parents:
                steps.append(["cover", str(PurePosixPath(target) / path.relative_to(source))])
    steps += _devices(spec, host)
    steps.append(["proc", "/proc"])
    return steps


def apart(spec: Spec, bind: Bind) -> str:
    """The folder of what the job changes in a bind that is apart."""
    return str(spec.root / "apart" / bind.target.strip("/").replace("/", "-"))


def _system(host: HostPaths) -> list[Step]:
    steps: list[Step] = []
    for path in (*SYSTEM, *ETC, *MACHINE):
        if path in host.links:
            steps.append(["link", host.links[path], path])
        elif host.has(path):
            steps.append(["bind", path, path, "ro"])
    return steps


def _made(spec: Spec) -> list[Step]:
    """The files of /etc that describe users or the network: made new, the host's never shown.

    The job's user is called root, as AWS's containers run as root and scripts ask for the name; its
    number stays what it is. A user namespace that made it 0 would give no rights either (there are
    no capabilities), and programs that see 0 rely on them: tar would restore owners and fail, mpirun
    and sshd would refuse, pip would warn. The first entry of a name is the one that is found by it,
    so `chown root` leaves a file the job's; the second tells whose the system's files are.
    """
    own = f"{spec.user}:x:{{uid}}:{{gid}}:{spec.user}:{spec.home}:{spec.shell}\n"
    others = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
    alone = () if spec.peers else dict.fromkeys((spec.hostname, "algo-1"))
    local = f"127.0.0.1 {' '.join(('localhost', *alone))}\n::1 localhost ip6-localhost\n"
    return [
        ["file", "/etc/passwd", own + others],
        ["file", "/etc/group", f"{spec.user}:x:{{gid}}:\nroot:x:0:\nnogroup:x:65534:\n"],
        ["file", "/etc/hosts", local + network.hosts(spec.peers)],
        ["file", "/etc/hostname", spec.hostname + "\n"],
        ["file", "/etc/resolv.conf", ""],
        ["link", "/usr/lib/os-release", "/etc/os-release"],
        ["file", "/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"],
        ["dir", "/home", "755"],
        ["dir", "/run", "755"],
        ["dir", "/var", "755"],
        ["link", "/tmp", "/var/tmp"],
        ["link", "/run", "/var/run"],
    ]


def _job(spec: Spec) -> list[Step]:
    """/opt/ml and /tmp, of this job alone. /tmp is on disk: in memory it would count as the job's.
    So are root's home and /opt/program, where images of users' own have their code.

    input is writable as on AWS (SDK v3 makes its script in a channel executable): it is a copy.
    A function has its /tmp alone.
    """
    if spec.tied:
        return [["bind", str(spec.root / "tmp"), "/tmp", "rw"], ["dir", "/opt", "755"]]
    return [
        ["bind", str(spec.root / "ml"), "/opt/ml", "rw"],
        ["bind", str(spec.root / "tmp"), "/tmp", "rw"],
        ["own", "/tmp/.root", "/root"],
        ["own", "/tmp/.program", "/opt/program"],
    ]


def _devices(spec: Spec, host: HostPaths) -> list[Step]:
    shared = spec.limits.memory // 2 or 2 << 30
    steps: list[Step] = [["tmpfs", "/dev", "mode=755,size=1m"]]
    names = list(DEVICES)
    if spec.limits.gpus:
        names += [*GPU_DEVICES, *(f"nvidia{n}" for n in spec.limits.gpus)]
    steps += [["device", f"/dev/{name}"] for name in names if host.has(f"/dev/{name}")]
    steps.append(["tmpfs", "/dev/shm", f"mode=1777,size={shared}"])
    steps.append(["devpts", "/dev/pts"])
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        steps.append(["link", f"/proc/self/fd{target}", f"/dev/{name}"])
    steps.append(["link", "pts/ptmx", "/dev/ptmx"])
    steps.append(["seal", "/dev"])
    return steps


def aliases(listeners: Iterable[str]) -> list[str]:
    """The loopback addresses, other than 127.0.0.1, of a sandbox with those listeners."""
    found = {LISTENERS[name][0] for name in listeners} - {"127.0.0.1"}
    return sorted({CREDENTIALS, *found})


def needed(which: Callable[[str], bool] = os.path.exists) -> list[str]:
    """What this host lacks for the sandbox before trying it; [] when nothing is known to be missing."""
    return [path for path in ("/proc/self/ns/user", "/proc/self/ns/net", "/usr") if not which(path)]
