"""Tasks that call services: begun, followed, stopped, and found again by a server that starts.

What a task does, in order: TaskStarted is reported, the call is made as the role of the machine (or of
the state's Credentials) with all that IAM says of it, and its answer is reported: as the output, or as
TaskSubmitted where a job, an execution or a token is waited for. A call is repeated by a server that
was killed before the answer was durable: what it creates in SageMaker is found again by its name and
parent, executions have names that do not change, an endpoint knows which task updated it, and functions,
queues and topics may get a message again, as AWS says of Standard workflows ("at least once" for what a
task calls). What this server cannot do for now (a full disk) is tried again until it can.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sagebrush.asl.failures import RUNTIME
from sagebrush.asl.resources import Resource, read_resource
from sagebrush.asl.steps import (
    Happened,
    StartTask,
    TaskFailed,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
)
from sagebrush.errors import AwsError, Doc
from sagebrush.services.states.program import plan_of
from sagebrush.services.states.tasks import answers, children
from sagebrush.services.states.tasks.answers import CallFailed
from sagebrush.services.states.tasks.calls import By, Call, call_of
from sagebrush.services.states.tasks.values import Unfit
from sagebrush.store.execution_values import Run, Work
from sagebrush.store.generations import Outdated
from sagebrush.world import Ctx, StartedBy, World

log = logging.getLogger(__name__)

THREADS = 8
PERMISSIONS = "States.Permissions"
ABORTED = "The Task state in AWS Step Functions execution [{}] which was managing this resource was aborted"
"""The cause of a child execution that is stopped with its parent (floci's measurement)."""
AGAIN = 1.0
"""Seconds after which is tried again what this server could not do for now."""
PASSING = ("StorageFull", "ServiceUnavailable")
"""Errors of a store that is full, or held by another program, and of a server that ends."""
OWN_FAULTS = ("s3", "sagemaker-runtime")
"""Services whose call may itself be what there is no room for, or that answer so for a model."""
SUBMITTED = "submitted"
"""In the note of work: the call was answered, and what it began is waited for."""
CHILD = "child"
"""In the note of work: the ARN of the execution that is waited for."""


@dataclass
class _Task:
    """A task that is under way in this server."""

    run: Run
    order: StartTask
    resource: Resource
    call: Call
    by: By
    request_id: str
    note: Doc
    generation: int
    """That of its execution: of one that was deleted since nothing is called (`store.generations`)."""
    unfit: str = ""
    """Why no call can be made of its parameters."""
    stopping: bool = False
    """Nobody wants the result any more."""
    calling: bool = False
    """Its call is not answered yet."""
    guard: threading.RLock = field(default_factory=threading.RLock)

    @property
    def where(self) -> tuple[int, str]:
        return self.run.id, self.order.key


class ServiceTasks:
    """Does the tasks of services and functions (`states.doer.Doer`)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="states-tasks")
        self._tasks: dict[tuple[int, str], _Task] = {}
        self._waiting: list[Callable[[], None]] = []
        """What this server could not do for now."""
        self._guard = threading.Lock()
        """Held for a moment, around these two."""

    def close(self) -> None:
        """No further call begins."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # ---- what executions ask

    def begin(self, run: Run, work: Work, again: bool) -> None:
        """The task's work begins, or goes on where a server that was killed left it."""
        task = self._task(run, work)
        with self._guard:
            self._tasks[task.where] = task
        self._go_on(task, self._begin, work.started, again)

    def stop(self, run: Run, work: Work) -> None:
        """What the task began is ended."""
        self._later(lambda error: None, partial(self._stop, run, work))

    def _later(self, failed: Callable[[Exception], object], function: Callable[[], object]) -> None:
        """`function` is called in a thread; `failed` where it broke, so that nobody waits forever."""
        begun = self._world.db.generations.begun(function)
        try:
            self._pool.submit(self._guarded, failed, begun)
        except RuntimeError:  # the server ends: the next one asks again
            log.debug("a task is left to the next server")

    @staticmethod
    def _guarded(failed: Callable[[Exception], object], function: Callable[[], object]) -> None:
        try:
            function()
        except Outdated:
            log.debug("a task ended with a reset")
        except Exception as error:
            log.exception("a task's work stopped short")
            failed(error)

    def _go_on(self, task: _Task, function: Callable[..., object], *given: Any) -> None:
        """The task's work goes on in a thread; it fails where that breaks."""

        def failed(error: Exception) -> None:
            cause = f"Sagebrush could not run the task: {type(error).__name__}: {error}"
            self._end(task, TaskFailed(task.order.key, RUNTIME, cause))

        def work() -> None:
            with self._world.db.generations.of(task.generation):
                self._world.db.generations.check()
                function(task, *given)

        self._later(failed, work)

    def _again(self, task: _Task, function: Callable[..., object], *given: Any) -> None:
        """The task's work goes on in a while, together with that of others."""
        with self._guard:
            self._waiting.append(partial(self._go_on, task, function, *given))
            if len(self._waiting) > 1:
                return
        timer = threading.Timer(AGAIN, self._retry)
        timer.daemon = True
        timer.start()

    def _retry(self) -> None:
        with self._guard:
            found, self._waiting = self._waiting, []
        for each in found:
            each()

    def _report(self, task: _Task, happened: Happened) -> Future[bool]:
        return self._world.executing.report(task.run.id, happened)

    # ---- beginning

    def _task(self, run: Run, work: Work) -> _Task:
        order = work.order
        assert isinstance(order, StartTask)
        resource = read_resource(order.resource)
        by = By(run.arn, str(plan_of(run).get("machine", "")), order.key)
        try:
            call, unfit = call_of(resource, order.parameters, by), ""
        except Unfit as problem:
            call, unfit = Call("", "", {}, "answered"), str(problem)
        now = self._world.db.generations.now
        return _Task(run, order, resource, call, by, str(uuid.uuid4()), dict(work.note), now, unfit)

    def _begin(self, task: _Task, started: bool, again: bool) -> None:
        if not started:
            self._report(task, TaskStarted(task.order.key))
        if task.unfit:
            self._end(task, TaskFailed(task.order.key, RUNTIME, task.unfit))
        elif SUBMITTED in task.note:
            self._follow(task)
        else:
            self._call(task, again)

    def _call(self, task: _Task, again: bool) -> None:
        with task.guard:
            if task.stopping:  # who stops it has found nothing to stop, and nothing follows
                return
            task.calling = True
        try:
            ctx = self._ctx(task)
        except AwsError as error:
            if error.code in PASSING:
                self._refused_for_now(task, error)
            else:
                self._end(task, TaskFailed(task.order.key, PERMISSIONS, error.message))
            return
        if again:
            before = children.found(ctx, task.call, task.by)
            if before is not None:
                self._answered(task, before)
                return
        try:
            if task.resource.service == "sqs":
                answers.check_address(task.call.service, task.call.parameters)
        except CallFailed as failed:
            self._end(task, TaskFailed(task.order.key, failed.error, failed.cause))
            return
        if children.marked(task.call):
            ctx = replace(ctx, started_by=StartedBy(task.by.parent))
        try:
            future = self._world.begin(
                ctx, task.call.service, task.call.operation, task.call.parameters
            )
        except Exception as error:
            self._refused(task, error, again)
            return
        if future.done():
            self._came(task, again, future)
        else:
            future.add_done_callback(lambda done: self._go_on(task, self._came, again, done))

    def _ctx(self, task: _Task) -> Ctx:
        """Whose the call is. Raises AwsError where the state's Credentials may not be used."""
        region = task.resource.region or task.run.region
        machine = plan_of(task.run).get("role")
        ctx = self._world.service_ctx(machine, region, task.run.account)
        if task.order.role is not None and task.order.role != machine:
            session = {"RoleArn": task.order.role, "RoleSessionName": "states"}
            ctx.call("sts", "AssumeRole", session)
            ctx = self._world.service_ctx(task.order.role, region)
        return replace(ctx, request_id=task.request_id)

    def _came(self, task: _Task, again: bool, future: Future[Any]) -> None:
        """The call was answered."""
        try:
            answer = future.result() or {}
        except Exception as error:
            self._refused(task, error, again)
            return
        self._answered(task, answer)

    def _refused(self, task: _Task, error: Exception, again: bool) -> None:
        task.calling = False
        if isinstance(error, Outdated):
            return
        if not isinstance(error, AwsError):
            log.exception("%s could not be called", task.order.resource, exc_info=error)
            error = AwsError("InternalFailure", "An internal failure occurred", 500)
        if error.code in PASSING and task.call.service not in OWN_FAULTS:
            self._refused_for_now(task, error)
            return
        before = self._began_before(task, error) if again else None
        if before is not None:
            self._answered(task, before)
            return
        name, cause = answers.error_of(task.resource, error, task.request_id)
        self._end(task, TaskFailed(task.order.key, name, cause))

    def _began_before(self, task: _Task, error: AwsError) -> Doc | None:
        """The answer of a call that a server made which was killed, and that is refused now because it
        was made; None where it was not."""
        if error.code != "ExecutionAlreadyExists":
            return None
        run = children.execution(self._world, task.call)
        return run and {"executionArn": run.arn, "startDate": run.started}

    def _refused_for_now(self, task: _Task, error: AwsError) -> None:
        log.warning("%s is called again: %s", task.order.resource, error)
        task.calling = False
        if task.stopping:
            self._stop_child(task)
        else:
            self._again(task, self._call, True)

    # ---- answers

    def _answered(self, task: _Task, answer: Doc) -> None:
        task.calling = False
        key, now = task.order.key, self._world.clock()
        try:
            output = answers.output_of(task.resource, answer, task.request_id, now)
        except CallFailed as failed:
            self._end(task, TaskFailed(key, failed.error, failed.cause))
            return
        if task.call.until == "answered":
            self._end(task, TaskSucceeded(key, output))
            return
        task.note = {SUBMITTED: True}
        if "executionArn" in answer:
            task.note[CHILD] = answer["executionArn"]
        self._report(task, TaskSubmitted(key, output, task.note))
        self._follow(task)

    def _end(self, task: _Task, happened: Happened) -> None:
        """The task is over. Nobody awaits it where it was to be stopped, which is then done."""
        with self._guard:
            self._tasks.pop(task.where, None)
        self._world.news.forget(task.by.parent)
        self._report(task, happened)
        with task.guard:
            task.calling, stopping = False, task.stopping
        if stopping:
            self._world.executions.stopped(task.run.id, task.order.key)

    # ---- what is waited for

    def _follow(self, task: _Task) -> None:
        if task.stopping:
            self._stop_child(task)
        elif task.call.child is not None:
            self._world.news.listen(task.by.parent, lambda: self._go_on(task, self._look))
            self._look(task)
        elif CHILD in task.note and task.call.until == "ended":
            ended = self._world.executing.ended(str(task.note[CHILD]))
            ended.add_done_callback(lambda done: self._go_on(task, self._child_ended, done))

    def _look(self, task: _Task) -> None:
        """The job is looked at, which has changed or may have."""
        child = task.call.child
        assert child is not None
        with task.guard:
            if task.where not in self._tasks:
                self._world.news.forget(task.by.parent)
                return
            try:
                name = str(task.call.parameters[child.member])
                output = children.ended(self._ctx(task), child, name)
            except CallFailed as failed:
                self._end(task, TaskFailed(task.order.key, failed.error, failed.cause))
                return
            except AwsError as error:
                if error.status >= 500:
                    self._again(task, self._look)
                    return
                name, cause = answers.error_of(task.resource, error, task.request_id)
                self._end(task, TaskFailed(task.order.key, name, cause))
                return
            if output is not None:
                self._end(task, TaskSucceeded(task.order.key, output))

    def _child_ended(self, task: _Task, done: Future[Run]) -> None:
        if done.cancelled():
            return  # the server ends
        key = task.order.key
        try:
            arn = {"executionArn": str(task.note[CHILD])}
            described = self._ctx(task).call("stepfunctions", "DescribeExecution", arn)
            output = answers.execution_ended(task.resource, described)
        except CallFailed as failed:
            self._end(task, TaskFailed(key, failed.error, failed.cause))
        except AwsError as error:
            if error.status >= 500:
                self._again(task, self._child_ended, done)
                return
            self._end(
                task, TaskFailed(key, *answers.error_of(task.resource, error, task.request_id))
            )
        else:
            self._end(task, TaskSucceeded(key, output))

    # ---- stopping

    def _stop(self, run: Run, work: Work) -> None:
        with self._guard:
            task = self._tasks.get((run.id, work.key))
        if task is None:
            task = self._task(run, work)  # a server left it that is gone
        with task.guard:
            task.stopping = True
            if task.calling:  # its answer does it
                return
        self._stop_child(task)

    def _stop_child(self, task: _Task) -> None:
        child = task.call.child
        run = children.execution(self._world, task.call) if task.call.until == "ended" else None
        try:
            ctx = self._ctx(task)
            if child is not None and children.found(ctx, task.call, task.by) is not None:
                children.stop(ctx, child, str(task.call.parameters[child.member]))
            elif run is not None:
                request = {"executionArn": run.arn, "cause": ABORTED.format(task.run.arn)}
                ctx.call("stepfunctions", "StopExecution", request)
        except AwsError as error:
            log.info("%s was not stopped: %s", task.order.resource, error)
            if error.status >= 500:
                self._again(task, self._stop_child)
                return
        with self._guard:
            self._tasks.pop(task.where, None)
        self._world.news.forget(task.by.parent)
        self._world.executions.stopped(task.run.id, task.order.key)
