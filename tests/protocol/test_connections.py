"""Shares of connections: what a sandbox may hold, who gives way, and who is answered meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import http.client
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sagebrush.access import principals
from sagebrush.compute.base import Spec
from sagebrush.net import dial
from sagebrush.protocol import accept, connections, listen
from sagebrush.protocol.connections import Descriptors, Held, Limits, Share
from tests.conftest import make_settings, started
from tests.protocol import wire
from tests.protocol.wire import settled

SETTLED, STALLED = Limits.settled, Limits.stalled


class Table(Descriptors):
    """A table that is as full as the test says."""

    def __init__(self, part: float = 0.0) -> None:
        super().__init__(1000)
        self.part = part

    def past(self, part: float, known: int) -> bool:
        return self.part >= part


class Stand:
    """A share whose connections write down how they end; time passes when told."""

    def __init__(self, table: Descriptors | None = None, **limits: Any) -> None:
        self.now = 100.0
        self.cut: list[str] = []
        self.share = Share(table or Table(), Limits(**limits), lambda: self.now)

    def take(self, name: str) -> Held:
        held = self.share.take()
        held.cut = lambda: self.cut.append(name)
        return held

    def room(self) -> bool:
        return self.share.room(0)


# -- a share


def test_beyond_its_share_connections_wait_until_one_has_ended() -> None:
    stand, looks = Stand(connections=2), []
    first, second = stand.take("first"), stand.take("second")
    first.busy()
    second.busy()
    assert not stand.room()
    stand.share.wait(lambda: looks.append(stand.room()))
    assert stand.cut == []  # both are at work
    first.end()
    first.end()
    assert looks == [True]
    second.end()
    assert looks == [True]


def test_the_longest_idle_connection_gives_way_once_it_has_settled() -> None:
    stand = Stand(connections=3)
    held = {name: stand.take(name) for name in "abc"}
    held["a"].busy()
    stand.now += SETTLED / 2
    held["b"].busy()
    held["b"].idle()  # it was asked something, and answered
    assert not stand.room()
    assert stand.cut == []
    stand.now += SETTLED / 2
    assert not stand.room()
    assert stand.cut == ["c"]
    stand.now += SETTLED
    assert not stand.room()
    assert stand.cut == ["c"]  # one after another: it has not ended yet
    held["c"].end()
    assert stand.room()
    stand.take("d")
    assert not stand.room()
    assert stand.cut == ["c", "b"]


def test_a_peer_that_is_waited_for_gives_way_later_and_one_at_work_never() -> None:
    stand = Stand(connections=2)
    work, slow = stand.take("work"), stand.take("slow")
    work.busy()
    slow.waits()
    stand.now += STALLED - 0.1
    assert not stand.room()
    assert stand.cut == []
    stand.now += 0.2
    assert not stand.room()
    assert stand.cut == ["slow"]
    slow.end()
    stand.now += 1e6
    stand.take("x").busy()
    assert not stand.room()
    assert stand.cut == ["slow"]


def test_a_full_table_shuts_sandboxes_out_before_the_ports_and_leaves_each_a_few() -> None:
    table = Table(0.4)
    inside = Stand(table, connections=100, part=connections.INSIDE, least=2)
    outside = Stand(table, part=connections.OUTSIDE)
    for name in "abc":
        inside.take(name)
        outside.take(name)
    assert inside.room()
    table.part = 0.6
    assert not inside.room()
    assert outside.room()
    newcomer = Stand(table, connections=100, part=connections.INSIDE, least=2)
    newcomer.take("a")
    assert newcomer.room()
    newcomer.take("b")
    assert not newcomer.room()
    table.part = 0.8
    assert not outside.room()


def test_a_small_table_has_small_shares() -> None:
    def of(size: int, wanted: int = 512) -> int:
        return connections.of_sandbox(Descriptors(size), wanted, 16).connections

    assert of(65_536) == of(20_000) == 512
    assert of(1024) == 64
    assert of(100) == connections.LEAST
    assert of(65_536, 40) == 40
    assert connections.of_sandbox(Descriptors(1024), 9, 16).turns == 8
    assert connections.of_sandbox(Descriptors(1024), 9, 1).turns == 1


def test_the_number_of_a_new_descriptor_tells_how_full_the_table_is() -> None:
    with socket.socket() as sock:
        low = os.dup(sock.fileno())
        os.close(low)
        assert Descriptors(2 * low).past(0.5, sock.fileno())
        assert not Descriptors(2 * low + 2).past(0.5, sock.fileno())
        assert Descriptors(1 << 20).past(0.5, 10_000)  # none to be had: as full as can be


def test_a_closed_connection_whose_peer_reads_no_more_ends() -> None:
    class Transport:
        closing = aborted = False

        def is_closing(self) -> bool:
            return self.closing

        def abort(self) -> None:
            self.aborted = True

        def get_extra_info(self, name: str) -> None:
            assert name == "socket"

    stand = Stand()
    kept, left = Transport(), Transport()
    for transport in (kept, left):
        stand.share.take().begin(transport)
    left.closing = True
    stand.now += 59
    stand.share.sweep(60)
    assert not left.aborted
    stand.now += 1
    stand.share.sweep(60)
    assert left.aborted
    assert not kept.aborted


def test_a_connection_that_was_lost_while_it_was_answered_does_not_stand_in_the_way() -> None:
    stand = Stand(connections=2, stalled=5.0)
    lost = stand.take("lost")
    lost.busy()
    lost.end()  # its peer went away; then the handler ends, having waited for it perhaps
    lost.waits()
    lost.idle()
    assert not stand.share.idle
    assert not stand.share.stalled
    for name in ("first", "second"):
        stand.take(name)
    stand.now += 60
    assert not stand.room()
    assert stand.cut == ["first"]


# -- listeners


@contextlib.contextmanager
def serving(limits: Limits, count: int = 1) -> Iterator[list[int]]:
    """The ports of `count` listeners of one sandbox that answer "ok"."""
    ready, done = threading.Event(), asyncio.Event()
    found: dict[str, Any] = {}

    async def answer(raw: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="ok")

    async def main() -> None:
        listeners = listen.Listeners(Descriptors(1 << 20), limits)
        socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        share = listeners.share("job")
        for n, sock in enumerate(socks):
            listeners.adopt(f"job/{n}", sock, listen.web_server(answer), share)
        found.update(loop=asyncio.get_running_loop(), ports=[s.getsockname()[1] for s in socks])
        ready.set()
        await done.wait()
        await listeners.close(1.0)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    ready.wait(10)
    try:
        yield found["ports"]
    finally:
        found["loop"].call_soon_threadsafe(done.set)
        thread.join(10)


def ask(sock: socket.socket) -> bytes:
    """The answer to one request; b"" where the connection was closed instead."""
    with contextlib.suppress(ConnectionError):
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return sock.recv(4096)
    return b""


def test_more_clients_than_a_share_has_are_all_answered() -> None:
    """Each keeps its connection, as pools of clients do; idle ones give way to those that wait."""
    with (
        serving(Limits(connections=3, settled=0.0), count=2) as ports,
        contextlib.ExitStack() as stack,
    ):

        def connect(n: int) -> socket.socket | None:
            with contextlib.suppress(ConnectionError):  # it gave way as soon as it was there
                found = socket.create_connection(("127.0.0.1", ports[n % 2]), 10)
                return stack.enter_context(found)

        for n, client in enumerate([connect(n) for n in range(12)]):
            tries = 1
            # it gave way before it asked, and comes again
            while not (answer := ask(client) if client else b""):
                client, tries = connect(n), tries + 1
                assert tries < 20
            assert b"200 OK" in answer


def test_a_connection_that_gives_way_while_it_gets_its_protocol_is_gone() -> None:
    """uvloop closes it without a word to the protocol, so nobody else would say that it ended."""

    async def main() -> None:
        share = Share(Descriptors(1 << 20), Limits(connections=1))
        way = accept.Way(lambda _: asyncio.Protocol(), share)
        acceptor = accept.Acceptor(socket.create_server(("127.0.0.1", 0)), way)
        held, near_far = share.take(), socket.socketpair()
        transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
            asyncio.Protocol, near_far[0]
        )
        task = asyncio.get_running_loop().create_task(asyncio.sleep(10))
        task.cancel()
        await asyncio.wait([task])
        held.begin(transport)
        acceptor._connected(near_far[0], held, task)
        assert not share.all
        assert transport.is_closing()
        acceptor.close()
        near_far[1].close()

    asyncio.run(main())


def test_all_listeners_of_a_sandbox_share_and_who_is_beyond_waits() -> None:
    with serving(Limits(connections=2, settled=5.0), count=2) as ports:
        clients = [socket.create_connection(("127.0.0.1", port), 10) for port in ports]
        assert b"200 OK" in ask(clients[0])
        assert b"200 OK" in ask(clients[1])
        clients.append(socket.create_connection(("127.0.0.1", ports[0]), 10))
        clients[2].settimeout(0.2)
        with pytest.raises(TimeoutError):  # accepted by the kernel, not by the server
            ask(clients[2])
        clients[0].close()
        clients[2].settimeout(10)
        assert b"200 OK" in clients[2].recv(4096)
        for client in clients:
            client.close()


def test_a_head_that_never_comes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "KEPT", 0.1)
    with serving(Limits()) as ports:
        for begin in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: lo"):
            with socket.create_connection(("127.0.0.1", ports[0]), 10) as slow:
                slow.sendall(begin)
                assert slow.recv(100) == b""


def test_containers_of_one_bridge_have_a_share_each() -> None:
    async def answer(raw: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="ok")

    async def main() -> None:
        listeners = listen.Listeners(Descriptors(1 << 20), Limits(connections=2))
        sock = socket.create_server(("127.0.0.1", 0))
        listeners.adopt_bridge("bridge", sock, listen.web_server(answer), None)
        port = sock.getsockname()[1]

        async def talk(source: str) -> tuple[bytes, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(source, 0)
            )
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                return await asyncio.wait_for(reader.readuntil(b"ok"), 10), writer
            except (asyncio.IncompleteReadError, ConnectionError):
                return b"", writer

        greedy = [await talk("127.0.0.2") for _ in range(4)]
        assert [bool(answer) for answer, _ in greedy] == [True, True, False, False]
        other = await talk("127.0.0.3")
        assert b"200 OK" in other[0]
        for _, writer in (*greedy, other):
            writer.close()
        await listeners.close(1.0)

    asyncio.run(main())


# -- a server


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with four threads for operations."""
    home = tmp_path_factory.mktemp("home")
    made = started(make_settings(home, isolation="process", request_threads=4, job_connections=40))
    yield made
    made.app.stop()


def attached(server: Any, tmp_path: Path, key: str = "job") -> tuple[int, Callable[[], None]]:
    """The port of a job's gateway, and what closes it."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=200)
    spec = Spec(key, ["true"], {}, tmp_path, role="arn:aws:iam::123456789012:role/Job")
    return sock.getsockname()[1], server.app.sandboxes.attach(spec, "aws", sock)


def health(server: Any) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.app.port, timeout=10)
    connection.request("GET", "/_sagebrush/health")
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_job_that_floods_its_gateway_leaves_the_others_alone(narrow: Any, tmp_path: Path) -> None:
    port, close = attached(narrow, tmp_path)
    other, close_other = attached(narrow, tmp_path, "other")
    before = len(os.listdir("/dev/fd"))
    flood = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(150)]
    assert settled(lambda: len(os.listdir("/dev/fd")) >= before + 150 + 40)
    share = narrow.app.listeners.share("job")
    assert len(share.all) == 40
    assert health(narrow) == 200
    with socket.create_connection(("127.0.0.1", other), 10) as sock:
        assert b"403 Forbidden" in ask(sock)  # it answers: without a signature
    for each in flood:
        each.close()
    close()
    close_other()


def test_silent_connections_to_the_ports_give_way_to_who_asks(
    narrow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of jobs in process mode, which come by the ports as everyone does."""
    share = narrow.app.listeners._outside
    monkeypatch.setattr(share, "limits", replace(share.limits, settled=0.0))

    class Small(Descriptors):
        def past(self, part: float, known: int) -> bool:
            return len(share.all) >= 20

    monkeypatch.setattr(share, "table", Small(20))
    flood = [socket.create_connection(("127.0.0.1", narrow.app.port), 10) for _ in range(60)]
    for _ in range(5):
        assert health(narrow) == 200
    assert len(share.all) <= 20
    for each in flood:
        each.close()


def test_one_jobs_operations_leave_threads_for_others(narrow: Any, tmp_path: Path) -> None:
    port, close = attached(narrow, tmp_path)
    begun, go, most = threading.Semaphore(0), threading.Event(), []
    real = narrow.world.operations["sts", "GetCallerIdentity"]
    running: set[int] = set()

    def slow(ctx: Any, request: Any) -> Any:
        if ctx.caller == narrow.world.credentials.user_caller:
            return real(ctx, request)
        running.add(threading.get_ident())
        most.append(len(running))
        begun.release()
        go.wait(20)
        running.discard(threading.get_ident())
        return real(ctx, request)

    narrow.world.operations["sts", "GetCallerIdentity"] = slow
    role = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
    begun_as = principals.service_session(narrow.world, role)
    session = narrow.world.credentials.issue(begun_as, 600)
    keys = {
        "aws_access_key_id": session.access_key,
        "aws_secret_access_key": session.secret,
        "aws_session_token": session.token,
    }
    sts = narrow.client("sts", endpoint_url=f"http://127.0.0.1:{port}", **keys)
    threads = [threading.Thread(target=sts.get_caller_identity) for _ in range(8)]
    try:
        for thread in threads:
            thread.start()
        assert begun.acquire(timeout=10)
        assert begun.acquire(timeout=10)
        assert narrow.client("sts").get_caller_identity()["Account"] == "123456789012"
        assert len(running) == 2
    finally:
        go.set()
        for thread in threads:
            thread.join(20)
        narrow.world.operations["sts", "GetCallerIdentity"] = real
        close()
    assert len(most) == 8
    assert max(most) == 2


def test_large_bodies_of_one_job_are_received_some_at_a_time(narrow: Any, tmp_path: Path) -> None:
    port, close = attached(narrow, tmp_path)
    share = narrow.app.listeners.share("job")
    share.bodies = asyncio.Semaphore(1)
    body = json.dumps({"NameContains": "x" * 300_000}).encode()
    given = {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": "application/x-amz-json-1.1"}
    found = wire.headers(narrow, "POST", "/", given, "sagemaker", body)
    head = wire.head_of("POST", "/", {**found, "Content-Length": str(len(body))})

    def connect() -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), 10)

    with connect() as first, connect() as second, connect() as third:
        first.sendall(head + body[:1000])
        assert settled(share.bodies.locked)
        second.sendall(head + body)
        assert b"403 Forbidden" in ask(third)  # what has no large body does not wait
        second.settimeout(0.2)
        with pytest.raises(TimeoutError):
            second.recv(100)
        first.sendall(body[1000:])
        assert b"HTTP/1.1 400" in first.recv(100)  # it is too long a name
        second.settimeout(10)
        assert b"HTTP/1.1 400" in second.recv(100)
    close()


def test_descriptors_above_1023_can_be_dialled() -> None:
    if connections.raise_limit() <= 1500:
        pytest.skip("this host allows too few open files")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname(), 10) as plain:
            number = fcntl.fcntl(plain.fileno(), fcntl.F_DUPFD, 1500)
        with socket.socket(fileno=number) as high:
            assert high.fileno() >= 1500
            assert dial._writable(high, 1.0)
