"""Bodies in pieces: sent whole, no faster than they are taken."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator

from sagebrush.net.http_client import Answer, Pool
from tests.net.test_http_client import Script, script  # noqa: F401 (a fixture)

HEAD = b"POST /invocations HTTP/1.1\r\nContent-Length: 2\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Large:
    """A body in pieces, which counts those that were asked for."""

    def __init__(self, count: int) -> None:
        self.count, self.read = count, 0

    def chunks(self) -> Iterator[bytes]:
        for _ in range(self.count):
            self.read += 1
            yield b"x" * 65536


def large(count: int) -> bytes:
    return f"POST /invocations HTTP/1.1\r\nContent-Length: {count * 65536}\r\n\r\n".encode()


def test_a_body_in_pieces_is_sent_whole() -> None:
    received: list[int] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        client, _ = listener.accept()
        with client:
            left = len(large(200)) + 200 * 65536
            while left and (piece := client.recv(1 << 20)):
                left -= len(piece)
            received.append(left)
            client.sendall(OK)
            client.recv(1)

    thread = threading.Thread(target=answer)
    thread.start()

    async def main() -> Answer:
        pool = Pool(f"tcp:127.0.0.1:{listener.getsockname()[1]}")
        try:
            return await pool.ask(large(200), Large(200), 20)
        finally:
            pool.close()
            await asyncio.sleep(0)

    assert asyncio.run(main()).body == b"hi"
    thread.join()
    listener.close()
    assert received == [0]


def test_a_body_in_pieces_is_read_no_faster_than_it_is_taken(
    script: Callable[..., Script],  # noqa: F811
) -> None:
    made = script([b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno", None])
    body = Large(1000)

    async def main() -> Answer:
        pool = Pool(made.address)
        found = await pool.ask(large(1000), body, 20)
        assert pool.busy == 0
        pool.close()
        return found

    assert asyncio.run(main()).status == 413  # and the rest is not sent
    assert body.read < 1000
    made.go_on.set()
