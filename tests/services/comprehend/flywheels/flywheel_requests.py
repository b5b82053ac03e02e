"""Requests about flywheels, and models that they go on from, for tests of them."""

from __future__ import annotations

from typing import Any

from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from sagebrush.store.rows import Row
from tests.services.sagemaker.jobworld import ROLE

REGION, ACCOUNT = "us-east-1", "123456789012"
LAKE = "s3://bucket/lake"
TASK: Doc = {
    "LanguageCode": "en",
    "DocumentClassificationConfig": {"Mode": "MULTI_CLASS", "Labels": ["ham", "spam"]},
}
TYPES: Doc = {
    "LanguageCode": "en",
    "EntityRecognitionConfig": {"EntityTypes": [{"Type": "TOOL"}, {"Type": "PLANT"}]},
}
CSV: Doc = {
    "DataFormat": "COMPREHEND_CSV",
    "DocumentClassifierInputDataConfig": {"S3Uri": "s3://bucket/in/a.csv"},
}
ANNOTATED: Doc = {
    "DataFormat": "COMPREHEND_CSV",
    "EntityRecognizerInputDataConfig": {
        "Documents": {"S3Uri": "s3://bucket/in/"},
        "Annotations": {"S3Uri": "s3://bucket/annotations.csv"},
    },
}
LISTED: Doc = {
    "DataFormat": "COMPREHEND_CSV",
    "EntityRecognizerInputDataConfig": {
        "Documents": {"S3Uri": "s3://bucket/in/"},
        "EntityList": {"S3Uri": "s3://bucket/list.csv"},
    },
}
MANIFEST: Doc = {
    "DataFormat": "AUGMENTED_MANIFEST",
    "AugmentedManifests": [{"S3Uri": "s3://bucket/a.manifest", "AttributeNames": ["label"]}],
}


def flywheel(name: str = "wheel", **changes: Any) -> Doc:
    """A request that creates a flywheel of a new classifier; a change to None leaves a member out."""
    found: Doc = {
        "FlywheelName": name,
        "DataAccessRoleArn": ROLE,
        "DataLakeS3Uri": LAKE,
        "ModelType": "DOCUMENT_CLASSIFIER",
        "TaskConfig": TASK,
        **changes,
    }
    return {member: value for member, value in found.items() if value is not None}


def arn(resource: str) -> str:
    return f"arn:aws:comprehend:{REGION}:{ACCOUNT}:{resource}"


def classifier(name: str = "model/version/1", status: str = "TRAINED", **changes: Any) -> Row:
    """The row of a document classifier, made without training."""
    doc: Doc = {
        "DocumentClassifierArn": arn(f"document-classifier/{name}"),
        "LanguageCode": "en",
        "Mode": "MULTI_CLASS",
        "SubmitTime": moment(1.0),
        "DataAccessRoleArn": ROLE,
        "InputDataConfig": {"DataFormat": "COMPREHEND_CSV", "S3Uri": "s3://bucket/in/a.csv"},
        **changes,
    }
    doc = {member: value for member, value in doc.items() if value is not None}
    return Row(ACCOUNT, REGION, "document-classifier", name, status, doc, {"tags": {}})
