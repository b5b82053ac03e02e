"""A read-only file system of a channel's objects, over the kernel's FUSE protocol: no byte is copied
before it is read.

Source: include/uapi/linux/fuse.h of the Linux kernel, protocol 7.31.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sagebrush.companion import fetch
from sagebrush.companion.blocks import Blocks, Interrupted

TYPE_CHECKING = False  # importing typing would cost the start 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _STATFS, _RELEASE = 1, 2, 3, 14, 15, 17, 18
_FLUSH, _INIT, _OPENDIR, _READDIR, _RELEASEDIR, _ACCESS = 25, 26, 27, 28, 29, 34
_INTERRUPT, _DESTROY, _BATCH_FORGET, _READDIRPLUS = 36, 38, 42, 44
_SILENT = (_FORGET, _BATCH_FORGET)
_ASYNC_READ, _PARALLEL_DIROPS, _MAX_PAGES = 1 << 0, 1 << 18, 1 << 22
_DO_READDIRPLUS, _READDIRPLUS_AUTO = 1 << 13, 1 << 14
_KEEP_CACHE, _CACHE_DIR = 1 << 1, 1 << 3
MINOR = 31
REQUEST = 1 << 14
"""Bytes of the largest request; none carries data."""
LASTING = 30 * 86400
"""Seconds for which names and sizes hold: the objects of a job are those that it began with."""
THREADS = 8
"""Reads that can wait at once."""
ROOT = 1
PAGES = 256
"""Pages of one read at most: a megabyte."""
_UNMOUNTED = 0.005
"""Seconds between looks whether the file system has been mounted."""


@dataclass
class Node:
    """A directory, or a file: then `place` is its object's in the plan."""

    number: int
    parent: int
    size: int = 0
    place: int = -1
    children: dict[bytes, int] = field(default_factory=dict)
    listing: list[tuple[bytes, int]] = field(default_factory=list)
    """Its names, once they have been asked for."""

    @property
    def mode(self) -> int:
        return stat.S_IFDIR | 0o755 if self.place < 0 else stat.S_IFREG | 0o644


def tree(objects: list[list[Any]]) -> list[Node]:
    """The nodes of the objects' paths, their fifth members; a node's number is its place, 1 the root's."""
    nodes = [Node(0, 0), Node(ROOT, ROOT)]
    for place, (_, _, size, _, path) in enumerate(objects):
        here = nodes[ROOT]
        *parents, name = path.encode("utf-8", "surrogateescape").split(b"/")
        for part in parents:
            if part not in here.children:
                here.children[part] = len(nodes)
                nodes.append(Node(len(nodes), here.number))
            here = nodes[here.children[part]]
        here.children[name] = len(nodes)
        nodes.append(Node(len(nodes), here.number, size, place))
    return nodes


def serve(channel: dict[str, Any], fd: int, blocks: Blocks) -> None:
    """The channel's files are served on the device `fd`, by threads, until it is unmounted."""
    files = Files(tree(channel["objects"]), blocks, fd)
    threading.Thread(target=files.run, daemon=True).start()


class Files:
    """Answers the kernel's requests."""

    def __init__(self, nodes: list[Node], blocks: Blocks, fd: int) -> None:
        self.nodes = nodes
        self.blocks = blocks
        self.fd = fd
        self.now = int(time.time())
        self.owner = (os.getuid(), os.getgid())
        self._pool = ThreadPoolExecutor(THREADS, "read")
        self._waiting: set[int] = set()
        self._answers: dict[int, Callable[[int, bytes], bytes | int]] = {
            _LOOKUP: self._lookup,
            _GETATTR: self._getattr,
            _OPEN: self._open,
            _STATFS: self._statfs,
            _RELEASE: self._nothing,
            _FLUSH: self._nothing,
            _INIT: self._init,
            _OPENDIR: self._opendir,
            _READDIR: lambda node, body: self._readdir(node, body, plus=False),
            _READDIRPLUS: lambda node, body: self._readdir(node, body, plus=True),
            _RELEASEDIR: self._nothing,
            _DESTROY: self._nothing,
        }

    def run(self) -> None:
        """Returns once it is unmounted."""
        while True:
            try:
                request = os.read(self.fd, REQUEST)
            except OSError as error:
                if error.errno == errno.EPERM:  # it is about to be mounted
                    time.sleep(_UNMOUNTED)
                    continue
                if error.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                    continue
                return  # ENODEV
            if not request:
                return
            self._take(request)

    def _take(self, request: bytes) -> None:
        _, code, unique, node = struct.unpack_from("<IIQQ", request)
        body = request[40:]
        if code == _READ:
            self._read(unique, node, body)
        elif code == _INTERRUPT:
            (other,) = struct.unpack_from("<Q", body)
            self._waiting.discard(other)
            self.blocks.wake()
        elif code not in _SILENT:
            answer = self._answers.get(code)
            if answer is None:
                self._reply(unique, -errno.ENOSYS)
                return
            found = answer(node, body)
            if isinstance(found, int):
                self._reply(unique, found)
            else:
                self._reply(unique, 0, found)

    def _reply(self, unique: int, error: int, *pieces: bytes | memoryview) -> None:
        length = 16 + sum(len(piece) for piece in pieces)
        try:
            os.writev(self.fd, [struct.pack("<IiQ", length, error, unique), *pieces])
        except OSError as failure:
            if failure.errno not in (errno.ENOENT, errno.ENODEV):  # who asked is gone
                raise

    # -- reading

    def _read(self, unique: int, number: int, body: bytes) -> None:
        """What is in memory is answered at once; the rest by a thread that may wait."""
        _, offset, size = struct.unpack_from("<QQI", body)
        node = self.nodes[number]
        size = max(0, min(size, node.size - offset))
        found = self.blocks.ready(node.place, offset, size) if size else []
        if found is not None:
            self._reply(unique, 0, *found)
            return
        self._waiting.add(unique)
        self._pool.submit(self._wait, unique, node.place, offset, size)

    def _wait(self, unique: int, place: int, offset: int, size: int) -> None:
        try:
            found = self.blocks.read(place, offset, size, lambda: unique in self._waiting)
            self._reply(unique, 0, *found)
        except Interrupted:
            self._reply(unique, -errno.EINTR)
        except fetch.Gone as gone:
            self._reply(unique, -(errno.ESTALE if gone.changed else errno.EIO))
        except Exception:
            self._reply(unique, -errno.EIO)
        finally:
            self._waiting.discard(unique)

    # -- the rest

    def _init(self, _: int, body: bytes) -> bytes | int:
        major, minor, ahead, flags = struct.unpack_from("<IIII", body)
        if major != 7 or minor < 23:
            return -errno.EPROTO
        wanted = _ASYNC_READ | _PARALLEL_DIROPS | _MAX_PAGES | _DO_READDIRPLUS | _READDIRPLUS_AUTO
        told = struct.pack("<IIIIHHII", 7, MINOR, ahead, flags & wanted, 16, 12, 4096, 1)
        return (told + struct.pack("<H", PAGES)).ljust(64, b"\0")

    def _attributes(self, node: Node) -> bytes:
        blocks = -(-node.size // 512)
        links = 1 if node.place >= 0 else 2
        times = (self.now, self.now, self.now, 0, 0, 0)
        return struct.pack(
            "<QQQQQQIIIIIIIIII",
            *(node.number, node.size, blocks, *times, node.mode, links, *self.owner, 0, 1 << 20, 0),
        )

    def _entry(self, number: int) -> bytes:
        head = struct.pack("<QQQQII", number, 0, LASTING, LASTING, 0, 0)
        return head + self._attributes(self.nodes[number])

    def _lookup(self, number: int, body: bytes) -> bytes | int:
        found = self.nodes[number].children.get(body.split(b"\0", 1)[0])
        return self._entry(found) if found else -errno.ENOENT

    def _getattr(self, number: int, _: bytes) -> bytes | int:
        return struct.pack("<QII", LASTING, 0, 0) + self._attributes(self.nodes[number])

    def _open(self, number: int, body: bytes) -> bytes | int:
        (flags,) = struct.unpack_from("<I", body)
        if flags & os.O_ACCMODE != os.O_RDONLY:
            return -errno.EROFS
        return struct.pack("<QII", 0, _KEEP_CACHE, 0)

    def _opendir(self, number: int, _: bytes) -> bytes | int:
        return struct.pack("<QII", 0, _KEEP_CACHE | _CACHE_DIR, 0)

    def _readdir(self, number: int, body: bytes, plus: bool) -> bytes | int:
        """The names from an offset on, as many as there is room for."""
        _, offset, size = struct.unpack_from("<QQI", body)
        node = self.nodes[number]
        if not node.listing:
            node.listing = [(b".", node.number), (b"..", node.parent), *node.children.items()]
        names = node.listing
        made = bytearray()
        for at in range(offset, len(names)):
            name, child = names[at]
            kind = self.nodes[child].mode >> 12
            entry = struct.pack("<QQII", child, at + 1, len(name), kind) + name
            entry = entry.ljust(-(-len(entry) // 8) * 8, b"\0")
            if plus:  # the kernel ignores the attributes of these two
                own = bytes(128) if name in (b".", b"..") else self._entry(child)
                entry = own + entry
            if len(made) + len(entry) > size:
                break
            made += entry
        return bytes(made)

    def _statfs(self, _: int, body: bytes) -> bytes | int:
        blocks = sum(-(-node.size // 4096) for node in self.nodes)
        return struct.pack(
            "<QQQQQIIII24x", blocks, 0, 0, len(self.nodes) - 1, 0, 4096, 255, 4096, 0
        )

    def _nothing(self, _: int, body: bytes) -> bytes | int:
        return b""
