"""Runs further programs (visitors) in a live job: in its namespaces, limits and environment, with no
more rights than it has. Standard library only.

The client sends the shim `exec`, and on `ready` one JSON object {"argv", "env", "tty"} with three
descriptors (SCM_RIGHTS): its standard input, output and error. Back come `started PID`, then
`exit STATUS`, or `error TEXT`. A connection that closes means SIGHUP to the program. What a visitor leaves running ends
with the job, whose own exit status it never changes.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import json
import os
import select
import signal
import socket
import termios

from sagebrush.compute.shim import cgroup, files, init, namespaces

TYPE_CHECKING = False  # importing typing would cost the shim 4 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

NAMESPACES = ("cgroup", "ipc", "uts", "net", "mnt")
"""What a visitor joins, in this order; a child of the shim is in the job's PID namespace already."""
SHELLS = (["bash"], ["sh"])
"""What runs where no command is given: the first that the job has."""
MISSING = 127
ASKED = 10.0
"""Seconds for which the shim's child waits for the request."""
LONGEST = 1 << 20
"""Bytes of a request."""
FIRST = "900"
"""oom_score_adj of a visitor: short of memory, it ends before the job does."""


class Refused(Exception):
    """The program cannot run there; the text says why."""


# -- in the shim


def begin(spec: dict[str, Any], first: int, uid: int | None, talk: socket.socket) -> None:
    """A process of its own serves `talk` from now on; `first` is the job's first process.

    Raises OSError and StepFailed.
    """
    sandboxed = spec["mode"] == "sandbox"
    _reap(first)
    spaces = _spaces(first) if sandboxed else []
    # Hidden before it is born: a job of the same user could else look into it while it still has the
    # shim's rights and sees the host's files.
    namespaces.hide_from_ptrace()
    try:
        child = os.fork()
        if child == 0:
            _serve(spec, uid, spaces, talk)
    finally:
        namespaces.show_to_ptrace()
        for fd in spaces:
            os.close(fd)
    if sandboxed:  # its child goes on, as the job's first process's
        os.waitpid(child, 0)


def _reap(first: int) -> None:
    """Ended children other than the job's first process are gone."""
    if not hasattr(os, "waitid"):  # macOS, before Python 3.13
        return
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid == first:
            return
        os.waitpid(found.si_pid, 0)


def _spaces(first: int) -> list[int]:
    """The open namespaces of the job's program, in the order in which they are joined."""
    with namespaces.step("find the job's program"):
        program = _program(first)
        here = os.open(f"/proc/{program}/ns", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    opened: list[int] = []
    try:
        # By a directory that is this very process's: an id that another process has by now must not
        # lead out.
        if os.stat("pid", dir_fd=here).st_ino != os.stat("/proc/self/ns/pid_for_children").st_ino:
            raise namespaces.StepFailed("the job's program has ended")
        for name in NAMESPACES:
            with namespaces.step(f"{name} namespace"), contextlib.suppress(FileNotFoundError):
                if os.stat(name, dir_fd=here).st_ino != os.stat(f"/proc/self/ns/{name}").st_ino:
                    opened.append(os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=here))
    except BaseException:
        for fd in opened:
            os.close(fd)
        raise
    finally:
        os.close(here)
    return opened


def _program(first: int) -> int:
    """The id, outside, of the program that the job's first process started: its oldest child."""
    with open(f"/proc/{first}/task/{first}/children") as file:
        children = file.read().split()
    if not children:
        raise ProcessLookupError(errno.ESRCH, "it has ended")
    return int(children[0])


# -- in the shim's child


def _serve(
    spec: dict[str, Any], uid: int | None, spaces: list[int], talk: socket.socket
) -> NoReturn:
    """The whole life of the shim's child."""
    try:
        talk.setblocking(True)
        talk.settimeout(ASKED)
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        init.keep_only({0, 1, 2, talk.fileno(), *spaces})
        with namespaces.step("limits"):
            cgroup.add(spec["limits"], 0)
        sandboxed = spec["mode"] == "sandbox"
        if sandboxed and os.fork():
            os._exit(0)
        request, given = _request(talk)
        _confine(spec, uid, spaces, sandboxed)
        _attend(spec, request, given, talk)
    except (namespaces.StepFailed, OSError, ValueError, KeyError) as error:
        _tell(talk, f"error {error}")
    except BaseException as error:
        _tell(talk, f"error {type(error).__name__}: {error}")
    os._exit(0)


def _tell(talk: socket.socket, line: str) -> None:
    with contextlib.suppress(OSError):
        talk.sendall(files.line(line))


def _request(talk: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What is asked for, and the three descriptors."""
    talk.sendall(b"ready\n")  # what came with the command would have lost its descriptors
    data, given = b"", []
    while b"\n" not in data:
        part, fds, _, _ = socket.recv_fds(talk, 65536, 3)
        given += fds
        data += part
        if not part or len(data) > LONGEST:
            raise ValueError("the request broke off")
    if len(given) != 3:
        raise ValueError("three descriptors go with a request")
    return json.loads(data), given


def _confine(spec: dict[str, Any], uid: int | None, spaces: list[int], sandboxed: bool) -> None:
    """This process has the job's view and rights, and no others."""
    if not sandboxed:
        namespaces.die_with_parent(signal.SIGKILL)
        init.confine(spec)
        return
    for fd in spaces:
        with namespaces.step("join the job's namespaces"):
            namespaces.join(fd)
        os.close(fd)
    namespaces.drop(uid)
    namespaces.filter_calls(bytes.fromhex(spec["seccomp"]))


def _attend(
    spec: dict[str, Any], request: dict[str, Any], given: list[int], talk: socket.socket
) -> None:
    """The program has run and its status was sent, or who visits went away."""
    waking = init.wake_on_signals()
    reader, writer = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, init.SIGNALS)
    program = os.fork()
    if program == 0:
        _become(spec, request, given, writer)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    for fd in (*given, writer):
        os.close(fd)
    failure = os.read(reader, 4096)
    if failure:
        os.waitpid(program, 0)
        _tell(talk, f"error {failure.decode(errors='replace')}")
        return
    _tell(talk, f"started {program}")
    poll = select.poll()
    poll.register(waking, select.POLLIN)
    poll.register(talk.fileno(), select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if waking in ready:
            os.read(waking, 512)
        pid, status = os.waitpid(program, os.WNOHANG)
        if pid:
            _tell(talk, f"exit {_code(status)}")
            return
        if talk.fileno() in ready and not talk.recv(4096):
            with contextlib.suppress(OSError):
                os.killpg(program, signal.SIGHUP)
            return


def _code(status: int) -> int:
    """A wait status as shells report it: 128 + the signal."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become(
    spec: dict[str, Any], request: dict[str, Any], given: list[int], writer: int
) -> NoReturn:
    """This process is the program, or has written to `writer` why not."""
    try:
        os.setsid()
        if request["tty"]:
            with contextlib.suppress(OSError):  # another session's: the program does without
                fcntl.ioctl(given[0], termios.TIOCSCTTY, 0)
        namespaces.show_to_ptrace()  # so that this process's own files in /proc can be written
        if spec["mode"] != "sandbox":
            namespaces.die_with_parent(signal.SIGKILL)
        init.limit(spec, spec["mode"] == "sandbox")
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write(FIRST)
        for number, fd in enumerate(given):
            os.dup2(fd, number)
        init.keep_only({0, 1, 2, writer})
        with contextlib.suppress(OSError):  # the job may have removed it
            os.chdir(spec["cwd"])
        for number in (*init.SIGNALS, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        _execute(request["argv"], {**spec["env"], **request["env"]})
    except OSError as error:
        os.write(writer, f"{error.filename or 'exec'}: {error.strerror}".encode())
    except BaseException as error:
        os.write(writer, f"{type(error).__name__}: {error}".encode())
    os._exit(MISSING)


def _execute(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """`argv`, or a shell where it is empty, takes over; raises OSError."""
    choices = [list(argv)] if argv else SHELLS
    refused: OSError | None = None
    for each in choices:
        try:
            init.execute(each, dict(env))
        except OSError as error:
            refused = OSError(error.errno, error.strerror, each[0])
    raise refused or FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "sh")


# -- on the other side


def ask(
    talk: socket.socket,
    argv: Sequence[str],
    env: Mapping[str, str],
    given: Sequence[int],
    tty: bool,
) -> None:
    """The program runs; `talk` is a connection to the job's shim that was sent `exec`.

    `given` are its standard input, output and error. Raises Refused, OSError.
    """
    request = json.dumps({"argv": list(argv), "env": dict(env), "tty": tty}).encode() + b"\n"
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", given))]
    word, rest = hear(talk)
    if word == "ready":
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # its answer says why
            sent = talk.sendmsg([request], rights)
            talk.sendall(request[sent:])
        word, rest = hear(talk)
    if word != "started":
        raise Refused(rest or "the job has ended")


def hear(talk: socket.socket) -> tuple[str, str]:
    """The next line's first word and rest; two empty ones when there is none any more."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while not data.endswith(b"\n") and (part := talk.recv(1)):
            data += part
    word, _, rest = data.decode(errors="replace").rstrip("\n").partition(" ")
    return word, rest
