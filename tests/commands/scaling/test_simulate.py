"""`scaling simulate` and `endpoints plot`, as they are called."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest

from sagebrush.commands import endpoints, pictures, places, running, scaling
from sagebrush.commands.pictures import Picture
from sagebrush.commands.running import CommandError

NOW = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)
POLICY = {
    "TargetValue": 100.0,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
    },
}


def minutes_ago(number: int) -> dt.datetime:
    return NOW - dt.timedelta(minutes=number)


class Client:
    """Answers of every service for an endpoint that had 250 requests a minute for an hour."""

    target = True

    def describe_endpoint(self, **asked: Any) -> dict[str, Any]:
        variant = {"VariantName": "v", "CurrentInstanceCount": 3}
        return {"EndpointConfigName": "c", "ProductionVariants": [variant]}

    def describe_endpoint_config(self, **asked: Any) -> dict[str, Any]:
        return {"ProductionVariants": [{"VariantName": "v", "InstanceType": "ml.m5.large"}]}

    def get_paginator(self, operation: str) -> Client:
        made = Client()
        made.operation = operation
        made.target = self.target
        return made

    operation = ""

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        if self.operation == "get_metric_data":
            (query,) = asked["MetricDataQueries"]
            metric = query["MetricStat"]["Metric"]["MetricName"]
            value = {"Invocations": 250.0, "InvocationsPerInstance": 125.0}.get(metric, 20000.0)
            times = [minutes_ago(n) for n in range(61, 0, -1)]
            values = [value] * 61
            if metric == "HasBacklogWithoutCapacity":
                values = [0.0] * 30 + [1.0] + [0.0] * 30
            return [{"MetricDataResults": [{"Timestamps": times, "Values": values}]}]
        return [
            {
                "ScalingActivities": [
                    {"Description": "Setting desired instance count to 3.",
                     "StatusCode": "Successful", "StartTime": minutes_ago(20),
                     "EndTime": minutes_ago(19) + dt.timedelta(seconds=1)}
                ],
                "ScalableTargets": [{"MinCapacity": 2, "MaxCapacity": 5}] if self.target else [],
                "ScalingPolicies": [
                    {"PolicyName": "mine", "PolicyType": "TargetTrackingScaling",
                     "TargetTrackingScalingPolicyConfiguration": POLICY}
                ],
                "ScheduledActions": [],
            }
        ]  # fmt: skip


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Client]:
    monkeypatch.setattr(running, "settings", lambda: None)
    monkeypatch.setattr(running, "require", lambda chosen: None)
    monkeypatch.setattr(running, "client", lambda chosen, server, service, region: Client())
    monkeypatch.setattr(places, "region_of", lambda chosen, server, name, asked: "us-east-1")
    monkeypatch.chdir(tmp_path)
    return Client


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Picture]:
    """What would be drawn."""
    found: list[Picture] = []
    monkeypatch.setattr(pictures, "draw", lambda picture, path, chosen: found.append(picture))
    return found


def run(command: Any, *words: str) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args(words))


def test_files_alone_need_no_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], drawn: list[Picture],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(running, "settings", lambda: None)
    (tmp_path / "t.csv").write_text("00:00,3000\n01:00,18000\n02:00,3000\n")
    (tmp_path / "p.json").write_text(json.dumps(POLICY))
    words = ["--traffic", str(tmp_path / "t.csv"), "--policy", str(tmp_path / "p.json")]
    picture = ["-o", str(tmp_path / "x.png")]
    assert run(scaling, "simulate", *words, "--type", "ml.m5.large", *picture) == 0
    said = capsys.readouterr().out
    assert "24,000 requests in 3.0 hours, at most 300 a minute" in said
    assert re.search(r"01:03 +1 -> 3 +300 +policy-1 \(policy-1-AlarmHigh\)", said)
    assert re.search(r"02:15 +3 -> 1 +50 +policy-1 \(policy-1-AlarmLow\)", said)
    # 63 minutes at 1, 72 at 3, 45 at 1; 200 requests too many in each of three minutes
    assert re.search(r"scaled by the policy +5\.4 +600 +\$0\.62", said)
    assert re.search(r"fixed for the peak \(3\) +9\.0 +0 +\$1\.0", said)
    (found,) = drawn
    assert [p.title for p in found.panels] == ["Requests", "Instances"]
    assert max(v or 0 for v in found.panels[1].lines[1].values) == 3


def test_an_endpoints_own_traffic_and_policies(
    client: type[Client], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(scaling, "simulate", "e") == 0
    said = capsys.readouterr().out
    assert "2 to 5 instances" in said
    assert "2 -> 3" in said
    assert "mine (mine-AlarmHigh)" in said
    assert "ml.m5.large" in said


def test_what_is_lacking_is_told(client: type[Client], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "target", False)
    for words, told in (
        ([], "give the name"),
        (["e"], "is no scalable target"),
        (["e", "--variant", "w"], "has the variants v"),
        (["e", "--startup", "-1"], "--startup"),
    ):
        with pytest.raises(CommandError, match=told):
            run(scaling, "simulate", *words)


def test_a_plot_shows_what_happened(client: type[Client], drawn: list[Picture]) -> None:
    assert run(endpoints, "plot", "e") == 0
    (found,) = drawn
    requests, latency, flight, instances = found.panels
    assert max(v or 0 for v in requests.lines[0].values) == 250
    assert [line.label for line in latency.lines] == ["p50", "p90", "p99"]
    assert set(latency.lines[0].values) == {20.0}  # milliseconds
    assert flight.lines[0].label == "in flight"
    counts = instances.lines[0].values
    assert (counts[0], counts[-1]) == (2.0, 3.0)
    assert counts.count(0.0) == 1  # the minute in which requests waited without capacity
    assert counts[61 - 19 + 1] == 3.0  # what the activity led to
    assert [words for _, words in instances.marks] == ["to 3"]


def test_a_picture_is_a_png(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"end in \.png"):
        pictures.draw(Picture("t", ()), tmp_path / "x.pdf", None)  # type: ignore[arg-type]
