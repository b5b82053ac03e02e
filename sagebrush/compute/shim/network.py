"""The network that the instances of one job share: their addresses and names, and how an instance's
shim comes onto it. Standard library only.

`<network>.net`, next to the instances' directories, holds `ctl`, the socket of its switch (switch.py);
`lock`, held while the switch runs; `closed`, which says why no instance can come any more.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket

from sagebrush.compute.shim import namespaces

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INTERFACE = "eth0"
PREFIX = "10.88.0."
"""The network is a /24 that nothing else can see: every job's is the same."""
MASK = "255.255.255.0"
MOST = 254
"""Instances that have an address."""
PATIENCE = 30.0
"""Seconds for which the switch waits for the next instance, and an instance for the switch."""
CONTROL, LOCK, CLOSED = "ctl", "lock", "closed"
STOPPED = "stopped"
"""What `closed` says when the job was stopped before all were there."""
NO_PROXY = ("NO_PROXY", "no_proxy")


def addresses(peers: Sequence[str]) -> dict[str, str]:
    """Each peer's address, in order: algo-1 has .1."""
    return {name: f"{PREFIX}{number}" for number, name in enumerate(peers, 1)}


def hosts(peers: Sequence[str]) -> str:
    """The lines of /etc/hosts that name the peers; "" where there are none."""
    return "".join(f"{address} {name}\n" for name, address in addresses(peers).items())


def environment(env: Mapping[str, str], peers: Sequence[str]) -> dict[str, str]:
    """`env`, in which what goes to a peer does not go through the proxy."""
    direct = ",".join(part for pair in addresses(peers).items() for part in pair)
    extended = {name: f"{env[name]},{direct}" for name in NO_PROXY if name in env}
    return {**env, **extended} if peers else dict(env)


def connect(directory: str) -> socket.socket:
    """A connection to the switch of the network at `directory`; raises OSError."""
    here = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.settimeout(PATIENCE)
        link.connect(f"/proc/self/fd/{here}/{CONTROL}")  # a path of any length
    except BaseException:
        link.close()
        raise
    finally:
        os.close(here)
    return link


class Wire:
    """How the instance of this shim comes onto the network, and what keeps the network there."""

    def __init__(self, directory: str, name: str) -> None:
        self.directory = directory
        self.name = name
        self.waiting = False
        self._kept = -1
        try:
            self.link = connect(directory)
        except OSError as error:
            raise self._refusal(error.strerror or str(error)) from error

    def fileno(self) -> int:
        """What becomes readable when the switch has answered."""
        return self.link.fileno()

    def join(self) -> None:
        """This process is where the switch may give it an interface: in the switch's user namespace,
        if it has one. Raises StepFailed, Stopped."""
        _, spaces = self._hear()
        for space in spaces:
            with namespaces.step("network: user namespace"):
                namespaces.join(space)
            os.close(space)

    def present(self) -> None:
        """The switch knows this process's network namespace; it answers once all peers have come."""
        space = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._say(f"come {self.name}", [space])
        finally:
            os.close(space)
        self.waiting = True

    def admitted(self) -> None:
        """All peers are on the network, which stays as long as one of their shims lives.

        Raises StepFailed and Stopped when that will never be.
        """
        self.waiting = False
        _, (self._kept, *_) = self._hear()
        self.link.close()

    def call_off(self) -> None:
        """The peers that wait end as this one does: stopped."""
        self._say("stop", [])

    def _say(self, line: str, fds: list[int]) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        with contextlib.suppress(OSError):  # what is heard next is the end, and why
            self.link.sendmsg([f"{line}\n".encode()], rights)

    def _hear(self) -> tuple[str, list[int]]:
        """The switch's next word and what came with it."""
        why = "its switch ended"
        try:
            data, fds, _, _ = socket.recv_fds(self.link, 64, 1, socket.MSG_CMSG_CLOEXEC)
            if data:
                return data.decode().strip(), list(fds)
        except TimeoutError:
            why = "its switch does not answer"
        except OSError as error:
            why = error.strerror or str(error)
        raise self._refusal(why)

    def _refusal(self, otherwise: str) -> Exception:
        """Why no instance comes onto this network."""
        try:
            with open(f"{self.directory}/{CLOSED}") as file:
                why = file.read()
        except OSError:
            why = otherwise
        return namespaces.Stopped() if why == STOPPED else namespaces.StepFailed(f"network: {why}")
