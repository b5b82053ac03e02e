"""A tuning job of short trials beside Optuna running the same function in its own process.

    python benchmarks/tuning.py [--seconds S] [--trials N] [--parallel P]

Prints the trials per minute of both and their ratio (at least 0.8 is the goal, at 10-second trials).
A trial burns a CPU for S seconds and reports a value; as many run at once as the host has CPUs. The
tuning job goes through boto3, as a user's would, and its time is from the request to `Completed`.
Optuna has the same search (TPE) and as many threads as there are trials at once.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import optuna
from jobs import IMAGE, Bench, wait

SCRIPT = """
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
parser.add_argument("--seconds", type=float)
given, _ = parser.parse_known_args()
end = time.perf_counter() + given.seconds
while time.perf_counter() < end:
    sum(i * i for i in range(1000))
print(f"objective={-(given.rate - 0.3) ** 2}", flush=True)
"""


def by_optuna(trials: int, parallel: int, seconds: float) -> float:
    """Seconds that Optuna takes."""

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 0, 1)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            sum(i * i for i in range(1000))
        return -((rate - 0.3) ** 2)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    begun = time.perf_counter()
    study.optimize(objective, n_trials=trials, n_jobs=parallel)
    return time.perf_counter() - begun


def by_tuning_job(bench: Bench, trials: int, parallel: int, seconds: float) -> float:
    """Seconds from CreateHyperParameterTuningJob to Completed."""
    name = bench.name()
    request: Any = {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "objective"},
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": trials,
                "MaxParallelTrainingJobs": parallel,
            },
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "objective", "Regex": "objective=([-0-9.e]+)"}],
            },
            "StaticHyperParameters": {
                "seconds": str(seconds),
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": bench.put_archive(
                    "code/tuning.tar.gz", {"train.py": SCRIPT}
                ),
            },
            "RoleArn": bench.role,
            "OutputDataConfig": {"S3OutputPath": "s3://bench/out"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        },
    }
    begun = time.perf_counter()
    bench.sagemaker.create_hyper_parameter_tuning_job(**request)
    wait(
        lambda: bench.sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )["HyperParameterTuningJobStatus"],
        "InProgress",
        "Completed",
    )
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--parallel", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    asked = (given.trials, given.parallel, given.seconds)
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place) / "home")
        try:
            bench.app.world.environments.build("base")
            ours = by_tuning_job(bench, *asked)
        finally:
            bench.app.stop_jobs(lambda: False)
            bench.app.stop()
    theirs = by_optuna(*asked)
    print(f"{given.trials} trials of {given.seconds:g} s, {given.parallel} at once")
    for who, took in (("tuning job", ours), ("Optuna", theirs)):
        print(f"  {who:10} {took:7.2f} s   {60 * given.trials / took:6.2f} trials per minute")
    print(f"  ratio {theirs / ours:.2f}")


if __name__ == "__main__":
    main()
