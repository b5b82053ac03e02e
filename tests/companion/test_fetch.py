"""Reading objects over a server that breaks off, goes away, refuses and forgets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sagebrush.companion import fetch

BODY = bytes(range(256)) * 40


class Server:
    """Answers as `answers` say, one after another; the last for ever. Credentials are always there."""

    def __init__(self, *answers: Callable[[Any], None]) -> None:
        self.answers = list(answers)
        self.seen: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path == "/credentials":
                    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
                    keys = {"AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T"}
                    answer(self, 200, json.dumps({**keys, "Expiration": ends}).encode())
                    return
                outer.seen.append({**self.headers, "path": self.path})
                one = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                one(self)

            def log_message(self, format: str, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        role = fetch.Role(self.http.server_port, "/credentials", "token", "us-east-1")
        self.reader = fetch.Reader(role)

    def read(self, **given: Any) -> bytes:
        pieces = self.reader.stream("bucket", "a key/é", **given)
        return b"".join(bytes(piece) for piece in pieces)

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


def answer(handler: Any, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def good(handler: Any) -> None:
    """The whole object, or the range that is asked for."""
    begin, _, end = handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
    body = BODY[int(begin) : int(end) + 1 if end else None]
    answer(handler, 206 if "Range" in handler.headers else 200, body, ETag='"v1"')


def cut(handler: Any) -> None:
    """A thousand bytes of what was promised."""
    handler.send_response(200)
    handler.send_header("ETag", '"v1"')
    handler.send_header("Content-Length", str(len(BODY)))
    handler.end_headers()
    handler.wfile.write(BODY[:1000])
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def status(number: int, code: str = "Code") -> Callable[[Any], None]:
    text = f"<Error><Code>{code}</Code><Message>why &quot;x&quot;</Message></Error>".encode()
    return lambda handler: answer(handler, number, text)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def one(*answers: Callable[[Any], None]) -> Server:
        made.append(Server(*answers))
        return made[-1]

    yield one
    for server in made:
        server.close()


def test_an_object_and_a_range(serve: Callable[..., Server]) -> None:
    server = serve(good)
    assert server.read() == BODY
    assert server.read(start=5, end=300) == BODY[5:300]
    assert server.seen[0]["path"] == "/bucket/a%20key/%C3%A9"
    assert "Range" not in server.seen[0]
    assert server.seen[1]["Range"] == "bytes=5-299"


def test_an_answer_that_breaks_off_is_continued_in_the_same_version(
    serve: Callable[..., Server],
) -> None:
    server = serve(cut, status(503), good)
    assert server.read() == BODY
    *_, last = server.seen
    assert (last["Range"], last["If-Match"]) == ("bytes=1000-", '"v1"')


@pytest.mark.parametrize(
    ("number", "code", "changed"), [(404, "NoSuchKey", True), (400, "Bad", False), (412, "", True)]
)
def test_what_will_not_get_better_is_told(
    serve: Callable[..., Server], number: int, code: str, changed: bool
) -> None:
    server = serve(cut, status(number, code))
    with pytest.raises(fetch.Gone, match=code or "has changed") as caught:
        server.read()
    assert caught.value.changed == changed
    assert len(server.seen) == 2


def test_refused_credentials_are_fetched_anew_once(serve: Callable[..., Server]) -> None:
    assert serve(status(403, "ExpiredToken"), good).read() == BODY
    with pytest.raises(fetch.Gone, match="AccessDenied"):
        serve(status(403, "AccessDenied")).read()


def test_a_server_that_stays_away_is_not_waited_for_for_ever(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(status(503))
    monkeypatch.setattr(fetch, "PATIENCE", 0.3)
    with pytest.raises(fetch.Gone, match="the server does not answer"):
        server.read()


def test_an_object_that_the_server_fails_to_read_is_told_soon(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "FAULTS", 0.3)
    assert serve(status(500), good).read() == BODY
    server = serve(status(500, "InternalError"))
    with pytest.raises(fetch.Gone, match='InternalError: why "x"') as caught:
        server.read()
    assert not caught.value.changed
    assert len(server.seen) > 2
