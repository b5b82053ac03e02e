"""A browser's part in tests of notebooks: follows a presigned link, keeps its session, runs cells."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any
from urllib.parse import urlsplit

import aiohttp


class Browser:
    """A session of one notebook, entered by its presigned link."""

    def __init__(self, link: str) -> None:
        parts = urlsplit(link)
        self.host = parts.netloc
        self.port = parts.port
        self.entry = f"{parts.path}?{parts.query}"
        self.cookies: dict[str, str] = {}

    def enter(self) -> int:
        """The status of what the link finally showed."""
        return asyncio.run(self._enter())

    def execute(self, code: str, kernel: str = "", name: str = "python3") -> tuple[str, str]:
        """(what the cell printed and raised, the kernel's id); in a new kernel unless one is given."""
        return asyncio.run(self._execute(code, kernel, name))

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """The JSON answer of Jupyter's own API."""

        async def work() -> Any:
            async with aiohttp.ClientSession() as session:
                return await self._call(session, method, path, body)

        return asyncio.run(work())

    def _headers(self) -> dict[str, str]:
        cookie = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        origin = {"Origin": f"http://{self.host}", "X-XSRFToken": self.cookies.get("_xsrf", "")}
        return {"Host": self.host, "Cookie": cookie, **origin}

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def _enter(self) -> int:
        path = self.entry
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            for _ in range(5):
                headers = {k: v for k, v in self._headers().items() if k != "Origin"}
                url = self._url(path)
                async with session.get(url, headers=headers, allow_redirects=False) as answer:
                    self.cookies |= {name: each.value for name, each in answer.cookies.items()}
                    if answer.status not in (301, 302, 303):
                        return answer.status
                    path = answer.headers["Location"].removeprefix(f"http://{self.host}")
        raise AssertionError("it leads in circles")

    async def _call(
        self, session: aiohttp.ClientSession, method: str, path: str, body: Any = None
    ) -> Any:
        given = {"json": body} if body else {}
        async with session.request(
            method, self._url(path), headers=self._headers(), **given
        ) as answer:
            text = await answer.text()
            assert answer.status < 300, f"{method} {path}: {answer.status} {text[:500]}"
            return json.loads(text) if text else None

    async def _begin(self, session: aiohttp.ClientSession, name: str) -> str:
        body = {"name": name, "path": ""}  # in the volume, as a notebook of its top folder
        return (await self._call(session, "POST", "/api/kernels", body))["id"]

    async def _execute(self, code: str, kernel: str, name: str) -> tuple[str, str]:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            if not kernel:
                kernel = await self._begin(session, name)
            url = self._url(f"/api/kernels/{kernel}/channels?session_id={uuid.uuid4().hex}")
            async with session.ws_connect(url, headers=self._headers()) as socket:
                said = await asyncio.wait_for(_run(socket, code), 180)
        return said, kernel


async def _run(socket: aiohttp.ClientWebSocketResponse, code: str) -> str:
    """What the cell printed, its result and its error, once the kernel is idle again."""
    asked, said = uuid.uuid4().hex, []
    content = {"code": code, "silent": False, "allow_stdin": False, "stop_on_error": True}
    header = {"msg_id": asked, "msg_type": "execute_request", "version": "5.3", "session": "s"}
    message = {"header": {**header, "username": ""}, "parent_header": {}, "metadata": {}}
    await socket.send_json({**message, "content": content, "channel": "shell", "buffers": []})
    async for each in socket:
        if each.type != aiohttp.WSMsgType.TEXT:
            continue
        told = json.loads(each.data)
        if told.get("parent_header", {}).get("msg_id") != asked:
            continue
        kind, found = told["header"]["msg_type"], told["content"]
        if kind == "stream":
            said.append(found["text"])
        elif kind == "execute_result":
            said.append(found["data"]["text/plain"])
        elif kind == "error":
            said.append("\n".join(found["traceback"]))
        elif kind == "status" and found["execution_state"] == "idle":
            return "".join(said)
    raise AssertionError(f"the connection ended: {socket.close_code}: {''.join(said)}")
