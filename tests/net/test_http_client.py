"""The keep-alive client against servers that behave, and that do not."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from sagebrush.net.http_client import Answer, Broken, Pool, Unreachable
from sagebrush.net.http_connection import KEPT, TURN

HEAD = b"POST /invocations HTTP/1.1\r\nContent-Length: 2\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Script:
    """A server that answers each request of each connection with the bytes that a test gives."""

    def __init__(self, answers: list[list[bytes | None]]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        self.answers = answers
        self.requests: list[bytes] = []
        self.go_on = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        for connection in self.answers:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                for answer in connection:
                    if answer is None:  # wait until the test says so, then go on
                        self.go_on.wait(20)
                        continue
                    if answer.startswith(b"HTTP") or answer == b"close":
                        self.requests.append(client.recv(65536))
                    if answer == b"close":
                        break
                    client.sendall(answer)


@pytest.fixture
def script() -> Iterator[Callable[..., Script]]:
    made: list[Script] = []

    def make(*answers: list[bytes | None]) -> Script:
        made.append(Script(list(answers)))
        return made[-1]

    yield make
    for each in made:
        each.go_on.set()
        each.listener.close()


def ask(pool: Pool, times: int = 1, timeout: float = 10.0) -> list[Answer]:
    """The answers to so many requests, one after another; the pool is closed."""

    async def run() -> list[Answer]:
        try:
            return [await pool.ask(HEAD, b"xy", timeout) for _ in range(times)]
        finally:
            pool.close()

    return asyncio.run(run())


def test_one_connection_carries_many_requests(script: Callable[..., Script]) -> None:
    server = script([OK, OK, OK])
    answers = ask(Pool(server.address), 3)
    assert [(a.status, a.headers["x-a"], a.body) for a in answers] == [(200, "b", b"hi")] * 3
    assert server.requests == [HEAD + b"xy"] * 3


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 4\r\n\r\nab", b"cd"], b"abcd"),
        (
            [
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
                b"c\r\n",
                b"2;x=y\r\nde\r",
                b"\n0\r\nTrailer: 1\r\n\r\n",
            ],
            b"abcde",
        ),
        ([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"], b"x"),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
        ([b"HTTP/1.0 200 OK\r\n\r\nuntil the end"], b"until the end"),
    ],
)
def test_every_framing_is_read_in_any_pieces(
    script: Callable[..., Script], parts: list[bytes], body: bytes
) -> None:
    server = script(parts)
    assert ask(Pool(server.address))[0].body == body


def test_a_connection_that_was_closed_while_idle_is_not_used(script: Callable[..., Script]) -> None:
    server = script([OK], [OK])

    async def run() -> None:
        with closing(Pool(server.address)) as pool:
            await pool.ask(HEAD, b"xy", 10)
            # The loop has not heard of the end yet, as when a server closes just before a request.
            connection = pool._idle[0]
            while not connection.stale():
                pass
            assert (await pool.ask(HEAD, b"xy", 10)).body == b"hi"

    asyncio.run(run())
    assert len(server.requests) == 2


def test_a_connection_that_was_idle_for_long_is_not_used(script: Callable[..., Script]) -> None:
    server = script([OK, OK, OK], [OK])

    async def run() -> None:
        with closing(Pool(server.address)) as pool:
            for idle in (0.0, KEPT - 0.5, KEPT):
                await pool.ask(HEAD, b"xy", 10)
                pool._idle[0].idle_since -= idle
            kept = pool._idle[0]
            assert (await pool.ask(HEAD, b"xy", 10)).body == b"hi"
            assert kept.closed
            assert pool._idle != [kept]

    asyncio.run(run())
    assert len(server.requests) == 4


def test_a_request_is_never_sent_twice(script: Callable[..., Script]) -> None:
    server = script([OK, b"close"], [OK])
    pool = Pool(server.address)

    async def run() -> None:
        with closing(pool):
            await pool.ask(HEAD, b"xy", 10)
            with pytest.raises(Broken):
                await pool.ask(HEAD, b"xy", 10)

    asyncio.run(run())
    assert len(server.requests) == 2
    assert pool.busy == 0


@pytest.mark.parametrize("how", ["ask", "open"])
def test_a_connection_that_ends_as_a_request_is_sent_costs_nothing(how: str) -> None:
    """The server lives, and closes an idle connection just before it gets the request."""
    listener = socket.create_server(("127.0.0.1", 0))
    closed, seen = threading.Event(), []

    def serve() -> None:
        for _ in range(2):
            client, _ = listener.accept()
            with client:
                seen.append(client.recv(65536))
                client.sendall(OK)
            closed.set()

    async def run() -> bytes:
        pool = Pool(f"tcp:127.0.0.1:{listener.getsockname()[1]}")
        with closing(pool):
            await pool.ask(HEAD, b"xy", 10)
            closed.wait(10)  # the loop has no time to hear of it
            if how == "ask":
                return (await pool.ask(HEAD, b"xy", 10)).body
            return await (await pool.open(HEAD, b"xy", 10)).read()

    thread = threading.Thread(target=serve)
    thread.start()
    assert asyncio.run(run()) == b"hi"
    thread.join()
    listener.close()
    assert seen == [HEAD + b"xy"] * 2


def test_what_a_server_took_before_it_ended_its_side_is_not_sent_twice() -> None:
    """It acts on a part, ends its side, and closes: the rest, unread, resets the connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    seen.append(client.recv(20))
                    client.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=serve)
    thread.start()
    pool = Pool(f"tcp:127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(Broken):
        asyncio.run(pool.ask(HEAD, b"xy", 10))
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    assert len(seen) == 1


def test_a_connection_whose_request_was_not_taken_whole_is_not_used_again() -> None:
    """It answers before it has read the body: what is left of it would be read as a request."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        for _ in range(2):
            client, _ = listener.accept()
            held.append(client)
            client.recv(20)
            client.sendall(OK)
        done.wait(10)

    held: list[socket.socket] = []
    thread = threading.Thread(target=serve)
    thread.start()

    async def run() -> None:
        with closing(Pool(f"tcp:127.0.0.1:{listener.getsockname()[1]}")) as pool:
            await pool.ask(HEAD, bytes(30_000_000), 10)
            await pool.ask(HEAD, b"xy", 10)

    asyncio.run(run())
    done.set()
    thread.join()
    for each in (listener, *held):
        each.close()


@pytest.mark.parametrize(
    ("ends", "reads", "body", "problem"),
    [
        (True, False, b"xy", Unreachable),  # killed: its system resets what it had not read
        (True, True, b"xy", Broken),
        (False, False, b"xy", Broken),  # it lives: it may have reset the connection on purpose
        (True, False, b"x" * 5000, Broken),  # a part of it may have been read
    ],
)
def test_what_no_server_has_read_may_go_elsewhere(
    ends: bool, reads: bool, body: bytes, problem: type[Exception]
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = listener.accept()
        client.recv(1, 0 if reads else socket.MSG_PEEK)
        if reads:
            client.recv(65536)
        if ends:
            listener.close()
        client.close()

    thread = threading.Thread(target=serve)
    thread.start()
    pool = Pool(f"tcp:127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(problem) as caught:
        asyncio.run(pool.ask(HEAD, body, 10))
    thread.join()
    listener.close()
    assert type(caught.value) is problem or problem is Broken
    assert pool.busy == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000,
    ],
)
def test_an_answer_that_is_cut_or_no_http_is_broken(
    script: Callable[..., Script], answer: bytes
) -> None:
    server = script([answer])
    with pytest.raises(Broken):
        ask(Pool(server.address))


@pytest.mark.parametrize("line", [b"1" * 70000, b"0\r\n" + b"t" * 70000])
def test_a_line_between_chunks_that_does_not_end_is_given_up(
    script: Callable[..., Script], line: bytes
) -> None:
    server = script([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + line, None])
    with pytest.raises(Broken, match="too long"):
        asyncio.run(Pool(server.address).ask(HEAD, b"xy", 10))


@pytest.mark.parametrize(
    ("piece", "words"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "1xx without an end"),
        (CHUNKED + b"0\r\n" + b"a: b\r\n" * 20000, "trailers of the model's answer are too long"),
    ],
)
def test_an_answer_that_never_begins_or_ends_is_given_up(
    script: Callable[..., Script], piece: bytes, words: str
) -> None:
    server = script([piece, None])
    with pytest.raises(Broken, match=words):
        asyncio.run(Pool(server.address).ask(HEAD, b"xy", 10))


@pytest.mark.parametrize("how", ["ask", "open"])
def test_many_tiny_chunks_are_read_in_turns(script: Callable[..., Script], how: str) -> None:
    """Others are served meanwhile, and the next answer on the connection is read."""
    server = script([CHUNKED + b"1\r\na\r\n" * 20000 + b"0\r\n\r\n", OK])

    async def run() -> tuple[bytes, int]:
        pool, turns, done = Pool(server.address), 0, asyncio.Event()

        async def others() -> None:
            nonlocal turns
            while not done.is_set():
                turns += 1
                await asyncio.sleep(0)

        with closing(pool):
            beside = asyncio.ensure_future(others())
            if how == "ask":
                body = (await pool.ask(HEAD, b"xy", 10)).body
            else:
                body = await (await pool.open(HEAD, b"xy", 10)).read()
            done.set()
            await beside
            assert (await pool.ask(HEAD, b"xy", 10)).body == b"hi"
        return body, turns

    body, turns = asyncio.run(run())
    assert body == b"a" * 20000
    assert turns > 20000 // TURN // 2
    assert len(server.requests) == 2


def test_a_silent_server_is_given_up(script: Callable[..., Script]) -> None:
    server = script([None])
    pool = Pool(server.address)
    with pytest.raises(TimeoutError):
        ask(pool, timeout=0.05)
    assert pool.busy == 0


def test_nothing_listening_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable):
        ask(Pool(f"tcp:127.0.0.1:{port}"))


def test_a_stream_is_read_as_it_comes(script: Callable[..., Script]) -> None:
    server = script(
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n", None,
         b"3\r\ntwo\r\n0\r\n\r\n", OK]
    )  # fmt: skip

    async def run() -> list[bytes]:
        with closing(Pool(server.address)) as pool:
            stream = await pool.open(HEAD, b"xy", 10)
            assert (stream.status, pool.busy) == (200, 1)
            pieces = [await anext(stream)]
            server.go_on.set()
            pieces += [piece async for piece in stream]
            assert pool.busy == 0
            assert (await pool.ask(HEAD, b"xy", 10)).body == b"hi"
            return pieces

    assert b"".join(asyncio.run(run())) == b"onetwo"
    assert len(server.requests) == 2


def test_a_stream_that_is_left_ends_its_connection(script: Callable[..., Script]) -> None:
    server = script([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", None], [OK])

    async def run() -> None:
        with closing(Pool(server.address)) as pool:
            stream = await pool.open(HEAD, b"xy", 10)
            await stream.aclose()
            assert pool.busy == 0
            server.go_on.set()
            assert (await pool.ask(HEAD, b"xy", 10)).body == b"hi"

    asyncio.run(run())


def test_a_stream_that_breaks_says_so(script: Callable[..., Script]) -> None:
    server = script([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])

    async def run() -> None:
        stream = await Pool(server.address).open(HEAD, b"xy", 10)
        with pytest.raises(Broken):
            await stream.read()

    asyncio.run(run())


def test_a_slow_reader_holds_up_the_sender() -> None:
    size = 32 << 20
    listener = socket.create_server(("127.0.0.1", 0))
    sent = [0]

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            while sent[0] < size:
                sent[0] += client.send(b"x" * min(1 << 16, size - sent[0]))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    async def run() -> int:
        stream = await Pool(f"tcp:127.0.0.1:{listener.getsockname()[1]}").open(HEAD, b"xy", 20)
        before = -1
        while sent[0] != before:  # until the sender stands still
            before = sent[0]
            await asyncio.sleep(0.1)
        assert sent[0] < size
        return len(await stream.read())

    assert asyncio.run(run()) == size
    listener.close()


def test_what_is_to_follow_a_stream_does_once_it_has_ended(script: Callable[..., Script]) -> None:
    server, said = script([OK[:-2], None, b"hi"]), list[int]()

    async def run() -> None:
        with closing(Pool(server.address)) as pool:
            stream = await pool.open(HEAD, b"xy", 10)
            stream.after(lambda: said.append(pool.busy))
            assert said == []
            server.go_on.set()
            assert await stream.read() == b"hi"
            assert said == [0]
            stream.after(lambda: said.append(9))

    asyncio.run(run())
    assert said == [0, 9]
