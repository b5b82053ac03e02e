"""What the proxy lets through and what it refuses, with real sockets on this host."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence

import pytest

from sagebrush.gates.egress import Allowed, Egress, ProxyRefusal, Resolver, meant, public


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "::ffff:10.1.2.3",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "2002:7f00:1::1",
        "2002:c0a8:101::1",
    ],
)
def test_not_public(text: str) -> None:
    assert not public(meant(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_public(text: str) -> None:
    assert public(meant(text))


def test_allowed_entries() -> None:
    allowed = Allowed.of(["10.1.0.0/16", "192.168.1.5", "proxy.corp", ".intra.net", "fd00::/8"])
    assert allowed.address(meant("10.1.2.3"))
    assert allowed.address(meant("::ffff:10.1.2.3"))
    assert allowed.address(meant("192.168.1.5"))
    assert allowed.address(meant("fd12::1"))
    assert not allowed.address(meant("10.2.0.1"))
    assert allowed.name("Proxy.Corp.")
    assert allowed.name("a.b.intra.net")
    assert not allowed.name("intra.net.evil.org")
    assert not allowed.name("xproxy.corp")


async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers a request with its own head."""
    with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + head)
        await writer.drain()


Talk = Callable[[bytes], Awaitable[bytes]]


def through(
    allow: Sequence[str],
    test: Callable[[Talk, int], Awaitable[None]],
    names: dict[str, list[str]] | None = None,
) -> None:
    """Runs `test(talk, port of an origin on loopback)` against a proxy."""

    async def main() -> None:
        target = await asyncio.start_server(origin, "127.0.0.1", 0)
        port = target.sockets[0].getsockname()[1]
        listener = socket.create_server(("127.0.0.1", 0))
        egress = Egress(allow, lookup) if names is not None else Egress(allow)
        proxy = await egress.serve(listener)
        own = listener.getsockname()[1]

        async def talk(data: bytes) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", own)
            writer.write(data)
            answer = await asyncio.wait_for(reader.read(), 20)
            writer.close()
            await writer.wait_closed()
            return answer

        await test(talk, port)
        proxy.close()
        target.close()
        handlers = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait_for(asyncio.gather(*handlers, return_exceptions=True), 20)
        await asyncio.sleep(0)  # transports that were closed end in the loop's next turn

    async def lookup(host: str, port: int) -> list[str]:
        assert names is not None
        return names[host]

    asyncio.run(main())


def test_connect_is_a_tunnel() -> None:
    async def test(talk: Talk, port: int) -> None:
        head = f"CONNECT localhost:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        answer = await talk(head + b"GET /inner HTTP/1.1\r\n\r\n")
        first, _, rest = answer.partition(b"\r\n\r\n")
        assert first == b"HTTP/1.1 200 Connection established"
        assert rest.endswith(b"GET /inner HTTP/1.1\r\n\r\n")

    through(["localhost"], test)


def test_plain_requests_are_forwarded_in_origin_form() -> None:
    async def test(talk: Talk, port: int) -> None:
        head = (
            f"GET http://localhost:{port}/a?b=1 HTTP/1.1\r\nHost: localhost:{port}\r\n"
            "Proxy-Connection: keep-alive\r\nProxy-Authorization: secret\r\nX-Own: 1\r\n\r\n"
        )
        answer = (await talk(head.encode())).decode()
        seen = answer.partition("\r\n\r\n")[2]
        assert seen.startswith("GET /a?b=1 HTTP/1.1\r\n")
        assert "X-Own: 1" in seen
        assert f"Host: localhost:{port}" in seen
        assert "Proxy" not in seen
        assert "Connection: close" in seen

    through(["127.0.0.0/8"], test)


def test_the_host_is_the_one_that_was_looked_at() -> None:
    async def test(talk: Talk, port: int) -> None:
        for given in ("Host: 10.0.0.1\r\nHOST : other\r\n", ""):
            asked = f"GET http://LOCALHOST:{port}/ HTTP/1.1\r\n{given}\r\n"
            seen = (await talk(asked.encode())).decode().partition("\r\n\r\n")[2]
            hosts = [line for line in seen.split("\r\n") if line.lower().startswith("host")]
            assert hosts == [f"Host: localhost:{port}"]

    through(["localhost"], test)


def test_what_would_show_a_proxys_password_is_refused() -> None:
    async def test(talk: Talk, port: int) -> None:
        answer = await talk(f"TRACE http://localhost:{port}/ HTTP/1.1\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 400 ")

    through(["localhost"], test)


@pytest.mark.parametrize("hidden", ["\n", "\r", "\0", "\r\n ", "\r\n\t"])
def test_a_second_request_cannot_hide_in_the_head(hidden: str) -> None:
    async def test(talk: Talk, port: int) -> None:
        first = f"GET http://localhost:{port}/ HTTP/1.1\r\nX: a{hidden}{hidden}"
        answer = await talk(f"{first}GET http://10.0.0.1/ HTTP/1.1\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 400 ")

    through(["localhost"], test)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]"]
)
def test_this_host_is_refused(host: str) -> None:
    async def test(talk: Talk, port: int) -> None:
        answer = await talk(f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 403 Forbidden")
        assert b"egress_allow" in answer

    through([], test)


def test_a_name_that_points_inside_is_refused() -> None:
    async def test(talk: Talk, port: int) -> None:
        answer = await talk(f"CONNECT evil.example:{port} HTTP/1.1\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 403")
        assert b"evil.example (169.254.169.254)" in answer

    through([], test, {"evil.example": ["169.254.169.254", "127.0.0.1", "::1"]})


def test_a_name_is_resolved_once() -> None:
    asked: list[str] = []

    async def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    async def main() -> None:
        target = await asyncio.start_server(origin, "127.0.0.1", 0)
        port = target.sockets[0].getsockname()[1]
        _, writer, _ = await Egress(["127.0.0.1"], lookup).open("name.example", port)
        assert writer.get_extra_info("peername")[0] == "127.0.0.1"
        writer.close()
        await writer.wait_closed()
        target.close()
        handlers = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait_for(asyncio.gather(*handlers, return_exceptions=True), 20)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert asked == ["name.example"]


def test_an_unknown_name_and_a_closed_port() -> None:
    async def test(talk: Talk, port: int) -> None:
        answer = await talk(b"CONNECT no-such-name.invalid:443 HTTP/1.1\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 502")
        assert b"could not resolve no-such-name.invalid" in answer
        with socket.create_server(("127.0.0.1", 0)) as closed:
            free = closed.getsockname()[1]
        answer = await talk(f"CONNECT 127.0.0.1:{free} HTTP/1.1\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 502")

    through(["127.0.0.1"], test)


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /path HTTP/1.1",
        "CONNECT host HTTP/1.1",
        "CONNECT host:x HTTP/1.1",
        "nonsense",
        "GET ftp://a/ HTTP/1.1",
    ],
)
def test_what_is_no_proxy_request(request_line: str) -> None:
    async def test(talk: Talk, port: int) -> None:
        assert (await talk(request_line.encode() + b"\r\n\r\n")).startswith(b"HTTP/1.1 400")

    through([], test)


def test_one_job_has_few_lookups_at_once() -> None:
    running, most = 0, 0

    async def main() -> None:
        go, begun = asyncio.Event(), asyncio.Event()

        async def lookup(host: str, port: int) -> list[str]:
            nonlocal running, most
            running += 1
            most = max(most, running)
            begun.set()
            await go.wait()
            running -= 1
            return ["10.0.0.1"]

        egress, lookups = Egress([], lookup), asyncio.Semaphore(2)
        tasks = [asyncio.create_task(egress.open("slow.example", 80, lookups)) for _ in range(6)]
        await begun.wait()
        free = asyncio.create_task(egress.open("other.example", 80, asyncio.Semaphore(2)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert running == 3  # another job's is not held up
        go.set()
        done = await asyncio.gather(*tasks, free, return_exceptions=True)
        assert all(isinstance(each, ProxyRefusal) for each in done)

    asyncio.run(main())
    assert most == 3


def test_the_hosts_own_resolver_is_asked_in_its_own_threads() -> None:
    async def main() -> None:
        resolver = Resolver(1)
        assert "127.0.0.1" in await resolver("localhost", 80)
        resolver.close()

    asyncio.run(main())
