"""BlazingText tuned on banking77: Bayesian beside Random at equal budget, and what the best is worth.

    python benchmarks/tuning_banking77.py [--data DIR] [--trials N] [--seeds K] [--parallel P]

DIR (or SAGEBRUSH_EVAL_DATA) holds banking77/train.csv and valid.csv (columns text and label). The
trials train on nine tenths of train.csv and are judged on the tenth that is left; the best model of
each tuning job is asked about valid.csv, which no trial saw. Both strategies have the same ranges,
number of trials and seeds. Everything goes through boto3: each trial is a training job.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import io
import os
import random
import re
import statistics
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from jobs import Bench, wait

IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1"
METRIC = "validation:accuracy"
RANGES = {
    "IntegerParameterRanges": [
        {"Name": "epochs", "MinValue": "2", "MaxValue": "30", "ScalingType": "Logarithmic"},
        {"Name": "vector_dim", "MinValue": "10", "MaxValue": "100", "ScalingType": "Logarithmic"},
        {"Name": "word_ngrams", "MinValue": "1", "MaxValue": "3"},
        {"Name": "min_count", "MinValue": "1", "MaxValue": "10"},
    ],
    "ContinuousParameterRanges": [
        {
            "Name": "learning_rate",
            "MinValue": "0.005",
            "MaxValue": "1.0",
            "ScalingType": "Logarithmic",
        }
    ],
}


def labelled(source: Path) -> list[str]:
    """The rows of a CSV file as BlazingText reads them."""
    with source.open(encoding="utf-8") as rows:
        found = []
        for row in csv.DictReader(rows):
            words = re.findall(r"\w+|[^\w\s]", row["text"].lower())
            found.append(f"__label__{row['label'].replace(' ', '_')} {' '.join(words)}\n")
    return found


def upload(bench: Bench, data: Path) -> list[str]:
    """Both channels are in the bucket; the lines that no trial sees."""
    lines = labelled(data / "train.csv")
    random.Random(0).shuffle(lines)
    cut = len(lines) // 10
    for name, part in (("validation", lines[:cut]), ("train", lines[cut:])):
        body = "".join(part).encode()
        bench.s3.put_object(Bucket="bench", Key=f"{name}/{name}.txt", Body=body)
    return labelled(data / "valid.csv")


def tune(bench: Bench, strategy: str, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """The best trial of one tuning job."""
    name = bench.name()
    config: Any = {
        "Strategy": strategy,
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": METRIC},
        "ResourceLimits": {
            "MaxNumberOfTrainingJobs": given.trials,
            "MaxParallelTrainingJobs": given.parallel,
        },
        "ParameterRanges": RANGES,
        "RandomSeed": seed,
    }
    definition: Any = {
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "StaticHyperParameters": {"mode": "supervised", "buckets": "100000"},
        "RoleArn": bench.role,
        "InputDataConfig": [
            {
                "ChannelName": channel,
                "DataSource": {
                    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://bench/{channel}/"}
                },
            }
            for channel in ("train", "validation")
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://bench/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }
    bench.sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig=config,
        TrainingJobDefinition=definition,
    )

    def told() -> dict[str, Any]:
        return bench.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)

    wait(lambda: told()["HyperParameterTuningJobStatus"], "InProgress", "Completed")
    return told()["BestTrainingJob"]


def held_back(bench: Bench, job: str, lines: list[str]) -> float:
    """Accuracy of the training job's model on the lines."""
    algorithms = Path(__file__).resolve().parent.parent / "sagebrush" / "algorithms"
    sys.path.insert(0, str(algorithms))  # the algorithm is a program of its own
    fasttext_model = importlib.import_module("blazingtext.fasttext_model")
    body = bench.s3.get_object(Bucket="bench", Key=f"out/{job}/output/model.tar.gz")["Body"].read()
    with tempfile.TemporaryDirectory() as place:
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            tar.extractall(place, filter="data")
        model = fasttext_model.load(Path(place) / "model.bin")
        right = 0
        for line in lines:
            label, _, text = line.rstrip("\n").partition(" ")
            right += label in model.predict(text)[0]
    return right / len(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("SAGEBRUSH_EVAL_DATA"))
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--parallel", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if given.data is None:
        parser.error("no data: give --data DIR or set SAGEBRUSH_EVAL_DATA")
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place) / "home")
        try:
            compare(bench, given)
        finally:
            bench.app.stop_jobs(lambda: False)
            bench.app.stop()


def compare(bench: Bench, given: argparse.Namespace) -> None:
    """Prints the best of each seed, the means, and the accuracy on what was held back."""
    lines = upload(bench, Path(given.data) / "banking77")
    found: dict[str, list[tuple[float, float]]] = {"Bayesian": [], "Random": []}
    for seed in range(given.seeds):
        for strategy, results in found.items():
            best = tune(bench, strategy, seed, given)
            value = best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
            results.append((value, held_back(bench, best["TrainingJobName"], lines)))
            print(
                f"seed {seed}  {strategy:8}  best {value:.4f}  held back {results[-1][1]:.4f}  "
                + "  ".join(f"{k} {float(v):.4g}" for k, v in best["TunedHyperParameters"].items()),
                flush=True,
            )
    for strategy, results in found.items():
        print(
            f"{strategy:8} mean of {given.seeds}: best {statistics.fmean(v for v, _ in results):.4f}"
            f"   held back {statistics.fmean(v for _, v in results):.4f}"
        )
    wins = sum(a[0] > b[0] for a, b in zip(found["Bayesian"], found["Random"], strict=True))
    print(f"Bayesian better in {wins} of {given.seeds} at {given.trials} trials each")


if __name__ == "__main__":
    main()
