"""The lives of flywheels, data sets and iterations: each step, what fails, and what a kill leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import work
from sagebrush.services.comprehend.flywheels import (
    dataset_life,
    iteration_life,
    programs,
)
from sagebrush.services.sagemaker.processing import life as processing
from sagebrush.settings import COMPREHEND
from sagebrush.store.rows import Next, Row
from tests.services.comprehend.flywheels.flywheel_requests import (
    ACCOUNT,
    ANNOTATED,
    REGION,
    TYPES,
    arn,
    classifier,
    flywheel,
)
from tests.services.comprehend.flywheels.flywheel_world import FlywheelWorld
from tests.services.sagemaker.jobworld import ROLE

DID: Doc = {"NumberOfDocuments": 60, "Labels": ["ham", "spam"]}
GATHERED: Doc = {"Training": 54, "Test": 6, "LabelDelimiter": "|", "Tests": True}
GOOD: Doc = {
    "AverageF1Score": 0.9,
    "AveragePrecision": 0.8,
    "AverageRecall": 0.7,
    "AverageAccuracy": 0.6,
}
POOR: Doc = {name: value / 2 for name, value in GOOD.items()}
MODEL = arn("document-classifier/model/version/1")


@pytest.fixture
def world(tmp_path: Path) -> FlywheelWorld:
    return FlywheelWorld(tmp_path)


@pytest.fixture
def wheel(world: FlywheelWorld) -> str:
    """The ARN of a flywheel that has no model yet."""
    return world.flywheel()["FlywheelArn"]


def existing(world: FlywheelWorld, **changes: Any) -> str:
    """The ARN of a flywheel of an existing model, which is being created."""
    world.rows.insert(classifier(**changes))
    found = world.flywheel(ActiveModelArn=MODEL, ModelType=None, TaskConfig=None)
    return found["FlywheelArn"]


def filled(world: FlywheelWorld, wheel: str, name: str = "first", part: str = "TRAIN") -> str:
    """The ARN of a data set that is COMPLETED."""
    made = world.dataset(wheel, name, part)
    world.run(5)
    world.does(DID)
    assert world.stored(made)["Status"] == "COMPLETED"
    return made


def row_of(world: FlywheelWorld, kind: str, name: str) -> Row:
    row = world.rows.get(ACCOUNT, REGION, kind, name)
    assert row is not None
    return row


# ---- flywheels


def test_a_flywheel_of_a_new_model_is_active_at_once(world: FlywheelWorld) -> None:
    found = world.flywheel()
    assert found["Status"] == "ACTIVE"
    assert found["LastModifiedTime"] >= found["CreationTime"]
    assert world.works() == []


def test_a_lake_that_the_role_cannot_write_to(world: FlywheelWorld) -> None:
    found = world.flywheel(DataLakeS3Uri="s3://none/lake")
    assert found["Status"] == "FAILED"
    assert found["Message"].startswith("NO_WRITE_ACCESS_TO_OUTPUT: ")
    world.ask("DeleteFlywheel", FlywheelArn=found["FlywheelArn"])
    world.run(2)
    assert world.ask("ListFlywheels")["FlywheelSummaryList"] == []


def test_a_models_own_data_come_into_the_lake(world: FlywheelWorld) -> None:
    data = {
        "DataFormat": "COMPREHEND_CSV",
        "S3Uri": "s3://bucket/in/a.csv",
        "TestS3Uri": "s3://bucket/t.csv",
    }
    wheel = existing(world, InputDataConfig=data)
    assert world.wheel(wheel)["Status"] == "CREATING"
    world.run(10)
    told = {each["InputDataConfig"]["S3Uri"]: each for each in world.all_do(DID)}
    assert set(told) == {"s3://bucket/in/a.csv", "s3://bucket/t.csv"}
    assert all(each["Known"] == [] for each in told.values())
    world.run(15)
    found = world.wheel(wheel)
    assert (found["Status"], found["ActiveModelArn"]) == ("ACTIVE", MODEL)
    assert found["TaskConfig"]["DocumentClassificationConfig"] == {
        "Mode": "MULTI_CLASS",
        "Labels": ["ham", "spam"],
    }
    sets = world.ask("ListDatasets", FlywheelArn=wheel)["DatasetPropertiesList"]
    assert {each["DatasetType"]: each["Description"] for each in sets} == {
        "TRAIN": "TRAIN Dataset created by Flywheel creation.",
        "TEST": "TEST Dataset created by Flywheel creation.",
    }
    with pytest.raises(AwsError, match="no new dataset"):  # its model was trained with them
        world.begin(wheel)


def test_a_model_that_is_deleted_meanwhile_fails_the_flywheel(world: FlywheelWorld) -> None:
    world.rows.insert(classifier())
    given = {"ActiveModelArn": MODEL, "ModelType": None, "TaskConfig": None}
    made = world.ask("CreateFlywheel", **flywheel(**given))["FlywheelArn"]
    world.rows.delete(world.model(MODEL).id)
    world.run(2)
    assert world.wheel(made)["Status"] == "FAILED"


def test_data_that_are_gone_fail_the_flywheel(world: FlywheelWorld) -> None:
    wheel = existing(world)
    world.run(5)
    world.does(code=1, message="NO_READ_ACCESS_TO_INPUT: no")
    world.run(10)
    found = world.wheel(wheel)
    assert (found["Status"], found["Message"]) == ("FAILED", "NO_READ_ACCESS_TO_INPUT: no")


def test_a_deleted_flywheel_takes_what_is_its_own(world: FlywheelWorld, wheel: str) -> None:
    filled(world, wheel)
    other = world.flywheel(FlywheelName="wheel-2")["FlywheelArn"]
    filled(world, other)
    lake = dict(world.s3.buckets["bucket"])
    world.ask("DeleteFlywheel", FlywheelArn=wheel)
    assert world.wheel(wheel)["Status"] == "DELETING"
    world.rows.claim(30.0, 9)
    world.rows.delete(row_of(world, "flywheel-dataset", "wheel/dataset/first").id)
    world.now += 31  # the server was killed in the middle
    world.open()
    world.run(3)
    with pytest.raises(AwsError, match="RESOURCE_NOT_FOUND"):
        world.wheel(wheel)
    left = [row.name for row in world.rows.select("flywheel-dataset")]
    assert left == ["wheel-2/dataset/first"]
    assert world.s3.buckets["bucket"] == lake


# ---- data sets


def test_data_are_read_as_the_flywheels_role_and_stored_in_the_lake(
    world: FlywheelWorld, wheel: str
) -> None:
    made = world.dataset(wheel, "first")
    assert world.stored(made)["Status"] == "CREATING"
    world.run(5)
    child = world.work()
    spec = world.backend.specs[child.plan["key"]]
    assert (spec.role, spec.region) == (ROLE, REGION)
    assert spec.argv[:3] == ("python3", "-m", dataset_life.PROGRAM)
    told = world.does(DID)
    found = world.stored(made)
    assert (found["Status"], found["NumberOfDocuments"]) == ("COMPLETED", 60)
    assert found["EndTime"] >= found["CreationTime"]
    assert told == {
        "Kind": "document-classifier",
        "Mode": "MULTI_CLASS",
        "Known": ["ham", "spam"],
        "InputDataConfig": {"DataFormat": "COMPREHEND_CSV", "S3Uri": "s3://bucket/in/a.csv"},
        "To": found["DatasetS3Uri"],
    }
    assert world.rows.select("processing-job", account=ACCOUNT) == []


def test_a_recognizers_data_are_told_with_its_types(world: FlywheelWorld) -> None:
    wheel = world.flywheel(ModelType="ENTITY_RECOGNIZER", TaskConfig=TYPES)["FlywheelArn"]
    world.dataset(wheel, "first", config=ANNOTATED)
    world.run(5)
    told = world.does(DID)
    assert told["Known"] == ["TOOL", "PLANT"]
    assert told["InputDataConfig"] == {
        "DataFormat": "COMPREHEND_CSV",
        "EntityTypes": [{"Type": "TOOL"}, {"Type": "PLANT"}],
        **ANNOTATED["EntityRecognizerInputDataConfig"],
    }


def test_what_the_program_says_fails_the_data_set(world: FlywheelWorld, wheel: str) -> None:
    made = world.dataset(wheel, "first")
    world.run(5)
    world.does(code=1, message="NO_INPUT_DATA: nothing")
    found = world.stored(made)
    assert (found["Status"], found["Message"]) == ("FAILED", "NO_INPUT_DATA: nothing")
    assert "NumberOfDocuments" not in found


@pytest.mark.parametrize("result", [[], "text", {"NumberOfDocuments": "many"}, {"Labels": 3}])
def test_a_result_that_was_changed_from_outside(
    result: object, world: FlywheelWorld, wheel: str
) -> None:
    made = world.dataset(wheel, "first")
    world.run(5)
    world.does(result)  # type: ignore[arg-type]
    found = world.stored(made)
    assert found["Status"] in ("FAILED", "COMPLETED")
    assert found.get("NumberOfDocuments", 0) == 0


def test_a_processing_job_that_was_deleted_fails_the_data_set(
    world: FlywheelWorld, wheel: str
) -> None:
    made = world.dataset(wheel, "first")
    world.run(5)
    world.rows.delete(world.work().id)
    world.run(60)
    assert world.stored(made)["Status"] == "FAILED"


def test_a_step_of_a_data_set_that_is_lost_is_repeated(world: FlywheelWorld, wheel: str) -> None:
    made = world.dataset(wheel, "first")
    (row,) = world.rows.claim(30.0, 1)
    dataset_life.reconcile(world.world, row)  # the server is killed before it is stored
    first = world.work()
    world.now += 31
    world.open()
    world.run(5)
    assert world.work().id == first.id
    world.does(DID)
    assert world.stored(made)["Status"] == "COMPLETED"
    assert world.backend.launches == 1


# ---- iterations


def test_the_first_iteration_trains_the_flywheels_model(world: FlywheelWorld, wheel: str) -> None:
    train = filled(world, wheel)
    test = filled(world, wheel, "second", "TEST")
    number = world.begin(wheel)
    world.run(3)
    told = world.does(GATHERED)
    lake = world.wheel(wheel)["DataLakeS3Uri"]
    assert told["Train"] == [world.stored(train)["DatasetS3Uri"]]
    assert told["Test"] == [world.stored(test)["DatasetS3Uri"]]
    found = world.iteration(wheel, number)
    assert found["Status"] == "TRAINING"
    assert "EvaluatedModelArn" not in found
    new = found["TrainedModelArn"]
    start = arn("document-classifier/wheel/version/Comprehend-Generated-v1-")
    assert new.startswith(start)
    version = new.rpartition("/")[2]
    folder = f"{lake}model-datasets/{version}/"
    assert told["To"] == folder
    model = world.model(new)
    assert model.doc["FlywheelArn"] == wheel
    assert (model.doc["VersionName"], model.doc["Mode"]) == (version, "MULTI_CLASS")
    assert model.doc["InputDataConfig"]["S3Uri"] == f"{folder}training/documents.csv"
    assert model.doc["InputDataConfig"]["TestS3Uri"] == f"{folder}test/documents.csv"
    assert model.doc["OutputDataConfig"]["FlywheelStatsS3Prefix"] == f"{folder}model-stats/"
    assert model.doc["DataAccessRoleArn"] == ROLE
    world.trained(new)
    assert world.iteration(wheel, number)["Status"] == "EVALUATING"
    arguments, _ = world.ordered(world.work())
    assert list(arguments["Models"]) == ["Trained"]
    told = world.does({"Trained": GOOD})
    assert told["Models"] == {"Trained": new}
    assert told["Test"] == f"{folder}test/documents.jsonl"
    found = world.iteration(wheel, number)
    assert (found["Status"], found["Message"]) == ("COMPLETED", iteration_life.FULL)
    assert found["TrainedModelMetrics"] == GOOD
    assert "EvaluatedModelMetrics" not in found
    assert found["EndTime"] >= found["CreationTime"]
    assert world.wheel(wheel)["ActiveModelArn"] == new


def begun(world: FlywheelWorld) -> tuple[str, str]:
    """A flywheel of an existing model, and an iteration with new data that trains the next version."""
    wheel = existing(world)
    world.run(5)
    world.does(DID)
    world.run(10)
    filled(world, wheel)
    number = world.begin(wheel)
    world.run(3)
    return wheel, number


def test_the_active_model_and_the_new_one_are_compared(world: FlywheelWorld) -> None:
    wheel, number = begun(world)
    told = world.does(GATHERED)
    assert len(told["Train"]) == 2  # the first model's data too
    new = world.iteration(wheel, number)["TrainedModelArn"]
    assert new.startswith(arn("document-classifier/model/version/Comprehend-Generated-v1-"))
    world.trained(new, "TRAINED_WITH_WARNING")
    arguments, _ = world.ordered(world.work())
    assert sorted(arguments["Models"]) == ["Evaluated", "Trained"]
    assert all(url.startswith("http://localhost/") for url in arguments["Models"].values())
    told = world.does({"Trained": GOOD, "Evaluated": POOR})
    assert told["Models"] == {"Trained": new, "Evaluated": MODEL}
    found = world.iteration(wheel, number)
    assert found["Status"] == "COMPLETED"
    assert (found["EvaluatedModelArn"], found["EvaluatedModelMetrics"]) == (MODEL, POOR)
    assert (found["TrainedModelArn"], found["TrainedModelMetrics"]) == (new, GOOD)
    assert world.wheel(wheel)["ActiveModelArn"] == MODEL  # the user promotes it, or does not
    changed = world.ask("UpdateFlywheel", FlywheelArn=wheel, ActiveModelArn=new)
    assert changed["FlywheelProperties"]["ActiveModelArn"] == new


def test_with_new_test_data_alone_nothing_is_trained(world: FlywheelWorld) -> None:
    wheel = existing(world)
    world.run(5)
    world.does(DID)
    world.run(10)
    filled(world, wheel, part="TEST")
    number = world.begin(wheel)
    world.run(3)
    assert world.iteration(wheel, number)["Status"] == "EVALUATING"
    world.does(GATHERED)
    world.run(3)
    world.does({"Evaluated": POOR})
    found = world.iteration(wheel, number)
    assert (found["Status"], found["Message"]) == ("COMPLETED", iteration_life.EVALUATED)
    assert found["EvaluatedModelMetrics"] == POOR
    assert "TrainedModelArn" not in found


def test_a_training_that_fails_fails_the_iteration(world: FlywheelWorld) -> None:
    wheel, number = begun(world)
    world.does(GATHERED)
    new = world.iteration(wheel, number)["TrainedModelArn"]
    world.trained(new, "IN_ERROR", "Too few documents for the label spam.")
    found = world.iteration(wheel, number)
    assert (found["Status"], found["Message"]) == (
        "FAILED",
        "Too few documents for the label spam.",
    )
    assert world.begin(wheel) > number  # the data are still new


def test_a_training_that_is_stopped_stops_the_iteration(world: FlywheelWorld) -> None:
    wheel, number = begun(world)
    world.does(GATHERED)
    new = world.iteration(wheel, number)["TrainedModelArn"]
    world.trained(new, "STOP_REQUESTED")
    assert world.iteration(wheel, number)["Status"] == "STOP_REQUESTED"
    world.trained(new, "STOPPED")
    assert world.iteration(wheel, number)["Status"] == "STOPPED"


def test_too_little_data_fail_the_iteration(world: FlywheelWorld) -> None:
    wheel, number = begun(world)
    world.does(code=1, message="INSUFFICIENT_DATA: few")
    found = world.iteration(wheel, number)
    assert (found["Status"], found["Message"]) == ("FAILED", "INSUFFICIENT_DATA: few")
    assert world.rows.select("document-classifier", account=ACCOUNT)[1:] == []


def test_a_server_that_stops_its_jobs_stops_the_iteration(world: FlywheelWorld) -> None:
    wheel, number = begun(world)
    ctx = world.world.service_ctx(region=REGION, account=COMPREHEND)
    ctx.call("sagemaker", "StopProcessingJob", {"ProcessingJobName": world.work().name})
    world.run(5)
    found = world.iteration(wheel, number)
    assert (found["Status"], found["Message"]) == ("STOPPED", work.STOPPED)


def test_a_model_that_was_deleted_meanwhile_fails_the_iteration(world: FlywheelWorld) -> None:
    wheel, number = begun(world)
    world.does(GATHERED)
    world.rows.delete(world.model(world.iteration(wheel, number)["TrainedModelArn"]).id)
    world.run(40)
    assert world.iteration(wheel, number)["Status"] == "FAILED"


def test_what_comprehend_refuses_fails_the_iteration(world: FlywheelWorld) -> None:
    wheel, number = begun(world)
    row = row_of(world, "flywheel-iteration", f"wheel/{number}")
    flywheel_row = row_of(world, "flywheel", "wheel")
    kind, name = iteration_life.model_name(flywheel_row, row)
    world.rows.insert(Row(ACCOUNT, REGION, kind, name, "TRAINED", {}))  # another's of that name
    world.does(GATHERED)
    found = world.iteration(wheel, number)
    assert found["Status"] == "FAILED"
    assert found["Message"].startswith("ResourceInUseException: ")


# ---- kills


def step(world: FlywheelWorld, row: Row) -> Next:
    """What the next step of the row does, which is lost: the server is killed before it is stored."""
    return iteration_life.reconcile(world.world, row)


def test_an_iteration_that_is_killed_at_every_step(world: FlywheelWorld) -> None:
    wheel = existing(world)
    world.run(5)
    world.does(DID)
    world.run(10)
    filled(world, wheel)
    number = world.ask("StartFlywheelIteration", FlywheelArn=wheel)["FlywheelIterationId"]
    launches = world.backend.launches

    def lost() -> None:
        world.rows.touch(row_of(world, "flywheel-iteration", f"wheel/{number}").id)
        rows = [row for row in world.rows.claim(30.0, 9) if row.kind == "flywheel-iteration"]
        for row in rows:
            step(world, row)
        assert rows
        world.now += 31
        world.open()

    lost()  # the first processing job is there, and nobody knows
    world.run(4)
    lost()
    world.does(GATHERED)
    lost()
    new = world.iteration(wheel, number)["TrainedModelArn"]
    lost()
    world.trained(new)
    lost()
    world.run(4)
    lost()
    world.does({"Trained": GOOD, "Evaluated": POOR})
    found = world.iteration(wheel, number)
    assert (found["Status"], found["TrainedModelMetrics"]) == ("COMPLETED", GOOD)
    assert world.backend.launches == launches + 2
    models = [row.name for row in world.rows.select("document-classifier", account=ACCOUNT)]
    assert len(models) == 2


def test_a_model_that_was_created_before_the_kill_is_not_created_again(
    world: FlywheelWorld,
) -> None:
    wheel, number = begun(world)
    row = world.work()
    world.finish(row, GATHERED)
    while world.rows.get(row.account, row.region, row.kind, row.name).status == "InProgress":  # type: ignore
        (due,) = (r for r in world.rows.claim(30, 9) if r.kind == "processing-job")
        world.rows.apply(due, processing.reconcile(world.world, due))
    (mine,) = (r for r in world.rows.claim(30, 9) if r.kind == "flywheel-iteration")
    first = step(world, mine).doc["TrainedModelArn"]
    world.now += 31
    world.open()
    world.run(3)
    assert world.iteration(wheel, number)["TrainedModelArn"] == first
    assert len(world.rows.select("document-classifier", account=ACCOUNT)) == 2


def test_numbers_and_texts_of_results() -> None:
    assert programs.number(0.5) == 0.5
    assert [programs.number(bad) for bad in (True, "1", None, -1, float("nan"), 1e300)] == [0.0] * 6
    assert programs.texts(["a", 1, "b"]) == ["a", "b"]
    assert programs.texts("a") == []


@pytest.mark.parametrize("life", [dataset_life, iteration_life])
def test_a_task_that_a_quota_forbids_has_not_started(
    world: FlywheelWorld, life: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life.programs, "advance", _full)
    monkeypatch.setattr(life.members, "flywheel_of", lambda rows, row: row)
    monkeypatch.setattr(life, "_task" if life is dataset_life else "_gathering", _task)
    status = "CREATING" if life is dataset_life else "TRAINING"
    row = Row(ACCOUNT, REGION, "any", "f/1", status, {}, {})
    step = life.reconcile(world.world, row)
    assert (dict(step.plan), step.due) == ({}, work.FULL)


def _full(*_: Any) -> programs.Waits:
    return programs.Waits(work.FULL, started=False)


def _task(*_: Any) -> programs.Task:
    row = Row(ACCOUNT, REGION, "any", "f/1", "CREATING", {}, {})
    return programs.Task("any", row, ROLE, "arn", "s3://lake/f/", {})
