"""ARNs of Comprehend's resources, and the rows that they name.

A row's kind is the resource type of its ARN, and its name what follows: `pii-entities-detection-job`,
`document-classifier`, `entity-recognizer`; a version of a model is `NAME/version/VERSION`. Only the kind of
flywheels' data sets is another one.
"""

from __future__ import annotations

from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError
from sagebrush.services.comprehend.endpoints import facts as endpoints
from sagebrush.services.comprehend.jobs import families as jobs
from sagebrush.services.comprehend.training import families as models
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

DATASET = "flywheel-dataset"
"""The kind of what has an ARN `flywheel/NAME/dataset/NAME`."""
KINDS = frozenset(
    {
        *(family.kind for family in jobs.FAMILIES.values()),
        *models.FAMILIES,
        endpoints.CLASSIFIER.kind,
        endpoints.RECOGNIZER.kind,
        "flywheel",
    }
)
"""The types in ARNs of Comprehend's resources: rows of other services are not found by one."""


def of(row: Row) -> str:
    """The ARN of the resource in `row`."""
    kind = "flywheel" if row.kind == DATASET else row.kind
    return str(Arn("comprehend", row.region, row.account, f"{kind}/{row.name}"))


def as_parent(row: Row) -> str:
    """The text by which the row is the parent of what it starts: as its ARN, but with the row's own kind,
    by which `store.rows` finds it."""
    return str(Arn("comprehend", row.region, row.account, f"{row.kind}/{row.name}"))


def row_of(ctx: Ctx, text: str) -> Row | None:
    """The row that the ARN names; None where there is none in this account and region."""
    arn = Arn.parse(text)
    if arn is None or (arn.service, arn.region, arn.account) != (
        "comprehend", ctx.region, ctx.account,
    ):  # fmt: skip
        return None
    kind, _, name = arn.resource.partition("/")
    if kind not in KINDS:
        return None
    if kind == "flywheel" and "/dataset/" in name:
        kind = DATASET
    return ctx.world.rows.get(ctx.account, ctx.region, kind, name)


def require(ctx: Ctx, text: str) -> Row:
    """The row that the ARN names; raises ResourceNotFoundException (404)."""
    row = row_of(ctx, text)
    if row is None:
        raise missing()
    return row


def missing() -> AwsError:
    """The error for an ARN that names nothing, in the words that CloudTrail recorded (developer guide,
    "Logging Amazon Comprehend API calls")."""
    words = "RESOURCE_NOT_FOUND: Could not find specified resource."
    return AwsError("ResourceNotFoundException", words, 404)
