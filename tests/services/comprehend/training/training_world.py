"""A world for tests of custom models: that of jobs, with a bucket of Comprehend's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sagebrush.engine.loop import Loop
from sagebrush.errors import Doc
from sagebrush.services.comprehend.training import artifacts, importing, operations
from sagebrush.services.comprehend.training.operations import OPERATIONS
from sagebrush.settings import COMPREHEND
from sagebrush.store.rows import Row
from sagebrush.world import Ctx
from tests.services.comprehend.comprehend_world import ACCOUNT, KINDS, REGION, ComprehendWorld
from tests.services.sagemaker.jobworld import ROLE, FakeS3

FOUND: Doc = {
    "NumberOfLabels": 2,
    "NumberOfTrainedDocuments": 90,
    "EvaluationMetrics": {"Accuracy": 0.9},
}
CLASSIFIER, RECOGNIZER = "document-classifier", "entity-recognizer"


class OwnedS3(FakeS3):
    """The fake, with what Comprehend does with the objects of its own bucket, which nobody else has."""

    def call(self, ctx: Ctx, operation: str, p: Doc) -> Doc:
        own = p["Bucket"].startswith(artifacts.PREFIX)
        assert not own or ctx.account == COMPREHEND
        if operation == "CreateBucket":
            self.buckets[p["Bucket"]] = {}
            return {}
        objects = self.buckets.get(p["Bucket"], {})
        if operation == "DeleteObject":
            objects.pop(p["Key"], None)
            return {}
        if operation == "CopyObject":
            bucket, _, key = p["CopySource"].partition("/")
            blob = super().call(ctx, "GetObject", {"Bucket": bucket, "Key": key})["Body"]
            objects[p["Key"]] = blob.read()
            return {}
        return super().call(ctx, operation, p)


class TrainingWorld(ComprehendWorld):
    """The world, with the training data `s3://bucket/in/a.txt`, and shortcuts for models."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.s3 = OwnedS3()
        self.s3.buckets["bucket"]["in/a.txt"] = b"text"

    def open(self) -> None:
        """The server (again)."""
        super().open()
        models = {kind.name: kind for kind in (operations.CLASSIFIER, operations.RECOGNIZER)}
        self.loop = Loop(self.world, {**KINDS, **models}, threads=1)

    def ask(self, operation: str, **request: Any) -> Doc:
        """What the operation answers the account."""
        if operation == "ImportModel":
            return importing.import_model(self.ctx, request)
        found = OPERATIONS[operation](self.ctx, request)
        assert isinstance(found, dict)
        return found

    def classifier(self, name: str = "films", **changes: Any) -> str:
        """The ARN of a classifier that was created now."""
        answer = self.ask("CreateDocumentClassifier", **classifier(name, **changes))
        return answer["DocumentClassifierArn"]

    def model(self, arn: str) -> Doc:
        """The model's description."""
        noun = "DocumentClassifier" if CLASSIFIER in arn else "EntityRecognizer"
        found = self.ask(f"Describe{noun}", **{f"{noun}Arn": arn})
        return found[f"{noun}Properties"]

    def row(self, arn: str) -> Row:
        """The model's row."""
        kind, _, name = arn.split(":")[5].partition("/")
        found = self.rows.get(ACCOUNT, REGION, kind, name)
        assert found is not None
        return found

    def stored(self, arn: str) -> dict[str, bytes]:
        """The model's artifacts, by name."""
        row = self.row(arn)
        objects = self.s3.buckets.get(artifacts.bucket(self.world, REGION), {})
        start = artifacts.prefix(row)
        return {key[len(start) :]: body for key, body in objects.items() if key.startswith(start)}

    def store(self, arn: str, found: Doc | None = FOUND, model: bytes | None = b"model") -> None:
        """The program has stored the model, and what training found."""
        start = artifacts.prefix(self.row(arn))
        objects = self.s3.buckets[artifacts.bucket(self.world, REGION)]
        if model is not None:
            objects[start + artifacts.MODEL] = model
        if found is not None:
            objects[start + artifacts.METADATA] = json.dumps(found).encode()

    def trained(self, name: str = "films", **changes: Any) -> str:
        """The ARN of a classifier that is trained."""
        arn = self.classifier(name, **changes)
        self.run(5)
        self.store(arn)
        self.end()
        self.run(2)
        self.rows.delete(self.child().id)
        assert self.model(arn)["Status"] == "TRAINED"
        return arn


def classifier(name: str = "films", **changes: Any) -> Doc:
    """A request for a classifier; a change to None leaves a member out."""
    found: Doc = {
        "DocumentClassifierName": name,
        "InputDataConfig": {"S3Uri": "s3://bucket/in/"},
        "OutputDataConfig": {"S3Uri": "s3://bucket/out/"},
        "DataAccessRoleArn": ROLE,
        "LanguageCode": "en",
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


def recognizer(name: str = "parts", **changes: Any) -> Doc:
    """A request for a recognizer; a change to None leaves a member out."""
    found: Doc = {
        "RecognizerName": name,
        "InputDataConfig": {
            "EntityTypes": [{"Type": "PART"}],
            "Documents": {"S3Uri": "s3://bucket/in/"},
            "EntityList": {"S3Uri": "s3://bucket/in/a.txt"},
        },
        "DataAccessRoleArn": ROLE,
        "LanguageCode": "en",
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}
