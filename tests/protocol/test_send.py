"""Replies on the wire."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import pytest
from aiohttp import web

from sagebrush.protocol import connections, patience
from sagebrush.protocol.listen import web_server
from sagebrush.protocol.message import Reply
from sagebrush.protocol.send import SHORT, send
from sagebrush.store.objects import Blob

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def talk(make: Callable[[], Reply], client: Talk) -> None:
    """`client` has talked to a server that answers everything with `make()`."""

    async def run() -> None:
        async def answer(raw: web.BaseRequest) -> web.StreamResponse:
            return await send(raw, make())

        loop = asyncio.get_running_loop()
        server = await loop.create_server(web_server(answer), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(30):
            await client(reader, writer)
        writer.close()
        server.close()

    asyncio.run(run())


def ask(version: str = "1.1", more: str = "") -> bytes:
    return f"GET / HTTP/{version}\r\nHost: localhost\r\n{more}\r\n".encode()


def short() -> Reply:
    return Reply(200, {"Content-Type": "text/plain", "x-a": "ä"}, b"short")


def test_a_short_reply():
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ask() + ask())
        for _ in range(2):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
            names = dict(line.split(": ", 1) for line in lines)
            assert first == "HTTP/1.1 200 OK"
            assert names.pop("Date").endswith(" GMT")
            assert names.pop("Server").startswith("Sagebrush/")
            assert names == {"Content-Type": "text/plain", "x-a": "ä", "Content-Length": "5"}
            assert await reader.readexactly(5) == b"short"

    talk(short, client)


def test_the_connection_ends_when_the_client_wants():
    for last in (ask("1.0"), ask(more="Connection: close\r\n")):

        async def client(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, last: bytes = last
        ) -> None:
            writer.write(last)
            assert (await reader.read()).endswith(b"\r\n\r\nshort")

        talk(short, client)


def test_a_header_with_a_line_break_is_not_sent():
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ask())
        assert (await reader.readline()).startswith(b"HTTP/1.1 500 ")
        assert b"x-b" not in await reader.readuntil(b"\r\n\r\n")

    talk(lambda: Reply(200, {"Content-Type": "text/plain", "x-a": "1\r\nx-b: 2"}, b""), client)


def test_who_does_not_read_is_not_answered_without_end():
    made = 0

    def make() -> Reply:
        nonlocal made
        made += 1
        return Reply(200, {"Content-Type": "text/plain"}, bytes(SHORT))

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = 2000  # 128 MB of answers: more than sockets hold
        writer.write(ask() * asked)
        seen = -1
        while made != seen:
            seen = made
            await asyncio.sleep(0.2)
        assert 0 < made < asked / 2
        for _ in range(asked):
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(SHORT)

    talk(make, client)


@pytest.mark.parametrize("kind", ["blob", "bytes", "stream"])
def test_an_answer_that_nobody_reads_is_cut(monkeypatch, tmp_path, kind):
    monkeypatch.setattr(patience, "ANSWER", 0.1)
    size = 64 << 20
    (tmp_path / "blob").touch()
    os.truncate(tmp_path / "blob", size)

    def make() -> Reply:
        if kind == "blob":
            return Reply(200, {}, Blob(size, tmp_path / "blob"))
        return Reply(200, {}, bytes(size) if kind == "bytes" else endless())

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 20)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cast(asyncio.Transport, writer.transport).pause_reading()
        writer.write(ask())
        sock = writer.get_extra_info("socket")
        poll = select.poll()
        poll.register(sock, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        while not poll.poll(0):
            await asyncio.sleep(0.01)

    talk(make, client)


def test_many_answers_on_their_way_take_small_steps(monkeypatch, tmp_path):
    steps, really = [], os.pread

    def pread(fd: int, size: int, at: int) -> bytes:
        steps.append(size)
        return really(fd, size, at)

    monkeypatch.setattr(os, "pread", pread)
    (tmp_path / "blob").write_bytes(bytes(3 << 20))

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for most, step in ((connections.STREAMS, 1 << 20), (0, SHORT)):
            monkeypatch.setattr(connections, "STREAMS", most)
            writer.write(ask())
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(3 << 20)
            assert set(steps) == {step}
            steps.clear()

    talk(lambda: Reply(200, {}, Blob(3 << 20, tmp_path / "blob")), client)
