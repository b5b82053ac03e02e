"""A world for tests of tuning jobs: trials are training jobs whose script is a Python function."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sagebrush.compute.base import Exited, Running, Spec, State
from sagebrush.engine.loop import Loop
from sagebrush.errors import Doc
from sagebrush.services.sagemaker.training import operations as training
from sagebrush.services.sagemaker.tuning import operations as tuning
from sagebrush.store.series import Metric, Point
from tests.services.sagemaker.jobworld import IMAGE, ROLE, JobWorld, Recorder

Script = Callable[[dict[str, str]], Sequence[float]]
"""Hyperparameters -> the objective's values, epoch by epoch."""


class Kept(Recorder):
    """Points that can be asked for."""

    def query(
        self, account: str, region: str, metric: Metric, start: float, end: float
    ) -> list[Point]:
        return [
            p
            for p in self.points
            if p.metric == metric.name and dict(p.dimensions) == dict(metric.dimensions)
        ]


class TuningWorld(JobWorld):
    """A JobWorld whose loop tunes too."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.series = Kept()
        self.world.series = self.series
        self.given: list[dict[str, str]] = []
        self.objective(lambda given: [float(given["x"])])

    def open(self) -> None:
        super().open()
        self.world.series = self.series
        kinds = {kind.name: kind for kind in (training.KIND, tuning.KIND)}
        self.loop = Loop(self.world, kinds, threads=1)

    def objective(self, script: Script, state: Callable[[dict[str, str]], State] | None = None):
        """Trials print these values, and end well unless `state` says otherwise."""

        def run(spec: Spec) -> State:
            path = spec.root / "ml/input/config/hyperparameters.json"
            given = json.loads(path.read_text())
            self.given.append(given)
            self.backend.lines[spec.key] = [f"objective={v}" for v in script(given)]
            return state(given) if state else Exited(0)

        self.backend.script = run

    def steps(self, script: Script) -> None:
        """Trials print one more value for each `epoch` of the test, and run until `finish`."""
        self.objective(lambda given: [], lambda given: Running(0.0, ""))
        self.curves: dict[str, list[float]] = {}
        run = self.backend.script

        def begin(spec: Spec) -> State:
            state = run(spec)
            self.curves[spec.key] = [float(v) for v in script(self.given[-1])]
            return state

        self.backend.script = begin

    def epoch(self) -> None:
        """Every running trial printed its next value, or ended, and everybody saw it."""
        for key, curve in self.curves.items():
            if not isinstance(self.backend.poll(key), Running):
                continue
            if curve:
                self.backend.lines.setdefault(key, []).append(f"objective={curve.pop(0)}")
            else:
                self.backend.states[key] = Exited(0)
        self.run(12.0, turns=12)

    def tune(self, name: str = "tune", **changes: Any) -> Doc:
        return tuning.create_hyper_parameter_tuning_job(self.ctx, request(name, **changes))

    def told(self, name: str = "tune") -> Doc:
        return tuning.describe_hyper_parameter_tuning_job(
            self.ctx, {"HyperParameterTuningJobName": name}
        )

    def trials(self, name: str = "tune", **more: Any) -> list[Doc]:
        wanted = {"HyperParameterTuningJobName": name, "MaxResults": 100, **more}
        found = tuning.list_training_jobs_for_hyper_parameter_tuning_job(self.ctx, wanted)
        return list(found["TrainingJobSummaries"])

    def finish(self, name: str = "tune", turns: int = 200) -> Doc:
        """The tuning job as it ended."""
        for _ in range(turns):
            self.run(5.0, turns=5)
            if self.told(name)["HyperParameterTuningJobStatus"] in (
                "Completed",
                "Failed",
                "Stopped",
            ):
                return self.told(name)
        raise AssertionError(f"{name} has not ended: {self.told(name)}")


def number(name: str = "x", low: str = "0", high: str = "1", **more: str) -> dict[str, str]:
    return {"Name": name, "MinValue": low, "MaxValue": high, **more}


def config(strategy: str = "Random", jobs: int | None = 4, parallel: int = 2, **more: Any) -> Doc:
    """A HyperParameterTuningJobConfig; a member set to None is left out."""
    limits = {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": parallel}
    found = {
        "Strategy": strategy,
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "objective"},
        "ResourceLimits": {k: v for k, v in limits.items() if v is not None},
        "ParameterRanges": {"ContinuousParameterRanges": [number()]},
        "RandomSeed": 1,
        **more,
    }
    return {k: v for k, v in found.items() if v is not None}


def definition(**more: Any) -> Doc:
    """A TrainingJobDefinition; a member set to None is left out."""
    found = {
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "objective", "Regex": "objective=([-0-9.e]+)"}],
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "StaticHyperParameters": {"epochs": "9"},
        **more,
    }
    return {k: v for k, v in found.items() if v is not None}


def request(name: str = "tune", **changes: Any) -> Doc:
    found = {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": config(),
        "TrainingJobDefinition": definition(),
        **changes,
    }
    return {k: v for k, v in found.items() if v is not None}
