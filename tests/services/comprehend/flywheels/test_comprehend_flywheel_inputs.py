"""Data sets as data of models, and models' data as data sets."""

from __future__ import annotations

from sagebrush.services.comprehend.flywheels import inputs, lake
from tests.services.comprehend.flywheels.flywheel_requests import (
    ANNOTATED,
    CSV,
    LISTED,
    MANIFEST,
    TASK,
    TYPES,
)

CLASSIFIER, RECOGNIZER = "document-classifier", "entity-recognizer"
NAMED = [{"Type": "TOOL"}, {"Type": "PLANT"}]


def test_where_the_lake_keeps_what() -> None:
    root = lake.place("s3://bucket/lake/", "wheel", 1686945943.9)
    assert root == "s3://bucket/lake/wheel/schemaVersion=1/20230616T200543Z/"
    assert lake.place("s3://bucket", "wheel", 1686945943.2).startswith("s3://bucket/wheel/schema")
    assert lake.dataset(root, "a", 1686945943) == f"{root}datasets/a/20230616T200543Z/"
    assert lake.evaluation(root, "20230616T200543Z") == f"{root}evaluation/20230616T200543Z/"


def test_a_data_set_as_a_models_data() -> None:
    assert inputs.told(CSV, TASK) == {
        "DataFormat": "COMPREHEND_CSV",
        "S3Uri": "s3://bucket/in/a.csv",
    }
    manifests = [{**MANIFEST["AugmentedManifests"][0], "Split": "TRAIN"}]
    assert inputs.told(MANIFEST, TASK) == {
        "DataFormat": "AUGMENTED_MANIFEST",
        "AugmentedManifests": manifests,
    }
    told = inputs.told(LISTED, TYPES)
    assert (told["EntityTypes"], told["EntityList"]) == (NAMED, {"S3Uri": "s3://bucket/list.csv"})


def test_a_classifiers_data_as_data_sets() -> None:
    data = {"S3Uri": "s3://b/a", "TestS3Uri": "s3://b/t", "LabelDelimiter": "~"}
    found = inputs.of_model(data, CLASSIFIER)
    assert list(found) == ["TRAIN", "TEST"]
    assert [each["DocumentClassifierInputDataConfig"] for each in found.values()] == [
        {"S3Uri": "s3://b/a", "LabelDelimiter": "~"},
        {"S3Uri": "s3://b/t", "LabelDelimiter": "~"},
    ]
    assert list(inputs.of_model({"S3Uri": "s3://b/a"}, CLASSIFIER)) == ["TRAIN"]
    one = MANIFEST["AugmentedManifests"][0]
    data = {**MANIFEST, "AugmentedManifests": [{**one, "Split": "TEST"}, one]}
    assert inputs.of_model(data, CLASSIFIER) == {"TRAIN": MANIFEST, "TEST": MANIFEST}


def test_a_recognizers_data_as_data_sets() -> None:
    given = ANNOTATED["EntityRecognizerInputDataConfig"]
    documents = {**given["Documents"], "InputFormat": "ONE_DOC_PER_FILE"}
    data = {
        "EntityTypes": NAMED,
        "Documents": {**documents, "TestS3Uri": "s3://b/test/"},
        "Annotations": {**given["Annotations"], "TestS3Uri": "s3://b/test.csv"},
    }
    found = inputs.of_model(data, RECOGNIZER)
    assert found["TRAIN"]["EntityRecognizerInputDataConfig"] == {**given, "Documents": documents}
    assert found["TEST"]["EntityRecognizerInputDataConfig"] == {
        "Documents": {**documents, "S3Uri": "s3://b/test/"},
        "Annotations": {"S3Uri": "s3://b/test.csv"},
    }
    listed = {**LISTED["EntityRecognizerInputDataConfig"], "EntityTypes": NAMED}
    assert inputs.of_model(listed, RECOGNIZER) == {"TRAIN": LISTED}


def test_the_data_of_a_version() -> None:
    folder = "s3://b/v/"
    assert inputs.of_version(folder, TASK, "|", True) == {
        "DataFormat": "COMPREHEND_CSV",
        "S3Uri": "s3://b/v/training/documents.csv",
        "TestS3Uri": "s3://b/v/test/documents.csv",
    }
    many = {"LanguageCode": "en", "DocumentClassificationConfig": {"Mode": "MULTI_LABEL"}}
    assert inputs.of_version(folder, many, "~", False) == {
        "DataFormat": "COMPREHEND_CSV",
        "S3Uri": "s3://b/v/training/documents.csv",
        "LabelDelimiter": "~",
    }
    found = inputs.of_version(folder, TYPES, "|", True)
    assert found["Documents"] == {
        "S3Uri": "s3://b/v/training/documents/",
        "TestS3Uri": "s3://b/v/test/documents/",
        "InputFormat": "ONE_DOC_PER_LINE",
    }
    assert found["Annotations"]["TestS3Uri"] == "s3://b/v/test/annotations.csv"
    assert found["EntityTypes"] == NAMED
