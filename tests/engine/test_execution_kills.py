"""kill -9 in the midst of thousands of transitions: executions go on where they were, nothing is lost
that was answered, and nothing happens twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sagebrush.asl.steps import TaskSucceeded
from sagebrush.store.execution_values import Run
from tests.engine.executionworld import ExecutionWorld
from tests.engine.test_executions import CALL, passes

SERVER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from sagebrush.asl.steps import TaskSucceeded
    from tests.engine.executionworld import ExecutionWorld, RecordedDoer
    from tests.engine.test_execution_kills import machine

    class Answering(RecordedDoer):
        def begin(self, run, work, again):
            world.executing.report(run.id, TaskSucceeded(work.key, {"done": run.name}))

    world = ExecutionWorld(Path(sys.argv[1]), Answering)
    print("up", flush=True)
    at = int(sys.argv[2])
    while True:
        run = world.start(f"{at}", machine())
        print(run.arn, flush=True)
        at += 1
    """
)


def machine() -> dict[str, object]:
    """Some hundred states before and after a task, in a step each that is cut off now and then."""
    found = passes(600)
    states = found["States"]
    states["P300"] = {"Type": "Task", "Resource": CALL, "Next": "P301"}
    return found


@pytest.mark.costs("two servers of its own, which are killed, and thousands of transitions")
def test_killed_servers_lose_and_repeat_nothing(tmp_path: Path) -> None:
    source, answered = random.Random(5), list[str]()
    for round in range(2):
        given = [sys.executable, "-c", SERVER, str(tmp_path), str(round * 10_000)]
        server = subprocess.Popen(
            given, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()}
        )
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "up\n"
            for _ in range(source.randrange(10, 40)):
                answered.append(server.stdout.readline().strip())
        finally:
            os.kill(server.pid, signal.SIGKILL)
            rest = server.communicate()[0].splitlines()
        answered += [line for line in rest if line.startswith("arn:") and line[-1].isdigit()]
    world = ExecutionWorld(tmp_path)
    try:
        assert len(answered) >= 30
        for _, work, _ in list(world.doer.begun):
            world.executing.report(work.execution, TaskSucceeded(work.key, {"late": 1}))
        unheard = [execution for execution, _ in world.executions.unfinished()]
        unheard += [work.execution for work in world.executions.works()]
        for execution in unheard:  # of some the answer was not heard
            begun = world.executions.arn(execution)
            if begun is not None and begun not in answered:
                answered.append(begun)
        for arn in answered:
            run = world.executions.find(arn)
            assert run is not None, f"{arn} was answered and is lost"
            if run.status == "RUNNING":
                run = _finished(world, arn)
            assert run.status == "SUCCEEDED"
            events = list(world.executions.history(run.id, 1, 99_999, False))
            assert [event["id"] for event in events] == list(range(1, run.events + 1))
            kinds = [event["type"] for event in events]
            assert kinds.count("TaskScheduled") == kinds.count("TaskSucceeded") == 1
            assert kinds.count("PassStateEntered") == 600 - 1
        assert world.executions.works() == []
        assert world.db.read("SELECT execution FROM position") == []
    finally:
        world.close()


def _finished(world: ExecutionWorld, arn: str) -> Run:
    """The execution once it has ended; its task is answered where it began only now."""
    future = world.executing.ended(arn)
    while not future.done():
        world.settled()
        for run, work, _ in list(world.doer.begun):
            if run.arn == arn:
                world.executing.report(run.id, TaskSucceeded(work.key, {"late": 1}))
    return future.result()
