"""What goes through the gateway: bodies, headers, cookies, websockets, and how each of them ends."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from sagebrush.gates import notebook_proxy
from sagebrush.store.rows import Row
from tests.conftest import Clock, make_settings, started
from tests.gates.notebook_stand import KERNEL, Stand
from tests.protocol import wire

MIB = 1 << 20


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock(1767225600.0)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[Stand]:
    settings = make_settings(tmp_path_factory.mktemp("home"), isolation="process")
    made = Stand(started(settings, clock))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def desk(stand: Stand) -> Row:
    return stand.notebook("desk", "abc123")


@pytest.fixture(scope="module")
def cookie(stand: Stand, desk: Row) -> str:
    return stand.enter(desk, 43200)


@pytest.fixture
def quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway looks for the gone and the expired often."""
    monkeypatch.setattr(notebook_proxy, "LOOK", 0.02)


# HTTP ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/lab/tree/%C3%A9%20x.ipynb?a=1&b=%2F&c",
        "/files/..%2f../x//y/../z",
        "/api?q=a+b%00",
        "/a?",
    ],
)
def test_targets_pass_as_they_are(stand, desk, cookie, target):
    told = json.loads(stand.ask(desk, target, Cookie=cookie).body)
    assert told["target"] == target.removesuffix("?")


def test_headers_that_pass(stand, desk, cookie):
    answer = stand.ask(
        desk,
        "/api/contents",
        "POST",
        b"{}",
        Cookie=f'_xsrf=2|a; {cookie}; username-x="a b"',
        X_XSRFToken="2|a",
        User_Agent="browser",
        Authorization="token t",
        Connection="keep-alive, X-Private",
        X_Private="of this connection",
        Keep_Alive="300",
        TE="trailers",
        Forwarded="for=1.2.3.4",
        X_Forwarded_For="1.2.3.4",
        X_Forwarded_Proto="https",
        X_Real_IP="1.2.3.4",
        Expect="100-continue",
    )
    told = json.loads(answer.body)["headers"]
    found = dict(told)
    assert len(found) == len(told), "none twice"
    host = stand.host(desk)
    assert found == {
        "host": host,
        "cookie": '_xsrf=2|a; username-x="a b"',
        "x-xsrftoken": "2|a",
        "user-agent": "browser",
        "authorization": "token t",
        "content-length": "2",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-host": host,
        "x-forwarded-proto": "http",
    }


def test_the_token_goes_no_further(stand, desk, cookie):
    answer = stand.ask(desk, "/x?authToken=t&a=1", "POST", b"", Cookie=cookie)
    assert json.loads(answer.body)["target"] == "/x?a=1"


def test_the_servers_own_token(stand):
    """Where the server asks for one (process mode), the gateway knows it; the browser does not."""
    row = stand.notebook("guarded", "guard0")
    its = stand.enter(row)
    stand.world.rows.update(row.id, lambda r: replace(r, plan={**r.plan, "token": "inner"}))
    answer = stand.ask(row, "/x", Cookie=its, Authorization="token other")
    headers = dict(json.loads(answer.body)["headers"])
    assert headers["authorization"] == "token inner"


def test_bodies(stand, desk, cookie):
    large = bytes(range(256)) * (20 * MIB // 256)
    for body in (b"", b"x", large):
        told = json.loads(stand.ask(desk, "/up", "PUT", body, Cookie=cookie).body)
        assert told["length"] == len(body)
        assert told["sha256"] == hashlib.sha256(body).hexdigest()
        assert ["content-length", str(len(body))] in told["headers"]
    pieces = [large[i : i + MIB] for i in range(0, len(large), MIB)]
    told = json.loads(stand.ask(desk, "/up", "POST", iter(pieces), Cookie=cookie).body)
    assert (told["method"], told["length"]) == ("POST", len(large))
    assert ["transfer-encoding", "chunked"] in told["headers"]


def test_answers(stand, desk, cookie):
    big = stand.ask(desk, "/big", Cookie=cookie)
    assert (
        hashlib.sha256(big.body).digest()
        == hashlib.sha256(b"".join(bytes([n]) * (1 << 18) for n in range(64))).digest()
    )
    assert big.headers["Content-Type"] == "application/x-big"
    head = stand.ask(desk, "/sized", "HEAD", Cookie=cookie)
    assert (head.status, head.headers["Content-Length"], head.body) == (200, "100000", b"")
    assert len(stand.ask(desk, "/sized", Cookie=cookie).body) == 100_000
    same = stand.ask(desk, "/unchanged", Cookie=cookie, If_None_Match='"e"')
    assert (same.status, same.headers["Etag"], same.body) == (304, '"e"', b"")
    moved = stand.ask(desk, "/redirect", Cookie=cookie)
    assert (moved.status, moved.headers["Location"]) == (302, "/lab/tree?x=1")


def test_what_a_browser_is_told_of_pages(stand, desk, cookie):
    answer = stand.ask(desk, "/sized", Cookie=cookie)
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    own = stand.ask(desk, "/framed", Cookie=cookie).headers["Content-Security-Policy"]
    assert own == "default-src 'self'"


def test_cookies_of_the_notebook(stand, desk, cookie):
    with wire.connect(stand.server) as sock:
        sock.sendall(
            wire.head_of(
                "GET",
                "/cookies",
                {"Host": stand.host(desk), "Cookie": cookie, "Connection": "close"},
            )
        )
        text = b"".join(iter(lambda: sock.recv(65536), b"")).decode()
    found = [line for line in text.split("\r\n") if line.lower().startswith("set-cookie")]
    assert found == ["Set-Cookie: _xsrf=2|a; Path=/; SameSite=Lax", "Set-Cookie: plain=1"]


def test_a_cut_answer_is_seen_to_be(stand, desk, cookie):
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        stand.ask(desk, "/cut", Cookie=cookie)


def test_a_browser_that_leaves(stand, desk, cookie, quick_look):
    with wire.connect(stand.server) as sock:
        given = {"Host": stand.host(desk), "Cookie": cookie}
        sock.sendall(wire.head_of("GET", "/slow", given))
        assert wire.settled(lambda: stand.upstream.asked[-1].path == "/slow")
        assert not stand.upstream.gone.is_set()
    assert stand.upstream.gone.wait(10)


def test_an_upload_that_breaks_off(stand, desk, cookie):
    given = {"Host": stand.host(desk), "Cookie": cookie, "Content-Length": "1000"}
    with wire.connect(stand.server) as sock:
        sock.sendall(wire.head_of("PUT", "/up", given) + b"x" * 10)
        assert wire.settled(lambda: stand.upstream.asked[-1].method == "PUT")
    lines = lambda: [x for x in wire.lines(stand.server) if x["status"] == 499]  # noqa: E731
    assert wire.settled(lambda: any(x["operation"] == "PUT" for x in lines()))
    assert stand.ask(desk, "/", Cookie=cookie).status == 200


# Two readings of one request ----------------------------------------------------------------------

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        [b"Content-Length: 5", b"Content-Length: 6"],
        [b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"],
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Transfer-Encoding: xchunked"],
        [b"Transfer-Encoding : chunked"],
        [b"Content-Length: +5"],
        [b"Host: other-xyz789.localhost"],
        [b"X-A: b\rX-C: d"],
    ],
)
def test_smuggling_is_refused(stand, desk, cookie, lines):
    before = len(stand.upstream.asked)
    head = [f"Host: {stand.host(desk)}".encode(), f"Cookie: {cookie}".encode(), *lines]
    with wire.connect(stand.server) as sock:
        sock.sendall(b"POST /x HTTP/1.1\r\n" + b"\r\n".join(head) + b"\r\n\r\n0\r\n\r\n" + SMUGGLED)
        sock.settimeout(10)
        assert sock.recv(65536)[:13] in (b"HTTP/1.0 400 ", b"HTTP/1.1 400 ")
    assert len(stand.upstream.asked) == before


def test_what_connection_names_cannot_move_the_frame(stand, desk, cookie):
    """`Connection: content-length` makes the gateway drop it; the body gets a frame of its own."""
    answer = stand.ask(
        desk, "/x", "POST", b"GET / HTTP/1.1\r\n\r\n", Cookie=cookie, Connection="content-length"
    )
    told = json.loads(answer.body)
    assert told["length"] == 18
    assert stand.upstream.asked[-1].path == "/x"


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
def test_methods_that_do_not_pass(stand, desk, cookie, method):
    before = len(stand.upstream.asked)
    given = {"Host": stand.host(desk), "Cookie": cookie}
    assert wire.send(stand.server, method, "/x", given).status == 400
    assert len(stand.upstream.asked) == before


# Websockets ---------------------------------------------------------------------------------------

Talk = Callable[[ClientWebSocketResponse], Awaitable[Any]]


def websocket(stand: Stand, row: Row, talk: Talk, path: str = "/ws", **headers: str) -> Any:
    """What `talk` made of a websocket to the notebook; raises WSServerHandshakeError."""
    given = {"Host": stand.host(row), "Origin": f"http://{stand.host(row)}", **headers}
    given = {name: value for name, value in given.items() if value}

    async def run() -> Any:
        url = f"{stand.server.url}{path}"
        async with (
            ClientSession() as session,
            session.ws_connect(
                url, headers=given, protocols=["x", KERNEL], autoping=False, max_msg_size=0
            ) as found,
        ):
            return await asyncio.wait_for(talk(found), 30)

    return asyncio.run(run())


async def nothing(found: ClientWebSocketResponse) -> None:
    pass


def test_messages_go_both_ways(stand, desk, cookie):
    async def talk(found: ClientWebSocketResponse) -> None:
        assert found.protocol == KERNEL
        assert stand.world.notebooks.open_websockets(desk.id) == 1
        large = bytes(range(256)) * (8 * MIB // 256)
        for data in ("text é", "", "x" * MIB):
            await found.send_str(data)
            assert await found.receive_str() == data
        for data in (b"\x00\xff", b"", large):
            await found.send_bytes(data)
            assert await found.receive_bytes() == data
        await found.ping(b"alive")
        message = await found.receive()
        assert (message.type, message.data) == (WSMsgType.PONG, b"alive")
        await found.close(code=4001, message=b"bye")

    websocket(stand, desk, talk, "/ws?session_id=1", Cookie=cookie)
    asked = stand.upstream.asked[-1]
    assert asked.raw_path == "/ws?session_id=1"
    assert asked.headers["Host"] == stand.host(desk)
    assert asked.headers["Origin"] == f"http://{stand.host(desk)}"
    assert "Cookie" not in asked.headers
    assert "Sec-WebSocket-Extensions" not in asked.headers
    assert wire.settled(lambda: stand.upstream.closed[-1:] == [4001])
    assert wire.settled(lambda: stand.world.notebooks.open_websockets(desk.id) == 0)


@pytest.mark.parametrize(
    ("said", "code"), [("close 4321", 4321), ("close 1000", 1000), ("drop", 1011)]
)
def test_the_notebook_closes(stand, desk, cookie, said, code):
    async def talk(found: ClientWebSocketResponse) -> tuple[Any, Any]:
        await found.send_str(said)
        message = await found.receive()
        return message.data, message.extra

    found, reason = websocket(stand, desk, talk, Cookie=cookie)
    assert found == code
    assert reason == ("as asked" if said != "drop" else "The notebook's connection was lost.")


def test_the_browser_goes(stand, desk, cookie):
    before = len(stand.upstream.closed)

    async def talk(found: ClientWebSocketResponse) -> None:
        found.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    websocket(stand, desk, talk, Cookie=cookie)
    assert wire.settled(lambda: stand.upstream.closed[before:] == [1001])


@pytest.mark.parametrize(
    "origin", ["", "null", "http://evil.example", "http://other-xyz789.localhost", "https://HOST"]
)
def test_origins_of_others(stand, desk, cookie, origin):
    before = len(stand.upstream.asked)
    origin = origin.replace("HOST", stand.host(desk))
    with pytest.raises(WSServerHandshakeError) as refused:
        websocket(stand, desk, nothing, Cookie=cookie, Origin=origin)
    assert refused.value.status == 403
    assert len(stand.upstream.asked) == before


def test_no_websocket_without_a_session(stand, desk, cookie):
    for given in ("", cookie[:-6] + "AAAAAA", "_xsrf=1"):
        with pytest.raises(WSServerHandshakeError) as refused:
            websocket(stand, desk, nothing, Cookie=given)
        assert refused.value.status == 403
    with pytest.raises(WSServerHandshakeError) as refused:
        websocket(stand, desk, nothing, f"/ws?authToken={stand.token(desk)}")
    assert refused.value.status == 403, "a link opens a page, not a websocket"


def test_the_notebook_refuses(stand, desk, cookie):
    with pytest.raises(WSServerHandshakeError) as refused:
        websocket(stand, desk, nothing, "/refuse", Cookie=cookie)
    assert refused.value.status == 404
    with pytest.raises(WSServerHandshakeError) as refused:
        websocket(stand, desk, nothing, "/sized", Cookie=cookie)
    assert refused.value.status == 502
    row = stand.notebook("down", "down00")
    its = stand.enter(row)
    stand.addresses["n-down00"] = "tcp:127.0.0.1:1"
    with pytest.raises(WSServerHandshakeError) as refused:
        websocket(stand, row, nothing, Cookie=its)
    assert refused.value.status == 502


def test_a_bad_handshake(stand, desk, cookie):
    given = {
        "Host": stand.host(desk), "Origin": f"http://{stand.host(desk)}", "Cookie": cookie,
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
    }  # fmt: skip
    assert wire.send(stand.server, "GET", "/ws", {**given, "Sec-WebSocket-Key": "x"}).status == 400
    assert wire.send(stand.server, "GET", "/ws", given).status == 400


def test_an_expired_session_ends_its_websockets(stand, desk, clock, quick_look):
    its = stand.enter(desk, 1800)

    async def talk(found: ClientWebSocketResponse) -> tuple[Any, Any]:
        await found.send_str("before")
        assert await found.receive_str() == "before"
        clock.forward(1799)
        await asyncio.sleep(0.1)  # several looks
        await found.send_str("still")
        assert await found.receive_str() == "still"
        clock.forward(1)
        message = await found.receive()
        return message.data, message.extra

    code, reason = websocket(stand, desk, talk, Cookie=its)
    assert code == 1008
    assert "expired" in reason


def test_a_server_that_ends_says_so(tmp_path, clock):
    stand = Stand(started(make_settings(tmp_path / "home", isolation="process"), clock))
    row = stand.notebook("desk", "abc123")

    async def talk(found: ClientWebSocketResponse) -> Any:
        await found.send_str("x")
        await found.receive_str()
        loop = asyncio.get_running_loop()
        stopped = loop.run_in_executor(None, stand.server.app.stop)
        message = await found.receive()
        await found.close()
        await stopped
        return message.data

    began = time.monotonic()
    assert websocket(stand, row, talk, Cookie=stand.enter(row)) == 1001
    assert time.monotonic() - began < 30
    stand.stop()
