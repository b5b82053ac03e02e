"""What events of tasks count and measure."""

from __future__ import annotations

from typing import Any

from sagebrush.services.states.task_metrics import TaskMetrics

ACTIVITY = "arn:aws:states:us-east-1:111122223333:activity:a"


def event(number: int, before: int, kind: str, at: float, **details: Any) -> dict[str, Any]:
    told = {"id": number, "previousEventId": before, "type": kind, "timestamp": at}
    return {**told, "xEventDetails": details} if details else told


def values(found: Any) -> dict[str, float]:
    return {each.metric: each.value for each in found}


def test_work_is_followed_from_step_to_step() -> None:
    metrics = TaskMetrics()
    begun = metrics.measured(
        1, [event(3, 2, "ActivityScheduled", 10.0, resource=ACTIVITY), event(9, 8, "PassStateEntered", 1.0)], False
    )  # fmt: skip
    assert values(begun) == {"ActivitiesScheduled": 1.0}
    assert (begun[0].dimension, begun[0].about) == ("ActivityArn", ACTIVITY)
    taken = metrics.measured(1, [event(4, 3, "ActivityStarted", 12.0, workerName="w")], False)
    assert values(taken) == {"ActivitiesStarted": 1.0, "ActivityScheduleTime": 2000.0}
    done = metrics.measured(1, [event(5, 4, "ActivitySucceeded", 15.0, output="1")], True)
    assert values(done) == {
        "ActivitiesSucceeded": 1.0, "ActivityTime": 5000.0, "ActivityRunTime": 3000.0,
    }  # fmt: skip
    assert {each.about for each in done} == {ACTIVITY}


def test_integrations_are_told_by_their_resource() -> None:
    metrics, told = TaskMetrics(), {"resourceType": "sagemaker", "resource": "createModel.sync"}
    steps = ("TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskTimedOut")
    events = [event(at, at - 1, kind, float(at), **told) for at, kind in enumerate(steps, 3)]
    found = metrics.measured(1, events, False)
    assert {each.about for each in found} == {"arn:aws:states:::sagemaker:createModel.sync"}
    assert values(found) == {
        "ServiceIntegrationsScheduled": 1.0, "ServiceIntegrationsStarted": 1.0,
        "ServiceIntegrationScheduleTime": 1000.0, "ServiceIntegrationsTimedOut": 1.0,
        "ServiceIntegrationTime": 3000.0, "ServiceIntegrationRunTime": 2000.0,
    }  # fmt: skip


def test_what_another_server_began_ends_without_times() -> None:
    metrics = TaskMetrics()
    told = {"resourceType": "lambda", "resource": "invoke", "error": "E"}
    assert values(metrics.measured(1, [event(5, 4, "TaskFailed", 1.0, **told)], True)) == {
        "ServiceIntegrationsFailed": 1.0
    }
    assert (
        metrics.measured(1, [event(5, 4, "LambdaFunctionSucceeded", 1.0, output="1")], True) == []
    )
