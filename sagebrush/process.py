"""The server's process: the thread that answers HTTP, the sweeper, and its life under signals."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import logging
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Protocol

from sagebrush.engine import retention
from sagebrush.protocol import connections, listen
from sagebrush.protocol.access_log import Redacting
from sagebrush.protocol.server import Server
from sagebrush.store import catalog
from sagebrush.world import World

log = logging.getLogger(__name__)


class Http:
    """The ports, and the thread whose event loop answers what comes in by them."""

    def __init__(
        self,
        server: Server,
        listeners: listen.Listeners,
        world: World,
        turn: Callable[[asyncio.AbstractEventLoop | None], None],
    ) -> None:
        """`turn(events)` is called in the thread before the first request is answered, and
        `turn(None)` once no more are to come."""
        self._server = server
        self._listeners = listeners
        self._world = world
        self._turn = turn
        self._plain: list[socket.socket] = []
        self._secure: list[socket.socket] = []
        self._own_addresses: dict[str, socket.socket] = {}
        self._port = 0
        self._context: ssl.SSLContext | None = None
        self._events: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    def bind(self, plain: Sequence[str], secure: Sequence[str], port: int) -> tuple[int, int]:
        """The ports for plain HTTP and for TLS, bound at these addresses: `port` and the one after
        it, or any two where it is 0. Raises OSError for a busy one; none is bound then."""
        self._plain, self._port = listen.bind(plain, port)
        try:
            self._secure, tls_port = listen.bind(secure, self._port + 1 if port else 0)
        except OSError:
            self._close_sockets()
            raise
        return self._port, tls_port

    def start(self, context: ssl.SSLContext) -> None:
        """Requests are answered. Raises what kept the thread from it."""
        self._context = context
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self, timeout: float) -> None:
        """Requests that ran have ended or had `timeout` seconds, and the ports are free."""
        if self._events is not None:
            self._events.call_soon_threadsafe(self._ended.set)
            self._thread.join(timeout)
        self._close_sockets()

    def listen_at(self, address: str) -> None:
        """A notebook's own loopback address takes plain HTTP; connections wait from now on."""
        events = self._events
        if address in self._own_addresses or events is None:
            return
        try:
            (sock,), _ = listen.bind([address], self._port)
        except OSError as error:
            everywhere = self._world.settings.host == "0.0.0.0"
            taken = address in self._own_addresses or everywhere
            if error.errno != errno.EADDRINUSE or not taken:
                log.warning("a notebook's address %s cannot be listened at: %s", address, error)
            return
        if self._own_addresses.setdefault(address, sock) is not sock:
            sock.close()
            return
        events.call_soon_threadsafe(self._listeners.serve, [sock], self._server.answer, None)

    def _run(self) -> None:
        try:
            import uvloop

            make = uvloop.new_event_loop
        except ImportError:  # Windows has none
            make = asyncio.new_event_loop
        with asyncio.Runner(loop_factory=make) as runner:
            try:
                runner.run(self._main())
            except BaseException as error:
                self._failure = error
                log.exception("the HTTP server ended")
            finally:
                self._ready.set()

    async def _main(self) -> None:
        events = asyncio.get_running_loop()
        events.set_default_executor(ThreadPoolExecutor(16, thread_name_prefix="io"))
        self._ended = asyncio.Event()
        self._listeners.serve(self._plain, self._server.answer, None)
        self._listeners.serve(self._secure, self._server.answer, self._context)
        self._turn(events)
        self._events = events
        self._ready.set()
        await self._ended.wait()
        self._turn(None)
        await self._server.leave()
        await self._listeners.close(5.0)
        self._world.endpoints.close()
        await asyncio.sleep(0)  # what was closed is, before the loop is

    def _close_sockets(self) -> None:
        for sock in (*self._plain, *self._secure, *self._own_addresses.values()):
            sock.close()


class Sweeper:
    """The thread that removes what no row names any more, and what is past its time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweep", daemon=True)

    def start(self) -> None:
        """It sweeps now, and once a day."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """It begins no further sweep."""
        self._stopping.set()

    def join(self) -> None:
        """It has ended."""
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        """Bodies that a crash left without a row are gone; once a day, what is past its time too."""
        found = catalog.Outside(self._world.db)
        removed = self._world.objects.sweep(lambda names: catalog.live_blobs(found, names))
        if removed:
            log.info("%d bodies without an object were removed", removed)
        while True:
            try:
                retention.expire(self._world)
            except Exception:  # a full disk, say: the next day tries again
                log.exception("what is past its time could not be removed")
            if self._stopping.wait(retention.DAY):
                return


class Served(Protocol):
    """A server that `run` brings up and down (`app.App`)."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def stop_jobs(self, impatient: Callable[[], bool]) -> None: ...

    def state(self) -> dict[str, Any]: ...


def run(home: Path, build: Callable[[], Served], ready: Callable[[dict[str, Any]], None]) -> int:
    """Serves what `build` makes until a signal says to end; the exit status.

    `ready(state)` is called once it answers; `state` (`App.state`) is what `home/server.json` holds
    from then to the end (0600, written by rename). SIGINT and SIGTERM: jobs are stopped as
    StopTrainingJob does (and finish their upload), endpoint workers stop, then it ends; a second
    signal does not wait. SIGUSR1 (`down --keep-jobs`): ends at once, all that runs goes on. Raises
    OSError(EADDRINUSE) when the port is taken, SettingsError when the address must not be bound so,
    and a RuntimeError naming the pid when another server holds the data directory.
    """
    signals: list[int] = []
    told = threading.Event()

    def hear(number: int, _frame: object) -> None:
        signals.append(number)
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, hear)
    connections.raise_limit()
    app = build()
    handler = _log_to(home / "logs" / "server.log")
    file = home / "server.json"
    try:
        app.start()
        # what was built lives as long as the server: a full collection need not walk it each time,
        # which would hold up answers for some 40 ms
        gc.collect()
        gc.freeze()
        state = app.state()
        _replace(file, json.dumps(state))
        told_of = {k: state[k] for k in ("version", "pid", "port", "tls_port", "isolation")}
        log.info("it answers: %s", json.dumps(told_of))
        ready(state)
        while not told.wait(3600):
            pass
        log.info("it ends, asked by signal %d", signals[0])
        if signal.SIGUSR1 not in signals:
            before = len(signals)
            app.stop_jobs(lambda: len(signals) > before)
    finally:
        file.unlink(missing_ok=True)
        app.stop()
        logging.getLogger("sagebrush").removeHandler(handler)
    return 0


def _log_to(path: Path) -> logging.Handler:
    """What Sagebrush's modules log goes to `path`, without secrets."""
    handler = RotatingFileHandler(path, maxBytes=16 * 1024 * 1024, backupCount=2)
    handler.setFormatter(Redacting("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("sagebrush")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return handler


def _replace(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)
