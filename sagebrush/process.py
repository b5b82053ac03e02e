"""The server process: the HTTP thread, the sweeper thread, and `run`, which handles signals."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import logging
import signal
import socket
import ssl
import sys
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
COLLECT = (10_000, 20, 20)
"""When unreachable objects are collected (`gc.set_threshold`): what a request makes is freed by
reference counts, and Python's own 700 cost some 2 % of a small request."""


class Http:
    """The server's ports, and the thread whose event loop serves them."""

    def __init__(
        self,
        server: Server,
        listeners: listen.Listeners,
        world: World,
        turn: Callable[[asyncio.AbstractEventLoop | None], None],
    ) -> None:
        """`turn(events)` is called in the thread before the first request is answered, and
        `turn(None)` when the server begins to stop."""
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
        """Binds the ports for plain HTTP (`port`) and TLS (`port` + 1; any two if 0); returns them.

        Raises OSError if one is in use; neither is bound then.
        """
        self._plain, self._port = listen.bind(plain, port)
        try:
            self._secure, tls_port = listen.bind(secure, self._port + 1 if port else 0)
        except OSError:
            self._close_sockets()
            raise
        return self._port, tls_port

    def start(self, context: ssl.SSLContext) -> None:
        """Starts the thread; returns once it serves. Raises what made it fail."""
        self._context = context
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self, timeout: float) -> None:
        """Stops serving; running requests have `timeout` seconds to end. Frees the ports."""
        if self._events is not None:
            self._events.call_soon_threadsafe(self._ended.set)
            self._thread.join(timeout)
        self._close_sockets()

    def listen_at(self, address: str) -> None:
        """Serves plain HTTP on a notebook's loopback address too. Thread-safe, repeatable."""
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
    """The thread that removes orphaned bodies at the start, and what has expired once a day."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweep", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Keeps it from beginning another sweep."""
        self._stopping.set()

    def join(self) -> None:
        """Waits until the thread has ended, if it was started."""
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        # bodies that a crash left without a row
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
    """What `run` starts and stops (`app.App`)."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def stop_jobs(self, impatient: Callable[[], bool]) -> None: ...

    def state(self) -> dict[str, Any]: ...


def run(home: Path, build: Callable[[], Served], ready: Callable[[dict[str, Any]], None]) -> int:
    """Runs the server that `build` makes until a signal ends it; returns the exit status.

    `ready(state)` is called once it answers. `state` (`App.state`) is also in `home/server.json`
    (0600, written by rename) while the server runs. SIGINT and SIGTERM stop jobs as StopTrainingJob
    does (their uploads finish) and endpoints' workers first; a second one does not wait for them.
    SIGUSR1 (`down --keep-jobs`) ends the server at once and leaves jobs running. Raises
    OSError(EADDRINUSE) if a port is in use, SettingsError for an address that must not be bound,
    and RuntimeError with the pid if another server holds the data directory.
    """
    signals: list[int] = []

    def hear(number: int, _frame: object) -> None:
        signals.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, hear)
    connections.raise_limit()
    gc.set_threshold(*COLLECT)  # what is built is no garbage either
    app = build()
    handler = _log_to(home / "logs" / "server.log")
    file = home / "server.json"
    heard, wake = socket.socketpair()
    try:
        # a lock would miss a signal that comes just before the thread waits for it; a byte stays
        wake.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
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
        while not signals:
            heard.recv(64)
        log.info("it ends, asked by signal %d", signals[0])
        if signal.SIGUSR1 not in signals:
            before = len(signals)
            app.stop_jobs(lambda: len(signals) > before)
    finally:
        file.unlink(missing_ok=True)
        app.stop()
        signal.set_wakeup_fd(-1)
        heard.close()
        wake.close()
        logging.getLogger("sagebrush").removeHandler(handler)
    return 0


class LogFile(RotatingFileHandler):
    """A log that loses lines which a full disk has no room for, and says nothing of that: whoever started
    the server may not read what it prints, and a pipe that is full would hold it up."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def _log_to(path: Path) -> logging.Handler:
    """Writes the log of Sagebrush's modules to `path`, secrets redacted; returns the handler."""
    handler = LogFile(path, maxBytes=16 * 1024 * 1024, backupCount=2)
    handler.setFormatter(Redacting("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("sagebrush")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return handler


def _replace(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)
