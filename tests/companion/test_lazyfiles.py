"""The file system's side of the kernel's protocol, spoken to by the test over a socket pair."""

from __future__ import annotations

import errno
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.companion import blocks, fetch, lazyfiles
from sagebrush.companion.blocks import BLOCK, Blocks

BODIES = {
    "large": random.Random(1).randbytes(20 * BLOCK + 17),
    "small": b"small",
    "empty": b"",
    "gone": b"x" * 10,
}
PATHS = {"large": "deep/er/large", "small": "small", "empty": "deep/empty", "gone": "gone"}
OBJECTS = [["bucket", key, len(body), '"v"', PATHS[key]] for key, body in BODIES.items()]


class Reader:
    """Gives ranges of BODIES; waits while `held`; counts what was asked for."""

    asked: list[tuple[str, int, int]]
    held: threading.Event

    def __init__(self, role: Any) -> None:
        pass

    def stream(
        self, bucket: str, key: str, start: int, end: int, etag: str
    ) -> Iterator[memoryview]:
        assert etag == '"v"'
        Reader.asked.append((key, start, end))
        Reader.held.wait(10)
        if key == "gone":
            raise fetch.Gone("gone is no more", changed=True)
        for at in range(start, end, 300_000):
            yield memoryview(BODIES[key][at : min(end, at + 300_000)])

    def close(self) -> None:
        pass


class Kernel:
    """Asks as the kernel does."""

    def __init__(self, said: list[str]) -> None:
        self.here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self.here, there):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        self.here.settimeout(10)
        held = Blocks(OBJECTS, None, said.append)  # type: ignore[arg-type]
        self.files = lazyfiles.Files(lazyfiles.tree(OBJECTS), held, there.detach())
        self.thread = threading.Thread(target=self.files.run, daemon=True)
        self.thread.start()
        self.unique = 0

    def send(self, code: int, node: int, body: bytes = b"") -> int:
        self.unique += 1
        head = struct.pack("<IIQQIIIIH2x", 40 + len(body), code, self.unique, node, 0, 0, 0, 0, 0)
        self.here.send(head[:40].ljust(40, b"\0") + body)
        return self.unique

    def hear(self) -> tuple[int, int, bytes]:
        data = self.here.recv(1 << 21)
        length, error, unique = struct.unpack_from("<IiQ", data)
        assert length == len(data)
        return unique, error, data[16:]

    def ask(self, code: int, node: int, body: bytes = b"") -> bytes:
        unique = self.send(code, node, body)
        heard, error, found = self.hear()
        assert heard == unique
        if error:
            raise OSError(-error, os.strerror(-error))
        return found

    def find(self, path: str) -> int:
        node = 1
        for part in path.split("/"):
            (node,) = struct.unpack_from("<Q", self.ask(1, node, part.encode() + b"\0"))
        return node

    def read(self, node: int, offset: int, size: int) -> bytes:
        return self.ask(15, node, struct.pack("<QQIIQII", 0, offset, size, 0, 0, 0, 0))

    def names(self, node: int, plus: bool = False, room: int = 150) -> list[str]:
        found: list[str] = []
        while True:
            body = struct.pack("<QQIIQII", 0, len(found), room, 0, 0, 0, 0)
            data = self.ask(44 if plus else 28, node, body)
            if not data:
                return found
            at = 0
            while at < len(data):
                at += 128 if plus else 0
                _, offset, length, _ = struct.unpack_from("<QQII", data, at)
                found.append(data[at + 24 : at + 24 + length].decode())
                assert offset == len(found)
                at += (24 + length + 7) // 8 * 8


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> Iterator[Kernel]:
    Reader.asked, Reader.held = [], threading.Event()
    Reader.held.set()
    monkeypatch.setattr(fetch, "Reader", Reader)
    made = Kernel(said)
    yield made
    made.here.close()
    made.thread.join(10)
    assert not made.thread.is_alive()


def test_it_begins_with_a_version_both_speak(kernel: Kernel) -> None:
    told = kernel.ask(26, 0, struct.pack("<IIII", 7, 45, 131072, 0xFFFFFFFF))
    major, minor, ahead, flags = struct.unpack_from("<IIII", told)
    assert (major, minor, ahead, len(told)) == (7, 31, 131072, 64)
    assert flags & 1 << 22  # reads of more than 32 pages
    with pytest.raises(OSError, match=os.strerror(errno.EPROTO)):
        kernel.ask(26, 0, struct.pack("<IIII", 6, 0, 0, 0))


def test_names_and_attributes(kernel: Kernel) -> None:
    assert kernel.names(1) == [".", "..", "deep", "small", "gone"]
    assert kernel.names(kernel.find("deep"), plus=True, room=400) == [".", "..", "er", "empty"]
    entry = kernel.ask(1, 1, b"small\0")
    node, *_, size = struct.unpack_from("<QQQQIIQQ", entry)
    assert (node, size) == (kernel.find("small"), 5)
    (mode,) = struct.unpack_from("<I", kernel.ask(3, 1), 16 + 48 + 12)
    assert mode == 0o40755
    with pytest.raises(OSError, match=os.strerror(errno.ENOENT)):
        kernel.find("deep/none")


def test_any_part_of_a_file(kernel: Kernel) -> None:
    node, body = kernel.find("deep/er/large"), BODIES["large"]
    for at, size in ((BLOCK - 5, 10), (0, 4096), (19 * BLOCK, 131072), (len(body) - 3, 4096)):
        assert kernel.read(node, at, size) == body[at : at + size]
    assert kernel.read(node, len(body), 4096) == b""
    assert kernel.read(kernel.find("deep/empty"), 0, 4096) == b""


def test_reading_in_order_fetches_ever_more_ahead_and_nothing_twice(kernel: Kernel) -> None:
    node, body = kernel.find("deep/er/large"), BODIES["large"]
    step = 131072
    whole = b"".join(kernel.read(node, at, step) for at in range(0, len(body), step))
    assert whole == body
    spans = [(end - start) for _, start, end in Reader.asked]
    assert sum(spans) == len(body)
    assert spans[0] == BLOCK
    assert max(spans) == blocks.AHEAD * BLOCK
    assert len(kernel.files.blocks._have) <= blocks.KEPT


def test_reading_here_and_there_fetches_no_more_than_a_block_each(kernel: Kernel) -> None:
    node = kernel.find("deep/er/large")
    for number in (15, 3, 9, 6):
        kernel.read(node, number * BLOCK + 5, 100)
    assert [end - start for _, start, end in Reader.asked] == [BLOCK] * 4


def test_what_is_gone_is_stale_and_told_once(kernel: Kernel, said: list[str]) -> None:
    node = kernel.find("gone")
    for _ in range(2):
        with pytest.raises(OSError, match=os.strerror(errno.ESTALE)):
            kernel.read(node, 0, 10)
    assert said == ["gone is no more"]


def test_a_read_that_is_interrupted_ends_although_the_server_is_away(kernel: Kernel) -> None:
    node = kernel.find("small")
    Reader.held.clear()
    waiting = kernel.send(15, node, struct.pack("<QQIIQII", 0, 0, 100, 0, 0, 0, 0))
    until = time.monotonic() + 5
    while not Reader.asked and time.monotonic() < until:
        time.sleep(0.01)
    assert kernel.names(1)  # others are served meanwhile
    kernel.send(36, 0, struct.pack("<Q", waiting))
    assert kernel.hear() == (waiting, -errno.EINTR, b"")
    Reader.held.set()
    assert kernel.read(node, 0, 100) == b"small"


def test_nothing_is_written(kernel: Kernel) -> None:
    node = kernel.find("small")
    with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
        kernel.ask(14, node, struct.pack("<II", os.O_RDWR, 0))
    assert len(kernel.ask(14, node, struct.pack("<II", os.O_RDONLY, 0))) == 16
    with pytest.raises(OSError, match=os.strerror(errno.ENOSYS)):
        kernel.ask(16, node, b"")
    assert len(kernel.ask(17, 1)) == 80


@pytest.mark.costs("lists thousands of files")
def test_many_files_in_one_folder_are_listed_quickly() -> None:
    objects = [["b", f"k{n}", 1, "", f"f{n:06}"] for n in range(100_000)]
    begun = time.process_time()
    nodes = lazyfiles.tree(objects)
    assert time.process_time() - begun < 5
    assert len(nodes[1].children) == 100_000
