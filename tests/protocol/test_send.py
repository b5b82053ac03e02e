"""Replies on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from sagebrush.protocol.listen import web_server
from sagebrush.protocol.message import Reply
from sagebrush.protocol.send import SHORT, send

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
