"""The tracker of XGBoost's older groups: ranks by task, neighbours, and who does not belong."""

from __future__ import annotations

import importlib.util
import socket
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
import sagemaker_xgboost

FOLDER = Path(next(iter(sagemaker_xgboost.__path__))) / "collective"


@pytest.fixture(scope="module")
def tracker() -> Any:
    """The module without its package, which imports XGBoost."""
    for name in ("member", "tracker"):
        spec = importlib.util.spec_from_file_location(f"collective.{name}", FOLDER / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    yield sys.modules.pop("collective.tracker")
    del sys.modules["collective.member"]


class Worker:
    """What Rabit says to its tracker."""

    def __init__(self, port: int, command: str, task: str, rank: int = -1) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.send(0xFF99, rank, -1)
        for text in (task, command):
            self.send(len(text))
            self.socket.sendall(text.encode())

    def send(self, *numbers: int) -> None:
        self.socket.sendall(struct.pack(f"={len(numbers)}i", *numbers))

    def read(self, count: int) -> list[int]:
        found = b""
        while len(found) < 4 * count:
            part = self.socket.recv(4 * count - len(found))
            assert part, "the tracker closed the connection"
            found += part
        return list(struct.unpack(f"={count}i", found))

    def placed(self, port: int, good: int = 0) -> tuple[list[int], list[tuple[str, int, int]]]:
        """[rank, parent, size, tree…, ring…], and the (host, port, rank) that it is to connect to."""
        assert self.read(1) == [0xFF99]
        place = self.read(4)
        place += self.read(place.pop() + 2)
        self.send(good)
        peers = []
        for _ in range(self.read(2)[0]):
            host = self.socket.recv(self.read(1)[0]).decode()
            peers.append((host, *self.read(2)))
        self.send(0, port)
        return place, peers


def test_ranks_follow_the_tasks_and_later_members_reach_earlier_ones(tracker: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    member = sys.modules["collective.member"].Member(0, 2, "127.0.0.1", port, 20)
    running = tracker.Tracker(member).start()
    socket.create_connection(("127.0.0.1", port)).close()  # one that only looks
    second, first = Worker(port, "start", "00001"), Worker(port, "start", "00000")
    assert first.placed(7000) == ([0, -1, 2, 1, 1, 1], [])
    assert second.placed(7001) == ([1, 0, 2, 0, 0, 0], [("127.0.0.1", 7000, 0)])
    lost = Worker(port, "recover", "00001", 1)
    assert lost.read(1) == [0xFF99]
    assert lost.socket.recv(1) == b"", "a member that wants to recover is told nothing"
    done = [Worker(port, "shutdown", f"0000{rank}", rank) for rank in range(2)]
    running.wait()
    assert not running._thread.is_alive()
    for worker in (first, second, lost, *done):
        worker.socket.close()


@pytest.mark.parametrize("size", [2, 3, 7, 20])
def test_the_tree_and_the_ring_hold_all_members_once(tracker: Any, size: int) -> None:
    found = [tracker.neighbours(rank, size) for rank in range(size)]
    for rank, (parent, tree, (before, after)) in enumerate(found):
        assert all(rank in found[each][1] for each in tree)
        assert (parent == -1) == (rank == 0)
        assert rank == 0 or parent in tree
        assert found[after][2][0] == rank == found[before][2][1]
    assert sum(len(tree) for _, tree, _ in found) == 2 * (size - 1)
