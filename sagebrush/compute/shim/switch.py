"""Makes the network of one job's instances, and ends. Standard library only.

`python -I -S -c "… switch.main()" LOCK SOCKET SECONDS NAME…` in the network's directory: LOCK is the
held `lock`, SOCKET listens at `ctl`, SECONDS are how long it waits for the next to come. It has a network namespace of its own with a bridge in it, and unless
root starts it a user namespace around that. Each instance's shim connects, is given that user
namespace (SCM_RIGHTS), and says

  come NAME    with its network namespace (SCM_RIGHTS)
  stop         the job was stopped: all that wait end

Once all names have come each has an interface on the bridge, with its address, and is answered `ok`
with the switch's network namespace: who holds that keeps the bridge. Otherwise `closed` says why, and
every connection ends. `end`, from the server, closes too.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import select
import socket
import struct
import sys
import time

from sagebrush.compute.shim import namespaces, network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from subprocess import Popen

_MAIN = "import os, sys; sys.path.append(os.environ['SHIM']); from sagebrush.compute.shim import switch; switch.main()"
_NEWLINK, _ERROR = 16, 2
_REQUEST, _ACKNOWLEDGE, _EXCLUSIVE, _CREATE, _NESTED = 1, 4, 0x200, 0x400, 0x8000
_NAME, _MASTER, _INFO, _SPACE = 3, 10, 18, 28  # IFLA_*
_KIND, _DATA, _PEER = 1, 2, 1  # IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER
_UP = 1
_SET_ADDRESS, _SET_MASK, _GET_FLAGS, _SET_FLAGS = 0x8916, 0x891C, 0x8913, 0x8914  # SIOC*
BRIDGE = "br0"


# -- in the server


def start(directory: Path, peers: Sequence[str], env: Mapping[str, str]) -> list[Popen[bytes]]:
    """The network at `directory` has a switch that waits for `peers`; its process, if it is new.

    A network that was closed stays closed. Raises OSError.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(directory / network.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return []  # it runs
        if (directory / network.CLOSED).exists():
            return []
        return [_spawn(directory, lock, peers, env)]
    finally:
        os.close(lock)


def _spawn(
    directory: Path, lock: int, peers: Sequence[str], env: Mapping[str, str]
) -> Popen[bytes]:
    import subprocess

    (directory / network.CONTROL).unlink(missing_ok=True)
    here = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(f"/proc/self/fd/{here}/{network.CONTROL}")
            server.listen(network.MOST)
            os.chmod(directory / network.CONTROL, 0o600)
            given = (lock, server.fileno())
            arguments = [*map(str, given), str(network.PATIENCE), *peers]
            with open(directory / "switch.err", "ab") as errors:
                return subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _MAIN, *arguments],
                    cwd=directory,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    pass_fds=given,
                    start_new_session=True,
                    env=dict(env),
                )
    finally:
        os.close(here)


def remove(directory: Path) -> None:
    """Nothing waits on the network at `directory` any more, and the directory is gone."""
    with contextlib.suppress(OSError), network.connect(str(directory)) as link:
        link.settimeout(5)
        link.sendall(b"end\n")
        while link.recv(64):
            pass  # until it has ended: it writes there
    import shutil

    shutil.rmtree(directory, ignore_errors=True)


# -- the switch


def main() -> None:
    """Returns when all are on the network, or when they cannot come."""
    _, number, patience, *names = sys.argv[1:]
    os.umask(0o077)
    switch = Switch(socket.socket(fileno=int(number)), float(patience), names)
    try:
        switch.live()
    except namespaces.Stopped:
        _close(network.STOPPED)
    except (namespaces.StepFailed, OSError) as failure:
        _close(str(failure))


def _close(why: str) -> None:
    with contextlib.suppress(OSError):  # it may be removed
        with open(f"{network.CLOSED}.tmp", "w") as file:
            file.write(why)
        os.rename(f"{network.CLOSED}.tmp", network.CLOSED)


class Switch:
    """Who is there, and the network that they come onto."""

    def __init__(self, server: socket.socket, patience: float, names: Sequence[str]) -> None:
        self.server = server
        self.patience = patience
        self.names = list(names)
        self.links: dict[int, socket.socket] = {}
        self.spaces: dict[str, int] = {}
        """By name, the network namespace of who has come."""
        self.speakers: dict[int, str] = {}
        self.poll = select.poll()
        self.poll.register(server, select.POLLIN)

    def live(self) -> None:
        """All are on the network and know it, or no instance came at all.

        Raises StepFailed, Stopped, OSError.
        """
        user = os.geteuid() != 0
        namespaces.own_network(user)
        greeting = [os.open("/proc/self/ns/user", os.O_RDONLY | os.O_CLOEXEC)] if user else []
        deadline = time.monotonic() + self.patience
        while len(self.spaces) < len(self.names):
            events = self.poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not events and not self.links:
                return  # whoever comes later finds a fresh one
            if not events:
                raise namespaces.StepFailed(self._missing())
            for fd, _ in events:
                if fd == self.server.fileno():
                    self._accept(greeting)
                elif self._listen_to(fd):
                    deadline = time.monotonic() + self.patience
        own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._wire(own)
        _close(f"all {len(self.names)} instances were on it before")
        for link in self.links.values():
            with contextlib.suppress(OSError):
                _send(link, "ok", [own])

    def _missing(self) -> str:
        here = [name for name in self.names if name in self.spaces]
        came = f"only {', '.join(here)} came" if here else "nobody came"
        return f"{came} of {len(self.names)} instances in {self.patience:g} s"

    def _accept(self, greeting: list[int]) -> None:
        link, _ = self.server.accept()
        self.links[link.fileno()] = link
        self.poll.register(link, select.POLLIN)
        with contextlib.suppress(OSError):  # it will be heard that it ended
            _send(link, "hello", greeting)

    def _listen_to(self, fd: int) -> bool:
        """Whether one more instance has come. Raises StepFailed, Stopped when one never will."""
        try:
            data, fds, _, _ = socket.recv_fds(self.links[fd], 256, 1, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            data, fds = b"", []
        if data == b"end\n":
            raise namespaces.StepFailed("the job was removed")
        word, _, name = data.decode(errors="replace").strip().partition(" ")
        if word == "stop":
            raise namespaces.Stopped
        if word == "come" and fds and name in self.names and name not in self.spaces:
            self.spaces[name], self.speakers[fd] = fds[0], name
            return True
        who = self.speakers.get(fd, "an instance")
        raise namespaces.StepFailed(f"{who} ended before all {len(self.names)} were there")

    def _wire(self, own: int) -> None:
        """Every instance has its interface on the bridge, and its address."""
        with contextlib.suppress(OSError), open(_without("default"), "w") as file:
            file.write("1")
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as talk:
            talk.bind((0, 0))
            with namespaces.step("bridge"):
                _ask(talk, _link(_attribute(_NAME, _text(BRIDGE)), _kind("bridge")))
                bridge = struct.pack("I", socket.if_nametoindex(BRIDGE))
            for number, name in enumerate(self.names, 1):
                space = struct.pack("i", self.spaces[name])
                own_name = _attribute(_NAME, _text(network.INTERFACE))
                peer = _link(own_name, _attribute(_SPACE, space), flags=0)
                pair = _kind("veth", _attribute(_PEER | _NESTED, peer))
                port = _attribute(_NAME, _text(f"port{number}"))
                with namespaces.step(f"interface of {name}"):
                    _ask(talk, _link(port, _attribute(_MASTER, bridge), pair))
        for name, address in network.addresses(self.names).items():
            with namespaces.step(f"address of {name}"):
                namespaces.join(self.spaces[name])
                try:
                    _address(network.INTERFACE, address)
                finally:
                    namespaces.join(own)


def _send(link: socket.socket, word: str, fds: list[int]) -> None:
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    link.sendmsg([f"{word}\n".encode()], rights)


# -- the kernel's words (rtnetlink(7), netdevice(7))


def _attribute(kind: int, value: bytes) -> bytes:
    size = 4 + len(value)
    return struct.pack("HH", size, kind) + value + bytes(-size % 4)


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def _kind(name: str, data: bytes = b"") -> bytes:
    """What kind of link it is, with what belongs to that kind."""
    inner = _attribute(_KIND, name.encode())
    if data:
        inner += _attribute(_DATA | _NESTED, data)
    return _attribute(_INFO | _NESTED, inner)


def _link(*attributes: bytes, flags: int = _UP) -> bytes:
    """A link, which is up by default."""
    return struct.pack("BxHiII", 0, 0, 0, flags, flags) + b"".join(attributes)


def _ask(talk: socket.socket, link: bytes) -> None:
    """The kernel has made `link`; raises OSError."""
    flags = _REQUEST | _ACKNOWLEDGE | _CREATE | _EXCLUSIVE
    talk.send(struct.pack("IHHII", 16 + len(link), _NEWLINK, flags, 1, 0) + link)
    answer = talk.recv(65536)
    _, kind, _, _, _, result = struct.unpack_from("IHHIIi", answer)
    if kind == _ERROR and result:
        raise OSError(-result, os.strerror(-result))


def _address(interface: str, address: str) -> None:
    """The interface of this process's network namespace is up and has that address."""
    name = interface.encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, value in ((_SET_ADDRESS, address), (_SET_MASK, network.MASK)):
            packed = socket.inet_aton(value)
            text = struct.pack("16sH2s4s8s", name, socket.AF_INET, b"", packed, b"")
            fcntl.ioctl(control, request, text)
        with contextlib.suppress(OSError), open(_without(interface), "w") as file:
            file.write("1")  # names mean IPv4 addresses
        flags = fcntl.ioctl(control, _GET_FLAGS, struct.pack("16sH14s", name, 0, b""))
        (now,) = struct.unpack_from("H", flags, 16)
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH14s", name, now | _UP, b""))


def _without(interface: str) -> str:
    """The setting by which an interface has no IPv6."""
    return f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"
