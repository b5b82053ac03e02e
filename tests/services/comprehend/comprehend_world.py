"""A world for tests of Comprehend's jobs: real rows, a clock that is set, a backend that obeys, and the
processing jobs of SageMaker over them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from botocore import xform_name

from sagebrush.aws import check, models
from sagebrush.compute.base import Exited, Running, Spec
from sagebrush.credentials import Caller
from sagebrush.engine.loop import Loop
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend.jobs import operations
from sagebrush.services.comprehend.jobs.operations import OPERATIONS
from sagebrush.services.sagemaker.processing import operations as processing
from sagebrush.settings import COMPREHEND
from sagebrush.store.rows import Row
from sagebrush.world import Ctx
from tests.services.sagemaker.jobworld import ROLE, JobWorld

KINDS = {**operations.KINDS, processing.KIND.name: processing.KIND}
REGION, ACCOUNT = "us-east-1", "123456789012"
RUNS = Running(0.0)


class ComprehendWorld(JobWorld):
    """The world, with the input `s3://bucket/in/a.txt`, and shortcuts for jobs."""

    def __init__(self, home: Path) -> None:
        self.refused: AwsError | None = None
        """What CreateProcessingJob raises."""
        super().__init__(home)
        self.s3.buckets["bucket"]["in/a.txt"] = b"text"
        self.backend.script = lambda spec: RUNS

    def open(self) -> None:
        """The server (again)."""
        super().open()
        self.loop = Loop(self.world, KINDS, threads=1)
        root = f"arn:aws:iam::{ACCOUNT}:root"
        self.ctx = self.world.ctx(Caller(root, ACCOUNT, ACCOUNT), region=REGION)

    def dispatch(self, ctx: Ctx, service: str, operation: str, params: Doc) -> Doc:
        if service == "s3":
            return self.s3.call(ctx, operation, params)
        assert service == "sagemaker"
        model = models.operation(service, operation)
        assert model is not None
        check.check(model, params)
        if operation == "CreateProcessingJob" and self.refused:
            raise self.refused
        return getattr(processing, xform_name(operation))(ctx, params) or {}

    def call(self, operation: str, **request: Any) -> Doc:
        """What the operation answers the account."""
        found = OPERATIONS[operation](self.ctx, request)
        assert isinstance(found, dict)
        return found

    def start(self, noun: str = "SentimentDetection", **changes: Any) -> str:
        """The id of a job that was started now."""
        return self.call(f"Start{noun}Job", **request(**changes))["JobId"]

    def told(self, job_id: str, noun: str = "SentimentDetection") -> Doc:
        """The job's description."""
        found = self.call(f"Describe{noun}Job", JobId=job_id)
        return found[f"{noun}JobProperties"]

    def child(self) -> Row:
        """The one processing job there is."""
        (row,) = self.rows.select("processing-job")
        assert (row.account, row.region) == (COMPREHEND, REGION)
        return row

    def end(self, code: int = 0, message: str = "", reason: str = "") -> None:
        """The program of the one processing job has ended."""
        key = self.child().plan["key"]
        ml = self.home / "jobs" / key / "ml"
        if message:
            (ml / "output" / "message").write_text(message)
        self.backend.states[key] = Exited(code, reason, "", 0.0, 0.0, 1 << 20)
        self.loop.changed(key)

    def spec(self) -> Spec:
        """How the one processing job was launched."""
        return self.backend.specs[self.child().plan["key"]]


def request(**changes: Any) -> Doc:
    """A request that starts a job; a change to None leaves a member out."""
    found: Doc = {
        "InputDataConfig": {"S3Uri": "s3://bucket/in/"},
        "OutputDataConfig": {"S3Uri": "s3://bucket/out"},
        "DataAccessRoleArn": ROLE,
        "LanguageCode": "en",
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


def text(document: Doc) -> str:
    """The document, to look for words in."""
    return json.dumps(document, default=str)
