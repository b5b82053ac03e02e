"""The actions of an alarm while somebody else changes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.app import build
from tests.conftest import Clock, make_settings
from tests.services.cloudwatch.alarms.alarmworld import AlarmWorld

MINUTE = 60.0


@pytest.fixture(scope="module")
def alarms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlarmWorld]:
    clock = Clock(1767225600.0 + 30)  # 2026-01-01T00:00:30Z
    app = build(make_settings(tmp_path_factory.mktemp("home"), isolation="process"), clock)
    yield AlarmWorld(app, clock)
    app.stop()


@pytest.mark.parametrize("composite", [False, True])
def test_an_alarm_that_is_updated_while_it_acts_acts_once(
    alarms: AlarmWorld, monkeypatch: pytest.MonkeyPatch, composite: bool
) -> None:
    sent: list[str] = []
    name = f"acts-{composite}"
    topics = [f"arn:aws:sns:us-east-1:{alarms.ctx.account}:{name}" for name in "ab"]

    def put() -> None:
        if composite:
            rule = "ALARM(acts-child)"
            alarms.call("PutCompositeAlarm", AlarmName=name, AlarmRule=rule, AlarmActions=topics)
        else:
            alarms.alarm(name, AlarmActions=topics)

    def dispatch(ctx: Any, service: str, operation: str, params: Any) -> Any:
        if service != "sns":
            return ask(ctx, service, operation, params)
        sent.append(params["TopicArn"])
        put()  # by somebody else, at this moment
        return {"MessageId": "1"}

    ask = alarms.world.dispatch
    monkeypatch.setattr(alarms.world, "dispatch", dispatch)
    alarms.alarm("acts-child")
    put()
    alarms.settle()
    for turn in (1, 2):
        alarms.put("acts-child" if composite else name, 99.0)
        alarms.forward(MINUTE)
        assert alarms.state(name) == "ALARM"
        assert sent == topics * turn
        alarms.forward(5 * MINUTE)  # and back
        assert alarms.state(name) != "ALARM"
    assert len(alarms.history(name, "Action")) == 4
    row = alarms.world.rows.get(alarms.ctx.account, alarms.ctx.region, "alarm", name)
    assert row is not None
    assert not {"done", "change", "held"} & row.plan.keys()


def test_a_clock_that_is_set_back_suppresses_no_longer(alarms: AlarmWorld) -> None:
    for name in ("back-child", "back-deploying"):
        alarms.alarm(name, TreatMissingData="ignore")
    given = {
        "AlarmActions": [f"arn:aws:lambda:us-east-1:{alarms.ctx.account}:function:f"],
        "ActionsSuppressor": "back-deploying",
        "ActionsSuppressorWaitPeriod": 60,
        "ActionsSuppressorExtensionPeriod": 120,
    }
    alarms.call("PutCompositeAlarm", AlarmName="back", AlarmRule="ALARM(back-child)", **given)
    alarms.settle()

    def set_state(name: str, state: str) -> None:
        alarms.call("SetAlarmState", AlarmName=name, StateValue=state, StateReason="testing")
        alarms.settle()

    def by() -> str | None:
        return alarms.describe("back").get("ActionsSuppressedBy")

    set_state("back-child", "ALARM")
    assert by() == "WaitPeriod"
    alarms.clock.now -= 3600
    alarms.settle()
    alarms.forward(59)
    assert by() == "WaitPeriod"
    alarms.forward(2)
    assert by() is None
    assert len(alarms.history("back", "Action")) == 1
    set_state("back-child", "OK")
    alarms.forward(61)
    set_state("back-deploying", "ALARM")
    set_state("back-child", "ALARM")
    set_state("back-deploying", "OK")
    assert by() == "ExtensionPeriod"
    alarms.clock.now -= 3600
    alarms.settle()
    alarms.forward(119)
    assert by() == "ExtensionPeriod"
    alarms.forward(2)
    assert by() is None
