"""Alarms over time: states, actions and history, with a clock that the tests turn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.app import build
from sagebrush.errors import AwsError
from sagebrush.services.cloudwatch.alarms import actions
from sagebrush.services.cloudwatch.alarms import composite as composites
from sagebrush.services.cloudwatch.alarms.plan import Change
from sagebrush.settings import Settings
from sagebrush.store.rows import Row
from sagebrush.world import World
from tests.conftest import Clock, make_settings
from tests.services.cloudwatch.alarms.alarmworld import AlarmWorld

MINUTE = 60.0


@pytest.fixture(scope="module")
def alarms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlarmWorld]:
    clock = Clock(1767225600.0 + 30)  # 2026-01-01T00:00:30Z
    app = build(make_settings(tmp_path_factory.mktemp("home"), isolation="process"), clock)
    yield AlarmWorld(app, clock)
    app.stop()


@pytest.fixture(autouse=True)
def whole_minutes(alarms: AlarmWorld) -> Iterator[None]:
    """Each test begins half a minute after a whole one, and leaves no alarm."""
    alarms.clock.now += MINUTE - alarms.clock.now % MINUTE + 30
    alarms.policies.clear()
    yield
    over = alarms.call("DescribeAlarms", AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    for found in over:  # those that depend on others no longer do
        alarms.call("PutCompositeAlarm", AlarmName=found["AlarmName"], AlarmRule="FALSE")
    for found in over + alarms.call("DescribeAlarms")["MetricAlarms"]:
        alarms.call("DeleteAlarms", AlarmNames=[found["AlarmName"]])
    alarms.settle()


def test_an_alarm_follows_its_metric(alarms: AlarmWorld) -> None:
    alarms.put("one", 21.5, ago=40)
    alarms.alarm("one")
    found = alarms.describe("one")
    assert (found["StateValue"], found["StateReason"]) == (
        "INSUFFICIENT_DATA", "Unchecked: Initial alarm creation",
    )  # fmt: skip
    assert found["AlarmArn"].endswith(":123456789012:alarm:one")
    alarms.settle()
    found = alarms.describe("one")
    assert found["StateValue"] == "ALARM"
    assert found["StateReason"].startswith("Threshold Crossed: 1 datapoint [21.5 (01/01/26 ")
    assert found["StateReason"].endswith("was greater than the threshold (10.0).")
    data = json.loads(found["StateReasonData"])
    assert data["recentDatapoints"] == [21.5]
    assert data["evaluatedDatapoints"][0]["sampleCount"] == 1.0
    alarms.put("one", 3.0)
    alarms.forward(MINUTE)
    assert alarms.state("one") == "OK"
    alarms.forward(2 * MINUTE)  # two more periods than one are looked at
    assert alarms.state("one") == "OK"
    alarms.forward(MINUTE)
    assert alarms.describe("one")["StateReason"] == "Insufficient Data: 1 datapoint was unknown."
    changes = alarms.history("one", "StateUpdate")
    assert [item["HistorySummary"] for item in changes] == [
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
        "Alarm updated from ALARM to OK",
        "Alarm updated from OK to INSUFFICIENT_DATA",
    ]
    first = changes[0]["Data"]
    assert first["oldState"]["stateReason"] == "Unchecked: Initial alarm creation"
    assert first["newState"]["stateReasonData"]["recentDatapoints"] == [21.5]


def test_a_state_that_lasts_is_not_updated(alarms: AlarmWorld) -> None:
    alarms.alarm("lasts", TreatMissingData="notBreaching")
    alarms.settle()
    before = alarms.describe("lasts")
    alarms.forward(10 * MINUTE)
    assert alarms.describe("lasts") == before
    assert len(alarms.history("lasts", "StateUpdate")) == 1


def test_m_of_n(alarms: AlarmWorld) -> None:
    alarms.alarm("mn", EvaluationPeriods=3, DatapointsToAlarm=2, TreatMissingData="notBreaching")
    for values, state in ((20, "OK"), (1, "OK"), (20, "ALARM"), (1, "OK")):
        alarms.put("mn", values)
        alarms.forward(MINUTE)
        assert alarms.state("mn") == state, values


def test_a_high_resolution_alarm_is_evaluated_every_ten_seconds(alarms: AlarmWorld) -> None:
    alarms.alarm("high", Period=10, TreatMissingData="notBreaching")
    alarms.settle()
    assert alarms.forward(MINUTE) == 6
    alarms.put("high", 11.0)
    alarms.forward(10)
    assert alarms.state("high") == "ALARM"
    alarms.forward(30)
    assert alarms.state("high") == "OK"


def test_a_scaling_policy_is_due_on_the_change_and_while_it_lasts(alarms: AlarmWorld) -> None:
    policy = alarms.policy("out", "scale")
    alarms.alarm("scale", AlarmActions=[policy], TreatMissingData="notBreaching")
    alarms.settle()
    assert alarms.policies == []
    for _ in range(3):
        alarms.put("scale", 50.0)
        alarms.forward(MINUTE)
    assert alarms.policies == [("out", "ALARM")] * 3  # each sees the state that called it
    alarms.forward(5 * MINUTE)
    assert alarms.state("scale") == "OK"
    ran = len(alarms.policies)
    alarms.forward(5 * MINUTE)
    assert len(alarms.policies) == ran
    actions = alarms.history("scale", "Action")
    assert [item["HistorySummary"] for item in actions] == [
        f"Successfully executed action {policy}"[:255]
    ]
    assert actions[0]["Data"]["actionState"] == "Succeeded"


def test_actions_that_cannot_be_carried_out_have_failed(alarms: AlarmWorld) -> None:
    lambda_arn = f"arn:aws:lambda:us-east-1:{alarms.ctx.account}:function:f"
    policy = alarms.policy("gone", "x").replace("policyName/gone", "policyName/other")
    foreign = policy.replace(alarms.ctx.account, "999999999999")
    alarms.alarm("fails", AlarmActions=[lambda_arn, policy, foreign])
    alarms.put("fails", 99.0, ago=40)
    alarms.call("SetAlarmState", AlarmName="fails", StateValue="ALARM", StateReason="testing")
    alarms.settle()
    items = alarms.history("fails", "Action")
    assert [item["Data"]["actionState"] for item in items] == ["Failed"] * 3
    assert items[0]["Data"]["error"] == f"Function not found: {lambda_arn}"
    assert items[0]["HistorySummary"].startswith(f"Failed to execute action {lambda_arn}. Received")
    assert "No scaling policy found" in items[1]["Data"]["error"]


def test_a_topic_gets_awss_message(alarms: AlarmWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    def dispatch(ctx: Any, service: str, operation: str, params: Any) -> Any:
        if service != "sns":
            return ask(ctx, service, operation, params)
        sent.append((ctx.caller.arn, operation, params))
        if len(sent) > 1:
            raise AwsError("NotFound", "Topic does not exist", 404)
        return {"MessageId": "1"}

    ask = alarms.world.dispatch
    monkeypatch.setattr(alarms.world, "dispatch", dispatch)
    topic = f"arn:aws:sns:us-east-1:{alarms.ctx.account}:ops"
    alarms.alarm("told", AlarmActions=[topic], OKActions=[topic], AlarmDescription="what it is")
    alarms.put("told", 99.0, ago=40)
    alarms.settle()
    who, operation, params = sent[0]
    assert (who, operation) == (f"arn:aws:iam::{alarms.ctx.account}:root", "Publish")
    assert params["Subject"] == 'ALARM: "told" in US East (N. Virginia)'
    text = json.loads(params["Message"])
    assert text["NewStateReason"].startswith("Threshold Crossed: 1 datapoint [99.0")
    assert (text["OldStateValue"], text["NewStateValue"]) == ("INSUFFICIENT_DATA", "ALARM")
    assert text["AlarmDescription"] == "what it is"
    assert text["Trigger"] == {
        "MetricName": "m", "Namespace": "test", "StatisticType": "Statistic", "Statistic": "SUM",
        "Unit": None, "Dimensions": [{"value": "told", "name": "alarm"}], "Period": 60,
        "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 10.0,
        "TreatMissingData": "", "EvaluateLowSampleCountPercentile": "",
    }  # fmt: skip
    alarms.put("told", 1.0)
    alarms.forward(MINUTE)
    items = alarms.history("told", "Action")
    assert [item["Data"]["actionState"] for item in items] == ["Succeeded", "Failed"]
    assert json.loads(items[0]["Data"]["publishedMessage"]) == text
    assert items[1]["Data"]["error"] == "Topic does not exist"
    alarms.call("DisableAlarmActions", AlarmNames=["told", "nobody"])
    alarms.put("told", 99.0)
    alarms.forward(MINUTE)
    assert alarms.state("told") == "ALARM"
    assert len(sent) == 2
    alarms.call("EnableAlarmActions", AlarmNames=["told"])
    assert alarms.describe("told")["ActionsEnabled"]


def test_a_state_that_was_set_lasts_until_the_next_evaluation(alarms: AlarmWorld) -> None:
    alarms.alarm("set", TreatMissingData="notBreaching")
    alarms.settle()
    alarms.call("SetAlarmState", AlarmName="set", StateValue="ALARM", StateReason="testing",
                StateReasonData='{"a": 1}')  # fmt: skip
    assert alarms.history("set", "StateUpdate")[-1]["Data"]["newState"] == {
        "stateValue": "ALARM", "stateReason": "testing", "stateReasonData": {"a": 1},
    }  # fmt: skip
    alarms.settle()
    assert alarms.state("set") == "ALARM"
    alarms.forward(MINUTE)
    assert alarms.state("set") == "OK"
    assert len(alarms.history("set", "StateUpdate")) == 3
    with pytest.raises(AwsError, match="InvalidFormat"):
        alarms.call("SetAlarmState", AlarmName="set", StateValue="OK", StateReason="",
                    StateReasonData="{")  # fmt: skip


def test_an_update_keeps_the_state_and_tells_the_history(alarms: AlarmWorld) -> None:
    alarms.alarm("new", Tags=[{"Key": "a", "Value": "1"}])
    alarms.put("new", 50.0, ago=40)
    alarms.settle()
    alarms.alarm("new", Threshold=100, AlarmDescription="higher", Tags=[{"Key": "b", "Value": "2"}])
    found = alarms.describe("new")
    assert (found["StateValue"], found["Threshold"]) == ("ALARM", 100.0)
    alarms.settle()
    assert alarms.state("new") == "OK"
    tags = alarms.call("ListTagsForResource", ResourceARN=found["AlarmArn"])["Tags"]
    assert tags == [{"Key": "a", "Value": "1"}]  # an update passes over them
    alarms.call("DeleteAlarms", AlarmNames=["new"])
    items = alarms.history("new", "ConfigurationUpdate")
    assert [item["HistorySummary"] for item in items] == [
        'Alarm "new" created', 'Alarm "new" updated', 'Alarm "new" deleted',
    ]  # fmt: skip
    assert [item["Data"]["type"] for item in items] == ["Create", "Update", "Delete"]
    made = items[0]["Data"]["createdAlarm"]
    assert made["okactions"] == []
    assert made["dimensions"] == [{"name": "alarm", "value": "new"}]


def test_hours_of_load(alarms: AlarmWorld) -> None:
    """Load for one hour of three: the alarm changes twice, when it was worked out by hand."""
    alarms.alarm("day", EvaluationPeriods=3, TreatMissingData="notBreaching")
    alarms.settle()
    begin = alarms.clock()
    alarms.forward(3600)
    for _ in range(60):
        alarms.put("day", 20.0)
        alarms.forward(MINUTE)
    alarms.forward(3600)
    assert alarms.clock() - begin == 3 * 3600
    changes = alarms.history("day", "StateUpdate")[1:]
    assert [item["HistorySummary"][19:] for item in changes] == ["OK to ALARM", "ALARM to OK"]
    at = [item["Timestamp"].timestamp() - begin for item in changes]
    assert 3600 + 120 <= at[0] <= 3600 + 210  # the third of three periods
    assert 7200 <= at[1] <= 7200 + 5 * MINUTE  # two periods more are looked at


def test_an_alarm_on_an_expression(alarms: AlarmWorld) -> None:
    def stat(name: str) -> dict[str, Any]:
        metric = {"Namespace": "test", "MetricName": "m",
                  "Dimensions": [{"Name": "alarm", "Value": name}]}  # fmt: skip
        return {"Metric": metric, "Period": 60, "Stat": "Sum"}

    alarms.call(
        "PutMetricAlarm",
        AlarmName="rate",
        Metrics=[
            {"Id": "errors", "MetricStat": stat("errors"), "ReturnData": False},
            {"Id": "calls", "MetricStat": stat("calls"), "ReturnData": False},
            {"Id": "rate", "Expression": "100 * errors / calls", "Label": "error rate"},
        ],
        EvaluationPeriods=2,
        DatapointsToAlarm=1,
        Threshold=5.0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    alarms.settle()
    assert alarms.state("rate") == "OK"
    alarms.put("calls", 100.0)
    alarms.put("errors", 6.0)
    alarms.forward(MINUTE)
    found = alarms.describe("rate")
    assert found["StateValue"] == "ALARM"
    assert "1 out of the last 2 datapoints [6.0 (" in found["StateReason"]
    assert "statistic" not in json.loads(found["StateReasonData"])
    assert "Dimensions" not in found
    alarms.forward(5 * MINUTE)
    assert alarms.state("rate") == "OK"


def test_a_percentile(alarms: AlarmWorld) -> None:
    alarms.alarm("p", Statistic=None, ExtendedStatistic="p90")
    for value in range(1, 21):
        alarms.put("p", float(value), ago=40)
    alarms.settle()
    found = alarms.describe("p")
    assert found["StateValue"] == "ALARM"
    data = json.loads(found["StateReasonData"])
    assert (data["statistic"], data["recentDatapoints"]) == ("p90", [18.1])


# -- composite alarms


def composite(alarms: AlarmWorld, name: str, rule: str, **more: Any) -> None:
    alarms.call("PutCompositeAlarm", AlarmName=name, AlarmRule=rule, **more)
    alarms.settle()


def set_state(alarms: AlarmWorld, name: str, state: str) -> None:
    alarms.call("SetAlarmState", AlarmName=name, StateValue=state, StateReason="testing")
    alarms.settle()


def quiet(alarms: AlarmWorld, *names: str) -> None:
    """Alarms that nothing evaluates: what is missing leaves their state as it is."""
    for name in names:
        alarms.alarm(name, TreatMissingData="ignore")
        set_state(alarms, name, "OK")


def test_a_composite_alarm_follows_its_rule(alarms: AlarmWorld) -> None:
    quiet(alarms, "a", "b")
    composite(alarms, "both", "ALARM(a) AND ALARM(b)")
    composite(alarms, "over", 'ALARM("both") OR FALSE')
    found = alarms.describe("both")
    assert found["StateReason"] == (
        f"{found['AlarmArn']} was created and its alarm rule evaluates to OK"
    )
    shown = json.loads(found["StateReasonData"])["triggeringAlarms"]
    assert [each["arn"].rpartition(":")[2] for each in shown] == ["a", "b"]
    set_state(alarms, "a", "ALARM")
    assert alarms.state("both") == "OK"
    set_state(alarms, "b", "ALARM")
    assert (alarms.state("both"), alarms.state("over")) == ("ALARM", "ALARM")
    found = alarms.describe("both")
    assert found["StateReason"].startswith(
        f"{alarms.describe('b')['AlarmArn']} transitioned to ALARM at Thursday 01 January, 2026 "
    )
    (shown,) = json.loads(found["StateReasonData"])["triggeringAlarms"]
    assert shown["arn"].endswith(":alarm:b")
    assert shown["state"]["value"] == "ALARM"
    set_state(alarms, "a", "OK")
    assert (alarms.state("both"), alarms.state("over")) == ("OK", "OK")
    alarms.clock.forward(1)  # two changes of one millisecond are one in the history
    composite(alarms, "both", "NOT ALARM(a)")
    assert alarms.state("both") == "ALARM"
    assert "was updated and its alarm rule" in alarms.describe("both")["StateReason"]
    changes = [item["HistorySummary"][19:] for item in alarms.history("both", "StateUpdate")]
    assert changes == ["INSUFFICIENT_DATA to OK", "OK to ALARM", "ALARM to OK", "OK to ALARM"]
    assert alarms.forward(10 * MINUTE) > 0
    assert alarms.state("both") == "ALARM"  # time alone changes nothing


def test_actions_are_carried_out_once_while_other_children_change(
    alarms: AlarmWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet(alarms, "a", "b")
    action = f"arn:aws:lambda:us-east-1:{alarms.ctx.account}:function:f"
    composite(alarms, "any", "ALARM(a) OR ALARM(b)", AlarmActions=[action])
    perform = actions.perform

    def meanwhile(world: World, row: Row, change: Change) -> None:
        """The action is carried out, and a child's step tells of its own change before it ends."""
        perform(world, row, change)
        if row.name == "any" and len(alarms.history("any", "Action")) < 3:
            alarms.clock.forward(1)
            child = world.rows.get(row.account, row.region, "alarm", "b")
            assert child is not None
            composites.tell(world, child)

    monkeypatch.setattr(actions, "perform", meanwhile)
    set_state(alarms, "a", "ALARM")
    assert len(alarms.history("any", "Action")) == 1
    # and what the child told is not lost
    monkeypatch.undo()
    set_state(alarms, "a", "OK")
    assert alarms.state("any") == "OK"


def test_rules_that_lead_in_a_circle_are_not_evaluated(alarms: AlarmWorld) -> None:
    composite(alarms, "x", "TRUE")
    composite(alarms, "y", "ALARM(x)")
    composite(alarms, "x", "NOT ALARM(y)")
    assert (alarms.state("x"), alarms.state("y")) == ("ALARM", "ALARM")


def test_a_suppressor_holds_actions_back(alarms: AlarmWorld) -> None:
    quiet(alarms, "child", "deploying")
    action = (
        f"arn:aws:lambda:us-east-1:{alarms.ctx.account}:function:f"  # which is tried, and fails
    )
    given = {
        "AlarmActions": [action],
        "ActionsSuppressor": "deploying",
        "ActionsSuppressorWaitPeriod": 60,
        "ActionsSuppressorExtensionPeriod": 120,
    }
    composite(alarms, "top", "ALARM(child)", **given)

    def acted() -> int:
        return len(alarms.history("top", "Action"))

    # nobody suppresses: the actions wait for a suppressor, and are done after its wait period
    set_state(alarms, "child", "ALARM")
    assert alarms.describe("top")["ActionsSuppressedBy"] == "WaitPeriod"
    alarms.forward(59)
    assert acted() == 0
    alarms.forward(2)
    assert acted() == 1
    assert "ActionsSuppressedBy" not in alarms.describe("top")
    set_state(alarms, "child", "OK")
    alarms.forward(61)
    # the suppressor comes within the wait period, and goes; the child is in ALARM still
    set_state(alarms, "child", "ALARM")
    alarms.forward(30)
    set_state(alarms, "deploying", "ALARM")
    assert alarms.describe("top")["ActionsSuppressedBy"] == "Alarm"
    alarms.forward(600)
    assert acted() == 1
    set_state(alarms, "deploying", "OK")
    assert alarms.describe("top")["ActionsSuppressedBy"] == "ExtensionPeriod"
    alarms.forward(119)
    assert acted() == 1
    alarms.forward(2)
    assert acted() == 2
    assert "ActionsSuppressedBy" not in alarms.describe("top")


# -- many, and again


def test_alarms_go_on_after_a_restart(alarms: AlarmWorld) -> None:
    """A step that was killed after its state was stored is finished by the next server."""
    policy = alarms.policy("again", "killed")
    alarms.alarm("killed", AlarmActions=[policy])
    alarms.put("killed", 99.0, ago=40)
    (row,) = alarms.world.rows.claim(30.0, 10)
    step = alarms.table["alarm"].reconcile
    assert step is not None
    assert alarms.world.rows.apply(row, step(alarms.world, row))  # and here it is killed
    assert alarms.history("killed", "StateUpdate") == []
    (row,) = alarms.world.rows.claim(30.0, 10)
    step(alarms.world, row)  # acted, and killed before that was stored
    alarms.world.rows.take_over({"alarm": ()})
    alarms.settle()
    assert len(alarms.history("killed", "StateUpdate")) == 1
    assert ("again", "ALARM") in alarms.policies


def test_alarms_and_their_history_are_on_disk(settings: Settings, clock: Clock) -> None:
    def opened() -> AlarmWorld:
        return AlarmWorld(build(settings, clock), clock)

    first = opened()
    first.alarm("kept", Tags=[{"Key": "k", "Value": "v"}], TreatMissingData="notBreaching")
    first.settle()
    before = first.describe("kept")
    first.app.stop()
    second = opened()
    try:
        assert second.describe("kept") == before
        assert len(second.history("kept")) == 2
        second.put("kept", 99.0)
        second.forward(MINUTE)
        assert second.state("kept") == "ALARM"
        second.world.reset()  # and all of it is gone once the accounts are emptied
        assert second.call("DescribeAlarms")["MetricAlarms"] == []
        assert second.history("kept") == []
    finally:
        second.app.stop()
