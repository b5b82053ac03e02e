"""Tuning jobs from CreateHyperParameterTuningJob to their ends, with scripted trials and a set clock."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.compute.base import Exited, Running
from sagebrush.compute.host import Host
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker.training import cluster as training_cluster
from sagebrush.services.sagemaker.training import operations as training
from sagebrush.services.sagemaker.training.warm_pool import offers
from sagebrush.services.sagemaker.tuning import life as tuning_life
from sagebrush.services.sagemaker.tuning import operations as tuning
from tests.services.sagemaker.tuning.tuningworld import TuningWorld, config, definition, number


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TuningWorld]:
    # a waiting process is a real one, which scripted trials have no use for
    monkeypatch.setattr(offers, "offer", lambda *_: False)
    found = TuningWorld(tmp_path)
    yield found
    found.db.close()


def statuses(world: TuningWorld, name: str = "tune") -> list[str]:
    return [each["TrainingJobStatus"] for each in world.trials(name)]


def tuned(**ranges: Any) -> Doc:
    """A configuration that searches these ranges at random, for six trials."""
    return config(jobs=6, ParameterRanges=ranges)


def test_a_tuning_job_runs_its_trials_and_tells_the_best(world: TuningWorld) -> None:
    arn = world.tune(Tags=[{"Key": "team", "Value": "nlp"}])["HyperParameterTuningJobArn"]
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/tune"
    assert world.told()["HyperParameterTuningJobStatus"] == "InProgress"

    found = world.finish()

    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["TrainingJobStatusCounters"]["Completed"] == 4
    assert found["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    assert found["ConsumedResources"]["RuntimeInSeconds"] > 0
    trials = world.trials()
    assert world.backend.launches == len(trials) == 4
    for place, trial in enumerate(trials, 1):
        assert re.fullmatch(f"tune-00{place}-[0-9a-f]{{8}}", trial["TrainingJobName"])
        value = trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        assert value == float(trial["TunedHyperParameters"]["x"])
    assert found["BestTrainingJob"] == max(
        trials, key=lambda t: t["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    )
    assert "OverallBestTrainingJob" not in found

    job = world.describe(trials[0]["TrainingJobName"])
    assert job["TuningJobArn"] == arn
    assert job["HyperParameters"] == {
        "epochs": "9",
        "_tuning_objective_metric": "objective",
        **trials[0]["TunedHyperParameters"],
    }
    row = world.rows.get("123456789012", "us-east-1", "training-job", job["TrainingJobName"])
    assert row is not None
    assert row.plan["tags"] == {"team": "nlp"}


def test_lists_are_sorted_filtered_and_paged(world: TuningWorld) -> None:
    world.objective(
        lambda given: [float(given["x"])],
        lambda given: Exited(1 if float(given["x"]) < 0.3 else 0),
    )
    world.tune(HyperParameterTuningJobConfig=config(jobs=8))
    world.finish()
    down = world.trials(SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    member = "FinalHyperParameterTuningJobObjectiveMetric"
    values = [each[member]["Value"] for each in down if member in each]
    assert values == sorted(values, reverse=True)
    failed = [each for each in down if each["TrainingJobStatus"] == "Failed"]
    assert 0 < len(failed) < 8
    assert down[len(values) :] == failed
    assert all(each["ObjectiveStatus"] == "Failed" for each in failed)
    assert all("exit code: 1" in each["FailureReason"] for each in failed)
    assert len(world.trials(StatusEquals="Completed")) == 8 - len(failed)
    first = {"HyperParameterTuningJobName": "tune", "MaxResults": 5}
    page = tuning.list_training_jobs_for_hyper_parameter_tuning_job(world.ctx, first)
    rest = tuning.list_training_jobs_for_hyper_parameter_tuning_job(
        world.ctx, {**first, "NextToken": page["NextToken"]}
    )
    assert len(page["TrainingJobSummaries"]) + len(rest["TrainingJobSummaries"]) == 8
    assert "NextToken" not in rest
    (summary,) = tuning.list_hyper_parameter_tuning_jobs(world.ctx, {})[
        "HyperParameterTuningJobSummaries"
    ]
    assert summary["Strategy"] == "Random"
    assert summary["TrainingJobStatusCounters"]["NonRetryableError"] == len(failed)
    assert summary["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 8


def test_as_many_trials_run_as_may_and_the_next_begins_when_one_ends(world: TuningWorld) -> None:
    world.objective(lambda given: [0.5], lambda given: Running(0.0, ""))
    resources = {"InstanceType": "ml.t3.medium", "InstanceCount": 1, "VolumeSizeInGB": 1}
    world.tune(
        HyperParameterTuningJobConfig=config(jobs=5, parallel=2),
        TrainingJobDefinition=definition(ResourceConfig=resources),
    )
    for done in range(5):
        world.run(6.0)
        assert statuses(world).count("InProgress") == min(2, 5 - done)
        running = [k for k, s in world.backend.states.items() if isinstance(s, Running)]
        world.backend.states[running[0]] = Exited(0)
    assert world.finish()["TrainingJobStatusCounters"]["Completed"] == 5


def test_grid_tries_all_combinations_and_counts_them_itself(world: TuningWorld) -> None:
    ranges = [{"Name": "x", "Values": ["1", "2", "3"]}, {"Name": "k", "Values": ["a", "b"]}]
    world.tune(
        HyperParameterTuningJobConfig=config(
            "Grid", None, ParameterRanges={"CategoricalParameterRanges": ranges}
        )
    )
    found = world.finish()
    limits = found["HyperParameterTuningJobConfig"]["ResourceLimits"]
    assert limits["MaxNumberOfTrainingJobs"] == 6
    assert len({tuple(sorted(each.items())) for each in world.given}) == 6
    assert found["BestTrainingJob"]["TunedHyperParameters"]["x"] == "3"


def test_the_same_seed_gives_the_same_trials(world: TuningWorld) -> None:
    for name in ("one", "two"):
        world.tune(name, HyperParameterTuningJobConfig=config("Bayesian", 10, 1))
        world.finish(name)
    ours = [[each["TunedHyperParameters"] for each in world.trials(n)] for n in ("one", "two")]
    assert ours[0] == ours[1]


@pytest.mark.costs("plays a whole tuning job")
def test_early_stopping_stops_what_is_worse_than_the_median(world: TuningWorld) -> None:
    """Quality is x; at each epoch the objective grows by it."""
    world.steps(lambda given: [float(given["x"]) * epoch for epoch in range(1, 7)])
    settings = config(jobs=10, parallel=1, TrainingJobEarlyStoppingType="Auto")
    world.tune(HyperParameterTuningJobConfig=settings)
    for _ in range(80):
        world.epoch()
    found = world.told()
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    trials = world.trials()
    stopped = [t for t in trials if t["TrainingJobStatus"] == "Stopped"]
    assert stopped
    assert found["TrainingJobStatusCounters"]["Stopped"] == len(stopped)
    assert found["ObjectiveStatusCounters"]["Succeeded"] == 10
    assert trials.index(stopped[0]) >= 3  # there was something to compare with
    ran = [float(t["TunedHyperParameters"]["x"]) for t in trials if t not in stopped]
    assert all(float(t["TunedHyperParameters"]["x"]) < max(ran) for t in stopped)
    row = world.rows.get("123456789012", "us-east-1", tuning.KIND.name, "tune")
    assert row is not None
    assert sum(bool(entry.get("early")) for entry in row.plan["trials"]) == len(stopped)


@pytest.mark.costs("plays a whole tuning job")
def test_hyperband_gives_epochs_to_the_promising(world: TuningWorld) -> None:
    world.steps(lambda given: [float(given["x"]) * epoch for epoch in range(1, 20)])
    world.tune(HyperParameterTuningJobConfig=config("Hyperband", 12, 2))
    for _ in range(150):
        world.epoch()
        if world.told()["HyperParameterTuningJobStatus"] == "Completed":
            break
    found = world.told()
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    ran = {
        key: len(lines)
        for key, lines in world.backend.lines.items()
        if world.backend.specs.get(key)
    }
    assert max(ran.values()) == 9  # MaxResource is the static epochs; the scripts would go on
    assert min(ran.values()) < 9
    assert sum(ran.values()) < 0.8 * 9 * 12
    best = found["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert best > 0.6 * 9


@pytest.mark.costs("plays a whole tuning job")
@pytest.mark.parametrize(
    ("criteria", "most"),
    [
        ({"TargetObjectiveMetricValue": 0.6}, 8),
        ({"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}, 20),
        ({"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}, 40),
    ],
)
def test_a_completion_criterion_ends_the_job(world: TuningWorld, criteria: Doc, most: int) -> None:
    world.tune(
        HyperParameterTuningJobConfig=config(
            "Bayesian", 60, 1, TuningJobCompletionCriteria=criteria
        )
    )
    found = world.finish()
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["TrainingJobStatusCounters"]["Completed"] <= most
    details = found["TuningJobCompletionDetails"]
    if "ConvergenceDetected" in criteria:
        assert details["ConvergenceDetectedTime"] <= found["HyperParameterTuningEndTime"]
    if "BestObjectiveNotImproving" in criteria:
        assert details["NumberOfTrainingJobsObjectiveNotImproving"] >= 3
    if "TargetObjectiveMetricValue" in criteria:
        best = found["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]
        assert best["Value"] >= 0.6


def test_the_time_limit_of_the_job_stops_its_trials(world: TuningWorld) -> None:
    world.objective(lambda given: [0.5], lambda given: Running(0.0, ""))
    settings = config(jobs=5, parallel=1)
    settings["ResourceLimits"]["MaxRuntimeInSeconds"] = 120
    world.tune(HyperParameterTuningJobConfig=settings)
    started = world.now
    found = world.finish()
    assert 120 <= world.now - started < 140
    assert found["HyperParameterTuningJobStatus"] in ("Completed", "Stopped")
    assert statuses(world) == ["Stopped"]


def test_stop_stops_the_trials_and_delete_leaves_them(world: TuningWorld) -> None:
    world.objective(lambda given: [0.5], lambda given: Running(0.0, ""))
    world.tune()
    world.run(4.0)
    named = {"HyperParameterTuningJobName": "tune"}
    with pytest.raises(AwsError, match="is in status InProgress"):
        tuning.delete_hyper_parameter_tuning_job(world.ctx, named)
    tuning.stop_hyper_parameter_tuning_job(world.ctx, named)
    assert world.told()["HyperParameterTuningJobStatus"] == "Stopping"
    found = world.finish()
    assert found["HyperParameterTuningJobStatus"] == "Stopped"
    assert set(statuses(world)) == {"Stopped"}
    with pytest.raises(AwsError, match="is in status Stopped"):
        tuning.stop_hyper_parameter_tuning_job(world.ctx, named)
    trial = world.trials()[0]["TrainingJobName"]
    tuning.delete_hyper_parameter_tuning_job(world.ctx, named)
    with pytest.raises(AwsError) as caught:
        world.told()
    assert caught.value.code == "ResourceNotFound"
    assert caught.value.message == (
        "Amazon SageMaker can't find a tuning job called tune. Type another name."
    )
    assert world.describe(trial)["TrainingJobStatus"] == "Stopped"
    world.objective(lambda given: [0.5])
    world.tune()  # the name is free, and its trials are others
    world.finish()
    assert trial not in [each["TrainingJobName"] for each in world.trials()]


@pytest.mark.parametrize(("jobs", "ran"), [(20, 5), (3, 3)])
def test_a_metric_that_is_never_found_fails_the_job(
    world: TuningWorld, jobs: int, ran: int
) -> None:
    world.objective(lambda given: [])
    world.tune(HyperParameterTuningJobConfig=config(jobs=jobs, parallel=1))
    found = world.finish()
    assert found["HyperParameterTuningJobStatus"] == "Failed"
    assert found["FailureReason"] == (
        f"No objective metrics found after running {ran} training jobs. Please ensure that the"
        " custom algorithm is emitting the objective metric as defined by the regular expression"
        " provided."
    )
    assert found["ObjectiveStatusCounters"]["Failed"] == ran
    assert "BestTrainingJob" not in found


def test_trials_that_all_fail_fail_the_job(world: TuningWorld) -> None:
    world.objective(lambda given: [0.5], lambda given: Exited(1))
    world.tune(HyperParameterTuningJobConfig=config(jobs=20, parallel=1))
    found = world.finish()
    assert found["HyperParameterTuningJobStatus"] == "Failed"
    assert found["FailureReason"] == (
        "No training job succeeded after 5 attempts. Please take a look at the training job"
        " failures to get more details."
    )


def test_a_failed_trial_is_no_end_and_an_internal_error_is_counted_apart(
    world: TuningWorld,
) -> None:
    def state(given: dict[str, str]) -> Exited:
        return Exited(-1, "lost") if len(world.given) == 2 else Exited(0)

    world.objective(lambda given: [float(given["x"])], state)
    world.tune()
    found = world.finish()
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    counted = found["TrainingJobStatusCounters"]
    assert (counted["Completed"], counted["RetryableError"]) == (3, 1)


def test_a_retry_strategy_is_the_trials_own(world: TuningWorld) -> None:
    def state(given: dict[str, str]) -> Exited:
        return Exited(-1, "lost") if len(world.given) == 2 else Exited(0)

    world.objective(lambda given: [float(given["x"])], state)
    world.tune(TrainingJobDefinition=definition(RetryStrategy={"MaximumRetryAttempts": 2}))
    assert world.finish()["TrainingJobStatusCounters"]["Completed"] == 4
    assert len(world.given) == 5


@pytest.mark.parametrize("seed", range(4))
def test_a_server_that_is_killed_makes_no_trial_twice(world: TuningWorld, seed: int) -> None:
    """Steps are taken whose results are lost, as after kill -9, and the server starts again."""
    chance = random.Random(seed)
    world.tune(HyperParameterTuningJobConfig=config("Bayesian", 9, 3))
    for _ in range(60):
        row = world.rows.get("123456789012", "us-east-1", tuning.KIND.name, "tune")
        assert row is not None
        if row.status == "Completed":
            break
        if chance.random() < 0.5:
            tuning_life.reconcile(world.world, row)
        if chance.random() < 0.3:
            world.db.close()
            world.open()
        world.run(chance.uniform(0.5, 6.0), turns=3)
    found = world.finish()
    assert found["TrainingJobStatusCounters"]["Completed"] == 9
    assert world.backend.launches == 9
    names = [each["TrainingJobName"] for each in world.trials()]
    assert [name.split("-")[1] for name in names] == [f"{n:03d}" for n in range(1, 10)]
    jobs = world.rows.select("training-job")
    assert len(jobs) == 9


def test_a_trial_that_cannot_be_made_any_more_fails_the_job(world: TuningWorld) -> None:
    world.tune(HyperParameterTuningJobConfig=config(jobs=6, parallel=1))
    world.run(3.0)
    world.s3.buckets.clear()
    found = world.finish()
    assert found["HyperParameterTuningJobStatus"] == "Failed"
    assert "could not be created: OutputDataConfig: the S3 bucket" in found["FailureReason"]


def test_each_trial_has_checkpoints_of_its_own(world: TuningWorld) -> None:
    world.tune(
        TrainingJobDefinition=definition(CheckpointConfig={"S3Uri": "s3://bucket/checkpoints/"})
    )
    world.finish()
    for each in world.trials():
        where = world.describe(each["TrainingJobName"])["CheckpointConfig"]["S3Uri"]
        assert where == f"s3://bucket/checkpoints/{each['TrainingJobName']}/"


def test_a_trial_whose_training_job_was_deleted_is_still_the_best(world: TuningWorld) -> None:
    world.tune()
    best = world.finish()["BestTrainingJob"]
    training.delete_training_job(world.ctx, {"TrainingJobName": best["TrainingJobName"]})
    assert len(world.trials()) == 3
    told = world.told()
    names = ("TrainingJobName", "CreationTime")
    assert {n: told["BestTrainingJob"][n] for n in names} == {n: best[n] for n in names}
    assert best["CreationTime"] > told["CreationTime"]


# Warm start, Autotune, several definitions --------------------------------------------------------


def start(kind: str, *parents: str) -> Doc:
    names = [{"HyperParameterTuningJobName": name} for name in parents]
    return {"WarmStartType": kind, "ParentHyperParameterTuningJobs": names}


@pytest.mark.costs("plays a whole tuning job")
def test_a_warm_start_begins_where_its_parent_ended(world: TuningWorld) -> None:
    world.objective(lambda given: [-abs(float(given["x"]) - 0.8)])
    world.tune("parent", HyperParameterTuningJobConfig=config("Bayesian", 16, 1))
    parent = world.finish("parent")
    warm = start("IdenticalDataAndAlgorithm", "parent")
    world.tune(
        "child", HyperParameterTuningJobConfig=config("Bayesian", 4, 1), WarmStartConfig=warm
    )
    child = world.finish("child")
    near = [abs(float(t["TunedHyperParameters"]["x"]) - 0.8) for t in world.trials("child")]
    assert sorted(near)[1] < 0.15
    overall = max(
        (parent["BestTrainingJob"], child["BestTrainingJob"]),
        key=lambda t: t["FinalHyperParameterTuningJobObjectiveMetric"]["Value"],
    )
    assert child["OverallBestTrainingJob"] == overall
    assert child["TrainingJobStatusCounters"]["Completed"] == 4


@pytest.mark.costs("plays a whole tuning job")
def test_transfer_learning_takes_other_ranges_and_statics(world: TuningWorld) -> None:
    """The parent's tuned y is static in the child, its static epochs are tuned there."""
    world.objective(lambda given: [100 - abs(float(given["x"]) - 0.8)])
    both = {"ContinuousParameterRanges": [number(), number("y")]}
    world.tune(
        "parent", HyperParameterTuningJobConfig=config("Bayesian", 12, 1, ParameterRanges=both)
    )
    world.finish("parent")
    world.objective(lambda given: [-abs(float(given["x"]) - 0.8)])
    ranges = {
        "ContinuousParameterRanges": [number(high="2")],
        "IntegerParameterRanges": [number("epochs", "1", "20")],
    }
    world.tune(
        "child",
        HyperParameterTuningJobConfig=config("Bayesian", 5, 1, ParameterRanges=ranges),
        TrainingJobDefinition=definition(StaticHyperParameters={"y": "0.5"}),
        WarmStartConfig=start("TransferLearning", "parent"),
    )
    found = world.finish("child")
    assert found["TrainingJobStatusCounters"]["Completed"] == 5
    assert "OverallBestTrainingJob" not in found
    row = world.rows.get("123456789012", "us-east-1", tuning.KIND.name, "child")
    assert row is not None
    assert [set(each["c"]) for each in row.plan["warm"]] == [{"x", "epochs"}] * 12


@pytest.mark.costs("plays a whole tuning job")
def test_autotune_finds_ranges_and_limits(world: TuningWorld) -> None:
    hints = {
        "AutoParameters": [{"Name": "x", "ValueHint": "0.1"}, {"Name": "how", "ValueHint": "a"}]
    }
    world.tune(
        HyperParameterTuningJobConfig=config("Bayesian", None, 2, ParameterRanges=hints),
        Autotune={"Mode": "Enabled"},
    )
    found = world.told()
    settings = found["HyperParameterTuningJobConfig"]
    assert settings["TrainingJobEarlyStoppingType"] == "Auto"
    assert settings["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 20
    (one,) = settings["ParameterRanges"]["ContinuousParameterRanges"]
    assert float(one["MinValue"]) < 0.1 < float(one["MaxValue"])
    done = world.finish()
    assert done["HyperParameterTuningJobStatus"] == "Completed"
    assert all(each["how"] == "a" for each in world.given)


def test_several_definitions_take_turns(world: TuningWorld) -> None:
    objective = {"Type": "Maximize", "MetricName": "objective"}
    named = [
        definition(
            DefinitionName=name,
            TuningObjective=objective,
            HyperParameterRanges={"ContinuousParameterRanges": [number("x", low, high)]},
        )
        for name, low, high in (("small", "0", "1"), ("large", "2", "3"))
    ]
    settings = config(jobs=6, HyperParameterTuningJobObjective=None, ParameterRanges=None)
    world.tune(
        HyperParameterTuningJobConfig=settings,
        TrainingJobDefinition=None,
        TrainingJobDefinitions=named,
    )
    found = world.finish()
    names = [each["TrainingJobDefinitionName"] for each in world.trials()]
    assert sorted(names) == ["large"] * 3 + ["small"] * 3
    assert found["BestTrainingJob"]["TrainingJobDefinitionName"] == "large"
    for each in world.trials():
        x = float(each["TunedHyperParameters"]["x"])
        assert (x >= 2) == (each["TrainingJobDefinitionName"] == "large")


def test_trials_that_may_run_at_once_share_the_host(world: TuningWorld) -> None:
    """Of two CPUs each trial has one, where an instance of theirs alone would have both."""
    world.world.host = Host(2.0, 8 << 30)
    world.objective(lambda given: [0.5], lambda given: Running(0.0, ""))
    world.tune(HyperParameterTuningJobConfig=config(jobs=3, parallel=3))
    world.run(6.0)
    specs = list(world.backend.specs.values())
    assert [spec.limits.cpu for spec in specs] == [1.0, 1.0]
    assert [spec.limits.memory for spec in specs] == [4 << 30, 4 << 30]
    assert "2 x ml.m5.large (2 vCPU, 8 GiB) are together larger than this host" in specs[0].banner
    world.create("alone")
    for spec in specs:
        world.backend.states[spec.key] = Exited(0)
    world.run(10.0)
    row = world.rows.get("123456789012", "us-east-1", "training-job", "alone")
    assert row is not None
    assert training_cluster.sizes(world.world, row)[0][0].cpu == 2.0


@pytest.mark.parametrize(("strategy", "live"), [("Random", 8), ("Bayesian", 2)])
def test_a_search_that_learns_chooses_no_trial_that_would_only_wait(
    world: TuningWorld, strategy: str, live: int
) -> None:
    world.world.host = Host(2.0, 8 << 30)
    world.objective(lambda given: [0.5], lambda given: Running(0.0, ""))
    world.tune(HyperParameterTuningJobConfig=config(strategy, 20, 8))
    world.run(6.0)
    assert statuses(world) == ["InProgress"] * live
    assert world.backend.launches == 2
