"""The agent that starts MPI's daemons on another instance, over loopback."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.toolkit.training import mpi_agent

HOST = "127.0.0.1"


class Serving:
    """An agent on a free port, and what `serve` has returned."""

    def __init__(self, folder: Path) -> None:
        self.agent = mpi_agent.Agent(HOST, {**os.environ, "WORD": "there"}, str(folder), port=0)
        self.found: list[tuple[int, str]] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        self.found.append(self.agent.serve())


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    one = Serving(tmp_path)
    yield one
    if one.thread.is_alive():
        mpi_agent.watch(HOST, port=one.agent.port).close()
        one.thread.join(10)


def test_a_command_runs_there_and_is_heard_here(
    serving: Serving, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = "pwd; echo $WORD; echo wrong >&2; exit 7"
    assert mpi_agent.run(HOST, command, port=serving.agent.port) == 7
    said = capfd.readouterr()
    assert said.out == f"{tmp_path}\nthere\n"
    assert said.err == "wrong\n"
    assert mpi_agent.run(HOST, "kill -9 $$", port=serving.agent.port) == 137


def test_much_output_comes_whole(serving: Serving, capfd: pytest.CaptureFixture[str]) -> None:
    command = f"{sys.executable} -c 'print(\"x\" * 1000000)'"
    assert mpi_agent.run(HOST, command, port=serving.agent.port) == 0
    assert len(capfd.readouterr().out) == 1_000_001


def test_what_is_left_alone_ends(serving: Serving, tmp_path: Path) -> None:
    with mpi_agent.connect(HOST, port=serving.agent.port) as connection:
        connection.sendall(
            b'{"run": "trap \'touch ended; exit\' TERM; touch begun; sleep 60 & wait"}\n'
        )
        _until(tmp_path / "begun")
    _until(tmp_path / "ended")


def test_nonsense_is_not_answered_and_does_no_harm(serving: Serving) -> None:
    with mpi_agent.connect(HOST, port=serving.agent.port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(1) == b""
    assert mpi_agent.run(HOST, "true", port=serving.agent.port) == 0


def test_it_ends_with_what_it_was_told(serving: Serving) -> None:
    with mpi_agent.watch(HOST, port=serving.agent.port) as connection:
        mpi_agent.tell(connection, 3, "ValueError: no")
        assert serving.thread.is_alive()  # until the one who told it has gone
    serving.thread.join(10)
    assert serving.found == [(3, "ValueError: no")]


def test_who_goes_without_a_word_has_failed(serving: Serving) -> None:
    mpi_agent.watch(HOST, port=serving.agent.port).close()
    serving.thread.join(10)
    assert serving.found == [(1, mpi_agent.GONE)]


def test_where_nobody_listens_that_is_said() -> None:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        mpi_agent.run(HOST, "true", patience=0.0, port=port)


def _until(file: Path) -> None:
    limit = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < limit, file
        time.sleep(0.01)
