"""Executions move on step by step, durably: commits, timers, work, restarts, clocks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sagebrush.asl import spine
from sagebrush.asl.steps import (
    Heartbeat,
    Stopped,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    TimerFired,
)
from sagebrush.engine import executions
from sagebrush.errors import AwsError
from sagebrush.store import emptying
from sagebrush.store.execution_values import New, Run
from sagebrush.store.generations import Outdated
from tests.engine.executionworld import MACHINE, ROLE, ExecutionWorld
from tests.waiting import until

CALL = "arn:aws:states:::sqs:sendMessage"
TASK = {
    "StartAt": "T",
    "States": {"T": {"Type": "Task", "Resource": CALL, "End": True, "TimeoutSeconds": 60}},
}

_PLAN = {"role": ROLE, "machine": MACHINE, "type": "STANDARD"}
NEW = New("states", MACHINE.replace(":stateMachine:", ":execution:"), MACHINE, "n", "", "", _PLAN)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ExecutionWorld]:
    found = ExecutionWorld(tmp_path)
    yield found
    found.close()


def passes(count: int) -> dict[str, Any]:
    states: dict[str, Any] = {
        f"P{at}": {"Type": "Pass", "Next": f"P{at + 1}"} for at in range(count)
    }
    states[f"P{count}"] = {"Type": "Succeed"}
    return {"StartAt": "P0", "States": states}


def test_an_execution_runs_to_its_end(world: ExecutionWorld) -> None:
    run = world.ended(world.start("one", passes(3), {"a": 1}))
    assert (run.status, run.output, run.events) == ("SUCCEEDED", '{"a":1}', 10)
    ids = [event["id"] for event in world.executions.history(run.id, 1, 99, False)]
    assert ids == list(range(1, 11))
    back = [event["id"] for event in world.executions.history(run.id, 3, 5, True)]
    assert back == [5, 4, 3]


def test_a_name_begins_once(world: ExecutionWorld) -> None:
    first = world.start("one", TASK)
    assert world.start("one", passes(1)) == first


def test_a_long_execution_is_cut_into_steps(world: ExecutionWorld) -> None:
    run = world.ended(world.start("long", passes(1_500)))
    assert run.events == 3_004
    ids = [event["id"] for event in world.executions.history(run.id, 1, 4_000, False)]
    assert ids == list(range(1, 3_005))
    rows = world.db.read("SELECT count(*) AS count FROM history")
    assert rows[0]["count"] >= 3


def test_work_is_answered_once(world: ExecutionWorld) -> None:
    run = world.start("one", TASK)
    world.settled()
    [(_, work, again)] = world.doer.begun
    assert not again
    report = world.executing.report
    assert report(run.id, TaskStarted(work.key)).result(60)
    assert not report(run.id, TaskSucceeded("#99", 1)).result(60)
    assert report(run.id, TaskSucceeded(work.key, 1)).result(60)
    assert not report(run.id, TaskSucceeded(work.key, 2)).result(60)
    assert world.ended(run).output == "1"
    assert world.executions.works() == []


def test_a_restart_goes_on(world: ExecutionWorld) -> None:
    run = world.start("one", TASK)
    world.settled()
    [(_, work, _)] = world.doer.begun
    world.executing.report(run.id, TaskStarted(work.key)).result(60)
    world.executions.note(run.id, work.key, {"job": "j"}).result(60)
    world.close()
    world.open()
    [(_, found, again)] = world.doer.begun
    assert (found.order, found.note, found.started, again) == (work.order, {"job": "j"}, True, True)
    world.executing.report(run.id, TaskFailed(found.key, "E", "c")).result(60)
    assert world.ended(run).error == "E"


def test_timers_fire_once_each(world: ExecutionWorld) -> None:
    run = world.start("one", TASK)
    world.settled()
    [(_, work, _)] = world.doer.begun
    world.executing.report(run.id, TaskStarted(work.key)).result(60)
    assert world.executions.next_due(world.now) == world.now + 60
    world.now += 61
    world.executing.wake()
    assert world.ended(run).error == "States.Timeout"
    assert world.types(run)[-3:] == ["TaskStarted", "TaskTimedOut", "ExecutionFailed"]
    world.settled()
    assert [stopped.key for _, stopped in world.doer.stops] == [work.key]
    world.close()
    world.open()
    assert [stopped.key for _, stopped in world.doer.stops] == [work.key]
    assert world.executions.stopped(run.id, work.key).result(60)
    assert world.executions.works() == []


def test_a_clock_that_was_set_back_delays_no_timer(world: ExecutionWorld) -> None:
    wait = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 100, "End": True}}}
    run = world.start("one", wait)
    world.settled()
    world.now -= 5_000
    world.executing.wake()
    world.settled()
    assert world.executions.next_due(0) == world.now + 100
    world.now += 101
    world.executing.wake()
    assert world.ended(run).status == "SUCCEEDED"


def test_a_clock_that_was_set_back_while_no_server_ran_delays_no_timer(
    world: ExecutionWorld,
) -> None:
    wait = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 100, "End": True}}}
    run = world.start("one", wait)
    world.settled()
    world.close()
    world.now -= 5_000
    world.open()
    world.settled()
    assert world.executions.next_due(0) == world.now + 100
    world.close()
    world.now += 101  # and a server that was away for longer than it waits goes on at once
    world.open()
    assert world.ended(run).status == "SUCCEEDED"


@pytest.mark.parametrize("running", [False, True])
def test_a_clock_that_was_set_back_moves_a_timer_once(world: ExecutionWorld, running: bool) -> None:
    """However often a server starts that sees events of the clock as it was."""
    wait = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 9_000, "End": True}}}
    world.start("one", wait)
    world.settled()
    if not running:
        world.close()
    world.now -= 5_000
    if running:
        world.executing.wake()
        world.settled()
    for _ in range(3):
        if running:
            world.close()
        world.open()
        world.settled()
        assert world.executions.next_due(0) == 1_000_000 - 5_000 + 9_000
        running = True
    world.close()
    world.now -= 1_000
    world.open()
    world.settled()
    assert world.executions.next_due(0) == 1_000_000 - 6_000 + 9_000, "set back once more"
    world.close()
    world.open()
    world.settled()
    assert world.executions.next_due(0) == 1_000_000 - 6_000 + 9_000


def test_stopping_ends_what_waits(world: ExecutionWorld) -> None:
    run = world.start("one", TASK)
    world.settled()
    assert world.executing.report(run.id, Stopped("E", "c"), insists=False).result(60)
    assert world.ended(run).status == "ABORTED"
    assert not world.executing.report(run.id, Stopped(), insists=False).result(60)
    world.settled()
    assert len(world.doer.stops) == 1


def test_old_executions_go_in_pieces(world: ExecutionWorld) -> None:
    runs = [world.ended(world.start(str(at), passes(at + 1))) for at in range(5)]
    world.start("running", TASK)
    assert world.executions.expire(world.now, 2) == 0
    assert [world.executions.expire(world.now + 1, 2) for _ in range(4)] == [2, 2, 1, 0]
    assert all(world.executions.find(run.arn) is None for run in runs)
    assert len(world.db.read("SELECT id FROM definition")) == 1
    assert world.db.read("SELECT * FROM history WHERE execution<=5") == []


def test_an_express_execution_leaves_nothing(world: ExecutionWorld) -> None:
    ended = world.executing.expect("arn:aws:states:us-east-1:123456789012:execution:m:one")
    world.start("one", passes(2), type="EXPRESS")
    assert ended.result(60).status == "SUCCEEDED"
    world.settled()
    assert world.db.read("SELECT id FROM execution") == []


def test_a_full_disk_loses_no_news(world: ExecutionWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions, "AGAIN", 0.01)
    run = world.start("one", TASK)
    world.settled()
    [(_, work, _)] = world.doer.begun
    real, failing = world.db.submit, [3]

    def submit(function: Any, urgent: bool = False) -> Future[Any]:
        if failing[0]:
            failing[0] -= 1
            refused: Future[Any] = Future()
            refused.set_exception(AwsError("InsufficientStorage", "full", 507))
            return refused
        return real(function, urgent)

    monkeypatch.setattr(world.db, "submit", submit)
    asked = world.executing.report(run.id, Stopped(), insists=False)
    with pytest.raises(AwsError, match="full"):
        asked.result(60)
    assert world.executing.report(run.id, TaskSucceeded(work.key, 1)).result(60)
    assert failing == [0]
    assert world.ended(run).output == "1"


def test_slow_expressions_of_one_execution_stall_no_other(world: ExecutionWorld) -> None:
    """Each state takes a while; a step ends after its slice, and others have their turn."""
    text = "{% $sum($map([1..3000], function($v) { $v * 2 })) %}"
    states = {f"P{at}": {"Type": "Pass", "Output": text, "Next": f"P{at + 1}"} for at in range(40)}
    slow = {
        "QueryLanguage": "JSONata",
        "StartAt": "P0",
        "States": {**states, "P40": {"Type": "Succeed"}},
    }
    runs = [world.start(f"slow{at}", slow) for at in range(executions.THREADS)]
    quick = world.ended(world.start("quick", passes(5)))
    assert quick.status == "SUCCEEDED"
    assert any(world.executions.find(run.arn).status == "RUNNING" for run in runs)  # type: ignore[union-attr]
    for run in runs:
        world.executing.report(run.id, Stopped())


def test_a_step_that_breaks_fails_its_execution(
    world: ExecutionWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any) -> Any:
        raise KeyError("bug")

    monkeypatch.setattr(spine, "advance", broken)
    run = world.ended(world.start("one", passes(1)))
    assert (run.status, run.error) == ("FAILED", "States.Runtime")
    assert "KeyError" in (run.cause or "")


def test_a_step_that_breaks_ends_the_work_that_is_under_way(
    world: ExecutionWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = world.start("one", TASK)
    world.settled()
    [(_, work, _)] = world.doer.begun

    def broken(*given: Any) -> Any:
        raise KeyError("bug")

    monkeypatch.setattr(spine, "advance", broken)
    world.executing.report(run.id, TaskStarted(work.key))
    assert world.ended(run).status == "FAILED"
    world.settled()
    assert [stopped.key for _, stopped in world.doer.stops] == [work.key]


def test_who_stops_an_execution_before_it_began_ends_it(
    world: ExecutionWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = world.executing._begin  # pyright: ignore[reportPrivateUsage]
    held: list[Run] = []
    monkeypatch.setattr(world.executing, "_begin", held.append)
    world.start("one", TASK)
    until(lambda: bool(held))
    stop = world.executing.report(held[0].id, Stopped())
    assert stop.result(60)
    begin(held[0])
    run = world.ended(held[0])
    assert run.status == "ABORTED"
    assert world.types(run) == [
        "ExecutionStarted", "TaskStateEntered", "TaskScheduled", "ExecutionAborted",
    ]  # fmt: skip


def test_a_redrive_goes_on_after_a_restart(world: ExecutionWorld) -> None:
    run = world.start("one", TASK)
    world.settled()
    world.executing.report(run.id, TaskFailed(world.doer.begun[0][1].key, "E", None))
    assert world.ended(run).status == "FAILED"
    plan = {"redrives": 1}
    with world.db.generations.of(0):
        found = world.db.write(lambda tx: world.executions.redrive_in(tx, run.id, plan))
    assert found is not None  # as if the server was killed here
    world.close()
    world.open()
    world.settled()
    [(_, work, _)] = world.doer.begun
    world.executing.report(run.id, TaskSucceeded(work.key, 2))
    assert world.ended(run).output == "2"
    assert "ExecutionRedriven" in world.types(run)


def test_what_cannot_be_redriven_any_more_keeps_no_position(world: ExecutionWorld) -> None:
    run = world.start("one", TASK)
    world.settled()
    world.executing.report(run.id, TaskFailed(world.doer.begun[0][1].key, "E", None))
    world.ended(run)
    assert len(world.db.read("SELECT execution FROM position")) == 1
    assert world.executions.forget_redrives(world.now) == 0
    assert world.executions.forget_redrives(world.now + 1) == 1
    assert not world.executing.redrive(run.id, {}).result(60)


def test_express_workflows_end_after_five_minutes(world: ExecutionWorld) -> None:
    wait = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 900, "End": True}}}
    arn = "arn:aws:states:us-east-1:123456789012:execution:m:one"
    ended = world.executing.expect(arn)
    world.start("one", wait, type="EXPRESS")
    world.settled()
    world.now += 301
    world.executing.wake()
    assert ended.result(60).status == "TIMED_OUT"


def test_a_restart_drops_synchronous_executions(world: ExecutionWorld) -> None:
    kept = world.start("async", TASK, type="EXPRESS")
    world.start("sync", TASK, type="EXPRESS", sync=True)
    world.settled()
    world.close()
    world.open()
    assert [run.name for run, _, _ in world.doer.begun] == ["async"]
    assert [row["id"] for row in world.db.read("SELECT id FROM execution")] == [kept.id]


def test_emptied_accounts_get_no_work(world: ExecutionWorld) -> None:
    """What was committed before all was deleted is not told after it."""
    run = world.start("one", TASK)
    world.settled()
    waiting = world.executing.ended(run.arn)
    emptying.empty(world.db, "none")
    world.executing.empty()
    with pytest.raises(Outdated):
        waiting.result(60)
    assert not world.executing.report(run.id, Stopped()).result(60)
    assert world.db.read("SELECT id FROM execution") == []


def test_news_and_redrives_in_any_order(world: ExecutionWorld) -> None:
    """What comes while an execution ends, and as it is redriven, is answered; none stays behind."""
    run = world.start("one", TASK)
    world.settled()
    report = world.executing.report
    for count in range(1, 30):
        work = world.doer.begun[-1][1]
        told = [report(run.id, TaskFailed(work.key, "E", None)) for _ in range(3)]
        assert sum(each.result(60) for each in told) == 1
        late = [report(run.id, Stopped()) for _ in range(3)]
        again = world.executing.redrive(run.id, {"redrives": count})
        late += [report(run.id, TaskFailed(work.key, "E", None)) for _ in range(3)]
        assert again.result(60)
        for each in late:
            each.result(60)
        world.settled()
        if world.executions.run(run.id).status == "ABORTED":  # type: ignore[union-attr]
            assert world.executing.redrive(run.id, {"redrives": count}).result(60)
            world.settled()
    work = world.doer.begun[-1][1]
    report(run.id, TaskSucceeded(work.key, 1)).result(60)
    assert world.ended(run).status == "SUCCEEDED"


def test_a_server_that_stops_answers_who_waits(world: ExecutionWorld) -> None:
    run = world.start("one", TASK)
    world.settled()
    waiting = world.executing.ended(run.arn)
    world.executing.stop()
    assert waiting.cancelled()
    assert world.executing.expect(run.arn).cancelled()
    with pytest.raises(AwsError, match="stopping"):
        world.executing.report(run.id, Stopped()).result(60)


def test_who_asks_for_what_is_not_there_takes_no_others_answer(world: ExecutionWorld) -> None:
    arn = "arn:aws:states:us-east-1:123456789012:execution:m:one"
    expected = world.executing.expect(arn)
    with pytest.raises(LookupError):
        world.executing.ended(arn).result(60)
    world.start("one", passes(1))
    assert expected.result(60).status == "SUCCEEDED"


def test_a_heartbeat_that_came_in_time_outruns_its_timer(world: ExecutionWorld) -> None:
    task = {**TASK["States"]["T"], "HeartbeatSeconds": 10}
    run = world.start("one", {"StartAt": "T", "States": {"T": task}})
    world.settled()
    [(_, work, _)] = world.doer.begun
    report = world.executing.report
    report(run.id, TaskStarted(work.key)).result(60)
    world.now += 9.9
    beat = report(run.id, Heartbeat(work.key))
    fired = report(run.id, TimerFired(f"{work.key}:heartbeat"))  # as if it was due just now
    assert (beat.result(60), fired.result(60)) == (True, False)
    world.now += 9.9
    world.executing.wake()
    world.settled()
    assert world.executions.run(run.id).status == "RUNNING"  # type: ignore[union-attr]
    world.now += 1
    world.executing.wake()
    assert world.ended(run).error == "States.Timeout"


def test_a_step_that_cannot_be_written_fails_the_execution(world: ExecutionWorld) -> None:
    """Values nested more deeply than can be written again; a task takes what can."""
    task = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": CALL, "End": True}}}
    for depth in range(100, 1_000, 50):
        text = "[" * depth + "]" * depth
        new = replace(NEW, arn=f"{NEW.arn}{depth}", definition=json.dumps(task), input=text)
        run = world.executing.begin(new).result(10)[0]
        world.settled()
        now = world.executions.run(run.id)
        assert now is not None
        assert now.status == "FAILED" or world.executions.works((run.id, ""))


def test_large_values_are_there_after_a_restart(world: ExecutionWorld) -> None:
    """They lie in pages, once for all branches; nothing is left of them at the end."""
    branches = [
        {
            "StartAt": f"W{at}",
            "States": {
                f"W{at}": {"Type": "Wait", "Seconds": at, "Next": f"P{at}"},
                f"P{at}": {"Type": "Pass", "Parameters": {"n.$": "$.n"}, "End": True},
            },
        }
        for at in range(1, 4)
    ]
    state = {"Type": "Parallel", "Branches": branches, "End": True}
    run = world.start(
        "one", {"StartAt": "S", "States": {"S": state}}, {"n": 1, "big": "x" * 50_000}
    )
    world.settled()
    for _ in branches:
        found = world.db.read("SELECT count(*) AS n, sum(length(body)) AS size FROM page")[0]
        assert (found["n"], found["size"] // 1_000) == (1, 50)
        world.close()
        world.open()
        world.now += 1
        world.executing.wake()
        world.settled()
    assert world.ended(run).output == '[{"n":1},{"n":1},{"n":1}]'
    assert world.db.read("SELECT * FROM page") == []
