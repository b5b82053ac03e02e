"""A warm process from which shims are forked, with what their jobs need imported: so a job begins
within milliseconds. It holds no user's code and no secret. Standard library only.

`python -I -c "… standby.main()" FD PLAN`, by the interpreter of the jobs; PLAN is JSON: `path` (what is
put on sys.path), `modules` (imported before the first fork) and `program` (`module:class`, what a job
is: `blank.Program`). FD is a socket that keeps messages apart; `ready` is said on it once.
Each message that comes names a job's directory and carries the socket of that job's shim. At the
socket's end this process ends; the jobs do not.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys

from sagebrush.compute.shim import main as shim

TYPE_CHECKING = False  # as in the modules that it uses
if TYPE_CHECKING:
    from sagebrush.compute.shim.blank import Program

LONGEST = 4096
"""Bytes of a directory's name."""
READY = b"ready"
_ENVIRONMENT = 47
"""Where /proc/self/stat has env_start and env_end (proc(5): 50, 51), after the command's name."""


def main() -> None:
    """Forks a shim for each message; returns at the end of the socket."""
    ours = os.environ["SHIM"]
    _forget_environment()
    link, plan = socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2])
    sys.path[:0] = plan["path"]
    module, _, name = plan["program"].partition(":")
    program = getattr(importlib.import_module(module), name)()
    sys.path.remove(ours)  # jobs do not see our modules
    for each in plan["modules"]:
        importlib.import_module(each)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended shims are not waited for
    gc.collect()
    gc.freeze()  # what is here stays shared: no collection in a child writes to it
    link.send(READY)
    while True:
        directory, fds, _, _ = socket.recv_fds(link, LONGEST, 1, socket.MSG_CMSG_CLOEXEC)
        if not directory:
            return
        if os.fork() == 0:
            _supervise(link, directory, socket.socket(fileno=fds[0]), program)
        for fd in fds:
            os.close(fd)


def _forget_environment() -> None:
    """The variables that this process was begun with, by which it found its modules, are in none of
    its memory: jobs may read what /proc shows of it."""
    os.environ.clear()
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[_ENVIRONMENT]), int(fields[_ENVIRONMENT + 1])
        ctypes.memset(start, 0, end - start)


def _supervise(
    link: socket.socket, directory: bytes, first: socket.socket, program: Program
) -> None:
    """This process is the shim of the job in `directory`, and ends with it."""
    try:
        link.close()
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.chdir(directory)
        errors = os.open("shim.err", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(errors, 1)
        os.dup2(errors, 2)
        os.close(errors)
        shim.supervise(first, program)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        os._exit(1)
    os._exit(0)
