"""CreateDataset, DescribeDataset, ListDatasets.

Source: Amazon Comprehend API reference and developer guide, "Configuring datasets".
"""

from __future__ import annotations

from sagebrush.engine.kinds import Kind
from sagebrush.errors import Doc
from sagebrush.services.comprehend import tags
from sagebrush.services.comprehend.flywheels import (
    checks,
    dataset_life,
    facts,
    inputs,
    listing,
    members,
)
from sagebrush.services.comprehend.flywheels.dataset_life import New
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

DATASET = Kind(
    facts.DATASET.kind,
    facts.DATASET.noun,
    running=facts.DATASET,
    reconcile=dataset_life.reconcile,
    fail=dataset_life.fail,
)


def create_dataset(ctx: Ctx, request: Doc) -> Doc:
    """The data set is CREATING; so it is where the same request was sent with that token before.

    Raises ResourceNotFoundException for the flywheel, InvalidRequestException for one that is not ACTIVE
    and for data that its models cannot be trained with, TooManyTagsException, and
    ResourceInUseException for a name that is taken.
    """
    flywheel = members.required(ctx, request["FlywheelArn"], facts.FLYWHEEL)
    given = tags.of_request(request)
    checks.dataset(flywheel, request)
    new = New(
        request["DatasetName"],
        request.get("DatasetType") or inputs.TRAIN,
        request["InputDataConfig"],
        request.get("Description", ""),
        {"tags": given},
    )

    def may(rows: Reader) -> None:
        members.active(rows, flywheel)

    row = dataset_life.drafted(ctx.world.clock(), flywheel, new)
    return {"DatasetArn": members.inserted(ctx, row, request, may).doc["DatasetArn"]}


def describe_dataset(ctx: Ctx, request: Doc) -> Doc:
    """The data set. Raises ResourceNotFoundException."""
    return {
        "DatasetProperties": _described(members.required(ctx, request["DatasetArn"], facts.DATASET))
    }


def _described(row: Row) -> Doc:
    return {**row.doc, "Status": row.status}


def list_datasets(ctx: Ctx, request: Doc) -> Doc:
    """A page of the data sets of a flywheel, or of all. Raises ResourceNotFoundException,
    InvalidFilterException and InvalidRequestException."""
    arn = request.get("FlywheelArn")
    flywheel = members.required(ctx, arn, facts.FLYWHEEL) if arn else None
    found = listing.below(ctx, DATASET.name, flywheel.name if flywheel else "")
    rows, token = listing.page(found, request)
    answer: Doc = {"DatasetPropertiesList": [_described(row) for row in rows]}
    return {**answer, "NextToken": token} if token else answer
