"""Endpoints of custom models in a world without threads: the loop turns, and processes answer, when told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sagebrush.app import App
from sagebrush.credentials import Caller
from sagebrush.errors import Doc
from sagebrush.services.comprehend import fleet
from sagebrush.store.rows import Row
from tests.conftest import Clock
from tests.services.sagemaker.doubles import archive, install

ACCOUNT, REGION = "123456789012", "us-east-1"
ARN = f"arn:aws:comprehend:{REGION}:{ACCOUNT}:"
KIND, CHILD = "document-classifier-endpoint", "endpoint"
MODEL, OTHER, RECOGNIZER = (
    f"{ARN}document-classifier/topics",
    f"{ARN}document-classifier/topics/version/2",
    f"{ARN}entity-recognizer/names",
)
BUCKET = "comprehend-archives"


def _key(arn: str) -> str:
    """The key of the model's archive."""
    return f"{arn.removeprefix(ARN)}/model.tar.gz"


class Stand:
    """The world, with the trained models MODEL, OTHER and RECOGNIZER."""

    def __init__(self, app: App, clock: Clock) -> None:
        self.app, self.clock = app, clock
        self.backend, self.health = install(app.world)
        self.here = fleet.ctx(app.world, REGION)
        root = f"arn:aws:iam::{ACCOUNT}:root"
        self.ctx = app.world.ctx(Caller(root, ACCOUNT, ACCOUNT), region=REGION)
        self.here.call("s3", "CreateBucket", {"Bucket": BUCKET})
        for arn in (MODEL, OTHER, RECOGNIZER):
            self.model(arn)

    def model(self, arn: str, status: str = "TRAINED", stored: bool = True) -> str:
        """The ARN of a custom model of that status, with its archive in Comprehend's bucket."""
        kind, _, name = arn.removeprefix(ARN).partition("/")
        if stored:
            self.store(arn)
        plan = {"model": f"s3://{BUCKET}/{_key(arn)}", "tags": {}}
        self.app.world.rows.insert(Row(ACCOUNT, REGION, kind, name, status, {}, plan))
        return arn

    def store(self, arn: str) -> None:
        """The model's archive is in Comprehend's bucket."""
        body = self.app.world.objects.spool_bytes(archive({"custom.json": "{}"}))
        self.here.call("s3", "PutObject", {"Bucket": BUCKET, "Key": _key(arn), "Body": body})

    def flywheel(self, name: str, active: str) -> str:
        """The ARN of an ACTIVE flywheel of the model."""
        doc = {"ActiveModelArn": active}
        self.app.world.rows.insert(Row(ACCOUNT, REGION, "flywheel", name, "ACTIVE", doc, {}))
        return f"{ARN}flywheel/{name}"

    def promote(self, name: str, active: str) -> None:
        """The flywheel's active model is that one, and its endpoints have seen it."""
        row = self.app.world.rows.get(ACCOUNT, REGION, "flywheel", name)
        assert row is not None
        change = {"ActiveModelArn": active}
        self.app.world.rows.update(row.id, lambda found: replace(found, doc=change))
        self.clock.forward(61)
        self.settle(8)

    def before(self, method: str, act: Callable[[], object]) -> None:
        """`act` happens right before the next change of rows by that method begins its transaction."""
        rows = self.app.world.rows
        change = getattr(rows, method)

        def changed(*given: Any) -> Any:
            delattr(rows, method)
            act()
            return change(*given)

        setattr(rows, method, changed)

    def call(self, operation: str, **request: Any) -> Doc:
        """An operation of Comprehend's."""
        return self.ctx.call("comprehend", operation, request) or {}

    def create(self, name: str = "e", arn: str | None = MODEL, units: int = 1, **more: Any) -> str:
        """The ARN of an endpoint that was created now; `arn` is None for one of a flywheel."""
        given = {"EndpointName": name, "DesiredInferenceUnits": units, **more}
        if arn is not None:
            given["ModelArn"] = arn
        return self.call("CreateEndpoint", **given)["EndpointArn"]

    def served(self, **given: Any) -> str:
        """The ARN of an endpoint that is in service."""
        arn = self.create(**given)
        self.settle()
        assert self.status(arn) == "IN_SERVICE"
        return arn

    def told(self, arn: str) -> Doc:
        """The endpoint's description."""
        return self.call("DescribeEndpoint", EndpointArn=arn)["EndpointProperties"]

    def status(self, arn: str) -> str:
        return self.told(arn)["Status"]

    def turn(self, times: int = 6) -> None:
        """The loop has had so many turns."""
        for _ in range(times):
            self.app.loop.run_once()

    def settle(self, rounds: int = 4) -> None:
        """Whatever runs answers, and the loop has seen to it."""
        for _ in range(rounds):
            self.turn()
            for key in self.backend.running():
                self.health.answers(key)
            self.clock.forward(2)
            self.touch()
        self.turn()

    def touch(self) -> None:
        """Every endpoint is due, Comprehend's and SageMaker's."""
        for kind in (KIND, "entity-recognizer-endpoint", CHILD):
            for row in self.app.world.rows.select(kind):
                self.app.world.rows.touch(row.id)

    def children(self, kind: str = CHILD) -> list[Row]:
        """What there is in Comprehend's account."""
        return self.app.world.rows.select(kind, account=self.here.account)
