"""The composition root: Settings -> World -> HTTP application and loop. Nobody imports it."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import gc
import itertools
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from aiohttp import web

from sagebrush import __version__, clientdata, registry, tls
from sagebrush.access import principals
from sagebrush.access.dispatch import Dispatcher
from sagebrush.compute.backends import LocalOrContainer
from sagebrush.compute.base import Spec
from sagebrush.compute.containers.backend import OciBackend
from sagebrush.compute.containers.engines import Engines
from sagebrush.compute.local import probe
from sagebrush.compute.local.backend import LocalBackend
from sagebrush.compute.shim import companion_process
from sagebrush.credentials import CredentialBook
from sagebrush.engine import retention, shutdown, usage
from sagebrush.engine.loop import Loop
from sagebrush.environments.store import Environments
from sagebrush.gates import metadata
from sagebrush.gates.containers import Bridge
from sagebrush.gates.egress import HEAD_LIMIT, Egress
from sagebrush.gates.notebook_gate import Gate
from sagebrush.protocol import connections, listen
from sagebrush.protocol.access_log import AccessLog, Redacting
from sagebrush.protocol.hosts import Hosts
from sagebrush.protocol.server import OWN, Door
from sagebrush.routing import endpoints, notebooks
from sagebrush.settings import Settings
from sagebrush.store import catalog
from sagebrush.store.db import Db
from sagebrush.store.home import Home
from sagebrush.store.objects import ObjectStore
from sagebrush.store.rows import Rows
from sagebrush.store.series import Series
from sagebrush.store.streams import Streams
from sagebrush.workload import launch
from sagebrush.world import World

log = logging.getLogger(__name__)


class App:
    """A server in this process: `start` returns once it answers, `stop` once it does not."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        os.umask(0o077)
        self.settings = settings
        self._plain, self._secure = listen.addresses(settings)
        self.home = Home(settings.home)
        try:
            self._build(clock)
        except BaseException:
            self.home.release()
            raise

    def _build(self, clock: Callable[[], float]) -> None:
        settings = self.settings
        kinds = registry.kinds()
        self.dispatcher = Dispatcher()
        jobs, engines = settings.home / "jobs", Engines()
        known = engines.known if settings.containers == "auto" else None
        isolation = probe.choose(settings.isolation)
        self.backend = LocalOrContainer(
            LocalBackend(
                jobs,
                self._attach,
                self._changed,
                isolation,
                self._outside,
                lambda: probe.networked().ok,
            ),
            OciBackend(jobs, engines, self._changed, lambda *asked: self._bridge.variables(*asked)),
        )
        db = Db(self.home.database)
        self.world = World(
            settings=settings,
            clock=clock,
            db=db,
            rows=Rows(db, clock),
            objects=ObjectStore(settings.home / "objects"),
            series=Series(db),
            streams=Streams(db, clock),
            backend=self.backend,
            environments=Environments(settings.environments, containers=known),
            credentials=CredentialBook(
                settings.home / "keys", settings.account, settings.role, clock
            ),
            operations=registry.operations(),
            before_body=registry.before_body(),
            dispatch=self.dispatcher,
            kinds={name: kind.running for name, kind in kinds.items() if kind.running},
        )
        self.loop = Loop(self.world, {name: kind for name, kind in kinds.items() if kind.reconcile})
        self.world.wake = self.loop.wake
        self.access = AccessLog(settings.home / "logs" / "access.log")
        hosts = Hosts(settings)
        self.door = Door(self.world, self.access, hosts, Gate(self.world, hosts))
        self.port = self.tls_port = 0
        self._sockets: list[socket.socket] = []
        self._stopped = False
        self._stopping = threading.Event()
        table = connections.Descriptors(connections.limit())
        inside = connections.of_sandbox(table, settings.job_connections, settings.request_threads)
        self._listeners = listen.Listeners(table, inside)
        self._bridge = Bridge(self.door, self._listeners, self.world)
        self._egress = Egress(settings.egress_allow)
        self._numbers = itertools.count()
        self._events: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)
        self._sweeper = threading.Thread(target=self._sweep, name="sweep", daemon=True)
        self._usage = usage.Sampler(self.world)
        self._ready = threading.Event()
        self._own_addresses: dict[str, socket.socket] = {}
        self._failure: BaseException | None = None

    # Life -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """It answers on `port` and `tls_port`, and the loop runs.

        Raises OSError for a busy port; it is stopped then.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        plain, self.port = listen.bind(self._plain, self.settings.port)
        try:
            wanted = self.port + 1 if self.settings.port else 0
            secure, self.tls_port = listen.bind(self._secure, wanted)
        except OSError:
            for sock in plain:
                sock.close()
            raise
        self._sockets = [*plain, *secure]
        self.world.ports = (self.port, self.tls_port)
        now = dt.datetime.fromtimestamp(time.time(), dt.UTC)
        outer = [h for h in (*self.settings.hosts, self.settings.host) if h not in tls.LOOPBACK]
        outer = [h for h in outer if h not in ("0.0.0.0", "::")]
        self._context = tls.ensure(self.settings.home / "keys", outer, now).context()
        clientdata.write(
            self.settings.home / "client",
            self.settings.account,
            self.settings.region,
            self.tls_port,
        )
        launch.prepare(self.world)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        self.backend.adopt()
        notebooks.of(self.world).listen_by(self._listen_at)
        retention.sweep(self.world)
        # Workers and jobs may have ended since the last server did, or with the machine.
        facts = self.world.kinds.items()
        self.world.rows.take_over({name: kind.ended for name, kind in facts})
        self.loop.start()
        self._sweeper.start()
        self._usage.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Requests that run have ended or had `timeout` seconds; jobs go on; files are closed.

        Stopping twice is fine.
        """
        if self._stopped:
            return
        self._stopped = True
        self._stopping.set()
        self._usage.stop()
        self.loop.stop(timeout)
        if self._events is not None:
            self._events.call_soon_threadsafe(self._ended.set)
            self._thread.join(timeout + 10)
            endpoints.of(self.world).flush()
        for sock in (*self._sockets, *self._own_addresses.values()):
            sock.close()
        self.backend.close()
        self._egress.close()
        self.door.close()
        self.world.objects.close()
        if self._sweeper.ident is not None:
            self._sweeper.join()
        self.world.db.close()
        self.access.close()
        self.home.release()

    def stop_jobs(self, impatient: Callable[[], bool]) -> None:
        """Everything that runs has been stopped and stored, or `impatient()` became true before."""
        shutdown.stop_jobs(self.world, self.loop, self.backend, impatient)

    def state(self) -> dict[str, Any]:
        """What `home/server.json` holds."""
        settings = self.settings
        return {
            "pid": os.getpid(),
            "host": settings.host,
            "port": self.port,
            "tls_port": self.tls_port,
            "home": str(settings.home),
            "version": __version__,
            "account": settings.account,
            "region": settings.region,
            "isolation": self.backend.isolation,
            "started": time.time(),
            "warnings": self._warnings(),
        }

    def _warnings(self) -> list[str]:
        found = []
        if self.backend.isolation == "process":
            found.append(
                "jobs are not isolated from this machine or each other (process mode):"
                " run your own code only; `sagebrush doctor` tells why"
            )
        if self.settings.insecure and not self.settings.tls_only and len(self._plain) > 2:
            found.append(f"plain HTTP is open to other machines on {self.settings.host}")
        return found

    # The HTTP thread ------------------------------------------------------------------------------

    def _serve(self) -> None:
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
        plain = [sock for sock in self._sockets if sock.getsockname()[1] == self.port]
        secure = [sock for sock in self._sockets if sock not in plain]
        self._listeners.serve(plain, self.door.answer, None)
        self._listeners.serve(secure, self.door.answer, self._context)
        self.dispatcher.loop = self._events = events
        self._bridge.start(events, self.port, self._context)
        self._ready.set()
        await self._ended.wait()
        self.dispatcher.loop = None
        await self.door.leave()
        await self._listeners.close(5.0)
        endpoints.of(self.world).close()
        await asyncio.sleep(0)  # what was closed is, before the loop is

    def _listen_at(self, address: str) -> None:
        """A notebook's own loopback address takes plain HTTP; connections wait from now on."""
        events = self._events
        if address in self._own_addresses or events is None:
            return
        try:
            (sock,), _ = listen.bind([address], self.port)
        except OSError as error:
            taken = address in self._own_addresses or self.settings.host == "0.0.0.0"
            if error.errno != errno.EADDRINUSE or not taken:
                log.warning("a notebook's address %s cannot be listened at: %s", address, error)
            return
        if self._own_addresses.setdefault(address, sock) is not sock:
            sock.close()
            return
        events.call_soon_threadsafe(self._listeners.serve, [sock], self.door.answer, None)

    def _sweep(self) -> None:
        """Bodies that a crash left without a row are gone; once a day, what is past its time too."""
        found = catalog.Outside(self.world.db)
        removed = self.world.objects.sweep(lambda names: catalog.live_blobs(found, names))
        if removed:
            log.info("%d bodies without an object were removed", removed)
        while True:
            try:
                retention.expire(self.world)
            except Exception:  # a full disk, say: the next day tries again
                log.exception("what is past its time could not be removed")
            if self._stopping.wait(retention.DAY):
                return

    # Jobs -----------------------------------------------------------------------------------------

    def _attach(self, spec: Spec, listener: str, sock: socket.socket) -> Callable[[], None]:
        """The job's listener is served; the function that ends that, for when the job has."""
        events = self._events
        if events is None:
            raise RuntimeError("the server does not run")
        key = f"{spec.key}/{listener}/{next(self._numbers)}"
        # in the event loop's own thread: aiohttp's servers belong to the loop that makes them
        events.call_soon_threadsafe(self._adopt, key, spec, listener, sock)

        def close() -> None:
            if not events.is_closed():
                events.call_soon_threadsafe(self._listeners.drop, key)

        return close

    def _adopt(self, key: str, spec: Spec, listener: str, sock: socket.socket) -> None:
        handler: listen.Handler | None = {
            "aws": self.door.answer_inside,
            "credentials": self._role_credentials(spec.role),
            "metadata": _metadata(metadata.Metadata(self.world, spec)),
            companion_process.LISTENER: self.door.answer,
        }.get(listener)
        share = self._listeners.share(spec.key)
        if handler is None:
            factory = listen.streams(
                partial(self._egress.handle, lookups=share.lookups), HEAD_LIMIT
            )
        else:
            factory = listen.web_server(handler, listen.SMALL)
        context = self._context if listener == "aws" else None
        self._listeners.adopt(key, sock, factory, share, context)

    def _outside(self, spec: Spec) -> dict[str, str]:
        """How a job in process mode, which has no listeners of its own, reaches AWS as its role."""
        url = f"http://127.0.0.1:{self.port}"
        return {
            "AWS_ENDPOINT_URL": url,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}{OWN}credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.world.credentials.container_token(spec.role),
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        }

    def _role_credentials(self, role: str) -> listen.Handler:
        async def answer(raw: web.BaseRequest) -> web.StreamResponse:
            if not role or raw.method != "GET" or not raw.path.startswith("/v2/credentials/"):
                return web.Response(status=404)
            return web.json_response(principals.service_credentials(self.world, role))

        return answer

    def _changed(self, key: str) -> None:
        self.loop.changed(key)


def _metadata(service: metadata.Metadata) -> listen.Handler:
    async def answer(raw: web.BaseRequest) -> web.StreamResponse:
        reply = service.answer(raw.method, raw.path, raw.headers)
        return web.Response(status=reply.status, text=reply.body, headers=dict(reply.headers))

    return answer


def build(settings: Settings, clock: Callable[[], float] = time.time) -> App:
    """A server for these settings, not started; its directories and keys are there."""
    return App(settings, clock)


def run(settings: Settings, ready: Callable[[dict[str, Any]], None]) -> int:
    """Serves until told to end; the exit status.

    `ready(state)` is called once it answers; `state` is what `home/server.json` holds (0600,
    written by rename, removed at the end): pid, host, port, tls_port, home, version, account,
    region, isolation, started, warnings (texts for the banner). SIGINT and SIGTERM: training jobs
    are stopped as StopTrainingJob does (and finish their upload), endpoint workers stop, then it
    ends; a second SIGINT does not wait. SIGUSR1 (`down --keep-jobs`): ends at once, all that runs
    goes on. Raises OSError(EADDRINUSE) when the port is taken, SettingsError when the address must
    not be bound so, and a RuntimeError naming the pid when another server holds the data directory.
    """
    signals: list[int] = []
    told = threading.Event()

    def hear(number: int, _frame: object) -> None:
        signals.append(number)
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, hear)
    connections.raise_limit()
    app = build(settings)
    handler = _log_to(settings.home / "logs" / "server.log")
    file = settings.home / "server.json"
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
