"""The life of custom models: trained, stopped, imported, deleted; whatever is killed or lost meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sagebrush.algorithms.comprehend.custom import order
from sagebrush.compute.base import Gone
from sagebrush.errors import AwsError
from sagebrush.services.comprehend import work
from sagebrush.services.comprehend.training import artifacts, life, program
from sagebrush.services.comprehend.training.operations import OPERATIONS, URLS
from sagebrush.services.comprehend.training.plan import plan_of
from sagebrush.settings import COMPREHEND
from sagebrush.store.rows import Row
from sagebrush.world import StartedBy
from tests.services.comprehend.comprehend_world import ACCOUNT, REGION, text
from tests.services.comprehend.training.training_world import (
    FOUND,
    TrainingWorld,
    classifier,
    recognizer,
)
from tests.services.sagemaker.jobworld import ROLE


@pytest.fixture
def world(tmp_path: Path) -> TrainingWorld:
    return TrainingWorld(tmp_path)


def test_a_classifier_is_submitted_trains_and_is_trained(world: TrainingWorld) -> None:
    arn = world.classifier(VersionName="v1")
    assert arn == f"arn:aws:comprehend:{REGION}:{ACCOUNT}:document-classifier/films/version/v1"
    assert world.model(arn)["Status"] == "SUBMITTED"
    world.run(5)
    found = world.model(arn)
    assert found["Status"] == "TRAINING"
    assert found["TrainingStartTime"] >= found["SubmitTime"]
    assert "TrainingEndTime" not in found
    world.store(arn)
    world.end()
    world.run(2)
    found = world.model(arn)
    assert (found["Status"], found["ClassifierMetadata"]) == ("TRAINED", FOUND)
    assert found["EndTime"] >= found["TrainingEndTime"] >= found["TrainingStartTime"]
    assert (found["VersionName"], found["Mode"]) == ("v1", "MULTI_CLASS")
    assert "Message" not in found
    number = plan_of(world.row(arn)).get("id")
    place = f"s3://bucket/out/{ACCOUNT}-CLR-{number}/output/output.tar.gz"
    assert found["OutputDataConfig"] == {"S3Uri": place}
    assert plan_of(world.row(arn)).get("model") == artifacts.uri(world.world, world.row(arn))
    assert world.backend.launches == 1


def test_a_recognizer_is_trained(world: TrainingWorld) -> None:
    arn = world.ask("CreateEntityRecognizer", **recognizer())["EntityRecognizerArn"]
    world.run(5)
    given = order.read(world.spec().argv[3:])
    assert (given.kind, given.mode, given.output) == ("entity-recognizer", "", None)
    assert given.data["EntityTypes"] == [{"Type": "PART"}]
    assert given.data["Documents"]["InputFormat"] == "ONE_DOC_PER_LINE"
    metrics = {"EntityTypes": [{"Type": "PART", "NumberOfTrainMentions": 30}]}
    world.store(arn, metrics)
    world.end()
    world.run(2)
    found = world.model(arn)
    assert (found["Status"], found["RecognizerMetadata"]) == ("TRAINED", metrics)


def test_the_work_is_done_in_comprehends_account_as_the_users_role(world: TrainingWorld) -> None:
    arn = world.classifier(Mode="MULTI_LABEL", InputDataConfig={
        "S3Uri": "s3://bucket/in/", "LabelDelimiter": "~"})  # fmt: skip
    world.run(5)
    child, spec = world.child(), world.spec()
    number = plan_of(world.row(arn)).get("id")
    assert (child.name, child.parent) == (f"clr-{number}", arn)
    assert (spec.role, spec.region) == (ROLE, REGION)
    assert spec.argv[:3] == ("python3", "-m", "comprehend.custom.train")
    assert spec.env["PYTHONPATH"].split(":")[-1] == "/opt/sagebrush/algorithms"
    given = order.read(spec.argv[3:])
    assert (given.kind, given.language, given.mode) == ("document-classifier", "en", "MULTI_LABEL")
    assert given.data["LabelDelimiter"] == "~"
    assert given.output == ("bucket", f"out/{ACCOUNT}-CLR-{number}/output/output.tar.gz")
    own = artifacts.bucket(world.world, REGION)
    start = f"http://localhost/{own}/{ACCOUNT}/document-classifier/{number}"
    assert given.model.startswith(f"{start}/model.tar.gz?")
    assert given.metadata.startswith(f"{start}/metadata.json?")
    assert max(map(len, (given.model, given.metadata))) < min(map(len, URLS.values()))
    assert world.rows.select("processing-job", account=ACCOUNT) == []


def test_a_warning_is_the_models_message(world: TrainingWorld) -> None:
    arn = world.classifier()
    world.run(5)
    world.store(arn, {**FOUND, "Warning": "Few documents."})
    world.end()
    world.run(2)
    found = world.model(arn)
    assert (found["Status"], found["Message"]) == ("TRAINED_WITH_WARNING", "Few documents.")
    assert found["ClassifierMetadata"] == FOUND


def test_what_starts_a_model_is_its_parent(world: TrainingWorld) -> None:
    wheel = f"arn:aws:comprehend:{REGION}:{ACCOUNT}:flywheel/Wheel"
    row = world.rows.insert(Row(ACCOUNT, REGION, "flywheel", "Wheel", "ACTIVE", {}))
    by = StartedBy(wheel, {"FlywheelArn": wheel}, {"tags": {"a": "b"}})
    OPERATIONS["CreateDocumentClassifier"](replace(world.ctx, started_by=by), classifier())
    made = world.row(f"arn:aws:comprehend:{REGION}:{ACCOUNT}:document-classifier/films")
    assert made.doc["FlywheelArn"] == wheel
    assert plan_of(made).get("tags") == {"a": "b"}
    assert world.rows.parent_of(made) == row


# ---- what fails


@pytest.mark.parametrize(
    ("found", "model"),
    [(None, b"model"), (FOUND, None), (None, None), ([1], b"model")],
)
def test_without_all_that_training_makes_nothing_is_trained(
    found: Any, model: bytes | None, world: TrainingWorld
) -> None:
    arn = world.classifier()
    world.run(5)
    world.store(arn, found, model)
    world.end()
    world.run(2)
    told = world.model(arn)
    assert (told["Status"], told["Message"]) == ("IN_ERROR", life.LOST)
    assert "model" not in plan_of(world.row(arn))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda w: w.s3.buckets["bucket"].clear(), "NO_INPUT_DATA: No object's key begins"),
        (lambda w: w.s3.buckets.clear(), "NO_READ_ACCESS_TO_INPUT: The provided data access role"),
        (lambda w: forget_role(w), "NO_READ_ACCESS_TO_INPUT: The provided data access role"),
    ],
)
def test_what_the_role_cannot_read_starts_nothing(
    spoil: Callable[[TrainingWorld], object], message: str, world: TrainingWorld
) -> None:
    arn = world.classifier()
    spoil(world)
    world.run(5)
    assert world.model(arn)["Status"] == "SUBMITTED", "as long as AWS's say so"
    world.run(10)
    found = world.model(arn)
    assert found["Status"] == "IN_ERROR"
    assert found["Message"].startswith(message)
    assert world.rows.select("processing-job") == []


def forget_role(world: TrainingWorld) -> None:
    row = world.rows.get(ACCOUNT, "", "role", "SagebrushExecutionRole")
    assert row is not None
    world.rows.update(row.id, lambda found: replace(found, status=""))


def test_every_place_is_asked_for(world: TrainingWorld) -> None:
    for config in (
        {"Documents": {"S3Uri": "s3://none/"}, "EntityList": {"S3Uri": "s3://bucket/in/"}},
        {"Documents": {"S3Uri": "s3://bucket/in/"}, "EntityList": {"S3Uri": "s3://none/"}},
        {"DataFormat": "AUGMENTED_MANIFEST",
         "AugmentedManifests": [{"S3Uri": "s3://none/", "AttributeNames": ["a"]}]},
    ):  # fmt: skip
        given = recognizer(f"r{len(world.rows.select('entity-recognizer'))}")
        given["InputDataConfig"] = {"EntityTypes": [{"Type": "PART"}], **config}
        arn = world.ask("CreateEntityRecognizer", **given)["EntityRecognizerArn"]
        world.run(15)
        assert world.model(arn)["Message"].startswith("NO_READ_ACCESS_TO_INPUT")


def test_an_output_bucket_that_is_not_there_starts_nothing(world: TrainingWorld) -> None:
    arn = world.classifier(OutputDataConfig={"S3Uri": "s3://none"})
    world.run(15)
    found = world.model(arn)
    assert (found["Status"], found["Message"][:25]) == ("IN_ERROR", "NO_WRITE_ACCESS_TO_OUTPUT")


def test_the_programs_message_is_the_models(world: TrainingWorld) -> None:
    arn = world.classifier()
    world.run(5)
    world.end(1, message="INVALID_INPUT: too few documents")
    world.run(2)
    found = world.model(arn)
    assert (found["Status"], found["Message"]) == ("IN_ERROR", "INVALID_INPUT: too few documents")


def test_of_a_traceback_nothing_is_told(world: TrainingWorld) -> None:
    arn = world.classifier()
    world.run(5)
    world.backend.lines[world.child().plan["key"]] = ["ValueError: a secret"]
    world.end(1)
    world.run(2)
    assert "secret" not in text(world.model(arn))
    assert world.model(arn)["Message"].startswith(work.INTERNAL)


def test_a_process_that_is_lost_fails_the_model(world: TrainingWorld) -> None:
    arn = world.classifier()
    world.run(5)
    world.backend.states[world.child().plan["key"]] = Gone()
    world.run(60)
    assert world.model(arn)["Status"] == "IN_ERROR"


def test_a_processing_job_that_was_deleted_fails_the_model(world: TrainingWorld) -> None:
    arn = world.classifier()
    world.run(5)
    world.rows.delete(world.child().id)
    world.run(60)
    found = world.model(arn)
    assert (found["Status"], found["Message"]) == ("IN_ERROR", work.GONE)


def test_a_quota_is_waited_for(world: TrainingWorld) -> None:
    world.refused = AwsError("ResourceLimitExceeded", "no more")
    arn = world.classifier()
    world.run(40)
    assert world.model(arn)["Status"] == "SUBMITTED"
    world.refused = None
    world.run(40)
    assert world.model(arn)["Status"] == "TRAINING"


def test_while_it_waits_the_message_says_for_what(world: TrainingWorld) -> None:
    world.environments.there, world.environments.does = False, "installing numpy"
    arn = world.classifier()
    world.run(5)
    found = world.model(arn)
    assert found["Status"] == "SUBMITTED"
    assert "Preparing the environment comprehend" in found["Message"]


# ---- stops


def stop(world: TrainingWorld, arn: str) -> None:
    world.ask("StopTrainingDocumentClassifier", DocumentClassifierArn=arn)


def test_a_stop_ends_the_processing_job(world: TrainingWorld) -> None:
    arn = world.classifier()
    world.run(5)
    stop(world, arn)
    stop(world, arn)
    assert world.model(arn)["Status"] == "STOP_REQUESTED"
    world.run(10)
    found = world.model(arn)
    assert (found["Status"], world.child().status) == ("STOPPED", "Stopped")
    assert "EndTime" in found
    assert len(world.backend.stops) == 1
    stop(world, arn)


def test_a_model_that_never_began_is_stopped_at_once(world: TrainingWorld) -> None:
    arn = world.classifier()
    stop(world, arn)
    world.run(5)
    assert world.model(arn)["Status"] == "STOPPED"
    assert world.rows.select("processing-job") == []


def test_a_model_that_was_stored_before_the_stop_is_trained(world: TrainingWorld) -> None:
    arn = world.classifier()
    world.run(5)
    stop(world, arn)
    world.store(arn)
    world.run(10)
    assert world.model(arn)["Status"] == "TRAINED"


def test_a_program_that_stops_without_a_model_is_no_failure(world: TrainingWorld) -> None:
    arn = world.classifier()
    world.run(5)
    stop(world, arn)
    world.end()
    world.run(10)
    assert world.model(arn)["Status"] == "STOPPED"


def test_what_the_server_stopped_is_stopped(world: TrainingWorld) -> None:
    arn = world.classifier()
    world.run(5)
    ctx = world.world.service_ctx(region=REGION, account=COMPREHEND)
    ctx.call("sagemaker", "StopProcessingJob", {"ProcessingJobName": world.child().name})
    world.run(5)
    found = world.model(arn)
    assert (found["Status"], found["Message"]) == ("STOPPED", life.STOPPED)


def test_a_trained_model_stays_trained_when_it_is_stopped(world: TrainingWorld) -> None:
    """Terraform's provider stops whatever it is going to delete, and takes no error."""
    arn = world.trained()
    before = world.model(arn)
    stop(world, arn)
    world.run(5)
    assert world.model(arn) == before
    assert before["Status"] == "TRAINED"


# ---- kills


def test_a_step_that_is_lost_starts_nothing_twice(world: TrainingWorld) -> None:
    arn = world.classifier()
    (row,) = world.rows.claim(30.0, 1)
    life.reconcile(world.world, row)  # the server is killed before it is stored
    first = world.child()
    world.now += 31
    world.open()
    world.run(5)
    assert world.child().id == first.id
    assert world.model(arn)["Status"] == "TRAINING"
    assert world.backend.launches == 1


def test_an_end_while_no_server_runs_is_found_by_the_next(world: TrainingWorld) -> None:
    arn = world.classifier()
    world.run(5)
    world.store(arn)
    world.end()
    world.open()
    world.rows.take_over({kind: facts.ended for kind, facts in world.world.kinds.items()})
    world.run(5)
    assert world.model(arn)["Status"] == "TRAINED"


def test_a_last_step_that_is_lost_is_taken_again(world: TrainingWorld) -> None:
    arn = world.classifier()
    world.run(5)
    world.store(arn)
    world.end()
    child = world.child()
    world.rows.update(child.id, lambda found: replace(found, status="Completed"))
    (row,) = (each for each in world.rows.claim(30, 9) if each.kind == "document-classifier")
    step = life.reconcile(world.world, row)  # the server is killed before it is stored
    assert step.status == "TRAINED"
    assert world.model(arn)["Status"] == "TRAINING"
    world.now += 31
    world.open()
    world.run(5)
    assert world.model(arn)["ClassifierMetadata"] == FOUND


def test_a_stop_that_comes_while_training_is_begun_is_not_lost(world: TrainingWorld) -> None:
    arn = world.classifier()
    (row,) = world.rows.claim(30.0, 1)
    step = life.reconcile(world.world, row)
    stop(world, arn)
    assert not world.rows.apply(row, step)
    world.run(10)
    assert world.model(arn)["Status"] == "STOPPED"
    assert world.child().status == "Stopped"


def test_versions_have_each_their_own(world: TrainingWorld) -> None:
    arns = [world.classifier(VersionName=f"v{n}") for n in range(3)]
    world.run(5)
    names = [row.name for row in world.rows.select("processing-job")]
    assert sorted(names) == sorted(program.name(world.row(arn)) for arn in arns)


# ---- deletion


def delete(world: TrainingWorld, arn: str) -> None:
    world.ask("DeleteDocumentClassifier", DocumentClassifierArn=arn)


def gone(world: TrainingWorld, arn: str) -> bool:
    kind, _, name = arn.split(":")[5].partition("/")
    return world.rows.get(ACCOUNT, REGION, kind, name) is None


def test_a_deleted_model_has_no_artifacts(world: TrainingWorld) -> None:
    kept, arn = world.trained("kept"), world.trained()
    assert sorted(world.stored(arn)) == ["metadata.json", "model.tar.gz"]
    delete(world, arn)
    assert world.model(arn)["Status"] == "DELETING"
    delete(world, arn)
    world.run(5)
    assert gone(world, arn)
    (own,) = (b for name, b in world.s3.buckets.items() if name != "bucket")
    assert len(own) == len(world.stored(kept)) == 2


def test_a_new_model_of_the_name_has_nothing_of_the_old_one(world: TrainingWorld) -> None:
    arn = world.trained()
    before = artifacts.prefix(world.row(arn))
    delete(world, arn)
    world.run(5)
    assert world.classifier() == arn
    assert artifacts.prefix(world.row(arn)) != before
    world.run(5)
    assert (world.model(arn)["Status"], world.stored(arn)) == ("TRAINING", {})


def test_a_deletion_that_is_lost_is_taken_again(world: TrainingWorld) -> None:
    arn = world.trained()
    delete(world, arn)
    (row,) = world.rows.claim(30.0, 1)
    artifacts.delete(world.world, row)  # the server is killed before the row is deleted
    world.now += 31
    world.open()
    world.run(5)
    assert gone(world, arn)


def test_what_still_trains_is_ended_before_its_artifacts_go(world: TrainingWorld) -> None:
    arn = world.classifier()
    world.run(5)
    row = world.row(arn)
    step = life.fail(world.world, row, "no more")
    world.rows.update(row.id, lambda found: replace(found, status=step.status or "", doc={
        **found.doc, "Message": "m"}))  # fmt: skip
    delete(world, arn)
    world.run(10)
    assert gone(world, arn)
    assert world.child().status == "Stopped"


@pytest.mark.parametrize("requested", [False, True])
def test_a_model_in_training_is_not_deleted(requested: bool, world: TrainingWorld) -> None:
    arn = world.classifier()
    world.run(5)
    if requested:
        stop(world, arn)
    with pytest.raises(AwsError, match="in status") as refused:
        delete(world, arn)
    assert (refused.value.code, refused.value.status) == ("ResourceUnavailableException", 404)


# ---- imports


def test_an_import_is_a_copy(world: TrainingWorld) -> None:
    source = world.trained(VersionName="v1", Mode="MULTI_LABEL")
    arn = world.ask("ImportModel", SourceModelArn=source)["ModelArn"]
    assert arn == f"arn:aws:comprehend:{REGION}:{ACCOUNT}:document-classifier/films"
    assert world.model(arn)["Status"] == "SUBMITTED"
    with pytest.raises(AwsError, match="an import that copies it"):
        delete(world, source)
    world.run(5)
    found = world.model(arn)
    assert (found["Status"], found["ClassifierMetadata"]) == ("TRAINED", FOUND)
    assert (found["SourceModelArn"], found["Mode"]) == (source, "MULTI_LABEL")
    assert "InputDataConfig" not in found
    assert world.stored(arn) == world.stored(source)
    delete(world, source)
    world.run(5)
    assert gone(world, source)
    assert world.stored(arn)["model.tar.gz"] == b"model"
    assert plan_of(world.row(arn)).get("model") == artifacts.uri(world.world, world.row(arn))


def test_an_import_whose_source_is_gone_fails(world: TrainingWorld) -> None:
    source = world.trained(VersionName="v1")
    arn = world.ask("ImportModel", SourceModelArn=source, ModelName="other")["ModelArn"]
    world.s3.buckets[artifacts.bucket(world.world, REGION)].clear()
    world.run(5)
    found = world.model(arn)
    assert (found["Status"], found["Message"]) == ("IN_ERROR", life.SOURCE_GONE)


def test_an_import_can_be_stopped_before_it_begins(world: TrainingWorld) -> None:
    source = world.trained(VersionName="v1")
    arn = world.ask("ImportModel", SourceModelArn=source)["ModelArn"]
    stop(world, arn)
    world.run(5)
    assert (world.model(arn)["Status"], world.stored(arn)) == ("STOPPED", {})
