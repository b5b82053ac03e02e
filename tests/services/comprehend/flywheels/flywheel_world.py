"""A world for tests of flywheels: that of jobs, in which tests say what programs did."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

from botocore import xform_name

from sagebrush.compute.base import Exited
from sagebrush.engine.loop import Loop
from sagebrush.errors import Doc
from sagebrush.services.comprehend.flywheels import datasets, iterations, operations
from sagebrush.services.comprehend.training import operations as training
from sagebrush.settings import COMPREHEND
from sagebrush.store.rows import Row
from sagebrush.world import Ctx
from tests.services.comprehend.comprehend_world import KINDS, ComprehendWorld
from tests.services.comprehend.flywheels.flywheel_requests import (
    ACCOUNT,
    CSV,
    REGION,
    flywheel,
)

OWN = (operations.FLYWHEEL, datasets.DATASET, iterations.ITERATION)


class FlywheelWorld(ComprehendWorld):
    """The world. Models are not trained here: `trained` says how that ended."""

    def open(self) -> None:
        """The server (again)."""
        super().open()
        self.loop = Loop(self.world, {**KINDS, **{kind.name: kind for kind in OWN}}, threads=1)

    def dispatch(self, ctx: Ctx, service: str, operation: str, params: Doc) -> Doc:
        if service == "comprehend":
            found = training.OPERATIONS[operation](ctx, params)
            assert isinstance(found, dict)
            return found
        if service == "s3" and params["Bucket"].startswith("comprehend-models-"):
            assert ctx.account == COMPREHEND
            return {}
        return super().dispatch(ctx, service, operation, params)

    def ask(self, operation: str, **request: Any) -> Doc:
        """What the operation answers the account."""
        name = xform_name(operation)
        for module in (operations, datasets, iterations):
            if hasattr(module, name):
                return getattr(module, name)(self.ctx, request)
        raise AssertionError(operation)

    def flywheel(self, **changes: Any) -> Doc:
        """The description of a flywheel that was created now."""
        arn = self.ask("CreateFlywheel", **flywheel(**changes))["FlywheelArn"]
        self.run(2)
        return self.wheel(arn)

    def wheel(self, arn: str) -> Doc:
        return self.ask("DescribeFlywheel", FlywheelArn=arn)["FlywheelProperties"]

    def dataset(self, wheel: str, name: str, part: str = "TRAIN", config: Doc = CSV) -> str:
        """The ARN of a data set that is created."""
        found = self.ask(
            "CreateDataset",
            FlywheelArn=wheel,
            DatasetName=name,
            DatasetType=part,
            InputDataConfig=config,
        )
        return found["DatasetArn"]

    def stored(self, arn: str) -> Doc:
        return self.ask("DescribeDataset", DatasetArn=arn)["DatasetProperties"]

    def iteration(self, wheel: str, number: str) -> Doc:
        found = self.ask("DescribeFlywheelIteration", FlywheelArn=wheel, FlywheelIterationId=number)
        return found["FlywheelIterationProperties"]

    def begin(self, wheel: str) -> str:
        """The id of an iteration that began now."""
        found = self.ask("StartFlywheelIteration", FlywheelArn=wheel)["FlywheelIterationId"]
        self.run(3)
        return found

    # what programs do

    def works(self) -> list[Row]:
        """The processing jobs that go on, oldest first."""
        rows = self.rows.select("processing-job", ("InProgress",))
        assert all(row.account == COMPREHEND for row in rows)
        return rows

    def work(self) -> Row:
        """The one processing job that goes on."""
        (row,) = self.works()
        return row

    def ordered(self, row: Row) -> tuple[Doc, Doc]:
        """What its program is told by arguments, and by the data lake."""
        text = "".join(row.doc["AppSpecification"]["ContainerArguments"])
        arguments = json.loads(base64.urlsafe_b64decode(text))
        key = f"{arguments['Folder']}order.json"
        return arguments, json.loads(self.s3.buckets[arguments["Bucket"]][key])

    def finish(self, row: Row, result: Doc) -> None:
        """The program of the processing job has ended well; nobody has looked yet."""
        arguments, _ = self.ordered(row)
        key = f"{arguments['Folder']}result.json"
        self.s3.buckets[arguments["Bucket"]][key] = json.dumps(result).encode()
        self.backend.states[row.plan["key"]] = Exited(0, "", "", 0.0, 0.0, 1 << 20)
        self.loop.changed(row.plan["key"])

    def all_do(self, result: Doc) -> list[Doc]:
        """What all programs were told that there are: each ends with the result, once it has room to run."""
        told = []
        while rows := self.works():
            for row in rows:
                if row.plan["key"] in self.backend.specs:
                    told.append(self.ordered(row)[1])
                    self.finish(row, result)
            self.run(10)
        return told

    def does(self, result: Doc | None = None, code: int = 0, message: str = "") -> Doc:
        """The one program that runs ends with the result; what it was told."""
        row = self.work()
        arguments, told = self.ordered(row)
        if result is not None:
            key = f"{arguments['Folder']}result.json"
            self.s3.buckets[arguments["Bucket"]][key] = json.dumps(result).encode()
        name = row.plan["key"]
        if message:
            (self.home / "jobs" / name / "ml" / "output" / "message").write_text(message)
        self.backend.states[name] = Exited(code, "", "", 0.0, 0.0, 1 << 20)
        self.loop.changed(name)
        self.run(3)
        return told

    def model(self, arn: str) -> Row:
        """The row of a model."""
        kind, _, name = arn.split(":", 5)[5].partition("/")
        row = self.rows.get(ACCOUNT, REGION, kind, name)
        assert row is not None
        return row

    def trained(self, arn: str, status: str = "TRAINED", message: str = "") -> None:
        """The training of the model has ended so."""
        more = {"Message": message} if message else {}

        def change(row: Row) -> Row:
            return replace(row, status=status, doc={**row.doc, **more}, due_at=None)

        self.rows.update(self.model(arn).id, change)
        self.run(3)
