"""Map runs: child executions begun as concurrency allows, their failures weighed, results gathered.

Nothing of a run is in memory but the children that run: items are read as they are needed, results lie
with the executions. A server that starts reads the items again from the first on; children have names
that follow from the run and their place, so that those which are there are found and not begun twice.
"""

from __future__ import annotations

import logging
import random
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from sagebrush.access import dispatch
from sagebrush.asl.failures import DATA_LIMIT, TOO_LARGE, StateError
from sagebrush.asl.map_runs import exceeded
from sagebrush.asl.steps import Began, MapRunEnded, StartMapRun, Stopped
from sagebrush.errors import AwsError, Doc
from sagebrush.services.states.map_runs import results, rows, writing
from sagebrush.services.states.map_runs.sources import READER_FAILED, ReaderFailed, Source
from sagebrush.services.states.program import KIND, Programs, plan_of, state_at
from sagebrush.services.states.tasks.answers import error_of
from sagebrush.services.states.tasks.names import s3_resource
from sagebrush.store.execution_values import RUNNING as CHILD_RUNS
from sagebrush.store.execution_values import New, Run, Work
from sagebrush.store.generations import Outdated
from sagebrush.store.rows import Exists, Row
from sagebrush.world import Ctx, World

log = logging.getLogger(__name__)

THREADS = 4
BURST = 100
"""Children that one turn begins at most: other runs have their turn."""
NAMES = uuid.UUID("b5f3f0de-31d7-4f4c-8f43-6a1a5b1d6f3e")
"""The name space of children's names."""
WRITER_FAILED = "States.ResultWriterFailed"
PERMISSIONS = "States.Permissions"
ABORTED = "ABORTED"


@dataclass
class _Ending:
    """The run ends once its children have: with this status and, where it failed, this error."""

    status: str
    error: str | None = None
    cause: str | None = None


@dataclass
class _Live:
    """A map run that goes on in this server. Changed by one thread at a time."""

    run: Run
    order: StartMapRun
    ctx: Ctx
    row: Row
    definition: str
    source: Source
    inputs: Iterator[tuple[int, str]]
    index: int = 0
    """Of the next child."""
    whole: bool = False
    """Whether all items were read."""
    running: dict[str, tuple[int, int]] = field(default_factory=dict)
    """ARN -> id and items of the children that run."""
    failed: int = 0
    """Items whose child did not succeed."""
    noted: int = 0
    """Items that the row tells of."""
    ending: _Ending | None = None
    stopping: bool = False
    """The state does not want the result any more."""
    inbox: deque[Run] = field(default_factory=deque)
    turning: bool = False
    """It has a turn, or will have one soon."""
    again: bool = False
    """It is to have another turn after the one that it has."""
    guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def where(self) -> tuple[int, str]:
        return self.run.id, self.order.key

    @property
    def arn(self) -> str:
        return self.order.spec["mapRunArn"]


class MapRuns:
    """Does map runs (`states.doer.Doer`)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="map-runs")
        self._programs = Programs(world.executions)
        self._lives: dict[tuple[int, str], _Live] = {}
        self._beginning: dict[tuple[int, str], bool] = {}
        """Runs that are about to begin, and whether they are to stop already."""
        self._guard = threading.Lock()

    def close(self) -> None:
        """No further child begins."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # ---- what executions ask

    def begin(self, run: Run, work: Work, again: bool) -> None:
        """The map run begins, or goes on where a server that was killed left it."""
        with self._guard:
            self._beginning[run.id, work.key] = False
        self._later(self._begin, run, work)

    def stop(self, run: Run, work: Work) -> None:
        """The map run is aborted: its children end."""
        self._later(self._stop, run, work)

    def _later(self, function: Callable[..., object], *given: Any) -> None:
        begun = self._world.db.generations.begun(function)
        try:
            self._pool.submit(self._logged, begun, *given)
        except RuntimeError:  # the server ends: the next one goes on
            log.debug("a map run is left to the next server")

    @staticmethod
    def _logged(function: Callable[..., object], *given: Any) -> None:
        try:
            function(*given)
        except Outdated:
            log.debug("a map run ended with a reset")
        except Exception:
            log.exception("a map run stopped short")

    # ---- beginning

    def _begin(self, run: Run, work: Work) -> None:
        try:
            live = self._live(run, work)
        except Outdated:
            raise
        except Exception as error:  # nobody is to wait forever
            log.exception("a map run of %s could not begin", run.arn)
            cause = f"Sagebrush could not begin the map run: {type(error).__name__}: {error}"
            ended = MapRunEnded(work.key, None, "States.Runtime", cause)
            self._world.executing.report(run.id, ended)
            return
        with self._guard:
            self._lives[live.where] = live
            if self._beginning.pop(live.where):
                live.stopping, live.ending = True, _Ending(ABORTED)
        if live.ending is None:
            self._allow(live)
        self._world.news.listen(live.row.parent, lambda: self._wake(live), every=True)
        self._wake(live)

    def _live(self, run: Run, work: Work) -> _Live:
        order = work.order
        assert isinstance(order, StartMapRun)
        plan = plan_of(run)
        path = (*plan.get("path", ()), *order.path)
        state = state_at(self._programs.machine(run.definition, ()), path)
        ctx = self._world.service_ctx(plan.get("role"), run.region, run.account)
        ctx = replace(ctx, request_id=str(uuid.uuid4()))
        now = self._world.clock()
        row = rows.new(run.account, run.region, run.arn, order.spec, now)
        try:
            row = self._world.rows.insert(row)
        except Exists:
            row = self._row(run, order)
        source = Source(ctx, state, order.spec, now, random.Random(order.spec["mapRunArn"]))
        definition = self._world.executions.definition(run.definition)
        return _Live(run, order, ctx, row, definition, source, source.inputs())

    def _allow(self, live: _Live) -> None:
        """The run ends where the machine's role may not start its machine's executions (guide, "IAM
        policies for using Distributed Map states")."""
        machine = plan_of(live.run).get("machine", "").partition("/")[0]
        try:
            dispatch.authorise(
                live.ctx, "stepfunctions", "StartExecution", {"stateMachineArn": machine}
            )
        except AwsError as error:
            live.ending = _Ending("FAILED", PERMISSIONS, error.message)

    def _row(self, run: Run, order: StartMapRun) -> Row:
        """The row of a run that is there already, which runs again where it was redriven."""
        row = rows.find(self._world, run.account, run.region, order.spec["mapRunArn"])
        assert row is not None
        redrives = order.spec.get("redrives", 0)
        if row.doc.get("redriveCount", 0) >= redrives:
            return row

        def change(old: Row) -> Row:
            doc = {name: value for name, value in old.doc.items() if name != "stopDate"}
            doc |= {"redriveCount": redrives, "redriveDate": self._world.clock()}
            return replace(old, status=rows.RUNNING, doc=doc)

        return self._world.rows.update(row.id, change) or row

    # ---- turns

    def _wake(self, live: _Live) -> None:
        """The run has a turn soon; one at a time."""
        with live.guard:
            if live.turning:
                live.again = True
                return
            live.turning = True
        self._later(self._turns, live)

    def _turns(self, live: _Live) -> None:
        with live.guard:
            live.again = False
        try:
            if self._lives.get(live.where) is live:
                self._turn(live)
        finally:
            with live.guard:
                again = live.turning = live.again
            if again:
                self._later(self._turns, live)

    def _turn(self, live: _Live) -> None:
        try:
            self._count(live)
            self._weigh(live)
            if live.ending is None:
                self._more(live)
                self._count(live)
                self._weigh(live)
                if not live.whole and len(live.running) < self._most(live):
                    self._wake(live)  # there is room: a burst was all, or some had ended before
        except StateError as error:
            self._give_up(live, error.name, error.cause)
        except ReaderFailed as error:
            self._give_up(live, READER_FAILED, str(error))
        except Outdated:
            raise
        except Exception as error:
            log.exception("%s fails", live.arn)
            self._give_up(live, "States.Runtime", f"{type(error).__name__}: {error}")
        self._note(live)
        if not live.running and not live.inbox and (live.whole or live.ending is not None):
            self._ended(live)

    def _count(self, live: _Live) -> None:
        """Children that have ended are counted."""
        while live.inbox:
            child = live.inbox.popleft()
            _, items = live.running.pop(child.arn, (0, 0))
            if child.status != "SUCCEEDED":
                live.failed += items

    def _weigh(self, live: _Live) -> None:
        """Too many failures end the run; a percentage is one of all items, once they are known."""
        if live.ending is not None:
            return
        row = rows.find(self._world, live.run.account, live.run.region, live.arn) or live.row
        live.row = row
        limits = {**live.order.spec, **row.doc}
        total = live.source.items if live.whole else len(live.order.spec["items"] or ())
        if exceeded(limits, live.failed, total):
            self._give_up(live, results.THRESHOLD, results.EXCEEDED)

    def _give_up(self, live: _Live, error: str, cause: str | None) -> None:
        if live.ending is None:
            live.ending = _Ending("FAILED", error, cause)
            self._end_children(live)

    def _end_children(self, live: _Live) -> None:
        for child, _ in list(live.running.values()):
            self._world.executing.report(child, Stopped())

    @staticmethod
    def _most(live: _Live) -> int:
        """How many children may run at once."""
        return live.row.doc.get("maxConcurrency") or len(live.running) + BURST

    def _more(self, live: _Live) -> None:
        """Children begin, as many as may run, in the order of their items."""
        most = self._most(live)
        waiting: list[tuple[int, Future[tuple[Run, bool]]]] = []
        while len(waiting) < BURST and len(live.running) + len(waiting) < most:
            found = next(live.inputs, None)
            if found is None:
                live.whole = True
                break
            waiting.append((found[0], self._start(live, *found)))
        for items, future in waiting:
            self._started(live, items, *future.result())

    def _start(self, live: _Live, items: int, text: str) -> Future[tuple[Run, bool]]:
        spec, plan = live.order.spec, plan_of(live.run)
        name = str(uuid.uuid5(NAMES, f"{live.arn} {live.index}"))
        live.index += 1
        machine = f"{plan.get('machine')}/{spec['label']}"
        arn = f"{machine.replace(':stateMachine:', ':execution:', 1)}:{name}"
        path = [*plan.get("path", ()), *live.order.path]
        own: Doc = {
            "role": plan.get("role", ""),
            "machine": machine,
            "type": spec["executionType"],
            "path": path,
            "map_run": live.arn,
            "label": spec["label"],
            "items": items,
        }
        ended = self._world.executing.expect(arn)
        ended.add_done_callback(lambda done: self._heard(live, done))
        return self._world.executing.begin(
            New(KIND, arn, live.arn, name, live.definition, text, own)
        )

    def _started(self, live: _Live, items: int, child: Run, created: bool) -> None:
        live.running[child.arn] = (child.id, items)
        if created or child.status == CHILD_RUNS or self._redriven(live, child):
            return
        live.inbox.append(child)

    def _redriven(self, live: _Live, child: Run) -> bool:
        """Whether a child that was not successful goes on, as the run was redriven; an Express one
        begins again (guide, "Redriving Map Runs")."""
        redrives, plan = live.order.spec.get("redrives", 0), plan_of(child)
        if child.status == "SUCCEEDED" or plan.get("redrives", 0) >= redrives:
            return False
        changed: Doc = {"redriven": self._world.clock(), "redrives": redrives}
        if plan.get("type") != "EXPRESS":
            return self._world.executing.redrive(child.id, changed).result()
        if not self._world.executions.begin_again(child.id, changed).result():
            return False
        self._world.executing.report(child.id, Began())
        return True

    def _heard(self, live: _Live, done: Future[Run]) -> None:
        """A child has ended, in a thread of the engine's."""
        if not done.cancelled() and done.exception() is None:
            live.inbox.append(done.result())
            self._wake(live)

    def _note(self, live: _Live) -> None:
        """The row tells how many items were read, now and then."""
        items = live.source.items
        if items - live.noted >= 1_000 or (live.whole and items != live.noted):
            live.noted = items
            self._store(live, plan={"total": items, "whole": live.whole})

    def _store(self, live: _Live, status: str = "", doc: Doc | None = None, **more: Doc) -> None:
        def change(row: Row) -> Row:
            plan = {**row.plan, **more.get("plan", {})}
            return replace(
                row, status=status or row.status, doc={**row.doc, **(doc or {})}, plan=plan
            )

        self._world.rows.update(live.row.id, change)

    # ---- the end

    def _children(self, live: _Live) -> Iterator[Run]:
        after = 0
        while found := self._world.executions.begun(live.arn, after):
            yield from found
            after = found[-1].id

    def _left(self, live: _Live) -> Iterator[str]:
        """The inputs for which no child began; as far as they can be read."""
        try:
            yield from (text for _, text in live.inputs)
        except (ReaderFailed, StateError):
            return

    def _ended(self, live: _Live) -> None:
        try:
            self._finish(live)
        except Outdated:
            raise
        except Exception as error:
            log.exception("%s could not end", live.arn)
            cause = f"Sagebrush could not end the map run: {type(error).__name__}: {error}"
            live.ending = _Ending("FAILED", "States.Runtime", cause)
            self._close(live, live.ending, None)

    def _finish(self, live: _Live) -> None:
        ending = live.ending or _Ending("SUCCEEDED")
        output: Any = None
        writer = live.order.spec["writer"]
        try:
            if results.exported(writer) and not (ending.error == READER_FAILED or live.stopping):
                output = writing.export(
                    live.ctx, writer, live.arn, lambda: self._children(live), self._left(live)
                )
            elif ending.status == "SUCCEEDED":
                output = results.gathered(self._children(live), writer)
        except results.TooLarge:
            name = live.order.path[-1]
            ending = _Ending("FAILED", DATA_LIMIT, TOO_LARGE.format(name))
        except AwsError as error:
            resource = s3_resource(writer["Resource"])
            _, cause = error_of(resource, error, live.ctx.request_id)
            ending = _Ending("FAILED", WRITER_FAILED, cause)
        self._close(live, ending, output)

    def _close(self, live: _Live, ending: _Ending, output: Any) -> None:
        """The run has ended, and its execution knows."""
        stop = {"stopDate": self._world.clock()}
        plan: Doc = {"total": live.source.items, "whole": live.whole}
        if output is not None:
            plan["written"] = True
        try:
            self._store(live, ending.status, stop, plan=plan)
        except Outdated:
            raise
        except Exception:  # a full disk: the execution's own step is tried again until it is stored
            log.exception("the end of %s is not in its row", live.arn)
        with self._guard:
            self._lives.pop(live.where, None)
        self._world.news.forget(live.row.parent)
        if live.stopping:
            self._world.executions.stopped(*live.where)
            return
        told = MapRunEnded(live.order.key, output)
        if ending.status != "SUCCEEDED":
            told = MapRunEnded(live.order.key, None, ending.error, ending.cause)
        self._world.executing.report(live.run.id, told)

    # ---- stopping

    def _stop(self, run: Run, work: Work) -> None:
        where = (run.id, work.key)
        with self._guard:
            live = self._lives.get(where)
            if live is None and where in self._beginning:
                self._beginning[where] = True
                return
        if live is None:  # a server left it that is gone
            live = self._live(run, work)
            with self._guard:
                self._lives[where] = live
            for child in self._children(live):
                if child.status == CHILD_RUNS:
                    self._expect(live, child)
        live.stopping = True
        live.ending = _Ending(ABORTED)
        self._end_children(live)
        self._wake(live)

    def _expect(self, live: _Live, child: Run) -> None:
        live.running[child.arn] = (child.id, 1)
        ended = self._world.executing.ended(child.arn)
        ended.add_done_callback(lambda done: self._heard(live, done))
