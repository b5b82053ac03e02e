"""A notebook for the gateway's tests: its row, a server behind it that tells what it was asked, and
a browser's requests byte by byte."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from aiohttp import WSMsgType, web

from sagebrush.compute.base import Gone, Running, State
from sagebrush.routing import notebooks
from sagebrush.store.rows import Row
from tests.conftest import Server
from tests.protocol import wire

KERNEL = "v1.kernel.websocket.jupyter.org"


class Upstream:
    """What stands where Jupyter would, in a thread of its own. Every request is in `asked`."""

    def __init__(self) -> None:
        self.asked: list[web.BaseRequest] = []
        self.gone = threading.Event()
        """The browser of `/slow` has gone, and this server was told."""
        self.closed: list[int | None] = []
        """Close codes of websockets as seen here."""
        self.address = ""
        self._ready, self._done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        """It listens no more."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)

    async def _main(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = web.Server(self._answer, auto_decompress=False, handler_cancellation=True)
        listener = await self._loop.create_server(server, "127.0.0.1", 0)
        self.address = f"tcp:127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._ended.wait()
        listener.close()
        await server.shutdown(0.1)

    async def _answer(self, raw: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(raw)
        name = raw.path.strip("/").partition("/")[0]
        found: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] | None
        found = getattr(self, f"_{name}", None)
        return await found(raw) if found else await self._echo(raw)

    async def _echo(self, raw: web.BaseRequest) -> web.StreamResponse:
        body = b"".join([piece async for piece in raw.content.iter_any()])
        return web.json_response(
            {
                "method": raw.method,
                "target": raw.raw_path,
                "headers": [[name.lower(), value] for name, value in raw.headers.items()],
                "length": len(body),
                "sha256": hashlib.sha256(body).hexdigest(),
            }
        )

    async def _big(self, raw: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-big"})
        await response.prepare(raw)
        for number in range(64):
            await response.write(bytes([number]) * (1 << 18))
        return response

    async def _sized(self, raw: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b"x" * 100_000, headers={"ETag": '"e"'})

    async def _unchanged(self, raw: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=304, headers={"ETag": '"e"'})

    async def _redirect(self, raw: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/lab/tree?x=1"})

    async def _cookies(self, raw: web.BaseRequest) -> web.StreamResponse:
        response = web.Response(text="ok")
        for value in (
            "_xsrf=2|a; Path=/; Domain=localhost; SameSite=Lax",
            "sagebrush-notebook=forged; Path=/",
            "__Host-sagebrush-notebook=forged; Path=/; Secure",
            "plain=1",
        ):
            response.headers.add("Set-Cookie", value)
        return response

    async def _framed(self, raw: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="ok", headers={"Content-Security-Policy": "default-src 'self'"})

    async def _cut(self, raw: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 1000
        await response.prepare(raw)
        await response.write(b"x" * 10)
        assert raw.transport is not None
        raw.transport.close()
        return response

    async def _slow(self, raw: web.BaseRequest) -> web.StreamResponse:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            self.gone.set()
            raise
        return web.Response()

    async def _refuse(self, raw: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=404)

    async def _ws(self, raw: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=[KERNEL], autoping=False, max_msg_size=0)
        await socket.prepare(raw)
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.data.startswith("close "):
                await socket.close(code=int(message.data.split()[1]), message=b"as asked")
            elif message.type is WSMsgType.TEXT and message.data == "drop":
                assert raw.transport is not None
                raw.transport.abort()
            elif message.type is WSMsgType.PING:
                await socket.pong(message.data)
            else:
                await socket.send_frame(
                    message.data.encode() if isinstance(message.data, str) else message.data,
                    message.type,
                )
        self.closed.append(socket.close_code)
        return socket


class Stand:
    """A server, notebooks on it, and requests as a browser makes them."""

    def __init__(self, server: Server) -> None:
        self.server, self.world = server, server.world
        self.upstream = Upstream()
        self.addresses: dict[str, str] = {}
        known = self.world.backend.poll

        def poll(key: str) -> State:
            address = self.addresses.get(key)
            if address is None:
                return Gone() if key.startswith("n-") else known(key)
            return Running(0.0, address)

        self.world.backend.poll = poll  # type: ignore[method-assign]

    def notebook(self, name: str, number: str, status: str = "InService", **doc: Any) -> Row:
        """A notebook whose server is `upstream`."""
        key = f"n-{number}"
        self.addresses[key] = self.upstream.address
        settings = self.world.settings
        plan = {"id": number, "key": key}
        return self.world.rows.insert(
            Row(settings.account, settings.region, notebooks.KIND, name, status, doc, plan)
        )

    def host(self, row: Row) -> str:
        """Its Host header."""
        return f"{notebooks.label(row.name, row.plan['id'])}.localhost:{self.server.app.port}"

    def token(self, row: Row, seconds: int = 3600) -> str:
        """A fresh one-time token."""
        return self.world.notebooks.issue(row.id, seconds)

    def ask(
        self,
        row: Row,
        path: str = "/",
        method: str = "GET",
        body: Any = b"",
        **headers: str,
    ) -> wire.Answer:
        """The answer to a request for that notebook's host; `Sec_Fetch_Site` is a header too."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return wire.send(self.server, method, path, {"Host": self.host(row), **named}, body)

    def enter(self, row: Row, seconds: int = 3600) -> str:
        """The cookie of a fresh session."""
        answer = self.ask(row, f"/?authToken={self.token(row, seconds)}")
        assert answer.status == 302, answer
        return answer.headers["Set-Cookie"].partition(";")[0]

    def status(self, row: Row, status: str) -> None:
        """The notebook has that status."""
        self.world.rows.update(row.id, lambda found: replace(found, status=status))

    def stop(self) -> None:
        """All of it has ended."""
        self.upstream.stop()
        self.server.stop()
