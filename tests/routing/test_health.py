"""Health checks: a row is due once what it waits for answers, or never will."""

from __future__ import annotations

import socket
import threading
from typing import Any, cast

import pytest

from sagebrush.compute.base import Exited, Gone, Pending, Running, State
from sagebrush.routing.health import Health
from tests.conftest import Clock
from tests.waiting import until

KEY, ROW = "e-1", 7


class Replica:
    """A backend with one job, whose state is set, and the rows that were made due."""

    def __init__(self) -> None:
        self.state: State = Pending()
        self.clock = Clock(1e9)
        self.due: list[int] = []
        self.health = Health(cast(Any, self), self.clock, self.due.append)

    def poll(self, key: str) -> State:
        assert key == KEY
        return self.state

    def watch(self) -> None:
        self.health.watch(KEY, ROW, "/ping", self.clock.now + 60)


def serve(sock: socket.socket, asked: list[bytes]) -> None:
    """The first answer is 503, those after it 200."""
    while True:
        try:
            connection, _ = sock.accept()
        except OSError:
            return
        with connection:
            asked.append(connection.recv(4096))
            status = b"503 No" if len(asked) == 1 else b"200 OK"
            connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")


def test_ready_when_the_answer_is_200() -> None:
    replica, asked = Replica(), cast("list[bytes]", [])
    with socket.create_server(("127.0.0.1", 0)) as sock:
        threading.Thread(target=serve, args=(sock, asked), daemon=True).start()
        replica.watch()
        replica.watch()
        assert not replica.health.ready(KEY)
        replica.state = Running(0.0, f"tcp:127.0.0.1:{sock.getsockname()[1]}")
        until(lambda: replica.due, "the row to be due")
        assert replica.due == [ROW], "watched once"
        assert replica.health.ready(KEY)
        assert len(asked) == 2
        assert asked[0].startswith(b"GET /ping HTTP/1.1\r\n")
        sock.shutdown(socket.SHUT_RDWR)
    replica.health.forget(KEY)
    assert not replica.health.ready(KEY)


@pytest.mark.parametrize("state", [Exited(1), Gone()])
def test_due_when_its_process_ends(state: State) -> None:
    replica = Replica()
    replica.state = state
    replica.watch()
    until(lambda: replica.due, "the row to be due")
    assert not replica.health.ready(KEY)


def test_due_when_the_time_is_over() -> None:
    replica = Replica()
    replica.watch()
    assert replica.due == []
    replica.clock.forward(60)
    until(lambda: replica.due, "the row to be due")
    assert not replica.health.ready(KEY)


def test_a_server_that_ends_meanwhile_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    replica, failed = Replica(), threading.Event()
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)

    def closed(row_id: int) -> None:
        failed.set()
        raise OSError("the database is closed")

    health = Health(cast(Any, replica), replica.clock, closed)
    replica.state = Gone()
    health.watch(KEY, ROW, "/ping", replica.clock.now + 60)
    assert failed.wait(10)
    until(lambda: not [t for t in threading.enumerate() if t.name == f"watch-{KEY}"], "its end")
    assert raised == []
