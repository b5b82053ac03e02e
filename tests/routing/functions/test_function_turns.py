"""The Runtime API between two invocations, and invocations whose caller goes: no answer is another's,
nothing is kept for nobody. The environment is a double: nothing runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagebrush.gates.runtime_api import RuntimeApi
from sagebrush.gates.sandbox import Sandboxes
from sagebrush.protocol import listen
from sagebrush.routing.functions.environment import Environment
from sagebrush.routing.functions.functions import PIECES, Functions
from sagebrush.routing.functions.link import Said
from sagebrush.routing.functions.values import FunctionVersion, Invocation, StreamEnd

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
VERSION = FunctionVersion(
    arn=f"{ARN}:1", account="123456789012", region="us-east-1", name="f", version="1",
    runtime="python3.12", handler="f.h", role="r", memory=128, timeout=30, storage=512,
    variables={}, code=Path(),
)  # fmt: skip
API = "/2018-06-01/runtime/invocation"


class Link:
    """An environment's shim that does what it is told, at once."""

    def __init__(self) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        self.log: list[str] = []

    def begin(self, told: Any) -> None: ...
    def freeze(self, frozen: bool) -> None: ...
    def ready(self) -> None: ...

    def say(self, text: str) -> None:
        self.log.append(text.encode().decode())

    def finish(self, text: str) -> asyncio.Future[Said]:
        self.say(text)
        done = asyncio.get_running_loop().create_future()
        done.set_result(Said(0, 0, 0))
        return done

    def kill(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


class Stand:
    """One environment, and its Runtime API on a port."""

    def __init__(self) -> None:
        self.link = Link()
        spec = SimpleNamespace(root=Path("/none"))
        blank = SimpleNamespace(key="k", spec=spec, link=self.link, closers=[])
        prepared = SimpleNamespace(told={}, expires=1e12)
        self.environment = Environment(cast(Any, blank), VERSION, cast(Any, prepared), lambda: 1.0)
        known: Any = SimpleNamespace(environment=lambda key: self.environment)
        self.world: Any = SimpleNamespace(functions=known)
        self.answer = RuntimeApi(known, "k").answer
        self.host, self.port = "", 0
        self.clients: list[Client] = []

    @contextlib.asynccontextmanager
    async def listens(self, factory: Any = None) -> AsyncIterator[None]:
        """It is served; at the end no client is connected any more, for whom a server waits."""
        loop = asyncio.get_running_loop()
        web = factory or listen.web_server(self.answer)
        server = await loop.create_server(web, "127.0.0.1", 0)
        self.host, self.port = server.sockets[0].getsockname()
        async with server:
            try:
                yield
            finally:
                self.environment.end()
                for client in self.clients:
                    client.writer.close()
                    with contextlib.suppress(OSError):
                        await client.writer.wait_closed()

    async def connected(self) -> Client:
        self.clients.append(Client(*await asyncio.open_connection(self.host, self.port)))
        return self.clients[-1]

    def invoked(self, name: str, pieces: Any = None) -> asyncio.Task[Any]:
        asked = Invocation(name, f'"{name}"'.encode(), ARN)
        return asyncio.ensure_future(self.environment.invoke(asked, pieces))


class Client:
    """A connection to the Runtime API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def ask(self) -> None:
        self.writer.write(f"GET {API}/next HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    def post(self, path: str, size: int, body: bytes, *headers: bytes) -> None:
        head = f"POST {API}/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n"
        more = b"".join(each + b"\r\n" for each in headers)
        self.writer.write(head.encode() + more + b"\r\n" + body)

    async def closed(self) -> None:
        """Returns once the server has closed the connection."""
        with contextlib.suppress(ConnectionError):
            assert await self.reader.read() == b""

    async def read(self) -> tuple[int, bytes]:
        """The next answer: (status, body)."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        return int(head.split()[1]), await self.reader.readexactly(size)


def run(test: Callable[[Stand], Any]) -> None:
    async def work() -> None:
        stand = Stand()
        try:
            await test(stand)
        finally:
            stand.environment.end()

    asyncio.run(asyncio.wait_for(work(), 20))


@pytest.mark.parametrize("mode", [(), (b"Lambda-Runtime-Function-Response-Mode: streaming",)])
def test_an_answer_that_comes_late_is_not_the_next_invocations(mode: tuple[bytes, ...]) -> None:
    async def test(stand: Stand) -> None:
        async with stand.listens():
            quick, slow = await stand.connected(), await stand.connected()
            quick.ask()
            pieces = asyncio.Queue(PIECES) if mode else None
            first = stand.invoked("one", pieces)
            assert await quick.read() == (200, b'"one"')
            slow.post("one/response", 8, b'"sl', *mode)
            if pieces:
                assert await pieces.get() == b'"sl'
            quick.post("one/response", 7, b'"quick"')
            assert (await quick.read())[0] == 202
            assert (await first).payload == b'"quick"'
            second = stand.invoked("two")
            quick.ask()
            assert await quick.read() == (200, b'"two"')
            slow.writer.write(b'ow..."')
            assert (await slow.read())[0] == 400
            assert not second.done()
            quick.post("two/response", 1, b"2")
            assert (await second).payload == b"2"

    run(test)


def test_whoever_asks_last_gets_the_event() -> None:
    async def test(stand: Stand) -> None:
        async with stand.listens():
            lost, other = await stand.connected(), await stand.connected()
            lost.ask()
            while stand.environment._asked is None:
                await asyncio.sleep(0)
            other.ask()
            assert (await lost.read())[0] == 410  # it does not wait for ever
            stand.invoked("one")
            assert await other.read() == (200, b'"one"')

    run(test)


def test_an_error_type_of_any_bytes_is_logged() -> None:
    async def test(stand: Stand) -> None:
        async with stand.listens():
            client = await stand.connected()
            client.ask()
            running = stand.invoked("one")
            await client.read()
            kind = b"Lambda-Runtime-Function-Error-Type: Runtime.\x80\xff"
            client.post("one/error", 100_000, b"[" * 100_000, kind)
            assert (await client.read())[0] == 202
            assert (await running).error == "Unhandled"
            assert "Error Type: Runtime.??\t" in "".join(stand.link.log)

    run(test)


def test_the_runtime_api_keeps_connections_that_are_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first invocation, between two, and while a handler works for longer than servers
    else keep a connection."""
    monkeypatch.setattr(listen, "KEPT", 0.02)

    async def test(stand: Stand) -> None:
        sandboxes: Any = SimpleNamespace(_world=stand.world)
        spec: Any = SimpleNamespace(key="k")
        async with stand.listens():
            address = stand.host, stand.port

            async def other() -> Client:
                stand.clients.append(Client(*await asyncio.open_connection(*address)))
                return stand.clients[-1]

            others = [await other(), await other()]
            others[0].post("none/response", 0, b"")
            await others[0].read()
            async with stand.listens(Sandboxes._runtime(sandboxes, spec, cast(Any, None))):
                warm, asks = await stand.connected(), await stand.connected()
                asks.ask()
                await others[0].closed()
                await others[1].closed()
                running = stand.invoked("one")
                assert await asks.read() == (200, b'"one"')
                idle = await other()
                await idle.closed()
                asks.post("one/response", 1, b"1")
                assert (await asks.read())[0] == 202
                assert (await running).payload == b"1"
                warm.ask()
                stand.invoked("two")
                assert await warm.read() == (200, b'"two"')

    run(test)


def functions() -> Functions:
    """Without anything that would run."""
    host: Any = SimpleNamespace(cpus=2, memory=1 << 30)
    containers = cast(Any, SimpleNamespace(images=None))
    return Functions(Path("/none"), host, cast(Any, None), lambda *_: None, containers)


def test_who_leaves_while_an_environment_begins_leaves_nothing_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(stand: Stand) -> None:
        found = functions()

        async def begun(version: FunctionVersion, why: str) -> Environment:
            found._all["k"] = stand.environment
            found._do(found._attend(stand.environment))
            return stand.environment

        monkeypatch.setattr(found, "_begun", begun)
        running = asyncio.ensure_future(found.invoke(VERSION, Invocation("one", b"", ARN)))
        while not found._all:
            await asyncio.sleep(0)
        assert found._reserved == VERSION.memory << 20
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running})
        await asyncio.wait(found._tasks)
        assert (found._reserved, found._all, found.running(VERSION)) == (0, {}, 0)

    run(test)


def test_who_leaves_a_stream_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(stand: Stand) -> None:
        found, before = functions(), asyncio.all_tasks()

        over = asyncio.Event()
        queues: list[asyncio.Queue[Any]] = []

        async def filling(version: Any, invocation: Any, queue: Any) -> None:
            queues.append(queue)
            while not over.is_set():
                await queue.put(b"x")

        monkeypatch.setattr(found, "_invoke", filling)
        stream: Any = found.invoke_stream(VERSION, Invocation("one", b"", ARN))
        assert await anext(stream) == b"x"
        while not queues[0].full():
            await asyncio.sleep(0)
        await stream.aclose()
        assert found.running(VERSION) == 1  # it goes on, for nobody
        over.set()
        left = asyncio.all_tasks() - before
        assert not left or not (await asyncio.wait(left, timeout=60))[1]
        assert (found.running(VERSION), queues[0].qsize()) == (0, 0)

    run(test)


def test_a_streamed_piece_does_not_wait_for_a_reader_that_is_gone() -> None:
    async def test(stand: Stand) -> None:
        full = asyncio.Queue[bytes | StreamEnd](1)
        running = stand.invoked("one", full)
        await stand.environment.next()
        assert await stand.environment.passed_on("one", b"1")
        waiting = asyncio.ensure_future(stand.environment.passed_on("one", b"2"))
        await asyncio.sleep(0)
        stand.environment.end()
        assert await waiting is False
        running.cancel()

    run(test)


def test_a_runtimes_connection_is_of_a_share_of_its_own() -> None:
    names: list[str] = []
    sandboxes: Any = object.__new__(Sandboxes)
    sandboxes._listeners = SimpleNamespace(share=names.append, adopt=lambda *_: None)
    sandboxes._numbers, sandboxes._context = iter(range(9)), None
    sandboxes._table = {"aws": lambda *_: None, "runtime": lambda *_: None}
    for listener in sandboxes._table:
        sandboxes.serve(SimpleNamespace(key="k"), listener, None)
    assert names == ["k", "k/runtime"]
