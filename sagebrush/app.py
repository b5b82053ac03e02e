"""The composition root: Settings -> World -> server, loop and gates. All are constructed here."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sagebrush import __version__, clientdata, process, registry, tls
from sagebrush.access import principals, users
from sagebrush.access.dispatch import Dispatcher
from sagebrush.compute import host
from sagebrush.compute.backends import LocalOrContainer
from sagebrush.compute.containers.backend import OciBackend
from sagebrush.compute.containers.engines import Engines
from sagebrush.compute.local import fuse, overlayfs, probe
from sagebrush.compute.local.backend import LocalBackend
from sagebrush.credentials import CredentialBook
from sagebrush.engine import retention, shutdown, usage
from sagebrush.engine.executions import Executing
from sagebrush.engine.loop import Loop
from sagebrush.engine.outbox import Outbox
from sagebrush.engine.reset import Reset
from sagebrush.environments.builds import LayerBuilds
from sagebrush.environments.store import Environments
from sagebrush.errors import Doc
from sagebrush.facts import Running
from sagebrush.gates.containers import Bridge
from sagebrush.gates.function_urls import FunctionUrls
from sagebrush.gates.notebook_gate import Gate
from sagebrush.gates.sandbox import Sandboxes
from sagebrush.protocol import connections, listen
from sagebrush.protocol.access_log import AccessLog
from sagebrush.protocol.hosts import Hosts
from sagebrush.protocol.server import Server
from sagebrush.routing.backlog import Backlogs
from sagebrush.routing.backlog_metrics import BacklogMetrics
from sagebrush.routing.capture.captures import Captures
from sagebrush.routing.endpoints import Endpoints
from sagebrush.routing.forward import Forward
from sagebrush.routing.function_counts import FunctionCounts
from sagebrush.routing.functions.containers import Containers
from sagebrush.routing.functions.functions import Functions
from sagebrush.routing.functions.images import Images
from sagebrush.routing.health import Health
from sagebrush.routing.notebooks import Notebooks
from sagebrush.routing.tallies import Tallies
from sagebrush.routing.unit_counts import UnitCounts
from sagebrush.samples.downloads import Samples
from sagebrush.samples.remote import Remote
from sagebrush.services.lambda_.workers import Workers
from sagebrush.services.sagemaker_runtime.processing import Processing
from sagebrush.services.states.doer import Doer
from sagebrush.services.states.map_runs.running import MapRuns
from sagebrush.services.states.port import StatesPort
from sagebrush.services.states.program import KIND as STATES
from sagebrush.services.states.tasks.doing import ServiceTasks
from sagebrush.settings import Settings
from sagebrush.store.db import Db
from sagebrush.store.deliveries import Deliveries
from sagebrush.store.derived import Derived
from sagebrush.store.edges import EdgeReader
from sagebrush.store.events import Events
from sagebrush.store.executions import Executions
from sagebrush.store.home import Home
from sagebrush.store.messages import Messages
from sagebrush.store.news import News
from sagebrush.store.objects import ObjectStore
from sagebrush.store.rows import Rows
from sagebrush.store.series import Series
from sagebrush.store.streams import Streams
from sagebrush.workload import captured, launch
from sagebrush.workload.function_images import ImagePlaces
from sagebrush.workload.functions import Places
from sagebrush.world import World

ASIDES = 16
"""Threads in which asynchronous requests wait for the disk."""


class App:
    """A server in this process: `start` returns once it answers, `stop` once it has ended."""

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
        # these refuse to start, and come before anything that would have to be closed; the trial of
        # the sandbox waits for a process of its own
        with ThreadPoolExecutor(1) as beside:
            trial = beside.submit(probe.choose, settings.isolation)
            found = registry.modules()
            kinds, self._operations = registry.kinds(found), registry.operations(found)
        isolation = trial.result()
        self._before_body = registry.before_body(found)
        self._sources, self._derived = registry.event_sources(found), registry.derived(found)
        consumers, self._interest = registry.event_consumers(found)
        self.dispatcher = Dispatcher()
        jobs, engines = settings.home / "jobs", Engines()
        known = engines.known if settings.containers == "auto" else None
        self.backend = LocalOrContainer(
            LocalBackend(
                jobs,
                lambda *asked: self.sandboxes.attach(*asked),
                lambda key: self.loop.changed(key),
                isolation,
                lambda spec: self.sandboxes.outside(spec),
                lambda: probe.networked().ok,
            ),
            OciBackend(
                jobs,
                engines,
                lambda key: self.loop.changed(key),
                lambda *asked: self._bridge.variables(*asked),
            ),
            lambda: self.world.db.generations.check(),
        )
        running = {name: kind.running for name, kind in kinds.items() if kind.running}
        self.world = self._world(clock, running, known)
        self.loop = Loop(self.world, {name: kind for name, kind in kinds.items() if kind.reconcile})
        self.world.wake = self.loop.wake
        self._build_executing()
        self.outbox = Outbox(self.world, consumers, ends=registry.delivery_ends(found))
        self.world.reset = self._reset = Reset(self.world, self.loop, self.outbox, self.backend)
        self.access = AccessLog(settings.home / "logs" / "access.log")
        hosts = Hosts(settings)
        self.server = Server(
            self.world, self.access, hosts, Gate(self.world, hosts), FunctionUrls(self.world)
        )
        table = connections.Descriptors(connections.limit())
        inside = connections.of_sandbox(table, settings.job_connections, settings.request_threads)
        self.listeners = listen.Listeners(table, inside)
        self.sandboxes = Sandboxes(self.server, self.listeners, self.world)
        self._bridge = Bridge(self.server, self.listeners, self.world)
        self._http = process.Http(self.server, self.listeners, self.world, self._turn)
        self._sweeper = process.Sweeper(self.world)
        self._build_asynchronous(clock)
        self.workers = Workers(self.world)
        self._usage = usage.Sampler(self.world)
        self.port = self.tls_port = 0
        self._stopped = False

    def _build_asynchronous(self, clock: Callable[[], float]) -> None:
        """What carries out the requests of asynchronous endpoints."""
        self._asides = ThreadPoolExecutor(ASIDES, thread_name_prefix="asynchronous")
        metrics = BacklogMetrics(self.world.series, self._asides)
        self._processing = Processing(self.world, metrics, self._asides)
        self._backlogs = Backlogs(
            self.world.messages,
            self.world.endpoints,
            metrics,
            clock,
            self.world.db.generations.begin,
        )

    def _build_executing(self) -> None:
        """What moves executions of state machines on, and what does their work."""
        self._tasks = ServiceTasks(self.world)
        self._map_runs = MapRuns(self.world)
        doers: dict[str, Doer] = {
            "Task": self._tasks,
            "LambdaFunction": self._tasks,
            "MapRun": self._map_runs,
        }
        self.executing = Executing(self.world, {STATES: StatesPort(self.world, doers)})
        self.world.executing = self.executing

    def _world(
        self,
        clock: Callable[[], float],
        running: Mapping[str, Running],
        containers: Callable[[str], bool] | None,
    ) -> World:
        settings, keys, db = self.settings, self.settings.home / "keys", Db(self.home.database)
        rows, series = Rows(db, clock), Series(db)
        events, news = Events(db, clock, self._sources, self._interest), News()
        derived = Derived(rows, self._derived)
        rows.changed = lambda tx, old, new: (
            events.changed(tx, old, new), news.changed(tx, old, new), derived.changed(tx, old, new),
        )  # fmt: skip

        def due(row_id: int) -> None:
            rows.touch(row_id)
            self.world.wake()

        measured, objects = host.measure(), ObjectStore(settings.home / "objects")
        endpoints, tallies = Endpoints(self.backend), Tallies(series, clock)
        remote = Remote() if settings.sample_data == "auto" else None
        return World(
            settings=settings,
            clock=clock,
            db=db,
            rows=rows,
            edges=EdgeReader(db.read),
            objects=objects,
            series=series,
            streams=Streams(db, clock),
            messages=Messages(db, clock),
            executions=Executions(db, clock),
            events=events,
            deliveries=Deliveries(db, clock),
            news=news,
            samples=Samples(db, objects, remote, clock),
            backend=self.backend,
            environments=Environments(settings.environments, containers=containers),
            host=measured,
            fuse_lacking=functools.cache(fuse.lacking),
            overlayfs_lacking=functools.cache(lambda: overlayfs.lacking(settings.home / "jobs")),
            layers=LayerBuilds(),
            endpoints=endpoints,
            forward=Forward(endpoints, tallies, rows, due, clock),
            captures=Captures(settings.home / "captures", clock, self._capture),
            tallies=tallies,
            health=Health(self.backend, clock, due),
            notebooks=Notebooks(settings, rows, self.backend, clock),
            function_counts=FunctionCounts(series, clock),
            unit_counts=UnitCounts(series, clock),
            functions=self._functions(measured, clock),
            credentials=CredentialBook(
                keys, settings.account, settings.role, clock, users.holder(rows, settings.role)
            ),
            operations=self._operations,
            before_body=self._before_body,
            dispatch=self.dispatcher,
            kinds=running,
            begin=self.dispatcher.begin,
        )

    def _functions(self, measured: host.Host, clock: Callable[[], float]) -> Functions:
        def credentials(role: str, name: str) -> Mapping[str, str]:
            return principals.service_credentials(self.world, role, name)

        home, on = self.settings.home, self.settings.containers == "auto"
        places = Places(
            home,
            lambda: self.world,
            self.backend.local.launcher,
            credentials,
            lambda spec: self.sandboxes.outside(spec),
        )
        engines = self.backend.containers.engines if on else None
        containers = Containers(Images(engines), ImagePlaces(home, credentials), home / "jobs")
        return Functions(
            home / "function-runtimes",
            measured,
            places,
            lambda version, stream, key: self.world.streams.register(
                version.account, version.region, version.log_group, stream, key
            ),
            containers,
            clock,
        )

    def _capture(self, of: Doc, destination: str, key: str, content: bytes) -> None:
        captured.store(self.world, of, destination, key, content)

    # Life -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts to answer on `port` and `tls_port`, and to reconcile rows.

        Raises OSError if a port is in use; everything is stopped then.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        settings = self.settings
        self.port, self.tls_port = self._http.bind(self._plain, self._secure, settings.port)
        self.world.ports = (self.port, self.tls_port)
        now = dt.datetime.fromtimestamp(time.time(), dt.UTC)
        ours = {*tls.LOOPBACK, "0.0.0.0", "::"}
        outer = [name for name in (*settings.hosts, settings.host) if name not in ours]
        self._context = tls.ensure(settings.home / "keys", outer, now).context()
        client = settings.home / "client"
        clientdata.write(client, self.tls_port)
        launch.prepare(self.world)
        self._reset.go_on()  # before anyone can store what it would delete
        self.workers.resume()
        self._http.start(self._context)
        retention.end_strangers(self.world, self.backend.adopt())
        self._backlogs.resume(self.world.rows)
        self.world.notebooks.listen_by(self._http.listen_at)
        retention.sweep(self.world)
        # Workers and jobs may have ended since the last server did, or with the machine.
        facts = self.world.kinds.items()
        self.world.rows.take_over({name: kind.ended for name, kind in facts})
        self.loop.start()
        self.executing.start()
        self.outbox.start()
        self.world.captures.start()
        self._sweeper.start()
        self._usage.start()

    def _turn(self, events: asyncio.AbstractEventLoop | None) -> None:
        """Hands the event loop to what uses it, or takes it away (None); in the loop's thread."""
        self.dispatcher.loop = events
        if events is not None:
            self.world.endpoints.use(events)
            self._backlogs.start(events, self._processing)
            self._bridge.start(events, self.port, self._context)
            self.sandboxes.start(events, self.port, self._context)
            self.world.functions.use(events, self.sandboxes.serve)
            self.workers.start(events)
        else:
            self.world.functions.close()

    def stop(self, timeout: float = 10.0) -> None:
        """Stops the server: requests have `timeout` seconds to end, jobs go on, files are closed.

        Repeatable.
        """
        if self._stopped:
            return
        self._stopped = True
        self._sweeper.ask_to_stop()
        self._usage.stop()
        self._backlogs.stop()
        self.workers.stop()
        self.outbox.stop(timeout)
        self.loop.stop(timeout)
        self.executing.stop(timeout)
        self._tasks.close()
        self._map_runs.close()
        self.world.messages.close()  # requests that wait for one answer now
        self._http.stop(timeout + 10)
        self.world.tallies.flush()
        self.world.function_counts.flush()
        self.world.unit_counts.flush()
        self._asides.shutdown()
        self.world.captures.stop()
        self.backend.close()
        self.sandboxes.close()
        self.server.close()
        self.world.samples.close()
        self.world.objects.close()
        self._sweeper.join()
        self.world.db.close()
        self.access.close()
        self.home.release()

    def stop_jobs(self, impatient: Callable[[], bool]) -> None:
        """Stops and stores all that runs; returns early once `impatient()` is true."""
        self._backlogs.stop()  # their replicas' ends are no answers
        shutdown.stop_jobs(self.world, self.loop, self.backend, impatient)

    def state(self) -> dict[str, Any]:
        """Returns the content of `home/server.json`; `warnings` are texts for the banner."""
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


def build(settings: Settings, clock: Callable[[], float] = time.time) -> App:
    """Returns a server for these settings, not started; its directories and keys exist."""
    return App(settings, clock)


def run(settings: Settings, ready: Callable[[dict[str, Any]], None]) -> int:
    """Runs a server until a signal ends it (`process.run`); returns the exit status."""
    return process.run(settings.home, lambda: build(settings), ready)
