"""What CreateHyperParameterTuningJob refuses, in AWS's words where they are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker.training.warm_pool import offers
from tests.services.sagemaker.tuning.tuningworld import TuningWorld, config, definition, number

BLAZINGTEXT = "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1"
OBJECTIVE = {"Type": "Maximize", "MetricName": "objective"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TuningWorld]:
    # a waiting process is a real one, which scripted trials have no use for
    monkeypatch.setattr(offers, "offer", lambda *_: False)
    found = TuningWorld(tmp_path)
    yield found
    found.db.close()


def refused(world: TuningWorld, **changes: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        world.tune(**changes)
    assert caught.value.status == 400
    assert world.rows.select("hyper-parameter-tuning-job") == []
    return caught.value


def searching(strategy: str = "Random", **ranges: Any) -> Doc:
    return config(strategy, ParameterRanges=ranges)


def spec(**changes: Any) -> Doc:
    found = {**definition()["AlgorithmSpecification"], **changes}
    return {k: v for k, v in found.items() if v is not None}


X = number()
CHOICE = {"Name": "c", "Values": ["a", "b", "c", "d"]}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (searching(ContinuousParameterRanges=[number("x", "2", "1")]), "is greater than its MaxV"),
        (searching(ContinuousParameterRanges=[X, X]), "[x] has more than one range"),
        (searching(ContinuousParameterRanges=[number("epochs")]), "[epochs] is both static and"),
        (searching(ContinuousParameterRanges=[number("_tuning_objective_metric")]), "reserved"),
        (searching(), "At least one hyperparameter range is required"),
        (searching(ContinuousParameterRanges=[number("x", "a")]), "is not a number"),
        (searching(ContinuousParameterRanges=[{**X, "ScalingType": "Logarithmic"}]), "greater than"),
        (searching("Grid", ContinuousParameterRanges=[X]), "only categorical hyperparameters"),
        (
            config("Grid", 3, ParameterRanges={"CategoricalParameterRanges": [CHOICE]}),
            "MaxNumberOfTrainingJobs, [3], must be equal to the total number of distinct",
        ),
        (
            config(jobs=10, ParameterRanges={"CategoricalParameterRanges": [CHOICE]}),
            "You don't have enough combinations of hyperparameter ranges. The total number of"
            " hyperparameter combinations for the provided ranges [4.0] must be equal or greater"
            " than the value of MaxNumberOfJobs, [10]. Provide additional ranges.",
        ),
        (config(jobs=2, parallel=3), "MaxParallelTrainingJobs, [3], must be equal or less"),
        (
            config(HyperParameterTuningJobObjective={"Type": "Minimize", "MetricName": "loss"}),
            "A metric is required for this hyperparameter tuning job objective. Provide a metric in"
            " the metric definitions.",
        ),
        (config(HyperParameterTuningJobObjective=None), "A metric is required for this"),
        (config("Hyperband", TrainingJobEarlyStoppingType="Auto"), "must be Off to use Hyperband"),
        (
            config("Hyperband", StrategyConfig={
                "HyperbandStrategyConfig": {"MinResource": 5, "MaxResource": 3}}),
            "must be between MinResource, [5]",
        ),
        (
            config(StrategyConfig={"HyperbandStrategyConfig": {"MaxResource": 3}}),
            "only if Hyperband is the Strategy",
        ),
        (
            searching(AutoParameters=[{"Name": "x", "ValueHint": "1"}]),
            "only if Autotune is enabled",
        ),
    ],
)  # fmt: skip
def test_configurations_that_cannot_be_carried_out(
    world: TuningWorld, settings: Doc, words: str
) -> None:
    error = refused(world, HyperParameterTuningJobConfig=settings)
    assert error.code == "ValidationException"
    assert words in error.message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"AlgorithmSpecification": spec(TrainingImage=None)}, "TrainingImage and AlgorithmName"),
        (
            {"AlgorithmSpecification": spec(
                MetricDefinitions=[{"Name": "objective", "Regex": "a(b"}])},
            "invalid regular expression for objective",
        ),
        ({"RoleArn": "arn:aws:iam::123456789012:role/Missing"}, "Could not assume role"),
        ({"OutputDataConfig": {"S3OutputPath": "s3://nowhere/out"}}, "cannot be used"),
        ({"ResourceConfig": None}, "'resourceConfig' failed to satisfy"),
        (
            {"ResourceConfig": {"InstanceType": "ml.z9.large", "InstanceCount": 1,
                                "VolumeSizeInGB": 1}},
            "ml.z9.large",
        ),
        (
            {"HyperParameterTuningResourceConfig": {"InstanceType": "ml.m5.large"}},
            "either ResourceConfig or HyperParameterTuningResourceConfig",
        ),
        (
            {"StaticHyperParameters": {f"p{n}": "1" for n in range(99)}},
            "up to 100 hyperparameters",
        ),
    ],
)  # fmt: skip
def test_definitions_whose_trials_could_not_run(
    world: TuningWorld, changes: Doc, words: str
) -> None:
    error = refused(world, TrainingJobDefinition=definition(**changes))
    assert error.code == "ValidationException"
    assert words in error.message


def test_hyperband_needs_to_know_its_resource(world: TuningWorld) -> None:
    error = refused(
        world,
        HyperParameterTuningJobConfig=config("Hyperband"),
        TrainingJobDefinition=definition(StaticHyperParameters={}),
    )
    assert "MaxResource is required for the Hyperband strategy" in error.message


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (config(jobs=10_001), "'Number of training jobs per hyperparameter tuning job' is 10000"),
        (config("Bayesian", 751), "is 750 Training Jobs"),
        (config(jobs=200, parallel=101), "is 100 Training Jobs"),
        (
            searching(ContinuousParameterRanges=[number(f"x{n}") for n in range(31)]),
            "'Number of hyperparameters that can be searched' is 30",
        ),
    ],
)
def test_limits_of_aws(world: TuningWorld, settings: Doc, words: str) -> None:
    error = refused(world, HyperParameterTuningJobConfig=settings)
    assert error.code == "ResourceLimitExceeded"
    assert words in error.message


def blazingtext(metric: str, tuned: str) -> Doc:
    algorithm = {"TrainingImage": BLAZINGTEXT, "TrainingInputMode": "File"}
    return {
        "HyperParameterTuningJobConfig": config(
            HyperParameterTuningJobObjective={"Type": "Maximize", "MetricName": metric},
            ParameterRanges={"IntegerParameterRanges": [number(tuned, "1", "30")]},
        ),
        "TrainingJobDefinition": definition(
            AlgorithmSpecification=algorithm, StaticHyperParameters={"mode": "supervised"}
        ),
    }


def test_a_built_in_algorithm_has_metrics_and_tunable_parameters_of_its_own(
    world: TuningWorld,
) -> None:
    error = refused(world, **blazingtext("validation:loss", "epochs"))
    assert "[validation:loss], isn't valid for the" in error.message
    error = refused(world, **blazingtext("validation:accuracy", "patience"))
    assert "untunable hyperparameters: [patience]" in error.message
    world.tune(**blazingtext("validation:accuracy", "epochs"))


def test_a_missing_checkpoint_bucket_is_named_as_it_was_asked_for(world: TuningWorld) -> None:
    wanted = definition(CheckpointConfig={"S3Uri": "s3://missing/checkpoints"})
    said = refused(world, TrainingJobDefinition=wanted).message
    assert "the output path s3://missing/checkpoints cannot be used" in said


def test_a_name_is_taken_whatever_its_case(world: TuningWorld) -> None:
    world.tune("Tune")
    for name in ("Tune", "tune"):
        with pytest.raises(AwsError) as caught:
            world.tune(name)
        assert caught.value.code == "ResourceInUse"
        assert caught.value.message == (
            f"A hyperparameter tuning job with the name, {name}, already exists. Choose a different"
            " name."
        )


def test_one_definition_or_several_named_ones(world: TuningWorld) -> None:
    assert "exactly one of" in refused(world, TrainingJobDefinition=None).message
    both = {"TrainingJobDefinitions": [definition(DefinitionName="a")]}
    assert "exactly one of" in refused(world, **both).message
    several: Doc = {"TrainingJobDefinition": None}
    ranges = {"ContinuousParameterRanges": [X]}
    one = definition(TuningObjective=OBJECTIVE, HyperParameterRanges=ranges)
    bare = config(HyperParameterTuningJobObjective=None, ParameterRanges=None)
    for definitions, settings, words in (
        ([one], bare, "DefinitionName is required"),
        ([{**one, "DefinitionName": "a"}] * 2, bare, "must be unique"),
        ([{**one, "DefinitionName": "a"}], config(), "set TuningObjective in each"),
        (
            [{**one, "DefinitionName": "a"}, {**one, "DefinitionName": "b",
              "TuningObjective": {**OBJECTIVE, "Type": "Minimize"}}],
            bare, "must have the same Type",
        ),
    ):  # fmt: skip
        error = refused(
            world,
            **several,
            TrainingJobDefinitions=definitions,
            HyperParameterTuningJobConfig=settings,
        )
        assert words in error.message


def start(*parents: str, kind: str = "IdenticalDataAndAlgorithm") -> Doc:
    names = [{"HyperParameterTuningJobName": name} for name in parents]
    return {"WarmStartType": kind, "ParentHyperParameterTuningJobs": names}


def test_parents_have_to_be_there_ended_and_alike(world: TuningWorld) -> None:
    def denied(**changes: Any) -> str:
        with pytest.raises(AwsError) as caught:
            world.tune("child", **{"WarmStartConfig": start("parent"), **changes})
        assert caught.value.code == "ValidationException"
        return caught.value.message

    world.tune("parent")
    assert "must be in a terminal state" in denied()
    world.finish("parent")
    assert "can't find a tuning job called nobody" in denied(WarmStartConfig=start("nobody"))
    assert "named twice" in denied(WarmStartConfig=start("parent", "parent"))
    more = {"ContinuousParameterRanges": [X, number("y")]}
    assert "must remain the same" in denied(
        HyperParameterTuningJobConfig=config(ParameterRanges=more)
    )
    whole = {"IntegerParameterRanges": [number("x", "0", "9")]}
    assert "cannot be changed: it is continuous" in denied(
        HyperParameterTuningJobConfig=config(ParameterRanges=whole)
    )
    other = {"Type": "Minimize", "MetricName": "objective"}
    assert "must be the same as for all its parent" in denied(
        HyperParameterTuningJobConfig=config(HyperParameterTuningJobObjective=other)
    )
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.2.0-cpu-py310"
    changed = definition(AlgorithmSpecification=spec(TrainingImage=image))
    assert "needs the training image of the parent" in denied(TrainingJobDefinition=changed)
    world.s3.buckets["bucket"]["in/a"] = b"1"
    channel = {
        "ChannelName": "train",
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/in"}},
    }
    data = definition(InputDataConfig=[channel])
    assert "needs the input data of the parent" in denied(TrainingJobDefinition=data)
    world.tune(
        "child",
        WarmStartConfig=start("parent", kind="TransferLearning"),
        TrainingJobDefinition=data,
    )


def test_a_job_is_described_as_sdk_v2_attaches_to_it(world: TuningWorld) -> None:
    own = blazingtext("validation:accuracy", "epochs")
    resources = own["TrainingJobDefinition"].pop("ResourceConfig")
    own["TrainingJobDefinition"]["HyperParameterTuningResourceConfig"] = resources
    world.tune(**own)
    found = world.told()
    ranges = found["HyperParameterTuningJobConfig"]["ParameterRanges"]
    assert ranges["CategoricalParameterRanges"] == ranges["ContinuousParameterRanges"] == []
    described = found["TrainingJobDefinition"]
    assert described["ResourceConfig"] == resources
    assert described["StaticHyperParameters"]["_tuning_objective_metric"] == "validation:accuracy"
    metrics = described["AlgorithmSpecification"]["MetricDefinitions"]
    assert "validation:accuracy" in [each["Name"] for each in metrics]
