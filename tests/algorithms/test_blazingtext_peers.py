"""Instances of one training that exchange and average: over TCP between threads of this process."""

from __future__ import annotations

import dataclasses
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from sagebrush.algorithms.blazingtext import shards
from sagebrush.algorithms.blazingtext.parameters import WordParameters
from sagebrush.algorithms.blazingtext.peers import Average, PeerLost, Peers

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


@dataclasses.dataclass(frozen=True)
class Text:
    """What the trainer's Corpus has."""

    ids: np.ndarray
    ends: np.ndarray
    words: list[bytes]
    counts: np.ndarray


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def together(port: int, work: Callable[[Peers], Any], hosts: Sequence[str] = HOSTS) -> list[Any]:
    """What `work` returned, or raised, on each host."""

    def one(host: str) -> Any:
        group = Peers(host, hosts)
        try:
            group.connect(port, patience=10)
            return work(group)
        except PeerLost as lost:
            return lost
        finally:
            group.close()

    with ThreadPoolExecutor(len(hosts)) as pool:
        return list(pool.map(one, hosts))


def test_all_get_what_the_first_made_of_all(port: int) -> None:
    found = together(port, lambda group: group.exchange(str(group.rank).encode(), b"+".join))
    assert found == [b"0+1+2"] * 3


def test_changes_are_added_or_averaged_by_how_often_a_row_is_updated(port: int) -> None:
    updates = np.array([1e9, 1e-9, 100.0, 1e9, 1.0])

    def work(group: Peers) -> np.ndarray:
        average = Average(group)
        matrix = np.full((5, 2), float(group.rank), np.float32)
        average.start(matrix, updates)  # the first host's: zeros
        matrix[:3] += 3.0 * group.rank  # changes of 0, 3, 6; the first made none
        if group.rank == 2:
            matrix[3] += 1
        average(matrix)
        matrix[4] += 1
        wider = np.pad(matrix, ((0, 1), (0, 2)), constant_values=7.0)
        average._started[wider.ctypes.data] = average._started.pop(matrix.ctypes.data)
        average(wider)
        assert (wider[:, 2:] == 7).all(), "what the trainer has beyond stays as it is"
        return wider[:5, :2]

    q, p = np.exp(-1), np.exp(-0.01)
    expected = np.array([4.5, 9, 4.5 * (1 + q), 1, 1 + p + p * p])[:, None] * [[1, 1]]
    for matrix in together(port, work):
        assert matrix == pytest.approx(expected, rel=1e-5)


def test_frequent_words_are_updated_more_often_than_they_are_centres() -> None:
    text = Text(np.zeros(0), np.zeros(0), [b"the", b"of", b"rare"], np.array([900_000, 99_990, 10]))
    centres, outputs = shards.updates(text, WordParameters("batch_skipgram"), 10)
    kept = 900_000 * (np.sqrt(1e-4 / 0.9) + 1e-4 / 0.9) / 10
    assert centres == pytest.approx([kept, kept, 1.0], rel=2)
    assert centres[0] == pytest.approx(kept)
    assert centres[2] == 1.0
    assert (outputs > centres).all()


def test_a_peer_that_ends_is_a_reason_and_no_hang(port: int) -> None:
    def work(group: Peers) -> bytes:
        group.exchange(b"", b"".join)
        if group.rank == 1:
            raise PeerLost("this one ends")
        return group.exchange(b"", b"".join)

    began = time.monotonic()
    first, second, third = together(port, work)
    assert str(first).startswith("127.0.0.2 has ended")
    assert str(second).startswith("this one ends")
    assert str(third).startswith("127.0.0.1 has ended")
    assert time.monotonic() - began < 60


def test_a_peer_that_never_starts_is_named(port: int) -> None:
    alone = Peers("127.0.0.1", HOSTS[:2])
    with pytest.raises(PeerLost, match=r"127\.0\.0\.2 did not start"):
        alone.connect(port, patience=0.05)
    late = Peers("127.0.0.2", HOSTS[:2])
    with pytest.raises(PeerLost, match=r"127\.0\.0\.1 did not start"):
        late.connect(port, patience=0.05)


def test_strangers_are_turned_away(port: int) -> None:
    hosts = HOSTS[:2]
    first, second = Peers(hosts[0], hosts), Peers(hosts[1], hosts)
    with ThreadPoolExecutor(2) as pool:
        accepted = pool.submit(first.connect, port)
        for said in (b"\x05\0\0\0\0\0\0\0hello", b"\xff" * 20, b""):
            with reached(port) as link:
                link.sendall(said)
        second.connect(port)
        accepted.result(60)
        answer = pool.submit(second.exchange, b"y", b"".join)
        assert first.exchange(b"x", b"".join) == answer.result(60) == b"xy"
    first.close()
    second.close()


def reached(port: int) -> socket.socket:
    """A connection to the first host, once it listens."""
    until = time.monotonic() + 5
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            assert time.monotonic() < until
            time.sleep(0.005)


def test_parts_are_the_whole_text_cut_at_equal_bounds() -> None:
    text = Text(
        np.arange(10, dtype=np.int32), np.array([4, 7, 10]), [b"w"] * 10, np.ones(10, np.int64)
    )
    parts = [shards.part(text, rank, 3) for rank in range(3)]
    assert np.concatenate([each.ids for each in parts]).tolist() == list(range(10))
    assert [each.ends.tolist() for each in parts] == [[3], [1, 3], [1, 4]]
    assert all(each.words == text.words for each in parts)


def test_texts_of_their_own_get_one_vocabulary(port: int) -> None:
    texts = [
        Text(np.array([0, 1, 0, 2]), np.array([3, 4]), [b"a", b"b", b"z"], np.array([2, 1, 1])),
        Text(np.array([0, 0, 0, 1]), np.array([4]), [b"b", b"a"], np.array([3, 1])),
    ]
    first, second = together(
        port, lambda group: shards.merged(texts[group.rank], group, 2), HOSTS[:2]
    )
    assert first.words == second.words == [b"b", b"a"]
    assert first.counts.tolist() == [4, 3]
    assert (first.ids.tolist(), first.ends.tolist()) == ([1, 0, 1], [3])
    assert (second.ids.tolist(), second.ends.tolist()) == ([0, 0, 0, 1], [4])
