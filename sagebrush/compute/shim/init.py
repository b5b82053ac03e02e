"""The first process of a job: enters the sandbox, starts the program, reaps, reports how it ended.

It holds no more rights than the job. Lines it writes to the shim: `E text` (could not start),
`R pid time` (the program runs), `X status maxrss utime stime` (it ended). Standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import select
import signal
import time

from sagebrush.compute.shim import cgroup, files, landlock, namespaces

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

FAILED = 125
SIGNALS = (signal.SIGTERM, signal.SIGCHLD)


def run(spec: dict[str, Any], uid: int | None, go: int, tell: int, log: int) -> NoReturn:
    """Called in a fresh fork of the shim; never returns. `go` says `g` (enter the
    sandbox) and `s` (start the program)."""
    reported(tell, lambda: _run(spec, uid, go, tell, log))


def reported(tell: int, work: Callable[[], int]) -> NoReturn:
    """This process ends with what `work` returns; the shim is told why where it raises."""
    code = FAILED
    try:
        code = work()
    except namespaces.StepFailed as failure:
        say(tell, f"E {failure}")
    except BaseException as error:
        say(tell, f"E start: {type(error).__name__}: {error}")
    os._exit(code)


def say(tell: int, line: str) -> None:
    with contextlib.suppress(OSError):
        os.write(tell, files.line(line))


def _run(spec: dict[str, Any], uid: int | None, go: int, tell: int, log: int) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    devices = dict(spec.get("devices", {}))
    keep_only({0, 1, 2, go, tell, log, *devices.values()})
    if os.read(go, 1) != b"g":
        return FAILED  # the shim is gone
    os.setsid()
    os.umask(0o022)
    sandboxed = spec["mode"] == "sandbox"
    if sandboxed:
        user = uid if uid is not None else os.getuid()
        names = {"uid": str(user), "gid": str(uid if uid is not None else os.getgid())}
        names |= {f"device of {target}": str(fd) for target, fd in devices.items()}
        namespaces.build(spec["stage"], spec["steps"], names, spec["hostname"])
        namespaces.drop(uid)
        namespaces.die_with_parent(signal.SIGKILL)
        namespaces.filter_calls(bytes.fromhex(spec["seccomp"]))
    else:
        namespaces.adopt_orphans()
        confine(spec)
    waking = wake_on_signals()
    if os.read(go, 1) != b"s":
        return FAILED
    started = time.time()
    main = _start(spec, sandboxed, log)
    if sandboxed:
        namespaces.hide_from_ptrace()
    os.close(log)
    say(tell, f"R {main} {started}")
    return watch(main, waking, go, tell)


def confine(spec: dict[str, Any]) -> None:
    """Outside a sandbox: as much of it as the kernel gives without further rights."""
    if not namespaces.LINUX:
        return
    with contextlib.suppress(OSError, namespaces.StepFailed):
        namespaces.no_new_privileges()
        landlock.confine_writes(spec["writable"])
        if spec["seccomp"]:
            namespaces.filter_calls(bytes.fromhex(spec["seccomp"]))


def wake_on_signals() -> int:
    """What becomes readable, a byte for each, when one of SIGNALS comes."""
    waking, wake = os.pipe()
    os.set_blocking(waking, False)
    os.set_blocking(wake, False)
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    return waking


def keep_only(fds: set[int]) -> None:
    """Only those descriptors are open: the shim's lock and sockets stay the shim's alone."""
    low = 0
    for fd in sorted(fds):
        if fd > low:  # Python 3.11 takes an empty range for an endless one
            os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX") if not namespaces.LINUX else 65536)


def _start(spec: dict[str, Any], sandboxed: bool, log: int) -> int:
    """The program's process id, once it has been exec'd; raises StepFailed."""
    reader, writer = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    main = os.fork()
    if main == 0:
        os.close(reader)
        try:
            become(spec, sandboxed, log)
            execute(spec["argv"], spec["env"])
        except OSError as error:
            os.write(writer, f"{error.strerror}: {error.filename or spec['argv'][0]}".encode())
        except BaseException as error:
            os.write(writer, str(error).encode())
        os._exit(127)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    os.close(writer)
    failure = os.read(reader, 4096)
    os.close(reader)
    if failure:
        raise namespaces.StepFailed(f"exec: {failure.decode(errors='replace')}")
    return main


def become(spec: dict[str, Any], sandboxed: bool, log: int) -> None:
    """This process is as the program, which comes next, is to begin; raises OSError."""
    os.setpgid(0, 0)
    if not sandboxed:
        namespaces.die_with_parent(signal.SIGKILL)
    limit(spec, sandboxed)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(spec["cwd"])
    for number in (*SIGNALS, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def execute(argv: list[str], env: dict[str, str]) -> None:
    """The program is found by the job's own PATH and takes over; raises OSError.

    Not os.execvpe: that imports a module, which the sandbox may not show.
    """
    name, refused = argv[0], None
    folders = env.get("PATH", os.defpath).split(":") if "/" not in name else [""]
    for folder in folders:
        try:
            os.execve(f"{folder}/{name}" if folder else name, argv, env)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            refused = refused or error
    raise refused or FileNotFoundError(errno.ENOENT, _missing(name), name)


def _missing(name: str) -> str:
    """What is not there: the program, or what the first line of one that is there names."""
    missing = os.strerror(errno.ENOENT)
    if "/" not in name:
        return missing
    with contextlib.suppress(OSError), open(name, "rb") as file:
        first = file.readline(256)
        if first.startswith(b"#!"):
            text = first[2:].strip(b" \t\n").replace(b"\t", b" ")
            interpreter = text.partition(b" ")[0].decode(errors="replace").replace("\r", "^M")
            return f"{interpreter}: bad interpreter: {missing}"
    return missing


def limit(spec: dict[str, Any], sandboxed: bool) -> None:
    """This process and its children have the job's limits on processes and processors."""
    # A core file would be handed to the host's core_pattern, outside the sandbox.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sandboxed and spec["pids"]:
        _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        most = spec["pids"] if hard == resource.RLIM_INFINITY else min(spec["pids"], hard)
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    if spec["affinity"]:
        os.sched_setaffinity(0, spec["affinity"])
    if spec.get("file_size"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (spec["file_size"], spec["file_size"]))
    # Short of memory, the host ends a job before it ends the server.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")


def watch(main: int, waking: int, go: int, tell: int) -> int:
    """Until the program ends: reaps, hands on SIGTERM. The exit code for this process.

    When the shim ends first, `go` does too: nothing of the job outlives it.
    """
    poll = select.poll()
    poll.register(waking, select.POLLIN)
    poll.register(go, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if go in ready:
            _signal_group(main, signal.SIGKILL)
            cgroup.end(cgroup.descendants(os.getpid()))
            return FAILED
        if signal.SIGTERM in os.read(waking, 512):
            _signal_group(main, signal.SIGTERM)
        if _reaped(main, tell):
            return 0


def _reaped(main: int, tell: int) -> bool:
    """Whether the program has ended; the shim has its exit status and usage then."""
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return False
        if pid == main:
            used = f"{usage.ru_maxrss} {usage.ru_utime:.3f} {usage.ru_stime:.3f}"
            say(tell, f"X {status} {used}")
            return True


def _signal_group(main: int, number: signal.Signals) -> None:
    with contextlib.suppress(OSError):
        os.killpg(main, number)
