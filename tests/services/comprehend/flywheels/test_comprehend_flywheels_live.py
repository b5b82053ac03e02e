"""Flywheels as processes: data sets to the lake, versions trained and compared, by boto3 alone."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tests.conftest import Server
from tests.services.comprehend.flywheels.flywheel_requests import TYPES, flywheel
from tests.waiting import until

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.costs("trains and compares models, each in a process that loads the encoder"),
]
SUBJECTS = {
    "kitchen": "simmer butter garlic onion pepper sauce oven flour sugar recipe pan dough",
    "garden": "soil seed tulip prune compost lawn weed bloom root hedge mulch spade",
    "sailing": "anchor mast rudder harbour tide keel rope captain wave breeze deck hull",
}
TOOLS = ("spade", "rake", "hoe", "fork", "trowel", "shears")
PLANTS = ("tulip", "fern", "rose", "oak", "lily", "moss")


@pytest.fixture(scope="module")
def server(reader: Server) -> Server:
    reader.client("s3").create_bucket(Bucket="bucket")
    return reader


@pytest.fixture(scope="module")
def comprehend(server: Server) -> Any:
    return server.client("comprehend")


def put(server: Server, key: str, rows: list[tuple[Any, ...]]) -> str:
    """The URI of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    body = text.getvalue().encode()
    server.client("s3").put_object(Bucket="bucket", Key=key, Body=body)
    return f"s3://bucket/{key}"


def labelled(first: int, count: int) -> list[tuple[str, str]]:
    """Rows of label and text, that many of each label."""
    rows = []
    for number in range(first, first + count):
        for subject, words in SUBJECTS.items():
            known = words.split()
            text = " ".join(known[(number * 5 + n * 7) % 12] for n in range(9))
            rows.append((subject, f"{text} number {number}"))
    return rows


def active(comprehend: Any, **changes: Any) -> str:
    """The ARN of a flywheel of a new model, that is ACTIVE."""
    arn = comprehend.create_flywheel(**flywheel(**changes))["FlywheelArn"]

    def look() -> bool:
        found = comprehend.describe_flywheel(FlywheelArn=arn)["FlywheelProperties"]
        assert found["Status"] in ("CREATING", "ACTIVE"), found
        return found["Status"] == "ACTIVE"

    until(look, f"{arn} to be active", 120.0)
    return arn


def completed(comprehend: Any, wheel: str, name: str, part: str, config: Any) -> dict[str, Any]:
    """The description of a data set, when its data are in the lake."""
    arn = comprehend.create_dataset(
        FlywheelArn=wheel, DatasetName=name, DatasetType=part, InputDataConfig=config
    )["DatasetArn"]

    def look() -> dict[str, Any] | None:
        found = comprehend.describe_dataset(DatasetArn=arn)["DatasetProperties"]
        return None if found["Status"] == "CREATING" else found

    found = until(look, f"the end of {arn}", 120.0)
    assert found["Status"] == "COMPLETED", found
    return found


def iterated(comprehend: Any, wheel: str) -> dict[str, Any]:
    """The description of an iteration that began now, at its end."""
    number = comprehend.start_flywheel_iteration(FlywheelArn=wheel)["FlywheelIterationId"]

    def look() -> dict[str, Any] | None:
        found = comprehend.describe_flywheel_iteration(
            FlywheelArn=wheel, FlywheelIterationId=number
        )["FlywheelIterationProperties"]
        return None if found["Status"] in ("TRAINING", "EVALUATING") else found

    found = until(look, f"the end of the iteration {number}", 240.0)
    assert found["Status"] == "COMPLETED", found
    return found


def got(server: Server, uri: str) -> str:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return server.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()


def of_classifier(uri: str) -> dict[str, Any]:
    return {"DataFormat": "COMPREHEND_CSV", "DocumentClassifierInputDataConfig": {"S3Uri": uri}}


@pytest.mark.full
def test_a_classifiers_versions_are_trained_and_compared(server: Server, comprehend: Any) -> None:
    mode = {"Mode": "MULTI_CLASS", "Labels": sorted(SUBJECTS)}
    task = {"LanguageCode": "en", "DocumentClassificationConfig": mode}
    wheel = active(comprehend, FlywheelName="texts", TaskConfig=task)
    stray = [("weather", "it rains")]
    uri = put(server, "in/first.csv", labelled(0, 40) + stray)
    first = completed(comprehend, wheel, "first", "TRAIN", of_classifier(uri))
    assert first["NumberOfDocuments"] == 120  # none of a label that the flywheel does not know
    one = iterated(comprehend, wheel)
    assert "EvaluatedModelArn" not in one
    assert set(one["TrainedModelMetrics"]) == {
        "AverageF1Score", "AveragePrecision", "AverageRecall", "AverageAccuracy",
    }  # fmt: skip
    assert one["TrainedModelMetrics"]["AverageF1Score"] > 0.9
    found = comprehend.describe_flywheel(FlywheelArn=wheel)["FlywheelProperties"]
    assert found["ActiveModelArn"] == one["TrainedModelArn"]
    assert found["LatestFlywheelIteration"] == one["FlywheelIterationId"]
    model = comprehend.describe_document_classifier(DocumentClassifierArn=one["TrainedModelArn"])
    model = model["DocumentClassifierProperties"]
    assert (model["FlywheelArn"], model["Status"]) == (wheel, "TRAINED")
    assert model["ClassifierMetadata"]["NumberOfLabels"] == 3
    more = put(server, "in/more.csv", labelled(40, 20))
    completed(comprehend, wheel, "more", "TRAIN", of_classifier(more))
    test = put(server, "in/test.csv", labelled(90, 10))
    completed(comprehend, wheel, "test", "TEST", of_classifier(test))
    two = iterated(comprehend, wheel)
    assert two["EvaluatedModelArn"] == one["TrainedModelArn"]
    assert two["EvaluatedModelMetrics"]["AverageF1Score"] > 0.9
    assert two["TrainedModelMetrics"]["AverageF1Score"] > 0.9
    manifest = json.loads(got(server, f"{two['EvaluationManifestS3Prefix']}manifest.json"))
    assert manifest["NumberOfTestDocuments"] == 30
    assert manifest["TrainedModel"]["Metrics"] == two["TrainedModelMetrics"]
    promoted = comprehend.update_flywheel(FlywheelArn=wheel, ActiveModelArn=two["TrainedModelArn"])
    assert promoted["FlywheelProperties"]["ActiveModelArn"] == two["TrainedModelArn"]
    comprehend.delete_flywheel(FlywheelArn=wheel)
    until(
        lambda: not comprehend.list_flywheels()["FlywheelSummaryList"], "the flywheel to go", 30.0
    )
    assert comprehend.list_datasets()["DatasetPropertiesList"] == []
    assert got(server, f"{first['DatasetS3Uri']}documents.jsonl").count("\n") == 120
    after = comprehend.describe_document_classifier(DocumentClassifierArn=two["TrainedModelArn"])
    assert after["DocumentClassifierProperties"]["Status"] == "TRAINED"
    given = {"ActiveModelArn": two["TrainedModelArn"], "ModelType": None, "TaskConfig": None}
    wheel = active(comprehend, FlywheelName="again", **given)
    found = comprehend.describe_flywheel(FlywheelArn=wheel)["FlywheelProperties"]
    assert found["TaskConfig"] == task  # the labels are those of its data
    sets = comprehend.list_datasets(FlywheelArn=wheel)["DatasetPropertiesList"]
    counts = {each["DatasetType"]: each["NumberOfDocuments"] for each in sets}
    assert counts == {"TRAIN": 180, "TEST": 30}


def test_a_recognizers_version(server: Server, comprehend: Any) -> None:
    given = {"FlywheelName": "tools", "ModelType": "ENTITY_RECOGNIZER", "TaskConfig": TYPES}
    wheel = active(comprehend, **given)
    lines, rows = [], [("File", "Line", "Begin Offset", "End Offset", "Type")]
    for number in range(180):
        tool, plant = TOOLS[number % 6], PLANTS[(number // 6 + number) % 6]
        text = f"On day {number} she took the {tool} and planted a {plant} near the old wall."
        for word, kind in ((tool, "TOOL"), (plant, "PLANT")):
            begin = text.index(f" {word} ") + 1
            rows.append(("lines.txt", number, begin, begin + len(word), kind))  # type: ignore
        lines.append(text)
    body = "\n".join(lines).encode()
    server.client("s3").put_object(Bucket="bucket", Key="tools/lines.txt", Body=body)
    config = {
        "DataFormat": "COMPREHEND_CSV",
        "EntityRecognizerInputDataConfig": {
            "Documents": {"S3Uri": "s3://bucket/tools/"},
            "Annotations": {"S3Uri": put(server, "marks/marks.csv", rows)},  # type: ignore
        },
    }
    found = completed(comprehend, wheel, "first", "TRAIN", config)
    assert found["NumberOfDocuments"] == 180
    one = iterated(comprehend, wheel)
    metrics = one["TrainedModelMetrics"]
    assert set(metrics) == {"AverageF1Score", "AveragePrecision", "AverageRecall"}
    assert metrics["AverageF1Score"] > 0.9
    model = comprehend.describe_entity_recognizer(EntityRecognizerArn=one["TrainedModelArn"])
    model = model["EntityRecognizerProperties"]
    assert model["FlywheelArn"] == wheel
    statistics = model["OutputDataConfig"]["FlywheelStatsS3Prefix"]
    assert (
        json.loads(got(server, f"{statistics}metrics.json"))["EvaluationMetrics"]["F1Score"] > 0.9
    )
