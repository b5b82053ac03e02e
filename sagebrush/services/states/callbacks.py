"""What workers say of tasks by their tokens: success, failure, heartbeat.

Sources: API reference, "SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat"; developer guide, "Wait
for a Callback with Task Token".
"""

from __future__ import annotations

import base64
import binascii
from concurrent.futures import Future

from sagebrush.asl.steps import Happened, Heartbeat, TaskFailed, TaskSucceeded
from sagebrush.asl.values import read
from sagebrush.asl.work import TOKEN_BYTES
from sagebrush.errors import AwsError, Doc
from sagebrush.services.states import payloads
from sagebrush.store.execution_values import Work
from sagebrush.world import Ctx


def send_task_success(ctx: Ctx, request: Doc) -> Future[Doc]:
    """The task succeeded. Raises InvalidToken, InvalidOutput, TaskTimedOut."""
    work = _work(ctx, request["taskToken"])
    payloads.check_output(request["output"])
    return _told(ctx, work, TaskSucceeded(work.key, read(request["output"])))


def send_task_failure(ctx: Ctx, request: Doc) -> Future[Doc]:
    """The task failed. Raises InvalidToken, TaskTimedOut."""
    work = _work(ctx, request["taskToken"])
    return _told(ctx, work, TaskFailed(work.key, request.get("error"), request.get("cause")))


def send_task_heartbeat(ctx: Ctx, request: Doc) -> Future[Doc]:
    """The task's limit of silence begins anew. Raises InvalidToken, TaskTimedOut."""
    work = _work(ctx, request["taskToken"])
    return _told(ctx, work, Heartbeat(work.key))


def _work(ctx: Ctx, token: str) -> Work:
    """What awaits the token. Raises InvalidToken, TaskTimedOut."""
    try:
        ours = len(base64.b64decode(token, validate=True)) == TOKEN_BYTES
    except (binascii.Error, ValueError):
        ours = False
    if not ours:
        raise AwsError("InvalidToken", "Invalid Token: 'Invalid token'")
    work = ctx.world.executions.of_token(token)
    arn = ctx.world.executions.arn(work.execution) if work is not None else None
    if work is None or arn is None or arn.split(":", 5)[4] != ctx.account:
        raise _timed_out()
    return work


def _timed_out() -> AwsError:
    return AwsError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")


def _told(ctx: Ctx, work: Work, happened: Happened) -> Future[Doc]:
    """Answers once what happened is durable; raises TaskTimedOut where nobody awaited it."""
    heartbeat = isinstance(happened, Heartbeat)
    answer: Future[Doc] = Future()

    def done(future: Future[bool]) -> None:
        error = future.exception()
        if error is not None:
            answer.set_exception(error)
        elif not future.result() and not heartbeat:
            answer.set_exception(_timed_out())
        else:
            answer.set_result({})

    report = ctx.world.executing.report(work.execution, happened, insists=False)
    report.add_done_callback(done)
    return answer
