"""The shim's side of the process beside a job: forks it before the sandbox, hears it, ends it.

Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time

from sagebrush.compute.shim import init, namespaces

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from sagebrush.compute.shim.main import Shim

LISTENER = "feed"
"""The listener by which the server answers it."""
DEVICE = "/dev/fuse"
LOST = "the process that reads it has ended: it was killed, or the host is short of memory"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Company:
    """The process beside one job. It has the job's user, and none of the shim's rights."""

    def __init__(self, shim: Shim) -> None:
        """It runs, and the shim listens to it. Raises OSError and StepFailed."""
        self.shim = shim
        spec = shim.spec
        self.devices: dict[str, int] = {}
        self.heard = b""
        self.left = self.ended = False
        reach = dict(spec["companion"])
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        reach["port"] = listener.getsockname()[1]
        directory = _opened(reach["folder"])
        self.news, tell = os.pipe()
        self.link, theirs = socket.socketpair()
        parent = os.getpid()
        with namespaces.step("fork"):
            self.pid = os.fork()
        if self.pid == 0:
            _become(reach, shim.uid, parent, (directory, tell, theirs.detach()))
        os.close(directory)
        os.close(tell)
        theirs.close()
        os.set_blocking(self.news, False)
        shim.listeners[LISTENER] = listener
        shim.poll.register(self.news, select.POLLIN)

    def devices_for_mounts(self) -> None:
        """It has what it serves the job's file systems on; so has who forks now. Raises StepFailed.

        Must come after the namespaces: the kernel mounts only where it was opened.
        """
        if not self.shim.spec["mounts"]:
            return
        with namespaces.step("open /dev/fuse"):
            for target in self.shim.spec["mounts"]:
                self.devices[target] = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
            socket.send_fds(self.link, [b"m"], list(self.devices.values()))
        self.shim.spec["devices"] = self.devices

    def mounted(self) -> None:
        """This process holds the devices no more: a file system ends with who serves it."""
        for fd in self.devices.values():
            os.close(fd)
        self.devices.clear()

    def attend(self) -> None:
        """What it said is in the job's log, or ends the job."""
        if self.left:
            return
        lines, failure = self._hear()
        for line in lines:
            self.shim.log.write(line.encode() + b"\n", time.time_ns() // 1_000_000)
        if failure:
            shim = self.shim
            shim.reason, shim.message = shim.reason or "input", shim.message or failure
            shim.kill()

    def _hear(self) -> tuple[list[str], str]:
        """Lines for the job's log, and why the job must end ("" if it need not)."""
        lines: list[str] = []
        while True:
            try:
                data = os.read(self.news, 65536)
            except BlockingIOError:
                return lines, ""
            if not data:
                return lines, LOST
            self.heard += data
            while b"\n" in self.heard:
                line, _, self.heard = self.heard.partition(b"\n")
                word, _, text = line.decode(errors="replace").partition(" ")
                if word == "F":
                    return lines, text
                lines.append(f"Sagebrush: {text}")

    def leave(self) -> None:
        """It ends in a while, and is listened to no more.

        At once, the job would take the end of a FIFO for the end of its data while it is being killed;
        never, and what waits for a file of its could not be.
        """
        if self.left:
            return
        self.left = True
        self.shim.poll.unregister(self.news)
        with contextlib.suppress(OSError):
            self.link.send(b"leave")

    def end(self) -> None:
        """It is gone, and with it all that waits for it. Ending twice is fine."""
        if self.ended:
            return
        self.leave()
        self.ended = True
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(self.pid, os.WNOHANG)[0] == 0:  # its number is still its own
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        self.mounted()
        self.link.close()
        os.close(self.news)


def _opened(parts: list[str]) -> int:
    """The directory `parts` of the job, which has not run yet."""
    fd = os.open("ml", _DIRECTORY)
    for part in parts:
        deeper = os.open(part, _DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    return fd


def _become(
    reach: dict[str, Any], uid: int | None, shim: int, fds: tuple[int, int, int]
) -> NoReturn:
    """This fork of the shim is the process beside the job."""
    try:
        os.setsid()
        os.umask(0o077)
        init.keep_only({0, 1, 2, *fds})
        from sagebrush.companion import life

        plan = life.load(reach["plan"])  # before the user changes: the job's cannot read it
        if namespaces.LINUX:
            namespaces.drop(uid)
            namespaces.die_with_parent(signal.SIGKILL)
            namespaces.hide_from_ptrace()
        if os.getppid() == shim:
            life.run(plan, reach, fds)
    except BaseException as error:
        print(f"beside the job: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        with contextlib.suppress(OSError):
            os.write(fds[1], f"F {type(error).__name__}: {error}\n".encode())
    os._exit(0)
