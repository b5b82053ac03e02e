"""The instances of one training: they exchange vocabularies and average their matrices over TCP.

The first host listens, the others connect to it by their names. Every exchange is one that all take
part in, so that each is also a barrier. A peer that ends, closes its connection or is silent for
`SILENCE` seconds raises PeerLost on all others.

Source of the method: Ji et al. 2016, Parallelizing Word2Vec in Shared and Distributed Memory (each
node trains on its part of the text, and the models are averaged several times an epoch).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from contract.errors import AlgorithmError

PORT = 55310
PATIENCE = 120.0
"""Seconds that the hosts wait for each other at the beginning: a sandbox may start late."""
SILENCE = 1800.0
"""Seconds without a byte after which a peer counts as lost, though its connection stands."""
RESTS = 100.0
"""Updates after which a row has gone all but 1/e of its way, by about: at the default learning rate."""
HELLO = b"blazingtext 1\n"
_HEAD = struct.Struct("<q")
_BLOCK = 1 << 20
_LONGEST = 1000
"""Bytes of a greeting."""
Matrix = npt.NDArray[np.float32]


class PeerLost(AlgorithmError):
    """Another instance has ended before the training was over; the text names it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: the training needs all of its instances")


class Peers:
    """This host's connections: to all others on the first host, to the first on the others."""

    def __init__(self, host: str, hosts: Sequence[str]) -> None:
        """`hosts` are the names of all instances, `host` this one's."""
        self.hosts = sorted(hosts)
        self.rank = self.hosts.index(host)
        self._links: dict[str, socket.socket] = {}

    @property
    def first(self) -> bool:
        """Whether this host is the one that the others connect to, which writes the model."""
        return self.rank == 0

    @property
    def master(self) -> str:
        return self.hosts[0]

    def connect(self, port: int = PORT, patience: float = PATIENCE) -> None:
        """All hosts are connected; raises PeerLost for one that does not come in `patience` s."""
        until = time.monotonic() + patience
        if self.first:
            self._accept(port, until)
        else:
            self._links[self.master] = _reach(self.master, port, self.hosts[self.rank], until)

    def _accept(self, port: int, until: float) -> None:
        waiting = set(self.hosts[1:])
        with socket.create_server((self.master, port), backlog=len(self.hosts)) as server:
            while waiting:
                server.settimeout(max(0.01, until - time.monotonic()))
                try:
                    link, _ = server.accept()
                except TimeoutError:
                    raise PeerLost(f"{', '.join(sorted(waiting))} did not start") from None
                name = _greeted(link)
                if name not in waiting:
                    link.close()
                    continue
                waiting.discard(name)
                self._links[name] = link

    def exchange(self, mine: bytes, merge: Callable[[list[bytes]], bytes]) -> bytes:
        """What `merge` made on the first host of the bytes of all hosts, in their order."""
        if not self.first:
            _send(self._links[self.master], mine, self.master)
            return _receive(self._links[self.master], self.master)
        others = [_receive(self._links[name], name) for name in self.hosts[1:]]
        merged = merge([mine, *others])
        for name in self.hosts[1:]:
            _send(self._links[name], merged, name)
        return merged

    def close(self) -> None:
        """The connections are closed; the others, if they still train, see a lost peer."""
        for link in self._links.values():
            with contextlib.suppress(OSError):
                link.close()


class Average:
    """Makes a matrix the same on all hosts, between parts of an epoch.

    The changes of a row that is seldom updated are added, as if one host had seen all of the text; of
    one that is updated often enough to come to rest within a part, the mean is taken, as adding would
    overshoot. Between them lies what a row that goes towards its rest by the same share at each
    update would have done with all hosts' updates one after another: with q what is left of its way
    after one host's, m hosts bring it (1 - q^m) / (1 - q) times as far as one.
    """

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._started: dict[int, tuple[Matrix, Matrix]] = {}

    def start(self, matrix: Matrix, updates: npt.NDArray[np.float64]) -> None:
        """The matrix is the first host's on all of them, and is what changes are counted from.

        `updates` is how often a host will update each row between two calls, about.
        """
        body = matrix.tobytes() if self._peers.first else b""
        found = self._peers.exchange(body, lambda all_of_them: all_of_them[0])
        matrix[:] = np.frombuffer(found, np.float32).reshape(matrix.shape)
        left = np.exp(-updates / RESTS).astype(np.float32)
        self._started[_address(matrix)] = matrix.copy(), left

    def __call__(self, matrix: Matrix) -> None:
        """The matrix holds what all have learnt, in place. It is one of those that were started, or
        holds one in its first rows and columns: what lies beyond, the trainer's own, stays as it is.
        """
        before, left = self._started[_address(matrix)]
        matrix = matrix[: before.shape[0], : before.shape[1]]
        rows = np.flatnonzero((matrix != before).any(axis=1)).astype(np.int32)
        mine = _packed(rows, matrix[rows] - before[rows])
        merged = self._peers.exchange(
            mine, lambda all_of_them: merge(all_of_them, matrix.shape, left)
        )
        rows, changes = _unpacked(merged, matrix.shape[1])
        before[rows] += changes
        matrix[rows] = before[rows]


def merge(parts: Sequence[bytes], shape: tuple[int, ...], left: Matrix) -> bytes:
    """The change of each row that some hosts changed; `left` is the q of each row."""
    total = np.zeros(shape, np.float32)
    hosts = np.zeros(shape[0], np.int32)
    for part in parts:
        rows, changes = _unpacked(part, shape[1])
        total[rows] += changes
        hosts[rows] += 1
    rows = np.flatnonzero(hosts).astype(np.int32)
    times = np.ones(len(rows), np.float32)
    for more in range(1, len(parts)):  # 1 + q + q^2 ...: as many terms as hosts
        times += np.where(hosts[rows] > more, left[rows] ** more, 0)
    changes = total[rows] * (times / hosts[rows])[:, None]
    return _packed(rows, changes.astype(np.float32))


def _packed(rows: npt.NDArray[np.int32], changes: Matrix) -> bytes:
    return _HEAD.pack(len(rows)) + rows.tobytes() + changes.tobytes()


def _unpacked(body: bytes, width: int) -> tuple[npt.NDArray[np.int32], Matrix]:
    (count,) = _HEAD.unpack_from(body)
    rows = np.frombuffer(body, np.int32, count, _HEAD.size)
    changes = np.frombuffer(body, np.float32, count * width, _HEAD.size + 4 * count)
    return rows, changes.reshape(count, width)


def _address(matrix: Matrix) -> int:
    return int(matrix.__array_interface__["data"][0])


def _reach(name: str, port: int, own: str, until: float) -> socket.socket:
    """A connection to the first host, which may not listen yet."""
    while True:
        try:
            link = socket.create_connection((name, port), timeout=5)
        except OSError as error:
            if time.monotonic() > until:
                raise PeerLost(f"{name} did not start ({error})") from None
            time.sleep(0.05)
            continue
        _prepare(link)
        _send(link, HELLO + own.encode(), name)
        return link


def _greeted(link: socket.socket) -> str:
    """The name by which a peer introduces itself; "" for what is none."""
    _prepare(link)
    link.settimeout(5)
    try:
        (size,) = _HEAD.unpack(_exactly(link, _HEAD.size, "it"))
        said = bytes(_exactly(link, size, "it")) if 0 < size < _LONGEST else b""
    except PeerLost:
        return ""
    link.settimeout(SILENCE)
    return said[len(HELLO) :].decode(errors="replace") if said.startswith(HELLO) else ""


def _prepare(link: socket.socket) -> None:
    link.settimeout(SILENCE)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, option):
            link.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _send(link: socket.socket, body: bytes, name: str) -> None:
    try:
        link.sendall(_HEAD.pack(len(body)))
        link.sendall(body)
    except OSError as error:
        raise PeerLost(f"{name} has ended ({error})") from None


def _receive(link: socket.socket, name: str) -> bytes:
    (size,) = _HEAD.unpack(_exactly(link, _HEAD.size, name))
    return bytes(_exactly(link, size, name))


def _exactly(link: socket.socket, size: int, name: str) -> bytearray:
    body = bytearray(size)
    view, got = memoryview(body), 0
    while got < size:
        try:
            count = link.recv_into(view[got : got + _BLOCK])
        except TimeoutError:
            raise PeerLost(f"{name} has been silent for {SILENCE:.0f} s") from None
        except OSError as error:
            raise PeerLost(f"{name} has ended ({error})") from None
        if not count:
            raise PeerLost(f"{name} has ended")
        got += count
    return body
