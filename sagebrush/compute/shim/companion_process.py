"""The shim's side of a job's companion: forks it before the sandbox, reads its news, ends it.

Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys

from sagebrush.compute.shim import init, namespaces

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from typing import Any, NoReturn

LISTENER = "feed"
"""The listener by which the server answers it."""
DEVICE = "/dev/fuse"
LOST = "the process that reads it has ended: it was killed, or the host is short of memory"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Companion:
    """The companion of one job. It has the job's user, and none of the shim's rights."""

    def __init__(self, spec: dict[str, Any], uid: int | None) -> None:
        """It runs as the user `uid`; `news` is readable when it has written something, and `listener`
        takes what it asks of the server. Raises OSError and StepFailed."""
        self.mounts: list[str] = spec["mounts"]
        self.devices: dict[str, int] = {}
        self.heard = b""
        self.left = self.ended = False
        reach = dict(spec["companion"])
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        reach["port"] = self.listener.getsockname()[1]
        directory = _opened(reach["folder"])
        self.news, tell = os.pipe()
        self.link, theirs = socket.socketpair()
        parent = os.getpid()
        with namespaces.step("fork"):
            self.pid = os.fork()
        if self.pid == 0:
            _become(reach, uid, parent, (directory, tell, theirs.detach()))
        os.close(directory)
        os.close(tell)
        theirs.close()
        os.set_blocking(self.news, False)

    def open_devices(self) -> dict[str, int]:
        """Mount target to the open /dev/fuse on which it serves that file system; a process forked
        after this holds them too. Raises StepFailed.

        Must come after the namespaces: the kernel mounts only where it was opened.
        """
        if not self.mounts:
            return {}
        with namespaces.step("open /dev/fuse"):
            for target in self.mounts:
                self.devices[target] = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
            socket.send_fds(self.link, [b"m"], list(self.devices.values()))
        return self.devices

    def mounted(self) -> None:
        """This process holds the devices no more: a file system ends with who serves it."""
        for fd in self.devices.values():
            os.close(fd)
        self.devices.clear()

    def attend(self) -> tuple[list[str], str]:
        """The lines that it has for the job's log, and why the job must end ("" if it need not)."""
        lines: list[str] = []
        if self.left:
            return lines, ""
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

    def leave(self) -> bool:
        """It ends in a while, and `news` need not be read any more; False if it was so before.

        At once, the job would take the end of a FIFO for the end of its data while it is being killed;
        never, and what waits for a file of its could not be.
        """
        if self.left:
            return False
        self.left = True
        with contextlib.suppress(OSError):
            self.link.send(b"leave")
        return True

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
    """This fork of the shim is the companion."""
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
        print(f"companion: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        with contextlib.suppress(OSError):
            os.write(fds[1], f"F {type(error).__name__}: {error}\n".encode())
    os._exit(0)
