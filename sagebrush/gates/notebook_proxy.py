"""Forwards requests of a browser to a notebook, and its answers: HTTP as streams, websockets by
messages.

Access was checked before (notebook_gate.py). Nothing is buffered but one websocket message. Both
sides are framed independently, so that what one side takes for a body is one for the other too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Set
from dataclasses import dataclass

from aiohttp import (
    BaseConnector,
    ClientError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    DummyCookieJar,
    WSMessage,
    WSMsgType,
    WSServerHandshakeError,
    web,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import WebSocketError
from aiohttp.http_websocket import WSMessageNoDecodeText
from aiohttp.tracing import Trace
from multidict import CIMultiDict
from yarl import URL

from sagebrush.errors import AwsError
from sagebrush.net import dial
from sagebrush.protocol import connections, patience
from sagebrush.protocol.listen import LINE
from sagebrush.protocol.patience import Patience
from sagebrush.protocol.receive import Disconnected, go_ahead, next_piece
from sagebrush.routing.notebooks import Notebook, Notebooks

MESSAGE_LIMIT = 512 * 1024 * 1024
"""Bytes of one websocket message: a cell's output, a widget's buffer."""
IDLE = 30.0
"""Seconds that an unused connection to a notebook is kept."""
MOST = 512
"""Connections to one notebook at once, websockets among them; more requests wait. (A browser has at
most 255 websockets.)"""
LOOK = 5.0
"""Seconds between two looks for disconnected browsers and expired sessions."""
CLOSE_WAIT = 5.0
"""Seconds that a browser may take to answer the close of a websocket."""
HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
        "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
"""Hop-by-hop headers (RFC 9110, 7.6.1)."""
TOLD_BY_US = frozenset(
    {
        "host", "expect", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port",
        "x-forwarded-proto", "x-forwarded-server", "x-forwarded-prefix", "x-real-ip", "x-scheme",
        "x-scheme-host", "x-real-scheme",
    }
)  # fmt: skip
"""Headers about the client and its connection, which a browser must not set: not forwarded."""
Ending = tuple[int, bytes]
"""The close code and reason that a websocket ends with."""
LOST, LEAVING = (1011, b"The notebook's connection was lost."), (1001, b"The server is ending.")
EXPIRED = (1008, b"The session has expired; open the notebook by a new link.")


class NoAnswer(Exception):
    """The notebook's server could not be reached, or did not speak HTTP; the text says why."""


@dataclass(frozen=True)
class Asked:
    """A request that may pass: the notebook, the end of the session, and what is forwarded."""

    notebook: Notebook
    expires: float
    target: str
    """Path and query as the browser sent them, without the gateway's own parameters."""
    host: str
    secure: bool
    cookie: str
    """The cookie header without the gateway's own."""
    own_cookies: frozenset[str] = frozenset()
    """Names of cookies that the notebook may not set."""


@dataclass(eq=False)
class _Live:
    """A request being forwarded, checked every LOOK seconds."""

    raw: web.BaseRequest
    task: asyncio.Task[object] | None
    expires: float
    ending: asyncio.Future[Ending] | None = None
    gone: bool = False


class _Connector(BaseConnector):
    """Connects to a port inside a job, whatever the URL says."""

    def __init__(self, address: str) -> None:
        super().__init__(keepalive_timeout=IDLE, limit=MOST)
        self._address = address

    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout
    ) -> ResponseHandler:
        sock = await dial.connect(self._address)
        try:
            _, protocol = await self._loop.create_connection(self._factory, sock=sock)
        except BaseException:
            sock.close()
            raise
        return protocol


class Relay:
    """The connections to notebooks of one event loop, used in its thread alone."""

    def __init__(self, notebooks: Notebooks, clock: Callable[[], float]) -> None:
        self._notebooks = notebooks
        self._clock = clock
        self._sessions: dict[int, tuple[str, ClientSession]] = {}
        """Row -> where its server is, and the connections to it."""
        self._live: set[_Live] = set()
        self._looking: asyncio.TimerHandle | None = None
        self._closed = False

    async def close(self) -> None:
        """Closes websockets with a reason, and all connections to notebooks."""
        self._closed = True
        for live in self._live:
            _end(live, LEAVING)
        if self._looking is not None:
            self._looking.cancel()
        for _, session in self._sessions.values():
            await session.close()

    # HTTP -----------------------------------------------------------------------------------------

    async def http(self, raw: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        """Relays the notebook's answer to the browser. Raises NoAnswer or Disconnected."""
        self._notebooks.seen(asked.notebook.row_id)
        headers = _headers(raw, asked)
        body = None
        if raw.body_exists:
            await go_ahead(raw)
            body = _body(raw)
        else:
            headers.popall("Content-Length", None)
        live = _Live(raw, asyncio.current_task(), asked.expires)
        with self._looked_at(live):
            try:
                session = await self._session(asked.notebook)
                async with session.request(
                    raw.method, _url(asked), headers=headers, data=body, allow_redirects=False
                ) as answer:
                    return await _send_on(raw, answer, asked)
            except asyncio.CancelledError:
                if live.gone:
                    raise Disconnected from None
                raise
            except (ClientError, OSError, ValueError) as error:
                if _gone(raw):
                    raise Disconnected from error
                raise NoAnswer(str(error) or type(error).__name__) from error

    # Websockets -----------------------------------------------------------------------------------

    async def websocket(self, raw: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        """Relays the websocket to its end, or the notebook's refusal. Raises NoAnswer."""
        self._notebooks.seen(asked.notebook.row_id)
        headers = _headers(raw, asked)
        for name in [name for name in headers if name.lower().startswith("sec-websocket-")]:
            headers.popall(name, None)
        offered = [p.strip() for p in raw.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        session = await self._session(asked.notebook)
        try:
            inner = await session.ws_connect(
                _url(asked),
                protocols=[name for name in offered if name],
                headers=headers,
                autoclose=False,
                autoping=False,
                max_msg_size=MESSAGE_LIMIT,
                decode_text=False,
            )
        except WSServerHandshakeError as error:
            return web.Response(status=error.status if error.status >= 400 else 502)
        except (ClientError, OSError, ValueError) as error:
            raise NoAnswer(str(error) or type(error).__name__) from error
        async with inner:
            outer = web.WebSocketResponse(
                protocols=[inner.protocol] if inner.protocol else [],
                autoclose=False,
                autoping=False,
                compress=False,
                max_msg_size=MESSAGE_LIMIT,
                decode_text=False,
                timeout=CLOSE_WAIT,
            )
            try:
                await outer.prepare(raw)
            except web.HTTPException as error:
                return web.Response(status=error.status)
            with self._notebooks.websocket(asked.notebook.row_id):
                await self._relay(raw, asked, outer, inner)
            return outer

    async def _relay(
        self,
        raw: web.BaseRequest,
        asked: Asked,
        outer: web.WebSocketResponse[bool],
        inner: ClientWebSocketResponse[bool],
    ) -> None:
        """Relays messages both ways until a side, the session or the server ends."""
        ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        live = _Live(raw, None, asked.expires, ending)
        row_id = asked.notebook.row_id

        async def inwards() -> Ending:
            while True:
                message = await outer.receive()
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._notebooks.seen(row_id)
                elif message.type not in (WSMsgType.PING, WSMsgType.PONG):
                    return _ending(message, (1001, b""))
                await inner.send_frame(message.data, message.type)

        async def outwards() -> Ending:
            while True:
                message = await inner.receive()
                if message.type not in _PASSED:
                    return _ending(message, LOST)
                await outer.send_frame(message.data, message.type)

        tasks = [asyncio.create_task(inwards()), asyncio.create_task(outwards())]
        waited = [*tasks, ending]
        try:
            with self._looked_at(live):
                done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waited:
                each.cancel()
            await asyncio.gather(*waited, return_exceptions=True)
        first = next(each for each in waited if each in done)
        code, reason = LOST if first.exception() else first.result()
        await asyncio.gather(
            inner.close(code=code, message=reason),
            outer.close(code=code, message=reason),
            return_exceptions=True,
        )

    # What is open ---------------------------------------------------------------------------------

    async def _session(self, notebook: Notebook) -> ClientSession:
        """Returns the connections to the notebook's server; closes those to an earlier one."""
        if self._closed:
            raise NoAnswer("the server is ending")
        address, session = self._sessions.get(notebook.row_id, ("", None))
        if session is not None and address == notebook.address:
            return session
        fresh = ClientSession(
            connector=_Connector(notebook.address),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            timeout=ClientTimeout(total=None, sock_connect=None, sock_read=None),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=LINE,
            max_field_size=LINE,
        )
        self._sessions[notebook.row_id] = (notebook.address, fresh)
        if session is not None:
            await session.close()
        return fresh

    @contextlib.contextmanager
    def _looked_at(self, live: _Live) -> Iterator[None]:
        """Adds the request to those that `_look` checks."""
        self._live.add(live)
        self._look_soon()
        try:
            yield
        finally:
            self._live.discard(live)
            if not self._live and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    def _look(self) -> None:
        """Ends requests whose browser has gone and websockets whose session has expired."""
        self._looking = None
        for live in list(self._live):
            if live.ending is not None:
                if live.expires <= self._clock():
                    _end(live, EXPIRED)
            elif _gone(live.raw):
                live.gone = True
                if live.task is not None:
                    live.task.cancel()
        self._look_soon()

    def _look_soon(self) -> None:
        if self._live and self._looking is None and not self._closed:
            self._looking = asyncio.get_running_loop().call_later(LOOK, self._look)


_PASSED = (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG)


def _end(live: _Live, ending: Ending) -> None:
    if live.ending is not None and not live.ending.done():
        live.ending.set_result(ending)


def _gone(raw: web.BaseRequest) -> bool:
    return raw.transport is None or raw.transport.is_closing()


def _ending(message: WSMessageNoDecodeText | WSMessage, lost: Ending) -> Ending:
    """Returns the close code and reason to pass on for the closing `message`."""
    if message.type is WSMsgType.CLOSE:
        code = int(message.data or 1000)  # 0: closed without a code, which cannot be sent
        return code, (message.extra or "").encode()[:123]
    if isinstance(message.data, WebSocketError):
        return int(message.data.code), b""
    return lost


# Requests -----------------------------------------------------------------------------------------


def _url(asked: Asked) -> URL:
    """Returns the URL for the notebook's server, byte for byte as the browser sent it."""
    path, _, query = asked.target.partition("?")
    return URL.build(
        scheme="http", host="notebook", path=path, query_string=query, encoded=True
    )  # the connector knows the address; `Host` is the browser's


def _headers(raw: web.BaseRequest, asked: Asked) -> CIMultiDict[str]:
    """Returns the request's headers for the notebook's server."""
    dropped = HOP_BY_HOP | TOLD_BY_US | {"cookie"} | _named(raw.headers.getall("Connection", ()))
    found = _kept(raw.headers.items(), dropped)
    found["Host"] = asked.host
    if asked.cookie:
        found["Cookie"] = _writable(asked.cookie)
    if asked.notebook.token:
        found["Authorization"] = f"token {asked.notebook.token}"
    found["X-Forwarded-For"] = raw.remote or ""
    found["X-Forwarded-Host"] = asked.host
    found["X-Forwarded-Proto"] = "https" if asked.secure else "http"
    return found


def _named(connection: Iterable[str]) -> set[str]:
    """Returns the headers that a Connection header names (RFC 9110, 7.6.1)."""
    return {name.strip().lower() for value in connection for name in value.split(",")}


def _kept(pairs: Iterable[tuple[str, str]], dropped: Set[str]) -> CIMultiDict[str]:
    found: CIMultiDict[str] = CIMultiDict()
    for name, value in pairs:
        if name.lower() not in dropped:
            found.add(name, _writable(value))
    return found


def _writable(value: str) -> str:
    """A header's value in characters that can be written; bytes outside UTF-8 are read as
    Latin-1."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value


async def _body(raw: web.BaseRequest) -> AsyncIterator[bytes]:
    """Yields the browser's body as it arrives. Raises TimeoutError if it stalls."""
    waiting = Patience(connections.of(raw), patience.BODY)
    try:
        while piece := await next_piece(raw.content, waiting):
            yield piece
    except AwsError as error:
        raise TimeoutError(error.message) from error


# Answers ------------------------------------------------------------------------------------------


async def _send_on(
    raw: web.BaseRequest, answer: ClientResponse, asked: Asked
) -> web.StreamResponse:
    """Sends the answer. Cuts the connection and raises Disconnected if it is incomplete."""
    response = web.StreamResponse(
        status=answer.status, reason=answer.reason or "", headers=_answer_headers(answer, asked)
    )
    try:
        await response.prepare(raw)
        waiting = Patience(connections.of(raw), patience.ANSWER)
        if raw.method != "HEAD":
            async for piece in answer.content.iter_any():
                async with waiting:
                    await response.write(piece)
                waiting.moved(len(piece))
        async with waiting:
            await response.write_eof()
    except (ClientError, OSError, asyncio.CancelledError) as error:
        if raw.transport is not None:
            raw.transport.abort()  # only a cut connection tells the browser that the rest is missing
        if isinstance(error, asyncio.CancelledError):
            raise
        raise Disconnected from error
    return response


def _answer_headers(answer: ClientResponse, asked: Asked) -> CIMultiDict[str]:
    """Returns the answer's headers for the browser, security headers added."""
    dropped = HOP_BY_HOP | {"set-cookie"} | _named(answer.headers.getall("Connection", ()))
    found = _kept(answer.headers.items(), dropped)
    for value in answer.headers.getall("Set-Cookie", ()):
        cookie = _cookie(value, asked.own_cookies)
        if cookie:
            found.add("Set-Cookie", _writable(cookie))
    found.setdefault("Referrer-Policy", "same-origin")
    found.setdefault("Content-Security-Policy", "frame-ancestors 'self'")
    return found


def _cookie(value: str, own: Set[str]) -> str:
    """Returns a notebook's cookie limited to its host; "" for one of the gateway's name."""
    if value.partition("=")[0].strip() in own:
        return ""
    first, *rest = value.split(";")
    kept = [part for part in rest if part.partition("=")[0].strip().lower() != "domain"]
    return ";".join([first, *kept])
