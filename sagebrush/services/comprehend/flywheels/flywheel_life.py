"""The life of a flywheel: created with the data of its model, where it has one; deleted with its data sets.

CREATING until the data sets that its model was trained and tested with are in the data lake, ACTIVE from
then on. DELETING takes its data sets and iterations before it; the lake and the models stay (developer
guide, "Flywheel overview").
"""

from __future__ import annotations

from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import access, arns, roles, work
from sagebrush.services.comprehend.flywheels import (
    checks,
    dataset_life,
    facts,
    inputs,
    lake,
    members,
)
from sagebrush.services.comprehend.flywheels.dataset_life import New
from sagebrush.store.rows import Exists, Next, Row
from sagebrush.world import World

LONGEST = 63
"""Characters of a data set's name at most."""
LOOK = 5.0
"""Seconds between looks at the data sets of a flywheel that is created."""
MADE = "{} Dataset created by Flywheel creation."
"""What AWS says of the data sets of a flywheel's first model (example of the AWS CLI's `list-datasets`)."""


def reconcile(world: World, row: Row) -> Next:
    """The next step of the flywheel (`engine.kinds.Reconcile`)."""
    if row.status == "CREATING":
        return _create(world, row)
    if row.status == "DELETING":
        return _delete(world, row)
    return Next()


def fail(world: World, row: Row, reason: str) -> Next:
    """The flywheel has failed for a reason of the server's own; one that is to go still goes."""
    if row.status == "DELETING":
        return Next(due=work.RUNNING)
    return _failed(world, f"{work.INTERNAL}{reason}")


def _failed(world: World, message: str) -> Next:
    return _entered(world, "FAILED", {"Message": message})


def _entered(world: World, status: str, doc: Doc | None = None) -> Next:
    return Next(status, {"LastModifiedTime": moment(world.clock()), **(doc or {})})


def _create(world: World, row: Row) -> Next:
    role, uri = row.doc["DataAccessRoleArn"], row.doc["DataLakeS3Uri"]
    if not roles.still_trusted(world, row.account, row.region, (role, row.doc["FlywheelArn"])):
        return _failed(world, access.NO_READ)
    lacking = access.unwritable(world.service_ctx(role, row.region), f"{uri}staging/")
    if lacking:
        return _failed(world, lacking)
    arn = row.doc.get("ActiveModelArn")
    if not arn:
        return _entered(world, "ACTIVE")
    found = _initial(world, row, arn)
    if not found:
        return _failed(world, f"{work.INTERNAL}The model is gone.")
    failed = [each for each in found if each.status == "FAILED"]
    if failed:
        return _failed(world, failed[0].doc.get("Message") or work.GONE)
    if any(each.status == "CREATING" for each in found):
        return Next(due=LOOK)
    return _entered(world, "ACTIVE", {"TaskConfig": _labelled(world, row, found[0])})


def _initial(world: World, row: Row, arn: str) -> list[Row]:
    """The data sets of the model's own data, that for training first; those that there are where the
    model is gone."""
    ctx = world.service_ctx(region=row.region, account=row.account)
    model = arns.row_of(ctx, arn)
    if model is None:
        return members.of(world.rows, row, facts.DATASET)
    config = inputs.of_model(model.doc["InputDataConfig"], model.kind)
    return [_dataset(world, row, part, each) for part, each in config.items()]


def _dataset(world: World, row: Row, part: str, config: Doc) -> Row:
    ending = f"-{part.lower()}-{lake.stamp(row.created).lower()}"
    name = row.name[: LONGEST - len(ending)].rstrip("-") + ending
    new = New(name, part, config, MADE.format(part), {"tags": {}, "first": True})
    made = dataset_life.drafted(world.clock(), row, new)
    try:
        made = world.rows.insert(made)
    except Exists:  # an earlier step made it, and was lost
        made = world.rows.get(made.account, made.region, made.kind, made.name) or made
    world.wake()
    return made


def _labelled(world: World, row: Row, training: Row) -> Doc:
    """The flywheel's TaskConfig, with the labels of the data that its model was trained with: AWS tells
    them once the flywheel is ACTIVE. Raises AwsError for what may pass (5xx)."""
    config = row.doc["TaskConfig"]
    if "DocumentClassificationConfig" not in config:
        return config
    try:
        labels = dataset_life.labels(world, row, training)
    except AwsError as error:
        if error.status >= 500:
            raise
        labels = []
    if len(labels) > checks.LABELS[config["DocumentClassificationConfig"]["Mode"]]:
        return config  # somebody changed what the program stored
    how = {**config["DocumentClassificationConfig"], "Labels": labels}
    return {**config, "DocumentClassificationConfig": how} if labels else config


def _delete(world: World, row: Row) -> Next:
    for kind in (facts.ITERATION, facts.DATASET):
        for each in members.of(world.rows, row, kind):
            world.rows.delete(each.id)
    world.rows.delete(row.id)
    return Next()
