"""The life of a data set: its data are read as the flywheel's role, and stored in the data lake.

A program (`comprehend.flywheels.ingest`) reads them in whatever form they have, leaves out labels and types
of entities that the flywheel does not know, and stores the documents in one form. CREATING until it has
done so.
"""

from __future__ import annotations

from dataclasses import dataclass

from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from sagebrush.services.comprehend import arns, work
from sagebrush.services.comprehend.flywheels import facts, inputs, lake, members, programs
from sagebrush.services.comprehend.flywheels.plan import Plan, plan_of
from sagebrush.services.comprehend.flywheels.programs import Done, Failed, Task
from sagebrush.store.rows import Next, Row
from sagebrush.world import World

PROGRAM = "comprehend.flywheels.ingest"


@dataclass(frozen=True)
class New:
    """A data set to be."""

    name: str
    part: str
    """TRAIN or TEST."""
    config: Doc
    """Its InputDataConfig."""
    description: str
    plan: Plan


def drafted(now: float, flywheel: Row, new: New) -> Row:
    """The row of a data set of the flywheel, CREATING."""
    lake_uri = flywheel.doc["DataLakeS3Uri"]
    doc: Doc = {
        "DatasetName": new.name,
        "DatasetType": new.part,
        "DatasetS3Uri": lake.dataset(lake_uri, new.name, now),
        "CreationTime": moment(now),
    }
    if new.description:
        doc["Description"] = new.description
    name = f"{flywheel.name}/dataset/{new.name}"
    plan: Plan = {**new.plan, "input": new.config}
    row = Row(
        flywheel.account, flywheel.region, facts.DATASET.kind, name, "CREATING", doc, dict(plan),
        parent=arns.as_parent(flywheel), created=now, due_at=now,
    )  # fmt: skip
    doc["DatasetArn"] = arns.of(row)
    return row


def reconcile(world: World, row: Row) -> Next:
    """The next step of the data set (`engine.kinds.Reconcile`)."""
    if row.status in facts.DATASET.ended:
        return Next()
    flywheel = members.flywheel_of(world.rows, row)
    if flywheel is None:
        return _ended(world, "FAILED", f"{work.INTERNAL}The flywheel is gone.")
    outcome = programs.advance(world, _task(flywheel, row), bool(plan_of(row).get("started")))
    if isinstance(outcome, Failed):
        return _ended(world, "FAILED", outcome.message)
    if not isinstance(outcome, Done):
        return Next(plan={"started": PROGRAM} if outcome.started else {}, due=outcome.due)
    count = int(programs.number(outcome.result.get("NumberOfDocuments")))
    return _ended(world, "COMPLETED", more={"NumberOfDocuments": count})


def fail(world: World, row: Row, reason: str) -> Next:
    """The data set has failed for a reason of the server's own."""
    return _ended(world, "FAILED", f"{work.INTERNAL}{reason}")


def _ended(world: World, status: str, message: str = "", more: Doc | None = None) -> Next:
    doc: Doc = {"EndTime": moment(world.clock()), "Message": message or None}
    return Next(status, {**doc, **(more or {})})


def labels(world: World, flywheel: Row, row: Row) -> list[str]:
    """The labels that the data set's documents have, in their order. Raises AwsError where what its program
    stored cannot be read."""
    task = _task(flywheel, row)
    found = lake.read(programs.as_role(world, task), f"{task.folder}{programs.DID}")
    return programs.texts(found.get("Labels"))


def _task(flywheel: Row, row: Row) -> Task:
    config = flywheel.doc["TaskConfig"]
    folder = row.doc["DatasetS3Uri"].removeprefix(flywheel.doc["DataLakeS3Uri"])
    return Task(
        PROGRAM,
        row,
        flywheel.doc["DataAccessRoleArn"],
        flywheel.doc["FlywheelArn"],
        lake.staging(flywheel.doc["DataLakeS3Uri"], folder.rstrip("/")),
        {
            "Kind": inputs.KINDS[flywheel.doc["ModelType"]],
            "Mode": config.get("DocumentClassificationConfig", {}).get("Mode", ""),
            "Known": inputs.types_of(config) or inputs.labels_of(config),
            "InputDataConfig": inputs.told(plan_of(row).get("input", {}), config),
            "To": row.doc["DatasetS3Uri"],
        },
    )
