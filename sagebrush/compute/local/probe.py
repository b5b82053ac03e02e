"""Tells what this host can isolate and limit, by doing it; and what a person can do about the rest."""

from __future__ import annotations

import os
import platform
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sagebrush.compute.base import Bind, Exited, Gone, Limits, Spec
from sagebrush.compute.local import limits
from sagebrush.compute.local.backend import LocalBackend

MIB = 1 << 20


class CannotIsolate(RuntimeError):
    """The sandbox was asked for and does not work here; the text says which step and what helps."""


@dataclass(frozen=True)
class Check:
    """One thing that was tried; `cure` says what a person can do about a failure."""

    check: str
    ok: bool
    detail: str = ""
    cure: str = ""


@dataclass(frozen=True)
class Facts:
    """What explains a failed sandbox: settings of the kernel, and where this process runs."""

    system: str = "linux"
    root: bool = False
    container: bool = False
    apparmor_restricts: bool = False
    clone_forbidden: bool = False
    no_namespaces: bool = False
    python: str = sys.executable

    @staticmethod
    def read(root: Path = Path("/")) -> Facts:
        """The facts of this host."""

        def value(name: str) -> str:
            try:
                return (root / "proc/sys" / name).read_text().strip()
            except OSError:
                return ""

        marks = ("/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io")
        return Facts(
            system=sys.platform,
            root=os.geteuid() == 0,
            container=any((root / mark[1:]).exists() for mark in marks),
            apparmor_restricts=value("kernel/apparmor_restrict_unprivileged_userns") == "1",
            clone_forbidden=value("kernel/unprivileged_userns_clone") == "0",
            no_namespaces=value("user/max_user_namespaces") == "0",
            python=os.path.realpath(sys.executable),
        )


def cure(step: str, facts: Facts) -> str:
    """What helps against the failure of `step` on a host with those `facts`."""
    if facts.system == "darwin":
        return "run Sagebrush in a Linux VM (Lima, Colima, OrbStack) for the full sandbox"
    if facts.system != "linux":
        return "run Sagebrush in WSL2"
    if "no system call table" in step:
        return "only x86-64 and aarch64 have a sandbox"
    if facts.container:
        return (
            "this is a container: start it with --privileged, or with --cap-add SYS_ADMIN "
            "--security-opt seccomp=unconfined --security-opt apparmor=unconfined "
            "--security-opt systempaths=unconfined; or run Sagebrush on the host itself"
        )
    if facts.apparmor_restricts and not facts.root:
        return (
            "AppArmor confines user namespaces here (Ubuntu 23.10 and later). Allow them for this "
            f"interpreter: printf 'abi <abi/4.0>,\\nprofile sagebrush {facts.python} "
            "flags=(unconfined) { userns, }\\n' | sudo tee /etc/apparmor.d/sagebrush && "
            "sudo apparmor_parser -r /etc/apparmor.d/sagebrush; or for everyone: "
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        )
    if facts.clone_forbidden and not facts.root:
        return "sudo sysctl -w kernel.unprivileged_userns_clone=1"
    if facts.no_namespaces:
        return "sudo sysctl -w user.max_user_namespaces=15000"
    if facts.root:
        return "root lacks CAP_SYS_ADMIN here: grant it, or run on the host itself"
    return "start the server as root, or on a kernel with user namespaces (CONFIG_USER_NS)"


def choose(isolation: str) -> str:
    """`sandbox` or `process` for the setting's value; raises CannotIsolate for a vain `sandbox`."""
    if isolation == "process":
        return "process"
    tried = sandboxed()
    if tried.ok:
        return "sandbox"
    if isolation == "sandbox":
        raise CannotIsolate(
            f"isolation is set to sandbox, which does not work here ({tried.detail}): {tried.cure}"
        )
    return "process"


def checks() -> list[Check]:
    """What is in force on this host, by trying: the sandbox, users, limits, networks of several
    instances, readable files."""
    found = [sandboxed(), _users(), _limits(limits.survey())]
    if found[0].ok:
        found.append(networked())
    if os.geteuid() == 0:
        found.append(_readable(Path(__file__).parents[2]))
    return found


def sandboxed() -> Check:
    """The whole sandbox, tried around a program that does nothing."""
    if sys.platform != "linux":
        detail = f"the sandbox needs Linux, this is {platform.system()}"
        return Check("sandbox", False, detail, cure("", Facts.read()))
    try:
        [(ended, _)] = _run(Trial("true", ["/bin/sh", "-c", "exit 0"]))
    except (OSError, ValueError) as error:
        return Check("sandbox", False, str(error), cure(str(error), Facts.read()))
    if ended.code == 0 and not ended.reason:
        return Check("sandbox", True, "every step of the sandbox worked")
    step = ended.reason or f"the program ended with {ended.code}"
    return Check("sandbox", False, step, cure(step, Facts.read()))


def networked() -> Check:
    """Two instances of one job, tried: each finds the other by its name."""
    names = ("one", "two")
    meet = (
        "import socket, sys, time\n"
        "server = socket.create_server((socket.gethostname(), 7000))\n"
        f"for name in {names!r}:\n"
        " for last in (0,) * 100 + (1,):\n"
        "  try: socket.create_connection((name, 7000), 5); break\n"
        "  except ConnectionRefusedError:\n"
        "   if last: raise\n"
        "   time.sleep(0.05)\n"
        "server.settimeout(5)\n"
        "for name in (1, 2): server.accept()\n"
    )
    try:
        results = _run(Trial("networks", _python(meet)), names)
    except (OSError, ValueError, CannotIsolate) as error:
        return Check("networks", False, str(error), cure(str(error), Facts.read()))
    for ended, output in results:
        if ended.code or ended.reason:
            last = (output.splitlines() or [f"the program ended with {ended.code}"])[-1]
            return Check(
                "networks",
                False,
                f"jobs of one instance only: {ended.reason or last}",
                "the kernel needs the modules bridge and veth: sudo modprobe -a bridge veth",
            )
    return Check("networks", True, "several instances of one job reach each other by name")


def _users() -> Check:
    if os.geteuid() == 0:
        return Check("users", True, "each job runs as a user of its own")
    return Check(
        "users",
        True,
        "jobs run as you, apart from each other by file system and process ids only; "
        "started by root, each has a user of its own",
    )


def _limits(layout: limits.Layout) -> Check:
    if layout.kind != "watchdog":
        names = {"v2": "control groups v2", "v1": "control groups v1", "systemd": "systemd scopes"}
        return Check("limits", True, f"memory and CPU by {names[layout.kind]}")
    detail = f"a watchdog looks at memory every 50 ms, CPU by whole processors: {layout.why}"
    return Check("limits", False, detail, "start the server as root, or in a systemd user session")


def _readable(package: Path) -> Check:
    """Whether users other than root can read what jobs run (a umask of 077 at installation)."""
    for directory in (package / "toolkit", package / "algorithms"):
        for path in (directory, *directory.rglob("*")):
            needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
            if path.stat().st_mode & needed != needed:
                return Check(
                    "readable", False, f"jobs cannot read {path}", f"chmod -R a+rX {package}"
                )
    return Check("readable", True, "jobs can read the toolkit")


# -- trials in a real sandbox


@dataclass(frozen=True)
class Trial:
    """A program for a sandbox of its own, and what must come of it."""

    name: str
    argv: list[str]
    limits: Limits = field(default_factory=Limits)
    seconds: float = 20.0
    reason: str = ""
    output: str = ""


def _python(text: str) -> list[str]:
    return [os.path.realpath(sys.executable), "-I", "-S", "-c", text]


def _look(paths: list[str]) -> list[str]:
    return _python(f"import os; print([p for p in {paths!r} if os.path.lexists(p)])")


def trials() -> list[Trial]:
    """What `selftest` tries."""
    home = os.path.expanduser("~")
    secrets = [
        f"{home}/.ssh",
        f"{home}/.aws",
        "/etc/shadow",
        "/var/log",
        "/boot",
        "/etc/machine-id",
    ]
    net = (
        "import socket; s = socket.socket(); s.settimeout(3); print(s.connect_ex(('1.1.1.1', 53)))"
    )
    fork = (
        "import os, signal\nn = 0\nwhile n < 300:\n try:\n  if os.fork() == 0: signal.pause()\n"
        "  n += 1\n except OSError: break\nprint(n < 64)"
    )
    kill = "import os\ntry: os.unshare(0x10000000)\nexcept AttributeError: import ctypes; print("
    kill += "ctypes.CDLL(None).unshare(0x10000000))\nexcept OSError: print(-1)"
    return [
        Trial("files of the host are absent", _look(secrets), output="[]"),
        Trial("no network of the host", _python(net), output="101"),
        Trial("no new namespaces", _python(kill), output="-1"),
        Trial(
            "memory limit",
            _python("import time; held = bytearray(300 << 20); time.sleep(5)"),
            Limits(memory=100 * MIB),
            reason="oom",
        ),
        Trial("process limit", _python(fork), Limits(pids=64), output="True"),
        Trial("time limit", ["/bin/sleep", "60"], seconds=0.5, reason="timeout"),
    ]


def selftest() -> Iterator[Check]:
    """Each promise of the sandbox, tried in a real one; yields as they come."""
    for trial in trials():
        [(ended, output)] = _run(trial)
        ok = ended.reason == trial.reason and output.strip() == trial.output
        got = f"{ended.reason or f'ended with {ended.code}'} {output.strip()}".strip()
        yield Check(trial.name, ok, "" if ok else f"got: {got}")


def _run(trial: Trial, names: tuple[str, ...] = ("algo-1",)) -> list[tuple[Exited, str]]:
    """How the trial's program ended in a sandbox with everything on, and what it printed: for each
    of `names`, which have a network if they are several."""
    done = threading.Event()
    with tempfile.TemporaryDirectory(prefix="sagebrush-probe-") as directory:
        jobs = Path(directory) / "jobs"
        jobs.mkdir()
        backend = LocalBackend(
            jobs, lambda *given: given[-1].close(), lambda _: done.set(), isolation="sandbox"
        )
        found: list[tuple[Exited, str]] = []
        try:
            for name in names:
                backend.launch(_spec(trial, jobs, name, names))
            for name in names:
                while not isinstance(state := backend.poll(name), Exited | Gone):
                    done.wait(1)
                    done.clear()
                output = "\n".join(line.text for line in backend.logs(name))
                lost = Exited(125, "sandbox: it never started")
                found.append((state if isinstance(state, Exited) else lost, output))
            for name in names:
                backend.forget(name)
        finally:
            backend.close()
    return found


def _spec(trial: Trial, jobs: Path, name: str, names: tuple[str, ...]) -> Spec:
    prefix = Path(os.path.realpath(sys.base_prefix))
    inside = any(part in prefix.parents for part in map(Path, ("/usr", "/lib")))
    return Spec(
        key=name,
        argv=trial.argv,
        env={"PATH": "/usr/bin:/bin"},
        root=jobs / name,
        binds=() if inside or prefix == Path("/usr") else (Bind(prefix, str(prefix)),),
        hostname=name,
        limits=trial.limits,
        listeners=("aws", "credentials", "metadata", "egress"),
        time_limit=trial.seconds,
        grace=0,
        peers=names if len(names) > 1 else (),
        network="probe" if len(names) > 1 else "",
    )
