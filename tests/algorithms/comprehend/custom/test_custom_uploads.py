"""Files put to signed URLs over a real connection: the Host header, a server that is away, refusals."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from sagebrush.algorithms.comprehend.custom import uploads
from sagebrush.algorithms.comprehend.failures import JobFailed


class Taking(HTTPServer):
    """Answers with the statuses in turn, then 200; keeps what was put."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses: list[int] = []
        self.taken: list[tuple[str, str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        server = self.server
        assert isinstance(server, Taking)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.taken.append((self.headers["Host"], self.path, body))
        statuses = server.statuses
        self.send_response(statuses.pop(0) if statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Taking]:
    made = Taking()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


class Clock:
    """Passes as it is slept."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def put(file: Path, clock: Clock) -> None:
    uploads.put("http://signed.example:1/b/k?X=a%2Fb", file, clock, clock.sleep)


def test_a_file_is_put_with_the_host_that_was_signed(server: Taking, tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"x" * 100_000)
    server.statuses = [503, 500, 429]
    put(file, Clock())
    assert [(host, path, len(body)) for host, path, body in server.taken] == [
        ("signed.example:1", "/b/k?X=a%2Fb", 100_000)
    ] * 4


def test_a_refusal_is_final(server: Taking, tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"x")
    server.statuses = [403]
    with pytest.raises(JobFailed, match="could not be stored"):
        put(file, Clock())
    assert len(server.taken) == 1


def test_a_server_that_never_comes_back_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, clock = tmp_path / "f", Clock()
    file.write_bytes(b"x")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))  # and does not listen
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
        monkeypatch.setattr(uploads, "PATIENCE", 10.0)
        with pytest.raises(JobFailed, match="could not be stored"):
            put(file, clock)
    assert clock.now == 12
