"""The data of data sets and of models, as AWS's shapes name them; pure.

A data set's InputDataConfig (`DatasetInputDataConfig`) becomes that of a model to train
(`DocumentClassifierInputDataConfig`, `EntityRecognizerInputDataConfig`), and a model's that of the data sets
that it was trained on.
"""

from __future__ import annotations

from typing import Any

from sagebrush.errors import Doc
from sagebrush.services.comprehend.flywheels import lake

CLASSIFIER, RECOGNIZER = "DOCUMENT_CLASSIFIER", "ENTITY_RECOGNIZER"
CSV, MANIFEST = "COMPREHEND_CSV", "AUGMENTED_MANIFEST"
TRAIN, TEST = "TRAIN", "TEST"
KINDS = {CLASSIFIER: "document-classifier", RECOGNIZER: "entity-recognizer"}
"""ModelType -> the kind of the models' rows, which begins what their ARNs end with."""
DELIMITER = "|"
"""Between labels of a document where none is named (API reference)."""


def task(model: Doc, kind: str) -> Doc:
    """The TaskConfig of a flywheel for the model, given its row's document and kind."""
    found: Doc = {"LanguageCode": model["LanguageCode"]}
    if kind == KINDS[CLASSIFIER]:
        return {
            **found,
            "DocumentClassificationConfig": {"Mode": model.get("Mode") or "MULTI_CLASS"},
        }
    types = model["InputDataConfig"]["EntityTypes"]
    return {**found, "EntityRecognitionConfig": {"EntityTypes": types}}


def types_of(task_config: Doc) -> list[str]:
    """The types of entities of a flywheel's models; none of a classifier's."""
    found = task_config.get("EntityRecognitionConfig", {}).get("EntityTypes", ())
    return [each["Type"] for each in found]


def labels_of(task_config: Doc) -> list[str]:
    """The labels of a flywheel's models, as far as they are known."""
    return list(task_config.get("DocumentClassificationConfig", {}).get("Labels") or ())


def told(config: Doc, task_config: Doc) -> Doc:
    """A data set's InputDataConfig as that of a model that is trained with it."""
    found: Doc = {"DataFormat": config.get("DataFormat") or CSV}
    if types := types_of(task_config):
        found["EntityTypes"] = [{"Type": each} for each in types]
    if found["DataFormat"] == MANIFEST:
        found["AugmentedManifests"] = [
            {**each, "Split": TRAIN} for each in config["AugmentedManifests"]
        ]
        return found
    return {
        **found,
        **config.get("DocumentClassifierInputDataConfig", {}),
        **config.get("EntityRecognizerInputDataConfig", {}),
    }


def of_model(data: Doc, kind: str) -> dict[str, Doc]:
    """The InputDataConfigs of the data sets that a model of that InputDataConfig was made of: of TRAIN,
    and of TEST where test data were given."""
    if data.get("DataFormat") == MANIFEST:
        parts: dict[str, list[Any]] = {TRAIN: [], TEST: []}
        for each in data["AugmentedManifests"]:
            rest = {name: value for name, value in each.items() if name != "Split"}
            parts[each.get("Split") or TRAIN].append(rest)
        return {
            part: {"DataFormat": MANIFEST, "AugmentedManifests": found}
            for part, found in parts.items()
            if found
        }
    if kind == KINDS[CLASSIFIER]:
        return _of_classifier(data)
    return _of_recognizer(data)


def _of_classifier(data: Doc) -> dict[str, Doc]:
    delimiter = {"LabelDelimiter": data["LabelDelimiter"]} if data.get("LabelDelimiter") else {}
    given = {TRAIN: data["S3Uri"], TEST: data.get("TestS3Uri")}
    return {
        part: {
            "DataFormat": CSV,
            "DocumentClassifierInputDataConfig": {"S3Uri": uri, **delimiter},
        }
        for part, uri in given.items()
        if uri
    }


def _of_recognizer(data: Doc) -> dict[str, Doc]:
    documents, annotations = data["Documents"], data.get("Annotations")
    how = {"InputFormat": documents["InputFormat"]} if documents.get("InputFormat") else {}
    train: Doc = {"Documents": {"S3Uri": documents["S3Uri"], **how}}
    if annotations:
        train["Annotations"] = {"S3Uri": annotations["S3Uri"]}
    elif data.get("EntityList"):
        train["EntityList"] = {"S3Uri": data["EntityList"]["S3Uri"]}
    found = {TRAIN: train}
    if documents.get("TestS3Uri") and annotations and annotations.get("TestS3Uri"):
        found[TEST] = {
            "Documents": {"S3Uri": documents["TestS3Uri"], **how},
            "Annotations": {"S3Uri": annotations["TestS3Uri"]},
        }
    return {
        part: {"DataFormat": CSV, "EntityRecognizerInputDataConfig": each}
        for part, each in found.items()
    }


def of_version(folder: str, task_config: Doc, delimiter: str, tests: bool) -> Doc:
    """The InputDataConfig of the model version whose data are in the folder (`lake.version`), as the
    program `comprehend.flywheels.gather` lays them out; `tests`: training takes the test data too."""
    uris = {"S3Uri": f"{folder}{lake.TRAINING}", "TestS3Uri": f"{folder}{lake.TESTING}"}
    if not tests:
        del uris["TestS3Uri"]

    def places(name: str) -> dict[str, str]:
        return {member: f"{uri}{name}" for member, uri in uris.items()}

    if types := types_of(task_config):
        return {
            "DataFormat": CSV,
            "EntityTypes": [{"Type": each} for each in types],
            "Documents": {**places(lake.DOCUMENTS), "InputFormat": "ONE_DOC_PER_LINE"},
            "Annotations": places(lake.ANNOTATIONS),
        }
    many = task_config["DocumentClassificationConfig"]["Mode"] == "MULTI_LABEL"
    return {
        "DataFormat": CSV,
        **places(lake.LABELLED),
        **({"LabelDelimiter": delimiter} if many else {}),
    }
