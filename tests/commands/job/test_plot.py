"""`jobs plot`: pages and pictures of tuning jobs, from what List and Describe answer."""

from __future__ import annotations

import argparse
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from sagebrush.commands import places, running
from sagebrush.commands.job import plot
from sagebrush.commands.job import table as job_table
from sagebrush.commands.running import CommandError
from sagebrush.tuning.ask import FAILED, PRUNED, RUNNING

OBJECTIVE = {"Type": "Maximize", "MetricName": "validation:accuracy"}
RANGES = {
    "ContinuousParameterRanges": [
        {"Name": "rate", "MinValue": "0.001", "MaxValue": "1"},
        {"Name": "decay", "MinValue": "0.5", "MaxValue": "0.999",
         "ScalingType": "ReverseLogarithmic"},
    ],
    "CategoricalParameterRanges": [{"Name": "kind", "Values": ['"sgd"', '"<b>"']}],
}  # fmt: skip


def job(**more: Any) -> dict[str, Any]:
    config = {"Strategy": "Bayesian", "HyperParameterTuningJobObjective": OBJECTIVE,
              "ParameterRanges": RANGES}  # fmt: skip
    return {
        "HyperParameterTuningJobName": "intents",
        "HyperParameterTuningJobStatus": "Completed",
        "ObjectiveStatusCounters": {"Succeeded": 8, "Pending": 0, "Failed": 1},
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": {},
        **more,
    }


def summary(place: int, status: str = "Completed", value: float | None = None) -> dict[str, Any]:
    tuned = {"rate": str(0.01 * place + 0.01), "decay": str(0.9 + 0.01 * place),
             "kind": '"sgd"' if place % 2 else '"<b>"'}  # fmt: skip
    found: dict[str, Any] = {"TunedHyperParameters": tuned, "TrainingJobStatus": status}
    if value is not None:
        found["FinalHyperParameterTuningJobObjectiveMetric"] = {"Value": value, **OBJECTIVE}
    return found


SUMMARIES = [
    *(summary(n, value=0.5 + 0.05 * n) for n in range(7)),
    summary(7, "Stopped", 0.4),
    summary(8, "Failed"),
    summary(9, "InProgress"),
]


class Client:
    """Answers as SageMaker does."""

    def __init__(self, summaries: list[dict[str, Any]]) -> None:
        self.summaries = summaries
        self.told = job()

    def describe_hyper_parameter_tuning_job(self, **asked: Any) -> dict[str, Any]:
        return self.told

    def get_paginator(self, operation: str) -> Client:
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        return [{"TrainingJobSummaries": [each]} for each in self.summaries]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Client:
    made = Client(list(SUMMARIES))
    monkeypatch.setattr(running, "settings", lambda: None)
    monkeypatch.setattr(running, "require", lambda chosen: None)
    monkeypatch.setattr(running, "client", lambda chosen, server, service, region: made)
    monkeypatch.setattr(places, "region_of", lambda chosen, server, name, asked: "us-east-1")
    monkeypatch.chdir(tmp_path)
    return made


def asked(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    plot.configure(parser)
    return parser.parse_args(words)


def test_a_page_stands_alone_and_shows_what_there_is(
    answers: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plot.run(asked("intents")) == 0
    assert capsys.readouterr().out.strip() == "intents.html"
    text = (tmp_path / "intents.html").read_text()
    assert not re.search(r"<script[^>]+src=", text)
    assert "8 trials with an objective" in text
    assert "<th>best validation:accuracy</th><td>0.8</td>" in text
    for words in ("Objective by trial", "What the trials tried", "What mattered", "stopped early"):
        assert words in text
    assert "<td>&lt;b&gt;</td>" in text


def test_values_are_drawn_as_they_were_tried() -> None:
    (found,) = plot.drawn(job(), SUMMARIES)
    states = [trial.state for trial in found.trials]
    assert states[7:] == [PRUNED, FAILED, RUNNING]
    assert found.study.trials[3].params["decay"] == 0.93  # not 1 - 0.93, as it is searched
    assert found.best.value == pytest.approx(0.8)


def test_several_definitions_are_drawn_apart() -> None:
    named = [
        {"DefinitionName": name, "TuningObjective": OBJECTIVE, "HyperParameterRanges": RANGES}
        for name in ("a", "b")
    ]
    told = job(TrainingJobDefinitions=named)
    del told["TrainingJobDefinition"]
    mixed = [
        {**each, "TrainingJobDefinitionName": "ab"[place % 2]}
        for place, each in enumerate(SUMMARIES)
    ]
    drawings = plot.drawn(told, mixed)
    assert [len(each.trials) for each in drawings] == [5, 5]
    assert plot.page(told, drawings).count("<h2>") == 2


def test_without_a_value_there_is_nothing_to_draw(answers: Client) -> None:
    answers.summaries = [summary(0, "InProgress"), summary(1, "Failed")]
    answers.told = job(HyperParameterTuningJobStatus="InProgress")
    with pytest.raises(CommandError, match="no trial has ended with an objective value"):
        plot.run(asked("intents"))


def test_other_files_are_refused(answers: Client) -> None:
    with pytest.raises(CommandError, match=r"must end in \.html or \.png"):
        plot.run(asked("intents", "-o", "x.pdf"))


def test_a_png_is_drawn_by_matplotlib_or_says_that_it_is_missing(
    answers: Client, tmp_path: Path
) -> None:
    wanted = asked("intents", "-o", "x.png")
    if importlib.util.find_spec("matplotlib") is None:
        with pytest.raises(CommandError, match="pip install matplotlib"):
            plot.run(wanted)
    else:
        assert plot.run(wanted) == 0
        assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_an_ended_job_without_a_value_tells_why(answers: Client) -> None:
    answers.summaries = [summary(1, "Failed")]
    answers.told = job(
        HyperParameterTuningJobStatus="Failed", FailureReason="No objective metrics found"
    )
    with pytest.raises(CommandError, match=r"intents is Failed, .*: No objective metrics found"):
        plot.run(asked("intents"))


def test_a_file_that_cannot_be_written_is_told(answers: Client, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file or directory"):
        plot.run(asked("intents", "-o", str(tmp_path / "nowhere" / "x.html")))


def test_the_table_tells_how_far_a_tuning_job_is() -> None:
    counts = {"Completed": 3, "InProgress": 2, "Stopped": 1, "NonRetryableError": 1}
    limits = {"ResourceLimits": {"MaxNumberOfTrainingJobs": 20}}
    best = {"FinalHyperParameterTuningJobObjectiveMetric": {"Value": 0.8125, **OBJECTIVE}}
    told = job(HyperParameterTuningJobStatus="InProgress", TrainingJobStatusCounters=counts,
               HyperParameterTuningJobConfig=limits, BestTrainingJob=best)  # fmt: skip
    assert job_table.tuning(told) == (
        "5 of 20 training jobs ended, 2 in progress; best validation:accuracy 0.8125"
    )
    over = {**told, "HyperParameterTuningJobStatus": "Failed", "FailureReason": "nothing"}
    del over["BestTrainingJob"]
    assert job_table.tuning(over) == "5 training jobs; nothing"
